"""The gated linear unit. Ref: Dauphin et al. 2017, arXiv:1612.08083, eq. 1: y = a∘σ(b) of a vector's halves a, b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.activation import SIGMOID
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import gate, parts
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role


@dataclass(frozen=True)
class Glu(OneToOne):
    """(2n,) → (n,), or each step of a sequence."""

    name: str

    kind: ClassVar[str] = "GLU"
    roles: ClassVar[tuple[str, ...]] = (Role.GATE, Role.RESULT)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with half the features."""
        if input_shape[-1] % 2:
            problem = f"it halves the features, of which its input has {input_shape[-1]}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give it an even number")
        return (*input_shape[:-1], input_shape[-1] // 2)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the gate and the product."""
        return e.each_step(_gated, x, name="y")


def _gated(e: Emitter, x: Value) -> Value:
    a, b = parts(e, x, ("a", "b"))
    return e.cast(e.b.mul(a, gate(e, SIGMOID, b, "g"), "y_exact"), Role.RESULT, "y", "y = a∘σ(b)")
