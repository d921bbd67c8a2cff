"""How many multipliers an engine has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.needed_products import constants_of, products_of


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Products made at a time: of matrices, and of two vectors element by element. Shift-add trees have none."""

    matrix: int = 0
    elementwise: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.matrix + self.elementwise

    def __add__(self, other: Multipliers) -> Multipliers:
        return Multipliers(self.matrix + other.matrix, self.elementwise + other.elementwise)

    def __mul__(self, copies: int) -> Multipliers:
        return Multipliers(self.matrix * copies, self.elementwise * copies)


def count_multipliers(datapath: Datapath) -> Multipliers:
    """Return the multipliers of an engine; a product with a constant 0 or a power of two takes none."""
    constants = constants_of(datapath)
    total = Multipliers()
    for operation in datapath.operations:
        match operation.kind:
            case dp.Products():
                total += Multipliers(matrix=products_of(operation, constants))
            case dp.Multiply() | dp.MultiplyAdd():
                total += Multipliers(elementwise=operation.result.count)
            case dp.ShiftAdd() | dp.Wire() | dp.Timed() | dp.Logic():
                pass
            case _:
                assert_never(operation.kind)
    return total
