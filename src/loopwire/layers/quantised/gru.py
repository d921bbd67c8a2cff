"""The gated recurrent unit as HGQ2 and QKeras quantise it; QKeras has no Q_r.

    s = Q_h(h)
    z, r = Q_g(σ(W Q_x(x) + U s + b))
    n = Q_n(φ(W_n Q_x(x) + b_n + r∘Q_r(U_n s + d_n)))      reset after the product
    n = Q_n(φ(W_n Q_x(x) + b_n + U_n Q_r(r∘s)))            reset before it
    h' = (1 - z)∘n + z∘s                                   exact

Ref: https://github.com/google/qkeras/blob/master/qkeras/qrecurrent.py
Ref: https://github.com/calad0i/HGQ2/blob/master/src/hgq/layers/rnn/gru.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.cell import QuantisedCell
from loopwire.layers.quantised.quantiser import Activated, Quantiser


@dataclass(frozen=True, eq=False)
class QuantisedGru(QuantisedCell):
    """A GRU, whose gates are z r n: bias (3U,), and recurrent_bias (U,), the d_n, of `reset_after`.

    `recurrent_activation` has types for z and r (2U,), `activation` for n, `reset_quantiser` for what r multiplies, or
    for its product.
    """

    bias: npt.NDArray[np.float64]
    recurrent_bias: npt.NDArray[np.float64]
    reset_after: bool = True
    activation: Activated = field(kw_only=True)
    recurrent_activation: Activated = field(kw_only=True)
    reset_quantiser: Quantiser | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "QGRU"

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,), units, b = states, self.units, e.b
        s = self.quantised_state(e, h, "h_q")
        from_x = b.matvec(e.exact(self.kernel, "W"), self.quantised_input(e, x), "Wx")
        from_x = b.add(from_x, e.exact(self.bias, "b"), "Wx_b", "W x + b")
        rows = self.recurrent_kernel if self.reset_after else self.recurrent_kernel[: 2 * units]
        from_h = b.matvec(e.exact(rows, "U"), s, "Uh")
        a_zr = b.add(
            b.slice(from_x, 0, 2 * units, "x_zr"), b.slice(from_h, 0, 2 * units, "h_zr"), "a_zr", "a = W x + b + U h"
        )
        zr = self.recurrent_activation.emit(e, a_zr, "zr", "z, r = Q(σ(a))")
        z, r = b.slice(zr, 0, units, "z"), b.slice(zr, units, 2 * units, "r")
        if self.reset_after:
            d_n = e.exact(self.recurrent_bias, "d_n")
            h_n = b.add(b.slice(from_h, 2 * units, 3 * units, "h_n"), d_n, "Uh_d", "U_n h + d_n")
            reset = b.mul(r, self._reset(e, h_n, "Uh_d_q", "Q(U_n h + d_n)"), "r_Uh")
        else:
            reset_h = self._reset(e, b.mul(r, s, "rh_exact"), "rh", "Q(r∘h)")
            reset = b.matvec(e.exact(self.recurrent_kernel[2 * units :], "U_n"), reset_h, "U_rh")
        a_n = b.add(b.slice(from_x, 2 * units, 3 * units, "x_n"), reset, "a_n")
        n = self.activation.emit(e, a_n, "n", "n = Q(φ(a_n))")
        fresh = b.mul(b.sub(e.scalar(1.0, "one"), z, "one_minus_z"), n, "fresh", "(1 - z)∘n")
        return (b.add(fresh, b.mul(z, s, "kept", "z∘h"), "h_next", "h' = (1 - z)∘n + z∘h"),)

    def _reset(self, e: Emitter, value: Value, name: str, note: str) -> Value:
        return value if self.reset_quantiser is None else self.reset_quantiser.emit(e, value, name, note)
