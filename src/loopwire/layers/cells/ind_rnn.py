"""Independently recurrent network: each unit sees of the state its own element only.

Ref: Li et al. 2018, arXiv:1803.04831, eq. 2:

    h' = φ(W x + u∘h + b)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import Function, activate
from loopwire.layers.cell import Cell
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, affine
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class IndRnn(Cell):
    """kernel (U, F), recurrent_weights u (U,), bias (U,); `activation` is φ."""

    kernel: Array
    recurrent_weights: Array
    bias: Array
    _: KW_ONLY
    activation: Function = Function("relu")  # noqa: RUF009 - it is frozen

    kind: ClassVar[str] = "IndRNN"
    roles: ClassVar[tuple[str, ...]] = (
        Role.WEIGHT,
        Role.RECURRENT_WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.STATE,
        Role.RESULT,
    )

    @property
    def units(self) -> int:
        """U."""
        return len(self.bias)

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        kept = e.b.mul(e.weights(self.recurrent_weights, Role.RECURRENT_WEIGHT, "u"), h, "uh", "u∘h")
        total = e.b.add(affine(e, self.kernel, x, self.bias), kept, "a", "a = W x + b + u∘h")
        total = e.cast(total, Role.PREACTIVATION, "a_cast")
        return (activate(e, self.activation, total, Role.STATE, "h_next", "h' = φ(a)"),)
