"""Light gated recurrent unit: no reset gate, and a candidate that is rectified.

Ref: Ravanelli et al. 2018, arXiv:1803.10225, eq. 5, the normalisation of W x folded into W and b:

    z = σ(W_z x + U_z h + b_z)      n = φ(W_n x + U_n h + b_n), φ the rectifier
    h' = z∘h + (1 - z)∘n
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID, Function
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, affine, blend, gate, parts, recurrent, state
from loopwire.layers.recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class LightGru(Recurrent):
    """A light GRU; the rows of the matrices are z n."""

    _: KW_ONLY
    activation: Function = Function("relu")  # noqa: RUF009 - it is frozen

    kind: ClassVar[str] = "LightGRU"
    roles: ClassVar[tuple[str, ...]] = GATED

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        from_h = recurrent(e, self.recurrent_kernel, h)
        total = e.b.add(affine(e, self.kernel, x, self.bias), from_h, "a", "a = W x + b + U h")
        a_z, a_n = parts(e, total, ("sum_z", "sum_n"))
        z = gate(e, SIGMOID, a_z, "z")
        n = gate(e, self.activation, a_n, "n")
        return (state(e, blend(e, z, h, n), "h", "h' = z∘h + (1 - z)∘n"),)
