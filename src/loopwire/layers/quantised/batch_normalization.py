"""Batch normalisation with quantisers, y = Q(scale∘Q(x) + offset)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.dense import QuantisedActivation


@dataclass(frozen=True, eq=False)
class QuantisedBatchNormalization(QuantisedActivation):
    """scale (n,), offset (n,): numbers that are quantised already."""

    scale: npt.NDArray[np.float64] = field(kw_only=True)
    offset: npt.NDArray[np.float64] = field(kw_only=True)

    kind: ClassVar[str] = "QBatchNormalization"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input's shape."""
        if input_shape[-1] != self.scale.size:
            problem = f"it normalises {self.scale.size} features, its input has shape {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Normalise the last axis")
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the quantisers, product and sum."""
        return e.each_step(self._vector, x, name="y")

    def _vector(self, e: Emitter, x: Value) -> Value:
        scaled = e.b.mul(e.exact(self.scale, "scale"), self.quantised_input(e, x), "scaled")
        shifted = e.b.add(scaled, e.exact(self.offset, "offset"), "shifted", "scale∘x + offset")
        return self.activation.emit(e, shifted, "y", "y = Q(scale∘x + offset)")
