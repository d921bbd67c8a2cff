"""A rectifier with a trained slope for each feature: y = max(x, 0) + α∘min(x, 0).

Ref: He et al. 2015, arXiv:1502.01852, eq. 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class PRelu(OneToOne):
    """slopes α (n,), or (T, n) where each step has its own."""

    name: str
    slopes: Array

    kind: ClassVar[str] = "PReLU"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.RESULT)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        if self.slopes.shape not in (input_shape, input_shape[-1:]):
            problem = f"it has slopes of shape {self.slopes.shape} for an input of {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give a slope for each feature")
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add both sides."""
        if self.slopes.ndim == 2:
            return e.each_step(_sides, x, e.weights(self.slopes, Role.WEIGHT, "slopes"), name="y")
        return e.each_step(lambda e, v: _sides(e, v, e.weights(self.slopes, Role.WEIGHT, "slopes")), x, name="y")


def _sides(e: Emitter, x: Value, slopes: Value) -> Value:
    zero = e.scalar(0.0, "zero")
    below = e.b.mul(slopes, e.b.min(x, zero, "below"), "scaled")
    return e.cast(e.b.add(e.b.max(x, zero, "above"), below), Role.RESULT, "y", "y = max(x, 0) + α∘min(x, 0)")
