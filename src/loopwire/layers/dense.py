"""The fully connected layer: y = φ(W x + b)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.activation import LINEAR, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Dense(OneToOne):
    """kernel (m, n), bias (m,), on a vector (n,) or on each step of a sequence (T, n)."""

    name: str
    kernel: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    activation: Function = LINEAR

    kind: ClassVar[str] = "Dense"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, Role.PREACTIVATION, Role.RESULT)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with m in the last place."""
        rows, columns = self.kernel.shape
        if input_shape[-1] != columns or len(input_shape) > 2:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"its kernel takes {columns} features, its input has shape {input_shape}",
                "Check the layer before it",
            )
        return (*input_shape[:-1], rows)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add product, bias and activation."""
        return e.each_step(self._vector, x, name="y")

    def _vector(self, e: Emitter, x: Value) -> Value:
        weights = e.weights(self.kernel, Role.WEIGHT, "W")
        bias = e.weights(self.bias, Role.BIAS, "b")
        total = e.b.add(e.b.matvec(weights, x, "Wx"), bias, "a", "a = W x + b")
        total = e.cast(total, Role.PREACTIVATION, "a_cast")
        return activate(e, self.activation, total, Role.RESULT, "y", f"y = {self.activation.name}(a)")
