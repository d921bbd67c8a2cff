"""Closed-form continuous-time network: a liquid network without a solver of differential equations.

Ref: Hasani et al. 2022, arXiv:2106.13898, eq. 2, in the form of the authors' code (ncps, mode "default") for samples at
equal times, the time folded into W_t and b_t, and a backbone of one layer:

    z = φ(W x + U h + b)      g = φ(W_g z + b_g)      k = φ(W_k z + b_k)      t = σ(W_t z + b_t)
    h' = (1 - t)∘g + t∘k
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID, TANH, Function
from loopwire.layers.cell import Cell
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, Array, affine, blend, gate, parts, recurrent, state


@dataclass(frozen=True, eq=False)
class Cfc(Cell):
    """kernel (B, F), recurrent_kernel (B, U), bias (B,); head_kernel (3U, B), head_bias (3U,), whose rows are g k t.

    The backbone's activation in the authors' code, 1.7159 tanh(2/3 a), is a tanh whose factors are in the matrices.
    """

    kernel: Array
    recurrent_kernel: Array
    bias: Array
    head_kernel: Array
    head_bias: Array
    _: KW_ONLY
    activation: Function = TANH

    kind: ClassVar[str] = "CfC"
    roles: ClassVar[tuple[str, ...]] = GATED

    @property
    def units(self) -> int:
        """U."""
        return len(self.head_bias) // 3

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        from_x = affine(e, self.kernel, x, self.bias)
        z = gate(e, self.activation, e.b.add(from_x, recurrent(e, self.recurrent_kernel, h), "sum_z"), "z")
        heads = affine(e, self.head_kernel, z, self.head_bias, "heads", "W z + b")
        a_g, a_k, a_t = parts(e, heads, ("sum_g", "sum_k", "sum_t"))
        g, k = gate(e, self.activation, a_g, "g"), gate(e, self.activation, a_k, "k")
        t = gate(e, SIGMOID, a_t, "t")
        return (state(e, blend(e, t, k, g), "h", "h' = (1 - t)∘g + t∘k"),)
