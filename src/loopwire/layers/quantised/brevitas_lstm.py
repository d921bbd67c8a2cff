"""The long short-term memory as Brevitas quantises it, QuantLSTM.

    i, f, o = Q_s(σ(Q_a(W x + U h + b)))      g = Q_t(tanh(Q_a(W_g x + U_g h + b_g)))
    c' = Q_c(Q_c(f∘c) + Q_c(i∘g))             h' = Q_o(o∘Q_t(tanh(c')))

With coupled gates (CIFG) f = Q_s(1) - i.

Ref: https://github.com/Xilinx/brevitas/blob/master/src/brevitas/nn/quant_rnn.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.cell import State
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.cell import QuantisedCell
from loopwire.layers.quantised.quantiser import Activated, Quantiser, to_significant_bits
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class BrevitasLstm(QuantisedCell):
    """An LSTM, whose gates are i f g o: bias (4U,). `sums` and `gates` are the quantisers of each by its letter."""

    bias: npt.NDArray[np.float64]
    sums: Mapping[str, Quantiser] = field(kw_only=True)
    gates: Mapping[str, Activated] = field(kw_only=True)
    hidden: Activated = field(kw_only=True)
    cell_quantiser: Quantiser = field(kw_only=True)
    output_quantiser: Quantiser = field(kw_only=True)
    coupled: bool = field(default=False, kw_only=True)

    kind: ClassVar[str] = "QuantLSTM"

    @property
    def states(self) -> Mapping[str, State]:
        """h and c."""
        return {"h": State(Role.STATE, self.units), "c": State(Role.CELL, self.units)}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h, c), b = states, e.b
        kernel, recurrent_kernel, bias = map(to_significant_bits, (self.kernel, self.recurrent_kernel, self.bias))
        from_x = b.add(b.matvec(e.exact(kernel, "W"), x, "Wx"), e.exact(bias, "b"), "Wx_b", "W x + b")
        total = b.add(from_x, b.matvec(e.exact(recurrent_kernel, "U"), h, "Uh"), "a", "a = W x + b + U h")
        i, g, o = (self._gate(e, total, letter) for letter in "igo")
        f = self._coupled(e, i) if self.coupled else self._gate(e, total, "f")
        kept = self.cell_quantiser.emit(e, b.mul(f, c, "fc"), "fc_q", "Q(f∘c)")
        fresh = self.cell_quantiser.emit(e, b.mul(i, g, "ig"), "ig_q", "Q(i∘g)")
        c_next = self.cell_quantiser.emit(e, b.add(kept, fresh, "c_exact"), "c_next", "c' = Q(Q(f∘c) + Q(i∘g))")
        squashed = self.hidden.emit(e, c_next, "tanh_c", "Q(tanh(c'))")
        h_next = self.output_quantiser.emit(e, b.mul(o, squashed, "h_exact"), "h_next", "h' = Q(o∘Q(tanh(c')))")
        return h_next, c_next

    def _gate(self, e: Emitter, total: Value, letter: str) -> Value:
        place = "ifgo".index(letter)
        part = e.b.slice(total, place * self.units, (place + 1) * self.units, f"a_{letter}")
        a = self.sums[letter].emit(e, part, f"a_{letter}_q", f"Q(a_{letter})")
        return self.gates[letter].emit(e, a, letter, f"{letter} = Q(φ(a_{letter}))")

    def _coupled(self, e: Emitter, i: Value) -> Value:
        quantiser = self.gates["i"].quantiser
        assert quantiser is not None
        return e.b.sub(e.exact(quantiser.quantised(np.ones(self.units)), "one"), i, "f", "f = Q(1) - i")
