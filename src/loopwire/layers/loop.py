"""A recurrent layer whose step is a model of layers on vectors: a loop that somebody wrote, with no name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.cell import Cell, State
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Call, Model
from loopwire.layers.roles import OF_CELLS, Role
from loopwire.layers.shape import Reshape


@dataclass(frozen=True, eq=False)
class Loop(Cell):
    """`body`: from the states and the step's input, all vectors, to the states after the step; the first is handed on.

    A layer of the body is another's layer called on vectors, or a cell called on one step, which a Reshape makes of a
    vector, with its states. What they hand to one another is of the type of the role `gate`, states of that of `state`.
    """

    body: Model

    kind: ClassVar[str] = "Loop"
    roles: ClassVar[tuple[str, ...]] = OF_CELLS

    @property
    def units(self) -> int:
        """The elements of what is handed on."""
        return self.body.inputs[0].shape[0]

    @property
    def states(self) -> Mapping[str, State]:
        """The states by the names that they have in the body."""
        return {tensor.name: State(Role.STATE, tensor.shape[0]) for tensor in self.body.inputs[:-1]}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations of the body's layers, one after another."""
        inner = e.with_results_as(Role.GATE)
        values = dict(zip(self.body.inputs, (*states, x), strict=True))
        for call in self.body.calls:
            given = [values[tensor] for tensor in call.inputs]
            values.update(zip(call.outputs, _called(inner, call, given), strict=True))
        return [e.cast(values[tensor], Role.STATE, "next") for tensor in self.body.outputs]


def _called(e: Emitter, call: Call, given: Sequence[Value]) -> Sequence[Value]:
    """Return the results of a call in a step: of a cell, its states after the step."""
    layer = call.layer
    if isinstance(layer, Reshape):  # to one step, which the step of a cell takes as it is
        return given
    if not isinstance(layer, Cell):
        return layer.call(e, given)
    x, *states = given
    if not states:
        states = [e.zeros((state.size,), state.role, name) for name, state in layer.states.items()]
    following = layer.step(e, states, x)
    return [following[0], *(following if layer.return_state else ())]
