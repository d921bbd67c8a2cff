"""The recurrent layers of Keras and PyTorch: cells of gates that each read the input and the state."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.activation import TANH, Function
from loopwire.layers.cell import Cell
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Recurrent(Cell):
    """A cell of U units on F features; rows of the matrices are its G gates, U rows each.

    kernel (GU, F), recurrent_kernel (GU, U), bias (GU,). `activation` is φ. `clip` bounds what the
    activations of gates are given, to -clip…clip.
    """

    kernel: npt.NDArray[np.float64]
    recurrent_kernel: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    _: KW_ONLY
    activation: Function = TANH
    clip: float | None = None

    @property
    def units(self) -> int:
        """U."""
        return int(self.recurrent_kernel.shape[1])

    def preactivation(self, e: Emitter, a: Value, name: str) -> Value:
        """Add what follows the sum of a gate: its clipping, if any, and its cast."""
        if self.clip is not None:
            above = e.b.max(a, e.scalar(-self.clip, "clip_low"), f"{name}_above")
            a = e.b.min(above, e.scalar(self.clip, "clip_high"), f"{name}_clipped", "clip(a)")
        return e.cast(a, Role.PREACTIVATION, f"{name}_cast")
