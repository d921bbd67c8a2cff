"""Batch normalisation at inference: y = scale∘x + offset, a number of each for every feature.

Ref: Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 2: scale = γ/√(σ² + ε), offset = β - μ·scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class BatchNormalization(OneToOne):
    """scale (n,) and offset (n,), on a vector (n,) or each step of a sequence (T, n)."""

    name: str
    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]

    kind: ClassVar[str] = "BatchNormalization"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, Role.RESULT)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input's shape."""
        if input_shape[-1] != self.scale.size:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"it normalises {self.scale.size} features, its input has shape {input_shape}",
                "Normalise the last axis",
            )
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add product and sum."""
        return e.each_step(self._vector, x, name="y")

    def _vector(self, e: Emitter, x: Value) -> Value:
        scale = e.weights(self.scale, Role.WEIGHT, "scale")
        offset = e.weights(self.offset, Role.BIAS, "offset")
        return e.cast(e.b.add(e.b.mul(scale, x, "scaled"), offset, "shifted"), Role.RESULT, "y", "y = scale∘x + offset")
