"""Which products need a multiplier: not those with a constant 0 or a power of two."""

from __future__ import annotations

from collections.abc import Mapping

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.signals import Signal


def constants_of(datapath: Datapath) -> Mapping[Signal, dp.Constant]:
    """Return the constants by their signals."""
    return {op.result: op.kind for op in datapath.operations if isinstance(op.kind, dp.Constant)}


def products_of(operation: Operation, constants: Mapping[Signal, dp.Constant]) -> int:
    """Return how many products need a multiplier."""
    matrix = constants.get(operation.operands[0])
    if matrix is None:
        return operation.operands[0].count if isinstance(operation.kind, dp.Products) else operation.result.count
    return sum(abs(int(v)).bit_count() > 1 for v in matrix.integers.flat)
