"""What all recurrent layers are: a step's equations, scanned over a sequence from states of zero."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.activation import TANH, Function
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Shape, Tensor
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Recurrent(ABC):
    """A recurrent layer of U units on F features; rows of the matrices are its G gates, U rows each.

    kernel (GU, F), recurrent_kernel (GU, U), bias (GU,). `activation` is φ. The first state, h, is what is handed on:
    of every step if `return_sequences`, else of the last one; with `return_state` all states after the last one too.
    With `go_backwards` the last step is read first. Beside the sequence, the states of the first step may be given. In
    a model of `stateful` layers a sequence goes on from the states that the last one left. `clip` bounds what the
    activations of gates are given, to -clip…clip.
    """

    name: str
    kernel: npt.NDArray[np.float64]
    recurrent_kernel: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    _: KW_ONLY
    activation: Function = TANH
    return_sequences: bool = False
    go_backwards: bool = False
    stateful: bool = False
    return_state: bool = False
    clip: float | None = None

    kind: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    states: ClassVar[dict[str, Role]] = {"h": Role.STATE}
    """The role of each state's type, by the name that it has in the equations."""

    @property
    def units(self) -> int:
        """U."""
        return int(self.recurrent_kernel.shape[1])

    @property
    def state_shapes(self) -> Mapping[str, Shape]:
        """Return the shape of each state by its name."""
        return dict.fromkeys(self.states, (self.units,))

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape (T, U) or (U,) of the output, and (U,) of each state that is returned."""
        x, *initial = inputs
        if len(x.shape) != 2:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"a recurrent layer got an input of shape {x.shape}",
                "It needs a sequence, of shape (steps, features)",
            )
        if initial and [state.shape for state in initial] != [(self.units,)] * len(self.states):
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"its initial states are {', '.join(map(repr, initial))}",
                f"It needs {len(self.states)} of shape ({self.units},): {', '.join(self.states)}",
            )
        output = (x.shape[0], self.units) if self.return_sequences else (self.units,)
        return {"": output, **(dict.fromkeys(self.states, (self.units,)) if self.return_state else {})}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the scan over the steps."""
        x, *given = inputs
        if self.go_backwards:
            x = e.b.reverse(x, "x_reversed")
        initial = [
            e.cast(given[index], role, f"{state}_initial") if given else e.zeros((self.units,), role, state)
            for index, (state, role) in enumerate(self.states.items())
        ]
        names = [*(f"{state}_last" for state in self.states), "h_sequence"]
        *last, sequence = e.scan(initial, (x,), self.step, names=names)
        states = last if self.return_state else []
        if not self.return_sequences:
            return (e.cast(last[0], Role.RESULT, "y"), *states)
        if e.type_of(Role.RESULT) != sequence.type.element:
            sequence = e.each_step(lambda e, h: e.cast(h, Role.RESULT, "y"), sequence, name="y_sequence")
        return (sequence, *states)

    def preactivation(self, e: Emitter, a: Value, name: str) -> Value:
        """Add what follows the sum of a gate: its clipping, if any, and its cast."""
        if self.clip is not None:
            above = e.b.max(a, e.scalar(-self.clip, "clip_low"), f"{name}_above")
            a = e.b.min(above, e.scalar(self.clip, "clip_high"), f"{name}_clipped", "clip(a)")
        return e.cast(a, Role.PREACTIVATION, f"{name}_cast")

    @abstractmethod
    def step(self, e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        """Write the equations of a step: its input and the states before it to the states after it, and h."""
