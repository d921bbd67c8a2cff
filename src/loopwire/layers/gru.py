"""Gated recurrent unit.

Ref: Cho et al. 2014, arXiv:1406.1078, eq. 5-8, in the form of Keras and PyTorch:

    z = σ(W_z x + U_z h + b_z)      r = σ(W_r x + U_r h + b_r)
    n = φ(W_n x + b_n + r∘(U_n h + d_n))       reset after the product (PyTorch; Keras reset_after=True)
    n = φ(W_n x + b_n + U_n (r∘h))             reset before it (Keras reset_after=False)
    h' = (1 - z)∘n + z∘h
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.builder import ShapeError
from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Gru(Recurrent):
    """A GRU, whose gates are z r n.

    `recurrent_bias` (3U,) is added to the recurrent product (the d of the equations; its z and r rows simply add to the
    bias); zeros unless `reset_after`. `recurrent_activation` is σ.
    """

    recurrent_bias: npt.NDArray[np.float64]
    reset_after: bool = True
    recurrent_activation: Function = field(default=SIGMOID, kw_only=True)

    kind: ClassVar[str] = "GRU"
    roles: ClassVar[tuple[str, ...]] = (
        Role.WEIGHT,
        Role.RECURRENT_WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.GATE,
        Role.STATE,
        Role.RESULT,
    )

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        units = self.units
        if len(self.recurrent_kernel) != 3 * units:
            raise ShapeError(f"the recurrent kernel has {len(self.recurrent_kernel)} rows, not {3 * units}")
        bias = self.bias + np.concatenate([self.recurrent_bias[: 2 * units], np.zeros(units)])
        weights = e.weights(self.kernel, Role.WEIGHT, "W")
        from_x = e.b.add(e.b.matvec(weights, x, "Wx"), e.weights(bias, Role.BIAS, "b"), "Wx_b", "W x + b")
        x_zr, x_n = e.b.slice(from_x, 0, 2 * units, "x_zr"), e.b.slice(from_x, 2 * units, 3 * units, "x_n")
        rows = self.recurrent_kernel if self.reset_after else self.recurrent_kernel[: 2 * units]
        from_h = e.b.matvec(e.weights(rows, Role.RECURRENT_WEIGHT, "U"), h, "Uh")
        h_zr = e.b.slice(from_h, 0, 2 * units, "h_zr")
        total = self.preactivation(e, e.b.add(x_zr, h_zr, "a_zr", "a = W x + b + U h"), "a_zr")
        z = activate(e, self.recurrent_activation, e.b.slice(total, 0, units, "a_z"), Role.GATE, "z", "z = σ(a_z)")
        r = activate(
            e, self.recurrent_activation, e.b.slice(total, units, 2 * units, "a_r"), Role.GATE, "r", "r = σ(a_r)"
        )
        if self.reset_after:
            d_n = e.weights(self.recurrent_bias[2 * units :], Role.BIAS, "d_n")
            reset = e.b.mul(r, e.b.add(e.b.slice(from_h, 2 * units, 3 * units, "h_n"), d_n, "Uh_d"), "r_Uh")
        else:
            reset_h = e.cast(e.b.mul(r, h, "rh_exact"), Role.STATE, "rh", "r∘h")
            u_n = e.weights(self.recurrent_kernel[2 * units :], Role.RECURRENT_WEIGHT, "U_n")
            reset = e.b.matvec(u_n, reset_h, "U_rh")
        a_n = self.preactivation(e, e.b.add(x_n, reset, "a_n"), "a_n")
        n = activate(e, self.activation, a_n, Role.GATE, "n", "n = φ(a_n)")
        fresh = e.b.mul(e.b.sub(e.scalar(1.0, "one"), z, "one_minus_z"), n, "fresh", "(1 - z)∘n")
        kept = e.b.mul(z, h, "kept", "z∘h")
        h_next = e.cast(e.b.add(fresh, kept, "h_exact"), Role.STATE, "h_next", "h' = (1 - z)∘n + z∘h")
        return (h_next,)
