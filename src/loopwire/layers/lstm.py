"""Long short-term memory.

Ref: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; the form of Keras and PyTorch:

    i = σ(W_i x + U_i h + b_i)      f = σ(W_f x + U_f h + b_f)
    g = φ(W_g x + U_g h + b_g)      o = σ(W_o x + U_o h + b_o)
    c' = f∘c + i∘g                  h' = o∘φ(c')

With peepholes (Gers & Schmidhuber 2000) i and f also see p_i∘c and p_f∘c, and o sees p_o∘c'. With coupled gates (CIFG
of Greff et al. 2017, arXiv:1503.04069) f = 1 - i. With a projection P (Sak et al. 2014, arXiv:1402.1128)
h' = P (o∘φ(c')).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID, Function, activate
from loopwire.layers.cell import State
from loopwire.layers.emitter import Emitter
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import OF_CELLS, Role


@dataclass(frozen=True, eq=False)
class Lstm(Recurrent):
    """An LSTM, whose gates are i f g o, or i g o if `coupled`.

    `recurrent_activation` is σ, and `output_activation` the φ of h' where that is another than the one of g.
    `peepholes` (3, U) are p_i, p_f and p_o, or (2, U) without p_f if coupled. `projection` (V, U) makes h of V
    elements, so that the recurrent kernel is (4U, V).
    """

    recurrent_activation: Function = field(default=SIGMOID, kw_only=True)
    output_activation: Function | None = field(default=None, kw_only=True)
    coupled: bool = field(default=False, kw_only=True)
    peepholes: npt.NDArray[np.float64] | None = field(default=None, kw_only=True)
    projection: npt.NDArray[np.float64] | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "LSTM"
    roles: ClassVar[tuple[str, ...]] = OF_CELLS

    @property
    def units(self) -> int:
        """U, the elements of c."""
        return int(self.kernel.shape[0] // (3 if self.coupled else 4))

    @property
    def states(self) -> Mapping[str, State]:
        """h, which a projection makes of another size, and c."""
        return {"h": State(Role.STATE, self.recurrent_kernel.shape[1]), "c": State(Role.CELL, self.units)}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        h, c = states
        weights = e.weights(self.kernel, Role.WEIGHT, "W")
        recurrent_weights = e.weights(self.recurrent_kernel, Role.RECURRENT_WEIGHT, "U")
        bias = e.weights(self.bias, Role.BIAS, "b")
        from_x = e.b.add(e.b.matvec(weights, x, "Wx"), bias, "Wx_b", "W x + b")
        total = e.b.add(from_x, e.b.matvec(recurrent_weights, h, "Uh"), "a", "a = W x + b + U h")
        if self.peepholes is None:
            total = self.preactivation(e, total, "a")
        letters = "igo" if self.coupled else "ifgo"
        sums = {
            letter: e.b.slice(total, k * self.units, (k + 1) * self.units, f"a_{letter}")
            for k, letter in enumerate(letters)
        }
        i = self._gate(e, sums, "i", c)
        f = e.b.sub(e.scalar(1.0, "one"), i, "f", "f = 1 - i") if self.coupled else self._gate(e, sums, "f", c)
        a_g = sums["g"] if self.peepholes is None else self.preactivation(e, sums["g"], "a_g")
        g = activate(e, self.activation, a_g, Role.GATE, "g", "g = φ(a_g)")
        o = None if self.peepholes is not None else self._gate(e, sums, "o", c)
        kept = e.b.add(e.b.mul(f, c, "fc"), e.b.mul(i, g, "ig"), "c_exact")
        c_next = e.cast(kept, Role.CELL, "c_next", "c' = f∘c + i∘g")
        o = self._gate(e, sums, "o", c_next) if o is None else o
        squashed = activate(e, self.output_activation or self.activation, c_next, Role.GATE, "phi_c", "φ(c')")
        h_exact, note = e.b.mul(o, squashed, "h_exact"), "h' = o∘φ(c')"
        if self.projection is not None:
            hidden = e.cast(h_exact, Role.STATE, "hidden", "o∘φ(c')")
            weights, note = e.weights(self.projection, Role.RECURRENT_WEIGHT, "P"), "h' = P (o∘φ(c'))"
            h_exact = e.b.matvec(weights, hidden, "P_hidden")
        return e.cast(h_exact, Role.STATE, "h_next", note), c_next

    def _gate(self, e: Emitter, sums: Mapping[str, Value], letter: str, cell: Value) -> Value:
        """Add σ of a gate's sum and of what it sees of the cell."""
        a = sums[letter]
        if self.peepholes is not None:
            row = ("io" if self.coupled else "ifo").index(letter)
            weights = e.weights(self.peepholes[row], Role.RECURRENT_WEIGHT, f"p_{letter}")
            seen = e.b.mul(weights, cell, f"p_{letter}_c", f"p_{letter}∘c")
            a = self.preactivation(e, e.b.add(a, seen, f"a_{letter}_seen"), f"a_{letter}")
        return activate(e, self.recurrent_activation, a, Role.GATE, letter, f"{letter} = σ(a_{letter})")
