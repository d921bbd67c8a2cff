"""The fully connected (Elman) recurrent layer: h' = φ(W x + U h + b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.activation import TANH, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.recurrent import hand_on, recurrent_output_shape, sequence_in
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class SimpleRnn:
    """A simple RNN of U units on F features: kernel (U, F), recurrent_kernel (U, U), bias (U,)."""

    name: str
    kernel: npt.NDArray[np.float64]
    recurrent_kernel: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    activation: Function = TANH
    return_sequences: bool = False
    go_backwards: bool = False

    kind: ClassVar[str] = "SimpleRNN"
    roles: ClassVar[tuple[Role, ...]] = (
        Role.WEIGHT,
        Role.RECURRENT_WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.STATE,
        Role.RESULT,
    )

    @property
    def units(self) -> int:
        """U."""
        return int(self.recurrent_kernel.shape[1])

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (T, U) or (U,)."""
        return recurrent_output_shape(self, input_shape)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the scan over the steps."""
        h = e.zeros((self.units,), Role.STATE, "h")
        last, sequence = e.scan((h,), (sequence_in(self, e, x),), self._step, names=("h_last", "h_sequence"))
        return hand_on(self, e, sequence, last)

    def _step(self, e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        (h,), (x,) = states, steps
        weights = e.weights(self.kernel, Role.WEIGHT, "W")
        recurrent_weights = e.weights(self.recurrent_kernel, Role.RECURRENT_WEIGHT, "U")
        bias = e.weights(self.bias, Role.BIAS, "b")
        from_x = e.b.add(e.b.matvec(weights, x, "Wx"), bias, "Wx_b", "W x + b")
        total = e.b.add(from_x, e.b.matvec(recurrent_weights, h, "Uh"), "a", "a = W x + b + U h")
        total = e.cast(total, Role.PREACTIVATION, "a_cast")
        h_next = activate(e, self.activation, total, e.type_of(Role.STATE), "h_next", "h' = φ(a)")
        return (h_next,), (h_next,)
