"""Linear recurrent units: a diagonal matrix, real or complex, and no gate at all; S4D and S5 are of this form too.

    h' = λ∘h + B x      y = Re(C h') + D x

Ref: Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences", arXiv:2303.06349, section 3.
Ref: Gu et al. 2022, "On the parameterization and initialization of diagonal state space models", arXiv:2206.11893.
Ref: Smith et al. 2023, "Simplified state space layers", arXiv:2208.04933, whose zero-order hold is `zero_order_hold`.

A complex number is a pair of reals: (λh)_re = λ_re h_re - λ_im h_im, (λh)_im = λ_re h_im + λ_im h_re.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.cell import Cell, State
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, state
from loopwire.layers.roles import Role

Numbers = npt.NDArray[np.complex128] | Array


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
        size = len(self.diagonal)
        parts = ("h_re", "h_im") if np.iscomplexobj(self.diagonal) else ("h_re",)
        return {"y": State(Role.STATE, self.units), **{part: State(Role.CELL, size) for part in parts}}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        _, *h = states
        rates = [e.weights(part, Role.RECURRENT_WEIGHT, f"rate_{k}") for k, part in enumerate(_parts(self.diagonal))]
        kernel = e.weights(np.concatenate(_parts(self.input_kernel)), Role.WEIGHT, "B")
        from_x = e.b.matvec(kernel, x, "Bx")
        following = []
        for k, own in enumerate(h):
            total = e.b.add(e.b.mul(rates[0], own), e.b.slice(from_x, k * own.type.size, (k + 1) * own.type.size))
            if len(h) == 2:
                turned = e.b.mul(rates[1], h[1 - k])
                total = e.b.add(total, turned) if k else e.b.sub(total, turned)
            following.append(state(e, total, ("h_re", "h_im")[k], "h' = λ∘h + B x", Role.CELL))
        c_re, *c_im = _parts(self.output_kernel)
        rows = np.concatenate([c_re, *(-part for part in c_im)], axis=1)
        read = e.b.concat(following, "h_all") if len(h) == 2 else following[0]
        y = e.b.matvec(e.weights(rows, Role.WEIGHT, "C"), read, "Ch")
        if self.direct.any():
            y = e.b.add(y, e.b.matvec(e.weights(self.direct, Role.WEIGHT, "D"), x, "Dx"), "y_exact")
        return state(e, y, "y", "y = Re(C h') + D x"), *following


def zero_order_hold(rates: Numbers, input_kernel: Numbers, step: Array | float) -> tuple[Numbers, Numbers]:
    """Return λ and B of a continuous h˙ = rates∘h + input_kernel x whose input holds for `step` (a number, or (N,)).

    Ref: Smith et al. 2023, eq. 6.
    """
    diagonal = np.exp(rates * step)
    return diagonal, ((diagonal - 1.0) / rates)[:, np.newaxis] * input_kernel


def _parts(numbers: Numbers) -> list[Array]:
    """Return the real part, and of complex numbers the imaginary one too."""
    return [numbers.real, numbers.imag] if np.iscomplexobj(numbers) else [np.asarray(numbers.real)]
