"""The simple recurrent layer as HGQ2 and QKeras quantise it.

    h' = φ(Q(W Q_x(x) + U Q_h(h) + b))      HGQ2, whose φ rounds nothing
    h' = Q(φ(W x + U Q_h(h) + b))           QKeras

Ref: https://github.com/calad0i/HGQ2/blob/master/src/hgq/layers/rnn/simple_rnn.py
Ref: https://github.com/google/qkeras/blob/master/qkeras/qrecurrent.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.cell import QuantisedCell
from loopwire.layers.quantised.quantiser import Activated, Quantiser


@dataclass(frozen=True, eq=False)
class QuantisedSimpleRnn(QuantisedCell):
    """bias (U,); `sum_quantiser` comes before the activation."""

    bias: npt.NDArray[np.float64]
    activation: Activated = field(kw_only=True)
    sum_quantiser: Quantiser | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "QSimpleRNN"

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        from_x = e.b.matvec(e.exact(self.kernel, "W"), self.quantised_input(e, x), "Wx")
        from_x = e.b.add(from_x, e.exact(self.bias, "b"), "Wx_b", "W x + b")
        from_h = e.b.matvec(e.exact(self.recurrent_kernel, "U"), self.quantised_state(e, h, "h_q"), "Uh")
        total = e.b.add(from_x, from_h, "a", "a = W x + b + U h")
        if self.sum_quantiser is not None:
            total = self.sum_quantiser.emit(e, total, "a_q", "Q(a)")
        return (self.activation.emit(e, total, "h_next", "h' = Q(φ(a))"),)
