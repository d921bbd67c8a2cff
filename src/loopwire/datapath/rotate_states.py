"""States stored before the last operation of their loop, which then begins the next step instead of ending this one.

The equations name one place for the register of a state: h behind its saturation. Where the time left before that
register is too short for the saturation, and the stage behind it is not full, the loop has a stage fewer with the
register in front (retiming; Leiserson and Saxe, Algorithmica 6, 1991). What is stored then are the operands of that
operation; they begin as numbers of which it makes the initial state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.loops import looped
from loopwire.datapath.rewrite import in_order, without_unused
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers, overflow
from loopwire.ir.types import Rounding


def rotations(datapath: Datapath) -> Iterator[Datapath]:
    """Yield the datapath with its states stored one operation earlier, two, and so on as far as they can be.

    Only those that matrices multiply: in what follows is all the time of a loop. Other states wait in registers anyway.
    """
    moving = {feedback.read for feedback in datapath.feedbacks if _is_multiplied(datapath, feedback.read)}
    begun = {feedback.read for feedback in datapath.feedbacks}
    while (rotated := _rotated(datapath, moving, begun)) is not datapath:
        yield rotated
        datapath = rotated


def _rotated(datapath: Datapath, moving: set[Signal], begun: set[Signal]) -> Datapath:
    """Return the datapath with each state of `moving` one operation earlier; those that take its place move next.

    What makes one of `begun`, of all that were states, begins a step already. A constant operand is no state.
    """
    last_of = {op.result: op for op in looped(datapath)}
    constants = {op.result for op in datapath.operations if isinstance(op.kind, dp.Constant)}
    for feedback in datapath.feedbacks:
        last = last_of.get(feedback.following)
        if last is None or feedback.read not in moving or last.result in begun:
            continue
        initial = _operands_of(last, feedback.initial) if constants.isdisjoint(last.operands) else None
        if initial:
            stored = [_stored(operand, begin, feedback) for operand, begin in zip(last.operands, initial, strict=True)]
            moving.update(each.read for each in stored)
            datapath = _with_stored(datapath, feedback, last, stored)
    begun.update(feedback.read for feedback in datapath.feedbacks)
    return datapath


def _is_multiplied(datapath: Datapath, state: Signal) -> bool:
    """Say whether a matrix multiplies a state, alone or joined to others."""
    readers = [reader for reader in datapath.readers.get(state, []) if reader is not None]
    return any(
        isinstance(reader.kind, dp.ShiftAdd | dp.Products)
        or (isinstance(reader.kind, dp.Join | dp.View | dp.Select) and _is_multiplied(datapath, reader.result))
        for reader in readers
    )


def _with_stored(datapath: Datapath, feedback: Feedback, last: Operation, stored: list[Feedback]) -> Datapath:
    """Return the datapath with some states in place of one, which its loop's last operation makes of them."""
    begins = Operation(last.kind, tuple(each.read for each in stored), feedback.read)
    feedbacks = [each for other in datapath.feedbacks for each in (stored if other is feedback else (other,))]
    operations = in_order((begins, *datapath.operations))
    return without_unused(replace(datapath, operations=operations, feedbacks=tuple(feedbacks)))


def _stored(following: Signal, initial: Integers, feedback: Feedback) -> Feedback:
    """Return the state that holds an operand of the last operation, which is `initial` at first."""
    read = replace(
        following,
        name=f"{following.name}_stored",
        low=min(following.low, *map(int, initial)),
        high=max(following.high, *map(int, initial)),
        layer=feedback.read.layer,
    )
    return Feedback(read, following, initial, feedback.carried)


def _operands_of(last: Operation, result: Integers) -> list[Integers] | None:
    """Return numbers of which an operation makes `result`, a vector an operand; None where none are known."""
    kind = last.kind
    if any(operand.count != last.result.count for operand in last.operands):
        return None
    match kind:
        case dp.Bound():
            return [result] if (overflow(result, kind.to) == result).all() else None
        case dp.Round():
            # A truncation's half is what a product before it adds to round.
            half = 1 << (kind.dropped - 1) if kind.dropped > 0 and kind.mode is Rounding.TRN else 0
            return [(result.astype(object) << kind.dropped) + half] if kind.dropped >= 0 else None
        case dp.Multiply():
            nothing = np.zeros_like(result)
            return [nothing, nothing] if (result == kind.added).all() else None
        case dp.MultiplyAdd():
            nothing, divides = np.zeros_like(result), not (result % (1 << kind.shift)).any()
            return [nothing, nothing, result >> kind.shift] if divides else None
        case dp.AddSub():
            divides = not (result % (1 << kind.left_shift)).any()
            return [result >> kind.left_shift, np.zeros_like(result)] if divides else None
        case dp.TableEnds():
            return [result, np.zeros_like(result)]
        case dp.Wire() | dp.Timed() | dp.Multiplication() | dp.Logic():
            return None
        case _:
            assert_never(kind)
