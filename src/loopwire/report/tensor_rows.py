"""What was found of every tensor, a row each: a tuple that shows itself as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar, cast

from loopwire.ir.types import FixedType
from loopwire.text.table import Table, data_frame


class TensorRow(ABC):
    """A dataclass of what was found of one tensor."""

    HEAD: ClassVar[tuple[str, ...]]
    """Names of the columns of `cells`."""
    WHAT: ClassVar[str]
    """What was found, as a title says it."""

    type: FixedType

    @abstractmethod
    def cells(self) -> tuple[str, ...]:
        """Return the numbers as a table shows them."""


Row = TypeVar("Row", bound=TensorRow)


class TensorRows(tuple[Row, ...]):
    """Rows of one kind, in the order of the graph."""

    def table(self) -> Table:
        """Return the table that a notebook shows."""
        head = self[0].HEAD if self else ()
        return Table(str(self), head, tuple(row.cells() for row in self))

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` of all numbers; types are texts.

        Raises:
            ToolError: pandas is not installed.
        """
        return data_frame([{**asdict(cast(Any, row)), "type": str(row.type)} for row in self])

    def __str__(self) -> str:
        return f"{self[0].WHAT if self else 'rows'} of {len(self)} tensors"

    def __repr__(self) -> str:
        return f"<{self}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
