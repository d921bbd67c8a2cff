"""A table as Python shows it: text at a prompt, HTML in a notebook, a data frame where pandas is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from loopwire.errors import ToolError
from loopwire.text.escapes import markdown
from loopwire.text.names import printable

_NUMBER_SPACE = re.compile(r"(?<=\d) (?=\d{3}\b|%)")
WIDEST = 60
"""Characters of a cell as text; a notebook shows all."""


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of texts under a head, with a title over them."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        lines = [[_cut(printable(cell)) for cell in row] for row in (self.head, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines]
        return "\n".join([printable(self.title), rows[0], "-" * (sum(widths) + 2 * len(widths) - 2), *rows[1:]])

    def to_markdown(self) -> str:
        """Return the table, without its title, as Markdown."""
        escaped = [[markdown(cell) for cell in row] for row in (self.head, ["---"] * len(self.head), *self.rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in escaped)

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` of the texts.

        Raises:
            ToolError: pandas is not installed.
        """
        return data_frame([dict(zip(self.head, row, strict=True)) for row in self.rows])

    def _repr_html_(self) -> str:
        rows = "".join(_row(row, "td") for row in self.rows)
        table = f"<table><thead>{_row(self.head, 'th')}</thead><tbody>{rows}</tbody></table>"
        return f"<p><b>{escape(self.title)}</b></p>{table}"


def data_frame(records: Sequence[Mapping[str, Any]]) -> Any:
    """Return a `pandas.DataFrame` of records; what is nested in one has columns such as `real.low`.

    Raises:
        ToolError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ToolError(
            "to_dataframe", "the Python package 'pandas' is missing", "Install it: pip install pandas"
        ) from None
    return pandas.json_normalize(list(records))


def grouped(number: float) -> str:
    """Return a number with its thousands apart: '4 165'."""
    return (f"{number:,}" if isinstance(number, int) else f"{number:,.10g}").replace(",", " ")


def unbroken(text: str) -> str:
    """Return a text whose numbers do not break at the end of a line: between thousands, before a percent sign."""
    return _NUMBER_SPACE.sub("\u00a0", text)


def _row(cells: tuple[str, ...], tag: str) -> str:
    open_tag = f'<{tag} style="text-align:left">'
    return f"<tr>{''.join(f'{open_tag}{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
