"""Rounding to nearest as a truncation, where the half that it adds can ride along with an addition made anyway.

round(a · b) adds half a step to the product, which a DSP block's own adder does at no cost; round(a · b + c · d) adds
it to one of the products; round(W · x + b) to the constant b.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from loopwire.ir.types import Rounding
from loopwire.schedule.datapath import AddSub, Constant, Datapath, Kind, Multiply, Operation, Round, Signal


def fold_rounding(datapath: Datapath) -> Datapath:
    """Return the datapath with every rounding folded that can be."""
    for operation in datapath.operations:
        if isinstance(operation.kind, Round) and (added := _half(operation.kind)):
            folded = _Folding(datapath).fold(operation, added)
            datapath = folded or datapath
    return datapath


def _half(kind: Round) -> int:
    """Return what a rounding adds before it truncates, 0 where that depends on the number."""
    if kind.dropped <= 0:
        return 0
    half = 1 << (kind.dropped - 1)
    return {Rounding.RND: half, Rounding.RND_MIN_INF: half - 1}.get(kind.mode, 0)


class _Folding:
    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._producers = {operation.result: operation for operation in datapath.operations}
        self._readers = Counter(v for operation in datapath.operations for v in operation.operands)
        self._readers.update(ring.following for ring in datapath.rings)
        self._readers[datapath.output] += 1
        self._replaced: dict[Operation, Operation] = {}

    def fold(self, rounding: Operation, added: int) -> Datapath | None:
        assert isinstance(rounding.kind, Round)
        source = self._raised(rounding.operands[0], added)
        if source is None:
            return None
        kind = Round(rounding.kind.dropped, Rounding.TRN)
        self._replaced[rounding] = Operation(kind, (source,), rounding.result)
        operations = tuple(self._replaced.get(op, op) for op in self._datapath.operations)
        return replace(self._datapath, operations=operations)

    def _raised(self, signal: Signal, added: int) -> Signal | None:
        """Return a signal that is `added` above another, made by changing the operations that compute it."""
        operation = self._producers.get(signal)
        if operation is None or self._readers[signal] > 1:
            return None
        match operation.kind:
            case Multiply():
                multiply = Multiply(operation.kind.added + added)
                return self._replace(operation, multiply, operation.operands, signal, added)
            case Constant():
                constant = Constant(operation.kind.integers + added)
                return self._replace(operation, constant, (), signal, added)
            case AddSub():
                for index, shift in enumerate((operation.kind.left_shift, operation.kind.right_shift)):
                    if (index == 1 and operation.kind.subtract) or added % (1 << shift):
                        continue
                    if operation.operands[index].count < signal.count:
                        continue
                    raised = self._raised(operation.operands[index], added >> shift)
                    if raised is not None:
                        operands = list(operation.operands)
                        operands[index] = raised
                        return self._replace(operation, operation.kind, tuple(operands), signal, added)
                return None
            case _:
                return None

    def _replace(
        self, operation: Operation, kind: Kind, operands: tuple[Signal, ...], signal: Signal, added: int
    ) -> Signal:
        raised = replace(signal, low=signal.low + added, high=signal.high + added)
        self._replaced[operation] = Operation(kind, operands, raised)
        return raised
