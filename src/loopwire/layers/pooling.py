"""Layers that make one vector of all steps of a sequence: their sum, mean, or largest elements."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.merge import share
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role

BIT = FixedType(1, 1, signed=False)


@dataclass(frozen=True)
class Pooling(OneToOne):
    """(T, n) → (n,). Of a short sequence, only its own steps count; the mean divides by T all the same."""

    name: str

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of a step."""
        if len(input_shape) != 2:
            raise UnsupportedError(
                f"layer {self.name!r}", f"an input of shape {input_shape} has no steps", "Give it a sequence"
            )
        return input_shape[1:]

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the scan over the steps, then the cast."""
        return e.cast(self.pooled(e, x), Role.RESULT, "y")

    @abstractmethod
    def pooled(self, e: Emitter, x: Value) -> Value:
        """Add the equations."""


class GlobalSum(Pooling):
    """y = Σ_t x_t"""

    kind = "GlobalSum"

    def pooled(self, e: Emitter, x: Value) -> Value:
        """Add the exact sum."""
        steps, features = x.type.shape
        element = x.type.element
        exact = FixedType.holding(steps * element.min_integer, steps * element.max_integer, element.fraction)

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            (total,), (step,) = states, given
            return (e.b.cast(e.b.add(total, step, "sum_exact"), exact, "sum_next", "s' = s + x"),), ()

        (y,) = e.scan((e.b.const(np.zeros(features), exact, "sum"),), (x,), body, names=("sum_last",))
        return y


class GlobalAverage(GlobalSum):
    """y = Σ_t x_t / T"""

    kind = "GlobalAverage"

    def pooled(self, e: Emitter, x: Value) -> Value:
        """Add the exact sum, and its product with 1/T."""
        return e.b.mul(super().pooled(e, x), share(e, x.type.shape[0]), "mean", f"sum / {x.type.shape[0]}")


class GlobalMax(Pooling):
    """y = max_t x_t"""

    kind = "GlobalMax"

    def pooled(self, e: Emitter, x: Value) -> Value:
        """Add the scan: m' = max(m + f x, x), where f is 1 in the first step, before which m is 0, and else 0."""
        steps, features = x.type.shape
        element = x.type.element

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            (most,), (step, is_first) = states, given
            before = e.b.add(most, e.b.mul(step, is_first, "first"), "before")
            return (e.b.cast(e.b.max(before, step), element, "max_next", "m' = max(m, x)"),), ()

        marks = e.b.const(np.arange(steps) == 0, BIT, "is_first")
        (y,) = e.scan((e.b.const(np.zeros(features), element, "max"),), (x, marks), body, names=("max_last",))
        return y
