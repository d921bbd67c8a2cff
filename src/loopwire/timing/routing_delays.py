"""Routing delays beyond an average net: of a state to all rows of a matrix, and where on the way its register is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel

SHARES = (0.0, 0.25, 0.5)
"""Shares of a state's routing delay that can be before its register; the first with the shortest loop is taken.

Not more than half: readers are on all sides, so behind the middle one register would not do.
"""


@dataclass(frozen=True)
class RoutingDelays:
    """Those of a datapath, each state registered where a share of its own is behind it.

    `travelled_ns` is, for each state, that from where it is made to its register; `left_ns`, for each operation, what
    is left of its operands' behind such a register.
    """

    travelled_ns: Mapping[Feedback, float]
    left_ns: Mapping[Operation, float]


def _whole_ns(datapath: Datapath, delays: DelayModel) -> dict[Operation, float]:
    """Return, for each operation, the delay of its operands; nothing but to all rows of a matrix.

    The rows of all matrices of a layer are together.
    """
    own = {operation: _matrix_luts(operation) for operation in datapath.operations}
    luts = Counter[str]()
    for operation, count in own.items():
        luts[operation.result.layer] += count
    return {op: delays.reach(luts[op.result.layer]) if count else 0.0 for op, count in own.items()}


def _readers_of(datapath: Datapath, feedback: Feedback, of_states: Set[Signal]) -> list[Operation]:
    """Return the operations that read a state; none where it is in memories.

    They read it alone or joined to others, or what is made of states alone: what a state stored before the last
    operation of its loop becomes. That operation is where its registers are, on the way.
    """
    read, readers = {feedback.read}, []
    for operation in () if datapath.in_memories else datapath.operations:
        if read.isdisjoint(operation.operands):
            continue
        if isinstance(operation.kind, dp.Join | dp.View) or operation.result in of_states:
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


def _matrix_luts(operation: Operation) -> int:
    """Return about how many look-up tables the rows of a matrix fill; 0 for what is none."""
    match operation.kind:
        case dp.ShiftAdd() as kind:
            return kind.tree.adder_bits
        case dp.Products():
            a, b = operation.operands
            return operation.result.count * a.width * b.width
        case dp.Multiply() | dp.MultiplyAdd() | dp.Wire() | dp.Timed() | dp.Logic():
            return 0
        case _:
            assert_never(operation.kind)


def routing_delays(datapath: Datapath, delays: DelayModel) -> list[RoutingDelays]:
    """Return the delays for each place where registers of states can be, the preferred one first."""
    whole_ns = _whole_ns(datapath, delays)
    of_states = _of_states(datapath)
    readers = {feedback: _readers_of(datapath, feedback, of_states) for feedback in datapath.feedbacks}
    longest_ns = {feedback: max((whole_ns[op] for op in ops), default=0.0) for feedback, ops in readers.items()}
    choices = []
    for share in SHARES if any(longest_ns.values()) else SHARES[:1]:
        travelled_ns = {feedback: share * ns for feedback, ns in longest_ns.items()}
        before_ns = {op: travelled_ns[feedback] for feedback, ops in readers.items() for op in ops}
        left_ns = {op: max(ns - before_ns.get(op, 0.0), 0.0) for op, ns in whole_ns.items()}
        choices.append(RoutingDelays(travelled_ns, left_ns))
    return choices
