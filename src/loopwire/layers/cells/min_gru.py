"""Minimal gated recurrent unit, whose gate and candidate do not read the state.

Ref: Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201, section 3.1:

    z = σ(W_z x + b_z)      n = φ(W_n x + b_n), φ the identity
    h' = (1 - z)∘h + z∘n
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import LINEAR, SIGMOID, Function
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import affine, blend, gate, parts, state
from loopwire.layers.input_cell import InputCell


@dataclass(frozen=True, eq=False)
class MinGru(InputCell):
    """kernel (2U, F), bias (2U,), whose rows are z n."""

    _: KW_ONLY
    activation: Function = LINEAR

    kind: ClassVar[str] = "MinGRU"
    blocks: ClassVar[int] = 2

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        a_z, a_n = parts(e, affine(e, self.kernel, x, self.bias), ("x_z", "x_n"))
        z = gate(e, SIGMOID, a_z, "z")
        n = gate(e, self.activation, a_n, "n")
        return (state(e, blend(e, z, n, h), "h", "h' = (1 - z)∘h + z∘n"),)
