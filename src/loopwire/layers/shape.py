"""Layers that only give the same numbers another shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne, Shape


@dataclass(frozen=True)
class Flatten(OneToOne):
    """(T, n) → (T·n,), row-major."""

    name: str

    kind: ClassVar[str] = "Flatten"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the one length."""
        return (prod(input_shape),)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the reshape."""
        return _reshaped(e, x, self.output_shape(x.type.shape))


@dataclass(frozen=True)
class Reshape(OneToOne):
    """Any shape to `shape`, row-major; one length may be -1."""

    name: str
    shape: tuple[int, ...]

    kind: ClassVar[str] = "Reshape"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with its -1 worked out."""
        size = prod(input_shape)
        known = prod(length for length in self.shape if length != -1)
        shape = tuple(size // known if length == -1 else length for length in self.shape)
        if prod(shape) != size or self.shape.count(-1) > 1 or len(shape) not in (1, 2, 3):
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"an input of shape {input_shape} cannot become {self.shape}",
                "Give a shape of one to three lengths with the same number of elements",
            )
        return shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the reshape."""
        return _reshaped(e, x, self.output_shape(x.type.shape))


@dataclass(frozen=True)
class RepeatVector(OneToOne):
    """(n,) → (count, n): the same vector in every step."""

    name: str
    count: int

    kind: ClassVar[str] = "RepeatVector"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the sequence."""
        if len(input_shape) != 1:
            raise UnsupportedError(
                f"layer {self.name!r}", f"an input of shape {input_shape} cannot be repeated", "Give it a vector"
            )
        return (self.count, *input_shape)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add a scan whose state never changes."""
        _, y = e.scan((x,), (), lambda e, states, _: (states, states), names=("last", "y"), length=self.count)
        return y


@dataclass(frozen=True)
class Reversed(OneToOne):
    """(T, n) → (T, n): the steps in reverse order."""

    name: str

    kind: ClassVar[str] = "Reversed"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        if len(input_shape) != 2:
            raise UnsupportedError(
                f"layer {self.name!r}", f"an input of shape {input_shape} has no steps", "Give it a sequence"
            )
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the reversal."""
        return e.reverse(x, "y")


def _reshaped(e: Emitter, x: Value, shape: tuple[int, ...]) -> Value:
    return x if shape == x.type.shape else e.b.reshape(x, shape, "y")
