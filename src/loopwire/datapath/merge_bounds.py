"""Saturations before tables, passed by: a table clamps what it is given to a range of its own.

σ and tanh are constant, to the last bit, from well inside the range of a gate's type. So a table's clamp alone gives
the same results, and one multiplexer fewer is in the loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.signals import Signal
from loopwire.ir.interval import Range
from loopwire.ir.types import Overflow


def merge_bounds(datapath: Datapath) -> Datapath:
    """Return the datapath with tables reading what their saturations read, where their clamps are at least as narrow.

    A saturation that nothing else reads is left out.
    """
    told_apart = _told_apart(datapath)
    unbounded: dict[Signal, Signal] = {}
    bounds: dict[Signal, tuple[dp.Bound, Signal]] = {}
    operations = []
    for operation in datapath.operations:
        kind, result = operation.kind, operation.result
        operands = tuple(unbounded.get(operand, operand) for operand in operation.operands)
        if isinstance(kind, dp.Bound):
            bounds[result] = (kind, operands[0])
            if _passes(kind, told_apart.get(result)):
                (unbounded[result],) = operands
                continue
        if isinstance(kind, dp.TableIndex) and operands[0] in bounds:
            bound, before = bounds[operands[0]]
            operands = (before,) if _passes(bound, _domain(kind)) else operands
        if operands != operation.operands:
            if isinstance(kind, dp.View):
                result = replace(result, low=operands[0].low, high=operands[0].high)
                unbounded[operation.result] = result
            operation = Operation(kind, operands, result)
        operations.append(operation)
    return replace(datapath, operations=tuple(operations))


def _told_apart(datapath: Datapath) -> dict[Signal, Range | None]:
    """Return between which numbers the readers of a signal tell one from the next; None: everywhere."""
    found: dict[Signal, Range | None] = {
        datapath.output: None,
        **{feedback.following: None for feedback in datapath.feedbacks},
    }
    for operation in reversed(datapath.operations):
        match operation.kind:
            case dp.TableIndex() as kind:
                domain: Range | None = _domain(kind)
            case dp.View():
                domain = found.get(operation.result)
            case dp.Wire() | dp.Timed() | dp.Multiplication() | dp.Logic():
                domain = None
            case _:
                assert_never(operation.kind)
        for operand in operation.operands:
            before = found.get(operand, domain)
            found[operand] = None if domain is None or before is None else domain.join(before)
    return found


def _domain(index: dp.TableIndex) -> Range:
    return Range(index.form.domain_low, index.form.domain_high)


def _passes(bound: dp.Bound, told_apart: Range | None) -> bool:
    """Say whether every number that a bound changes stays on the same side of all that its readers tell apart."""
    to = bound.to
    symmetric = to.overflow is Overflow.SAT_SYM
    saturates = symmetric or to.overflow is Overflow.SAT
    return saturates and told_apart is not None and told_apart.within(Range(to.min_integer + symmetric, to.max_integer))
