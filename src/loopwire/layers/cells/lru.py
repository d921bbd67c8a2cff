"""Linear recurrent units: a diagonal matrix, real or complex, and no gate at all; S4D and S5 are of this form too.

    h' = λ∘h + B x      y = Re(C h') + D x

Ref: Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences", arXiv:2303.06349, section 3.
Ref: Gu et al. 2022 (S4D), arXiv:2206.11893; Smith et al. 2023 (S5), arXiv:2208.04933, whose hold is in `diagonal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.cell import Cell, State
from loopwire.layers.diagonal import Numbers, multiply_add, real_parts, real_product, stacked, states_of
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, state
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Lru(Cell):
    """A linear recurrent unit of N states and M results: diagonal λ (N,), B (N, F), C (M, N), D (M, F).

    B holds what scales the input, such as the LRU's γ; C what doubles the result where conjugate pairs share a state.
    λ, B and C are all real, or all complex. λ has the role of the recurrent weights, B, C and D that of the weights.
    """

    diagonal: Numbers
    input_kernel: Numbers
    output_kernel: Numbers
    direct: Array

    kind: ClassVar[str] = "LRU"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.RECURRENT_WEIGHT, Role.CELL, Role.STATE, Role.RESULT)

    @property
    def units(self) -> int:
        """M."""
        return len(self.output_kernel)

    @property
    def states(self) -> Mapping[str, State]:
        """y, which no step reads, and h, of a complex one the real and the imaginary part."""
        return {"y": State(Role.STATE, self.units), **states_of(self.diagonal)}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        parts = enumerate(real_parts(self.diagonal))
        rates = [e.weights(part, Role.RECURRENT_WEIGHT, f"rate_{k}") for k, part in parts]
        from_x = e.b.matvec(e.weights(stacked(self.input_kernel), Role.WEIGHT, "B"), x, "Bx")
        sums = zip(list(self.states)[1:], multiply_add(e, rates, states[1:], from_x), strict=True)
        following = [state(e, total, name, "h' = λ∘h + B x", Role.CELL) for name, total in sums]
        y = real_product(e, self.output_kernel, following, "C")
        if self.direct.any():
            y = e.b.add(y, e.b.matvec(e.weights(self.direct, Role.WEIGHT, "D"), x, "Dx"), "y_exact")
        return state(e, y, "y", "y = Re(C h') + D x"), *following
