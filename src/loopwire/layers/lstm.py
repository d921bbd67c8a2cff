"""Long short-term memory.

Ref: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; the form of Keras and PyTorch:

    i = σ(W_i x + U_i h + b_i)      f = σ(W_f x + U_f h + b_f)
    g = φ(W_g x + U_g h + b_g)      o = σ(W_o x + U_o h + b_o)
    c' = f∘c + i∘g                  h' = o∘φ(c')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Lstm(Recurrent):
    """An LSTM, whose gates are i f g o; `recurrent_activation` is σ."""

    recurrent_activation: Function = field(default=SIGMOID, kw_only=True)

    kind: ClassVar[str] = "LSTM"
    roles: ClassVar[tuple[Role, ...]] = (
        Role.WEIGHT,
        Role.RECURRENT_WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.GATE,
        Role.CELL,
        Role.STATE,
        Role.RESULT,
    )
    states: ClassVar[dict[str, Role]] = {"h": Role.STATE, "c": Role.CELL}

    def step(self, e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        """Write the equations."""
        (h, c), (x,) = states, steps
        gate = e.type_of(Role.GATE)
        weights = e.weights(self.kernel, Role.WEIGHT, "W")
        recurrent_weights = e.weights(self.recurrent_kernel, Role.RECURRENT_WEIGHT, "U")
        bias = e.weights(self.bias, Role.BIAS, "b")
        from_x = e.b.add(e.b.matvec(weights, x, "Wx"), bias, "Wx_b", "W x + b")
        total = e.b.add(from_x, e.b.matvec(recurrent_weights, h, "Uh"), "a", "a = W x + b + U h")
        total = e.cast(total, Role.PREACTIVATION, "a_cast")
        a_i, a_f, a_g, a_o = (
            e.b.slice(total, k * self.units, (k + 1) * self.units, f"a_{letter}") for k, letter in enumerate("ifgo")
        )
        i = activate(e, self.recurrent_activation, a_i, gate, "i", "i = σ(a_i)")
        f = activate(e, self.recurrent_activation, a_f, gate, "f", "f = σ(a_f)")
        g = activate(e, self.activation, a_g, gate, "g", "g = φ(a_g)")
        o = activate(e, self.recurrent_activation, a_o, gate, "o", "o = σ(a_o)")
        kept = e.b.add(e.b.mul(f, c, "fc"), e.b.mul(i, g, "ig"), "c_exact")
        c_next = e.cast(kept, Role.CELL, "c_next", "c' = f∘c + i∘g")
        squashed = activate(e, self.activation, c_next, gate, "phi_c", "φ(c')")
        h_next = e.cast(e.b.mul(o, squashed, "h_exact"), Role.STATE, "h_next", "h' = o∘φ(c')")
        return (h_next, c_next), (h_next,)
