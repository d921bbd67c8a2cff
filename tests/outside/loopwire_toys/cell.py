"""A cell: a leaky sum, h' = h / 2 + W x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire import layers


@dataclass(frozen=True, eq=False)
class LeakySum(layers.Cell):
    """kernel (U, F)."""

    kernel: npt.NDArray[np.float64]

    kind = "LeakySum"
    roles = layers.GATED

    @property
    def units(self) -> int:
        return len(self.kernel)

    def step(self, e: layers.Emitter, states: Sequence[Any], x: Any) -> tuple[Any, ...]:
        (h,) = states
        half = e.weights(np.full(self.units, 0.5), layers.Role.RECURRENT_WEIGHT, "half")
        following = e.b.add(e.b.mul(half, h, "half_h"), layers.affine(e, self.kernel, x, np.zeros(self.units)))
        return (layers.state(e, following, "h", "h' = h / 2 + W x"),)
