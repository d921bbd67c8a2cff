"""The long short-term memory as QKeras quantises it.

    s, e = Q_s(h), Q_s(c)
    i, f, o = Q_g(σ(W x + U s + b))      g = Q(φ(W_g x + U_g s + b_g))
    c' = f∘e + i∘g                       exact
    h' = o∘Q(φ(c'))                      exact

Ref: https://github.com/google/qkeras/blob/master/qkeras/qrecurrent.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.cell import State
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.cell import QuantisedCell
from loopwire.layers.quantised.quantiser import Activated
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class QuantisedLstm(QuantisedCell):
    """An LSTM, whose gates are i f g o: bias (4U,)."""

    bias: npt.NDArray[np.float64]
    activation: Activated = field(kw_only=True)
    recurrent_activation: Activated = field(kw_only=True)

    kind: ClassVar[str] = "QLSTM"

    @property
    def states(self) -> Mapping[str, State]:
        """h and c."""
        return {"h": State(Role.STATE, self.units), "c": State(Role.CELL, self.units)}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        h, c = (self.quantised_state(e, state, f"{name}_q") for name, state in zip("hc", states, strict=True))
        b = e.b
        from_x = b.matvec(e.exact(self.kernel, "W"), self.quantised_input(e, x), "Wx")
        from_x = b.add(from_x, e.exact(self.bias, "b"), "Wx_b", "W x + b")
        total = b.add(from_x, b.matvec(e.exact(self.recurrent_kernel, "U"), h, "Uh"), "a", "a = W x + b + U h")
        a = {each: b.slice(total, k * self.units, (k + 1) * self.units, f"a_{each}") for k, each in enumerate("ifgo")}
        i, f, o = (self.recurrent_activation.emit(e, a[each], each, f"{each} = Q(σ(a_{each}))") for each in "ifo")
        g = self.activation.emit(e, a["g"], "g", "g = Q(φ(a_g))")
        c_next = b.add(b.mul(f, c, "fc"), b.mul(i, g, "ig"), "c_next", "c' = f∘c + i∘g")
        squashed = self.activation.emit(e, c_next, "phi_c", "Q(φ(c'))")
        return b.mul(o, squashed, "h_next", "h' = o∘Q(φ(c'))"), c_next
