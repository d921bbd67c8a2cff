"""FastGRNN: gate and candidate share their matrices, so that there are half as many products as in other gated cells.

Ref: Kusupati et al. 2018, arXiv:1901.02358, eq. 3:

    p = W x + U h      z = σ(p + b_z)      n = φ(p + b_n)
    h' = (ζ (1 - z) + ν)∘n + z∘h
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, gate, recurrent, state
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class FastGrnn(Recurrent):
    """A FastGRNN: kernel (U, F), recurrent_kernel (U, U), bias (2U,), which is b_z b_n; `zeta` ζ and `nu` ν in 0…1."""

    _: KW_ONLY
    zeta: float = 1.0
    nu: float = 0.0

    kind: ClassVar[str] = "FastGRNN"
    roles: ClassVar[tuple[str, ...]] = GATED

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        from_x = e.b.matvec(e.weights(self.kernel, Role.WEIGHT, "W"), x, "Wx")
        p = e.b.add(from_x, recurrent(e, self.recurrent_kernel, h), "p", "p = W x + U h")
        b_z, b_n = (
            e.weights(b, Role.BIAS, name) for b, name in zip(np.split(self.bias, 2), ("b_z", "b_n"), strict=True)
        )
        z = gate(e, SIGMOID, e.b.add(p, b_z, "sum_z"), "z")
        n = gate(e, self.activation, e.b.add(p, b_n, "sum_n"), "n")
        zeta, most = (e.weights(v, Role.WEIGHT, k) for k, v in (("zeta", self.zeta), ("zeta_nu", self.zeta + self.nu)))
        let_in = e.b.sub(most, e.b.mul(zeta, z, "zeta_z"), "let_in", "ζ (1 - z) + ν")
        return (state(e, e.b.add(e.b.mul(let_in, n, "fresh"), e.b.mul(z, h, "kept"), "h_exact"), "h"),)
