"""What all recurrent layers are: a step's equations, scanned over a sequence from states of zero."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.activation import TANH, Function
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Recurrent(ABC):
    """A recurrent layer of U units on F features; rows of the matrices are its G gates, U rows each.

    kernel (GU, F), recurrent_kernel (GU, U), bias (GU,). `activation` is φ. The first state, h, is what is handed on:
    of every step if `return_sequences`, else of the last one. With `go_backwards` the last step is read first. In a
    model of `stateful` layers a sequence goes on from the states that the last one left.
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

    kind: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    states: ClassVar[dict[str, Role]] = {"h": Role.STATE}
    """The role of each state's type, by the name that it has in the equations."""

    @property
    def units(self) -> int:
        """U."""
        return int(self.recurrent_kernel.shape[1])

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (T, U) or (U,)."""
        if len(input_shape) != 2:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"a recurrent layer got an input of shape {input_shape}",
                "It needs a sequence, of shape (steps, features)",
            )
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the scan over the steps."""
        if self.go_backwards:
            x = e.b.reverse(x, "x_reversed")
        initial = [e.zeros((self.units,), role, state) for state, role in self.states.items()]
        names = [*(f"{state}_last" for state in self.states), "h_sequence"]
        last, *_, sequence = e.scan(initial, (x,), self.step, names=names)
        if not self.return_sequences:
            return e.cast(last, Role.RESULT, "y")
        if e.type_of(Role.RESULT) == sequence.type.element:
            return sequence
        return e.each_step(lambda e, h: e.cast(h, Role.RESULT, "y"), sequence, "y_sequence")

    @abstractmethod
    def step(self, e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        """Write the equations of a step: its input and the states before it to the states after it, and h."""
