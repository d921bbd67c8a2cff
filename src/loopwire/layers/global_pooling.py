"""Layers that make one vector of all steps of a sequence: the largest, the mean, the sum of each feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.masking import masked, require_mask
from loopwire.layers.model import Callable, OneToOne, Shape, Tensor
from loopwire.layers.roles import Role
from loopwire.layers.steps import require_sequence
from loopwire.layers.windows import mean, share_of


@dataclass(frozen=True)
class GlobalMaxPooling(OneToOne):
    """(T, n) → (n,): the largest of each feature; a sequence of one step (1, n) where it `keeps_steps`."""

    name: str
    keeps_steps: bool = False

    kind: ClassVar[str] = "GlobalMaxPooling1D"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of a step."""
        require_sequence(self.name, self.kind, input_shape)
        return (1, *input_shape[1:]) if self.keeps_steps else input_shape[1:]

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add a scan that keeps the largest, from the least that the type holds."""
        element = x.type.element
        least = e.b.const(np.full(x.type.shape[1:], element.min_integer * element.step), element, "least")

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            larger = e.b.max(states[0], given[0], "larger")
            return (e.b.cast(larger, element, "largest_next") if larger.type.element != element else larger,), ()

        (y,) = e.scan((least,), (x,), body, names=("y",))
        return _one_step(e, y) if self.keeps_steps else y


@dataclass(frozen=True)
class GlobalAveragePooling(Callable):
    """(T, n) → (n,): the mean of each feature; a short sequence is divided by T, as Keras does it.

    Where it is `masked` it takes a mask (T, 1) too, and gives the mean of the steps that count; 0 where none does. A
    sequence of one step (1, n) where it `keeps_steps`.
    """

    name: str
    masked: bool = False
    keeps_steps: bool = False

    kind: ClassVar[str] = "GlobalAveragePooling1D"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of a step."""
        x, *mask = inputs
        require_sequence(self.name, self.kind, x.shape)
        if self.masked:
            require_mask(self.name, mask[0], x)
        return {"": (1, *x.shape[1:]) if self.keeps_steps else x.shape[1:]}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the sum of the steps, exact, and its share."""
        x, *mask = inputs
        y = self._of_masked(e, x, *mask) if mask else mean(e, sum_of_steps(e, x), share_of(e, x.type.shape[0]))
        return (_one_step(e, y) if self.keeps_steps else y,)

    def _of_masked(self, e: Emitter, x: Value, mask: Value) -> Value:
        steps = x.type.shape[0]
        number = FixedType.holding(0, steps, 0)
        none, zero = e.b.const(np.zeros(x.type.shape[1:]), sum_type(x), "none"), e.b.const(0.0, number, "no_step")

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            (total, count), (step, counts) = states, given
            more = e.b.add(total, masked(e, counts, step, e.scalar(0.0, "zero"), "counted"), "more")
            one_more = e.b.add(count, e.b.reshape(counts, (), "one"), "one_more")
            return (e.b.cast(more, total.type.element, "sum_next"), e.b.cast(one_more, number, "count_next")), ()

        total, count = e.scan((none, zero), (x, mask), body, names=("sum", "count"))
        shares = share_of(e, np.maximum(np.arange(steps + 1), 1)[:, np.newaxis])
        return mean(e, total, e.b.reshape(e.b.lookup(shares, count, "share_of_n"), (), "share", "1 / n"))


@dataclass(frozen=True)
class GlobalSum(OneToOne):
    """(T, n) → (n,): the sum of each feature."""

    name: str

    kind: ClassVar[str] = "GlobalSum"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of a step."""
        require_sequence(self.name, self.kind, input_shape)
        return input_shape[1:]

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the sum of the steps, then its cast."""
        return e.cast(sum_of_steps(e, x), Role.RESULT, "y", "y = sum")


def sum_of_steps(e: Emitter, x: Value) -> Value:
    """Return the exact sum of all steps of (T, n), a vector (n,)."""
    wide = sum_type(x)
    none = e.b.const(np.zeros(x.type.shape[1:]), wide, "none")

    def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        return (e.b.cast(e.b.add(states[0], given[0], "more"), wide, "sum_next"),), ()

    return e.scan((none,), (x,), body, names=("sum",))[0]


def sum_type(x: Value) -> FixedType:
    """Return a type that holds the sum of any of the steps."""
    steps, element = x.type.shape[0], x.type.element
    return FixedType.holding(steps * element.min_integer, steps * element.max_integer, element.fraction)


def _one_step(e: Emitter, y: Value) -> Value:
    """Return a vector as a sequence of one step."""
    return e.b.reshape(y, (1, y.type.size), "y")
