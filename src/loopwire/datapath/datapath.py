"""What an engine is made of: operations on vectors of integers, and the ways of its states round the loop.

This is the level at which delays are known and registers are placed; `expand` makes it from a graph, `pipeline`
schedules it and `targets.verilog` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from loopwire.datapath.ops import Kind
from loopwire.datapath.sharing import PARALLEL, Sharing
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation with its operands and its result."""

    kind: Kind
    operands: tuple[Signal, ...]
    result: Signal


@dataclass(frozen=True, eq=False)
class Feedback:
    """A state's way round the loop: `read` in a step is what `following` was in the sequence's step before.

    `initial` holds its elements at a sequence's start, or with `carried` at the start of a sequence that does not go on
    from its channel's last one. Where hardware is shared, `following` is a chunk; `read` is one too, or with `gathered`
    the whole vector.
    """

    read: Signal
    following: Signal
    initial: Integers
    carried: bool
    gathered: bool = False


@dataclass(frozen=True)
class Datapath:
    """Operations in an order in which every operand is known: the input `x`, a feedback's `read` or an earlier result.

    `channels` is the number of streams whose states last from sequence to sequence; None where none do.
    """

    x: Signal
    operations: tuple[Operation, ...]
    feedbacks: tuple[Feedback, ...]
    output: Signal
    sharing: Sharing = PARALLEL
    channels: int | None = None

    @property
    def in_memories(self) -> bool:
        """Whether states are in memories, instead of going round in the registers of the loop."""
        return not self.sharing.is_parallel or self.channels is not None

    @cached_property
    def producers(self) -> Mapping[Signal, Operation]:
        """The operation that each signal is the result of; none of x and of states that are read."""
        return {operation.result: operation for operation in self.operations}

    @cached_property
    def readers(self) -> Mapping[Signal, list[Operation | None]]:
        """What reads each signal that is read; None is anything but an operation."""
        found: dict[Signal, list[Operation | None]] = {self.output: [None]}
        for feedback in self.feedbacks:
            found.setdefault(feedback.following, []).append(None)
        for operation in self.operations:
            for operand in operation.operands:
                found.setdefault(operand, []).append(operation)
        return found

    @cached_property
    def dependences(self) -> Mapping[Signal, frozenset[Feedback]]:
        """The feedbacks whose state each signal depends on within a step; x on none."""
        found = {feedback.read: frozenset({feedback}) for feedback in self.feedbacks}
        for operation in self.operations:
            found[operation.result] = frozenset().union(*(found.get(v, frozenset()) for v in operation.operands))
        return found
