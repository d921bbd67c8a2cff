"""The fully connected layer with quantisers, y = Q(φ(W Q(x) + b)), and the one that has no weights, y = Q(φ(Q(x)))."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne
from loopwire.layers.quantised.quantised import Quantised
from loopwire.layers.quantised.quantiser import Activated, Quantiser

NOTHING = Activated()
NOTE = "y = Q(φ(a))"


@dataclass(frozen=True, eq=False)
class QuantisedActivation(Quantised, OneToOne):
    """y = Q(φ(Q(x))) on a vector, or on each step of a sequence."""

    name: str
    activation: Activated = NOTHING
    input_quantiser: Quantiser | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "QActivation"
    multiplies: ClassVar[bool] = False

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input's shape."""
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the quantisers and the function."""
        return e.each_step(lambda e, v: self.activation.emit(e, self.quantised_input(e, v), "y", NOTE), x, name="y")


@dataclass(frozen=True, eq=False)
class QuantisedDense(QuantisedActivation):
    """kernel (m, n), bias (m,): numbers that are quantised already."""

    kernel: npt.NDArray[np.float64] = field(kw_only=True)
    bias: npt.NDArray[np.float64] = field(kw_only=True)

    kind: ClassVar[str] = "QDense"
    multiplies: ClassVar[bool] = True

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
        """Add quantisers, product, bias and activation."""
        return e.each_step(self._vector, x, name="y")

    def _vector(self, e: Emitter, x: Value) -> Value:
        product = e.b.matvec(e.exact(self.kernel, "W"), self.quantised_input(e, x), "Wx")
        return self.activation.emit(e, e.b.add(product, e.exact(self.bias, "b"), "a", "a = W x + b"), "y", NOTE)
