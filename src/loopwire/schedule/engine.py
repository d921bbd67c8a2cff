"""Engines: pieces of hardware that each run one scan, and what follows its last step.

An engine reads a sequence, a step a beat, and gives either one vector a sequence or one a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Node, Value


@dataclass(frozen=True)
class State:
    """A carried value: `read` in a step holds what `following` was in the step before, and `initial` in the first.

    With `carried`, `initial` is for sequences that start afresh; others go on from what their channel's last one left.
    """

    read: Value
    following: Value
    initial: Integers
    carried: bool
    initial_value: Value | None = None
    """One of the engine's `xs` that is there in the first step, where `initial` is not known."""

    @property
    def changes(self) -> bool:
        """Whether a step depends on the one before by it."""
        return self.following is not self.read


@dataclass(frozen=True)
class Engine:
    """One scan, whose body is `nodes`, with the `tail` of nodes that follow its last step.

    `xs` are what each step brings, a vector of every input; `step_constants` are values that depend on the step's
    number only, `outputs` the vectors handed on: in every step where `per_step`, else once a sequence, from its last
    step. `aliases` names values that are other values: a final state is the following state of the last step. With
    `reverse` it takes a whole sequence before it reads that backwards.
    """

    name: str
    length: int
    reverse: bool
    xs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    tail: tuple[Node, ...]
    states: tuple[State, ...]
    step_constants: tuple[tuple[Value, ops.Const], ...]
    aliases: dict[Value, Value]
    outputs: tuple[Value, ...]
    per_step: bool

    @property
    def layer(self) -> str:
        """The layer that it begins with."""
        return next((node.results[0].layer for node in (*self.nodes, *self.tail)), "")

    def meant(self, value: Value) -> Value:
        """Return the value that one of `aliases` is, or any other itself."""
        while value in self.aliases:
            value = self.aliases[value]
        return value

    @property
    def stateful(self) -> bool:
        """Whether any state lasts from sequence to sequence."""
        return any(state.carried for state in self.states)
