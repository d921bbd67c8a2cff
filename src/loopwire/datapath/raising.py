"""Numbers that are more by a constant, which something before them adds anyway: a product's DSP block, a bias."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import Kind
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers


def raised(datapath: Datapath, signal: Signal, added: int, kinds: Mapping[Signal, Kind]) -> Datapath | None:
    """Return the datapath with each element of a signal more by `added`, or None where nothing before can add it.

    Args:
        datapath: to change.
        signal: read by a single operation, and not the output.
        added: what it is more.
        kinds: the kinds of operations that make up for that, by their results.
    """
    raising = _Raising(datapath)
    if len(datapath.readers[signal]) > 1 or not raising.raise_by(signal, np.full(signal.count, added, object)):
        return None
    changed = {result: (kind, result) for result, kind in kinds.items()} | raising.raised
    operations = []
    for operation in datapath.operations:
        kind, result = changed.get(operation.result, (operation.kind, operation.result))
        operands = tuple(changed[v][1] if v in changed else v for v in operation.operands)
        operations.append(Operation(kind, operands, result))
    return replace(datapath, operations=tuple(operations))


def _trailing_zeros(numbers: Integers) -> int:
    """Return how many of the lowest bits are 0 in all of some numbers, which are not all 0."""
    return min((int(v) & -int(v)).bit_length() - 1 for v in numbers if v)


class _Raising:
    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._producers = datapath.producers
        self._readers = datapath.readers
        self.raised: dict[Signal, tuple[Kind, Signal]] = {}
        self._depths: dict[Signal, int] = {}
        for operation in datapath.operations:
            if not isinstance(operation.kind, dp.Constant):
                self._depths[operation.result] = 1 + max(
                    (self._depths.get(v, 0) for v in operation.operands), default=0
                )

    def raise_by(self, signal: Signal, added: Integers) -> bool:
        """Have a signal be `added` (count,) more, by what computes it; say whether that can be."""
        operation = self._producers.get(signal)
        if operation is None:
            return False
        kind = operation.kind
        match kind:
            case dp.Multiply() if (added == added[0]).all():
                kind = dp.Multiply(kind.added + int(added[0]))
            case dp.AddSub():
                raised = self._raise_term(operation.operands, kind, added)
                if raised is None:
                    return False
                kind = raised
            case dp.View():
                (operand,) = operation.operands
                if not self._are_views_apart(operand):
                    return False
                widened = np.zeros(operand.count, object)
                widened[kind.start : kind.stop] = added
                if not self.raise_by(operand, widened):
                    return False
            case dp.Wire() | dp.Timed() | dp.Multiplication() | dp.Logic():
                return False
            case _:
                assert_never(kind)
        ends = replace(signal, low=signal.low + min(added), high=signal.high + max(added))
        self.raised[signal] = (kind, ends)
        return True

    def _raise_term(self, terms: tuple[Signal, ...], kind: dp.AddSub, added: Integers) -> dp.AddSub | None:
        """Raise the term of a sum that is there first; return the sum, whose constant may be shifted itself now."""
        shifts = [kind.left_shift, kind.right_shift]
        for index in sorted(range(len(terms)), key=lambda index: self._depths.get(terms[index], 0)):
            term, shift = terms[index], shifts[index]
            if (index == 1 and kind.subtract) or len(self._readers[term]) > 1 or term.count != len(added):
                continue
            source = self._producers.get(term)
            if source is not None and isinstance(source.kind, dp.Constant):
                integers = (source.kind.integers.astype(object) << shift) + added
                ends = replace(term, low=min(integers), high=max(integers), fraction=term.fraction + shift)
                self.raised[term] = (dp.Constant(integers), ends)
                shifts[index] = 0
                return dp.AddSub(kind.subtract, *shifts)
            if source is not None and isinstance(source.kind, dp.WordRom):
                finer = max(shift - _trailing_zeros(added), 0)  # bits below these stay 0, and out of the memory
                rows = (source.kind.rows.astype(object) << finer) + (added >> shift - finer)
                ends = replace(term, low=rows.min(), high=rows.max(), fraction=term.fraction + finer)
                self.raised[term] = (replace(source.kind, rows=rows), ends)
                shifts[index] = shift - finer
                return dp.AddSub(kind.subtract, *shifts)
            if not (added % (1 << shift)).any() and self.raise_by(term, added >> shift):
                return kind
        return None

    def _are_views_apart(self, signal: Signal) -> bool:
        """Say whether all readers of a signal take elements of it that no other reads."""
        readers = self._readers[signal]
        views = [reader.kind for reader in readers if reader and isinstance(reader.kind, dp.View)]
        rows = sorted((view.start, view.stop) for view in views)
        apart = all(stop <= start for (_, stop), (start, _) in itertools.pairwise(rows))
        return apart and len(views) == len(readers)
