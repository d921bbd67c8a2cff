"""Minimal long short-term memory, whose gates do not read the state.

Ref: Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201, section 3.2 and appendix B.2:

    f = σ(W_f x + b_f)      i = σ(W_i x + b_i)      n = φ(W_n x + b_n), φ the identity
    h' = f/(f + i)∘h + i/(f + i)∘n

There is no division: with a gate's logarithm log f = -softplus(-a_f), i/(f + i) = σ(log i - log f) =: s, and f/(f + i)
is 1 - s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.activation import LINEAR, SIGMOID, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import affine, blend, gate, parts, state
from loopwire.layers.input_cell import UNGATED, InputCell
from loopwire.layers.roles import Role, own_role

LOG_GATE = own_role("log_gate")
"""-log f and -log i, which are not negative."""


@dataclass(frozen=True, eq=False)
class MinLstm(InputCell):
    """kernel (3U, F), bias (3U,), whose rows are f i n."""

    _: KW_ONLY
    activation: Function = LINEAR

    kind: ClassVar[str] = "MinLSTM"
    blocks: ClassVar[int] = 3
    roles: ClassVar[tuple[str, ...]] = (*UNGATED, LOG_GATE)

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        sums = affine(e, self.kernel, x, self.bias)
        a_f, a_i, a_n = parts(e, e.cast(sums, Role.PREACTIVATION, "a_cast"), ("a_f", "a_i", "a_n"))
        log_f, log_i = (
            activate(e, Function("softplus"), e.b.sub(e.scalar(0.0, "zero"), a), LOG_GATE, name)
            for name, a in (("minus_log_f", a_f), ("minus_log_i", a_i))
        )
        s = activate(e, SIGMOID, e.b.sub(log_f, log_i, "log_ratio"), Role.GATE, "s", "s = i / (f + i)")
        n = gate(e, self.activation, a_n, "n")
        return (state(e, blend(e, s, n, h), "h", "h' = (1 - s)∘h + s∘n"),)
