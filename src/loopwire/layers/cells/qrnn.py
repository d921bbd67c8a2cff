"""Quasi-recurrent network: gates from a window of the last inputs, and fo-pooling.

Ref: Bradbury et al. 2017, arXiv:1611.01576, eq. 1-4, the convolution written out for its k steps:

    z = φ(Σ W_z,j x_{t-j} + b_z)      f = σ(Σ W_f,j x_{t-j} + b_f)      o = σ(Σ W_o,j x_{t-j} + b_o)
    c' = f∘c + (1 - f)∘z              h = o∘c'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.builder import ShapeError
from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID, TANH, Function
from loopwire.layers.cell import State
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import affine, blend, gate, parts, state
from loopwire.layers.input_cell import UNGATED, InputCell
from loopwire.layers.roles import Role, own_role

PAST = own_role("past")
"""The inputs of the steps before."""


@dataclass(frozen=True, eq=False)
class Qrnn(InputCell):
    """A QRNN: kernel (3U, kF), whose rows are z f o and whose columns begin with the oldest of k steps; bias (3U,)."""

    features: int
    _: KW_ONLY
    activation: Function = TANH

    kind: ClassVar[str] = "QRNN"
    blocks: ClassVar[int] = 3
    keeps_cell: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = (*UNGATED, Role.CELL, PAST)

    @property
    def states(self) -> Mapping[str, State]:
        """h, which no step reads, c, and the steps before, if the window is longer than one."""
        before = self.kernel.shape[1] - self.features
        if before % self.features:
            raise ShapeError(f"the kernel's {self.kernel.shape[1]} columns are no steps of {self.features} features")
        return {**super().states, **({"past": State(PAST, before)} if before else {})}

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        _, c, *past = states
        window = e.b.concat([*past, e.cast(x, PAST, "x_now")], "window") if past else x
        a_z, a_f, a_o = parts(e, affine(e, self.kernel, window, self.bias), ("sum_z", "sum_f", "sum_o"))
        z = gate(e, self.activation, a_z, "z")
        f, o = gate(e, SIGMOID, a_f, "f"), gate(e, SIGMOID, a_o, "o")
        c_next = state(e, blend(e, f, c, z), "c", "c' = f∘c + (1 - f)∘z", Role.CELL)
        h_next = state(e, e.b.mul(o, c_next, "h_exact"), "h", "h = o∘c'")
        kept = [e.b.slice(window, self.features, window.type.size, "past_next")] if past else []
        return h_next, c_next, *kept
