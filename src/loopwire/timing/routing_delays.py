"""Routing delays beyond an average net: of a state to all rows of a matrix, and where on the way its register is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel
from loopwire.timing.operation_delays import OperationTimes

SHARES = (0.0, 0.25, 0.5)
"""Shares of a state's routing delay that can be before its register; the first with the shortest loop is taken.

Not more than half: readers are on all sides, so behind the middle one register would not do.
"""


@dataclass(frozen=True)
class RoutingDelays:
    """Those of a datapath, each state registered where a share of its own is behind it.

    `travelled_ns` is, for each state, that from where it is made to its register; `left_ns`, for each operation, what
    is left of its operands' behind such a register, and behind the registers of `relays`, stages on the way in which
    nothing else has time to be.
    """

    travelled_ns: Mapping[Feedback, float]
    left_ns: Mapping[Operation, float]
    relays: Mapping[Operation, int]


def _whole_ns(datapath: Datapath, delays: DelayModel) -> dict[Operation, float]:
    """Return, for each operation, the delay of its operands; nothing but to all rows of a matrix.

    The trees of a layer are together, since what one adds another goes on with. Products are summed behind registers:
    those of a matrix are an area of their own.
    """
    trees = Counter[str]()
    for operation in datapath.operations:
        if isinstance(operation.kind, dp.ShiftAdd):
            trees[operation.result.layer] += operation.kind.tree.adder_bits
    found: dict[Operation, float] = {}
    for operation in datapath.operations:
        match operation.kind:
            case dp.ShiftAdd():
                found[operation] = delays.reach(trees[operation.result.layer])
            case dp.Products() as kind:
                a, b = operation.operands
                blocks, in_luts = dsp_blocks(operation, delays), kind.lut_rows * b.count
                if not blocks:
                    in_luts = a.count
                around = delays.luts_around(blocks * (a.count - in_luts))
                found[operation] = delays.reach(around + in_luts * a.width * b.width)
            case dp.Multiply() | dp.MultiplyAdd() | dp.Wire() | dp.Timed() | dp.Logic():
                found[operation] = 0.0
            case _:
                assert_never(operation.kind)
    return found


def _readers_of(datapath: Datapath, feedback: Feedback, of_states: Set[Signal]) -> list[Operation]:
    """Return the operations that read a state.

    They read it alone or joined to others, or what is made of states alone: what a state stored before the last
    operation of its loop becomes. That operation is where its registers are, on the way.
    """
    read, readers = {feedback.read}, []
    for operation in datapath.operations:
        if read.isdisjoint(operation.operands):
            continue
        if isinstance(operation.kind, dp.Join | dp.View | dp.Columns) or operation.result in of_states:
            read.add(operation.result)
        else:
            readers.append(operation)
    return readers


def _of_states(datapath: Datapath) -> set[Signal]:
    """Return what is made of states and constants alone, before any matrix multiplies it."""
    made = {feedback.read for feedback in datapath.feedbacks}
    for operation in datapath.operations:
        if made.issuperset(operation.operands) and not isinstance(operation.kind, dp.Timed | dp.ShiftAdd | dp.Products):
            made.add(operation.result)
    return made


def _beside_ns(operation: Operation, times: OperationTimes, budget_ns: float) -> float:
    """Return what of a stage is left for the way of an operation's operands at most: beside it, or up to its cut."""
    if isinstance(operation.kind, dp.ShiftAdd):
        return budget_ns  # a tree may begin with registers, at the end of the way
    register_ns = times.to_flip_flop_ns(operation)
    takes_ns, cut_ns = times.whole_ns(operation) + register_ns, times.cut_ns(operation)
    if cut_ns and cut_ns[1] + register_ns <= budget_ns:
        takes_ns = min(takes_ns, cut_ns[0])
    return budget_ns - takes_ns


def routing_delays(datapath: Datapath, times: OperationTimes, budget_ns: float) -> list[RoutingDelays]:
    """Return the delays for each place where registers of states can be, the preferred one first.

    Args:
        datapath: of the operations, each of which has time in a stage.
        times: of the operations.
        budget_ns: time of a stage.
    """
    delays = times.delays
    whole_ns = _whole_ns(datapath, delays)
    of_states = _of_states(datapath)
    readers = {feedback: _readers_of(datapath, feedback, of_states) for feedback in datapath.feedbacks}
    longest_ns = {feedback: max((whole_ns[op] for op in ops), default=0.0) for feedback, ops in readers.items()}
    between_ns = budget_ns - delays.device.delays.net_ns
    """Of a way, what a stage from register to register takes; an average net comes with it."""
    choices = []
    for share in SHARES:
        travelled_ns = {feedback: share * ns for feedback, ns in longest_ns.items()}
        if share and not 0.0 < max(travelled_ns.values(), default=0.0) <= between_ns:
            break
        before_ns = {op: travelled_ns[feedback] for feedback, ops in readers.items() for op in ops}
        left_ns = {op: max(ns - before_ns.get(op, 0.0), 0.0) for op, ns in whole_ns.items()}
        relays = {}
        for op, ns in left_ns.items():
            beyond_ns = ns - _beside_ns(op, times, budget_ns) if ns else 0.0
            relays[op] = max(math.ceil(beyond_ns / between_ns), 0)
            left_ns[op] = max(ns - relays[op] * between_ns, 0.0)
        choices.append(RoutingDelays(travelled_ns, left_ns, relays))
    return choices
