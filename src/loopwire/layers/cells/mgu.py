"""Minimal gated unit: one gate, which resets and updates.

Ref: Zhou et al. 2016, arXiv:1603.09420, eq. 5:

    f = σ(W_f x + U_f h + b_f)
    n = φ(W_n x + U_n (f∘h) + b_n)
    h' = (1 - f)∘h + f∘n
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, affine, blend, gate, parts, recurrent, state
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Mgu(Recurrent):
    """An MGU; the rows of the matrices are f n."""

    kind: ClassVar[str] = "MGU"
    roles: ClassVar[tuple[str, ...]] = GATED

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        u_f, u_n = self.recurrent_kernel[: self.units], self.recurrent_kernel[self.units :]
        x_f, x_n = parts(e, affine(e, self.kernel, x, self.bias), ("x_f", "x_n"))
        f = gate(e, SIGMOID, e.b.add(x_f, recurrent(e, u_f, h), "a_f", "a_f = W_f x + U_f h + b_f"), "f")
        reset = e.cast(e.b.mul(f, h, "fh_exact"), Role.STATE, "fh", "f∘h")
        n = gate(e, self.activation, e.b.add(x_n, recurrent(e, u_n, reset, "U_fh"), "a_n"), "n")
        return (state(e, blend(e, f, n, h), "h", "h' = (1 - f)∘h + f∘n"),)
