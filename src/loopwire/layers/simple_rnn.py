"""The fully connected (Elman) recurrent layer: h' = φ(W x + U h + b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class SimpleRnn(Recurrent):
    """A simple RNN, of one gate."""

    kind: ClassVar[str] = "SimpleRNN"
    roles: ClassVar[tuple[str, ...]] = (
        Role.WEIGHT,
        Role.RECURRENT_WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.STATE,
        Role.RESULT,
    )

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        weights = e.weights(self.kernel, Role.WEIGHT, "W")
        recurrent_weights = e.weights(self.recurrent_kernel, Role.RECURRENT_WEIGHT, "U")
        bias = e.weights(self.bias, Role.BIAS, "b")
        from_x = e.b.add(e.b.matvec(weights, x, "Wx"), bias, "Wx_b", "W x + b")
        total = e.b.add(from_x, e.b.matvec(recurrent_weights, h, "Uh"), "a", "a = W x + b + U h")
        total = self.preactivation(e, total, "a")
        h_next = activate(e, self.activation, total, Role.STATE, "h_next", "h' = φ(a)")
        return (h_next,)
