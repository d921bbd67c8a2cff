"""How many multipliers an engine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.signals import Signal


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


def constants_of(datapath: Datapath) -> Mapping[Signal, dp.Constant]:
    """Return the constants by their signals."""
    return {op.result: op.kind for op in datapath.operations if isinstance(op.kind, dp.Constant)}


def products_of(operation: Operation, constants: Mapping[Signal, dp.Constant]) -> int:
    """Return how many products need a multiplier."""
    matrix = constants.get(operation.operands[0])
    if matrix is None:
        return operation.operands[0].count if isinstance(operation.kind, dp.Products) else operation.result.count
    return sum(abs(int(v)).bit_count() > 1 for v in matrix.integers.flat)
