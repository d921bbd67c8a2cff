"""Routing delays beyond an average net: of a state to all rows of a matrix, and where on the way its register is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.devices.delay_model import DelayModel

SHARES = (0.0, 0.25, 0.5)
"""Shares of a state's routing delay that can be before its register; the first with the shortest loop is taken.

Not more than half: readers are on all sides, so behind the middle one register would not do.
"""


@dataclass(frozen=True)
class RoutingDelays:
    """Those of a datapath, each state registered where `share` of its own is behind it."""

    datapath: Datapath
    delays: DelayModel
    share: float

    @cached_property
    def whole_ns(self) -> dict[Operation, float]:
        """For each operation, that of its operands; nothing but to all rows of a matrix.

        The rows of all matrices of a layer are together.
        """
        luts = Counter[str]()
        for operation in self.datapath.operations:
            luts[operation.result.layer] += _matrix_luts(operation)
        return {
            op: self.delays.reach(luts[op.result.layer]) if _matrix_luts(op) else 0.0 for op in self.datapath.operations
        }

    @cached_property
    def travelled_ns(self) -> dict[Feedback, float]:
        """For each state, that from where it is made to its register."""
        return {
            feedback: self.share * max((self.whole_ns[op] for op in readers), default=0.0)
            for feedback, readers in self._readers.items()
        }

    @cached_property
    def left_ns(self) -> dict[Operation, float]:
        """For each operation, what is left of its operands' behind such a register."""
        travelled = {op: self.travelled_ns[feedback] for feedback, readers in self._readers.items() for op in readers}
        return {op: max(whole_ns - travelled.get(op, 0.0), 0.0) for op, whole_ns in self.whole_ns.items()}

    @cached_property
    def _readers(self) -> dict[Feedback, list[Operation]]:
        """The operations that read a state as it is, alone or joined to others; none where states are in memories."""
        return {
            feedback: [] if self.datapath.in_memories else self._readers_of(feedback)
            for feedback in self.datapath.feedbacks
        }

    def _readers_of(self, feedback: Feedback) -> list[Operation]:
        read, readers = {feedback.read}, []
        for operation in self.datapath.operations:
            if read.isdisjoint(operation.operands):
                continue
            if isinstance(operation.kind, dp.Join | dp.View):
                read.add(operation.result)
            else:
                readers.append(operation)
        return readers


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
    choices = [RoutingDelays(datapath, delays, share) for share in SHARES]
    return choices if any(choices[-1].travelled_ns.values()) else choices[:1]
