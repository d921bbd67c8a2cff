"""Layers that hand on a part of what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne, Shape

BIT = FixedType(1, 1, signed=False)


@dataclass(frozen=True)
class Slice(OneToOne):
    """(n,) → (stop - start,): features start…stop-1, of a vector or of each step of a sequence."""

    name: str
    start: int
    stop: int

    kind: ClassVar[str] = "Slice"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with the features that are left."""
        if not 0 <= self.start < self.stop <= input_shape[-1]:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"features {self.start} to {self.stop - 1} are not all in an input of shape {input_shape}",
                "Select existing features",
            )
        return (*input_shape[:-1], self.stop - self.start)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the slice."""
        return e.each_step(lambda e, v: e.b.slice(v, self.start, self.stop, "y"), x, name="y")


@dataclass(frozen=True)
class Step(OneToOne):
    """(T, n) → (n,): step `index`; where that is T - 1 the last of a short sequence, else 0 where it lacks the step."""

    name: str
    index: int

    kind: ClassVar[str] = "Step"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of a step."""
        if len(input_shape) != 2 or not 0 <= self.index < input_shape[0]:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"an input of shape {input_shape} has no step {self.index}",
                "Give it a sequence, and select an existing step",
            )
        return input_shape[1:]

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add a scan that keeps the step."""
        steps, features = x.type.shape
        element = x.type.element
        start = e.b.const(np.zeros(features), element, "kept")
        if self.index == steps - 1:
            (y,) = e.scan((start,), (x,), lambda e, _, given: (given, ()), names=("y",))
            return y

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            (kept,), (step, is_here) = states, given
            taken = e.b.mul(step, is_here, "taken")
            return (e.b.cast(e.b.add(kept, taken), element, "kept_next", "its own step, once it is there"),), ()

        marks = e.b.const(np.arange(steps) == self.index, BIT, "is_here")
        (y,) = e.scan((start,), (x, marks), body, names=("y",))
        return y
