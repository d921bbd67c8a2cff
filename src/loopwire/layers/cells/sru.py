"""Simple recurrent unit: gates that see of the state at most their own element, and a highway past the cell.

Ref: Lei et al. 2018, arXiv:1709.02755v5, eq. 1-5; without v_f and v_r, version 1 of the same paper:

    f = σ(W_f x + v_f∘c + b_f)      r = σ(W_r x + v_r∘c + b_r)
    c' = f∘c + (1 - f)∘(W x)        h = r∘c' + (1 - r)∘k

where k is α x, or W_k x where the input has another size than the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, blend, gate, parts, state
from loopwire.layers.input_cell import UNGATED, InputCell
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Sru(InputCell):
    """An SRU: bias (2U,), which is b_f b_r; kernel (3U, F) whose rows are W W_f W_r, or (4U, F) with W_k behind.

    `recurrent_weights` (2U,) are v_f v_r; where they are None the gates read no state. `scale` is α.
    """

    _: KW_ONLY
    recurrent_weights: Array | None = None
    scale: float = 1.0

    kind: ClassVar[str] = "SRU"
    blocks: ClassVar[int] = 2
    keeps_cell: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = (*UNGATED, Role.RECURRENT_WEIGHT, Role.CELL)

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        _, c = states
        product = e.b.matvec(e.weights(self.kernel, Role.WEIGHT, "W"), x, "Wx")
        names = ("x_c", "x_f", "x_r", "x_k")[: len(self.kernel) // self.units]
        fresh, a_f, a_r, *rest = parts(e, product, names)
        highway = rest[0] if rest else e.b.mul(x, e.weights(self.scale, Role.WEIGHT, "alpha"), "scaled")
        f, r = (self._gate(e, a, index, c) for index, a in enumerate((a_f, a_r)))
        c_next = state(e, blend(e, f, c, fresh), "c", "c' = f∘c + (1 - f)∘(W x)", Role.CELL)
        return state(e, blend(e, r, c_next, highway), "h", "h = r∘c' + (1 - r)∘k"), c_next

    def _gate(self, e: Emitter, from_x: Value, index: int, c: Value) -> Value:
        name = "fr"[index]
        a = e.b.add(from_x, e.weights(np.split(self.bias, 2)[index], Role.BIAS, f"b_{name}"), f"sum_{name}")
        if self.recurrent_weights is not None:
            own = e.weights(np.split(self.recurrent_weights, 2)[index], Role.RECURRENT_WEIGHT, f"v_{name}")
            a = e.b.add(a, e.b.mul(own, c, f"v_{name}_c"), f"sum_{name}_c")
        return gate(e, SIGMOID, a, name)
