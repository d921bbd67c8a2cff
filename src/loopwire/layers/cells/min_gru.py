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
from loopwire.layers.cell import Cell
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, affine, blend, gate, parts, state
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class MinGru(Cell):
    """kernel (2U, F), bias (2U,), whose rows are z n."""

    kernel: Array
    bias: Array
    _: KW_ONLY
    activation: Function = LINEAR

    kind: ClassVar[str] = "MinGRU"
    roles: ClassVar[tuple[str, ...]] = (
        Role.WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.GATE,
        Role.STATE,
        Role.RESULT,
    )

    @property
    def units(self) -> int:
        """U."""
        return len(self.bias) // 2

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        a_z, a_n = parts(e, affine(e, self.kernel, x, self.bias), ("x_z", "x_n"))
        z = gate(e, SIGMOID, a_z, "z")
        n = gate(e, self.activation, a_n, "n")
        return (state(e, blend(e, z, n, h), "h", "h' = (1 - z)∘h + z∘n"),)
