"""Just another network: an LSTM of which the forget gate alone is left.

Ref: van der Westhuizen & Lasenby 2018, "The unreasonable effectiveness of the forget gate", arXiv:1804.04849, eq. 5:

    s = W_f x + U_f h + b_f      n = φ(W_n x + U_n h + b_n)
    h' = σ(s)∘h + (1 - σ(s - β))∘n
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, affine, blend, gate, parts, recurrent, state
from loopwire.layers.recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Janet(Recurrent):
    """A JANET; the rows of the matrices are f n. With `beta` β above 0 more is let in than is forgotten."""

    _: KW_ONLY
    beta: float = 1.0

    kind: ClassVar[str] = "JANET"
    roles: ClassVar[tuple[str, ...]] = GATED

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        from_h = recurrent(e, self.recurrent_kernel, h)
        total = e.b.add(affine(e, self.kernel, x, self.bias), from_h, "a", "a = W x + b + U h")
        a_f, a_n = parts(e, total, ("s", "a_n"))
        f = gate(e, SIGMOID, a_f, "f", "f = σ(s)")
        n = gate(e, self.activation, a_n, "n")
        if not self.beta:
            return (state(e, blend(e, f, h, n), "h", "h' = f∘h + (1 - f)∘n"),)
        lowered = e.b.sub(a_f, e.scalar(self.beta, "beta"), "s_beta", "s - β")
        kept_out = gate(e, SIGMOID, lowered, "f_beta", "σ(s - β)")
        let_in = e.b.mul(e.b.sub(e.scalar(1.0, "one"), kept_out, "let_in"), n, "fresh")
        return (state(e, e.b.add(e.b.mul(f, h, "kept"), let_in, "h_exact"), "h", "h' = f∘h + (1 - σ(s - β))∘n"),)
