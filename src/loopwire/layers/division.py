"""Quotients, by the reciprocal of a divisor that is never 0.

What a divisor can be follows from the ranges of all that it is computed from. The reciprocal is the sum of tables that
a softmax has (`layers.softmax`), of the divisor times a power of 2 that brings it above 1:

    a / d = a · 2^s / (2^s d)

It is as exact as a step of the result's type, so the quotient's error is up to |a| steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.functions import RECIPROCAL_LOWS, RECIPROCAL_RATIO
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.ir.types import FixedType, Overflow
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, OneToOne, Shape, Tensor
from loopwire.layers.roles import Role
from loopwire.layers.softmax import RECIPROCAL_GUARD_BITS, reciprocal

LEAST = 2.0
"""To which the least divisor is brought: in real numbers it may be smaller by what rounding adds, but not by half."""
MOST = float(RECIPROCAL_LOWS[-1] * RECIPROCAL_RATIO)
"""The largest divisor that the tables hold, when the least is brought there."""


@dataclass(frozen=True)
class Divide(Callable):
    """y = a / d, element by element, of two vectors or two sequences; no element of d may be 0."""

    name: str

    kind: ClassVar[str] = "Divide"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the quotient."""
        if len(inputs) != 2 or inputs[0].shape != inputs[1].shape:
            problem = f"it cannot divide {', '.join(map(repr, inputs))}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give it two tensors of one shape")
        return {"": inputs[0].shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the quotient, for each step where the inputs are sequences."""
        low, high = ends_of(e, self.name, inputs[1])

        def step(e: Emitter, a: Value, d: Value) -> Value:
            inverse = _inverse(e, d, low, high)
            return e.cast(e.b.mul(a, inverse, "quotient"), Role.RESULT, "y", "y = a / d")

        return (e.each_step(step, *inputs, name="y"),)


@dataclass(frozen=True)
class Reciprocal(OneToOne):
    """y = 1 / d, element by element; no element of d may be 0."""

    name: str

    kind: ClassVar[str] = "Reciprocal"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the reciprocal."""
        low, high = ends_of(e, self.name, x)
        return e.each_step(lambda e, d: e.cast(_inverse(e, d, low, high), Role.RESULT, "y", "y = 1 / d"), x, name="y")


def ends_of(e: Emitter, name: str, divisor: Value, *, what: str = "divisor") -> tuple[float, float]:
    """Return the least and the largest element of a divisor, or its like, in the steps that there are.

    Raises:
        UnsupportedError: it may be 0, or lies too close to it for its largest.
    """
    graph = e.b.graph((divisor,))
    held = _range_of_steps(graph, ranges(graph), divisor)
    low, high = (end * 2.0**-divisor.type.element.fraction for end in (held.low, held.high))
    least, most = sorted((abs(low), abs(high)))
    if low <= 0 <= high or most / least * LEAST > MOST:
        raise UnsupportedError(
            f"layer {name!r}",
            f"its {what} %{divisor.name} lies between {low:g} and {high:g}, in fixed point",
            f"Keep the {what} away from 0 by at least 1/{MOST / LEAST:g} of its largest value: add a constant to it",
        )
    return low, high


def _range_of_steps(graph: Graph, found: Mapping[Value, Range], value: Value) -> Range:
    """Return the range of a value in the steps that there are: those that a short sequence lacks are 0."""
    producer = graph.producers().get(value)
    if producer is None or not isinstance(producer.op, ops.Scan) or value in producer.results[: producer.op.states]:
        return found[value]
    body, states = producer.op.body, producer.op.states
    given = [found[state] for state in body.inputs[:states]]
    given += [_range_of_steps(graph, found, sequence) for sequence in producer.operands[states:]]
    return ranges(body, tuple(given))[body.outputs[producer.results.index(value)]]


def _inverse(e: Emitter, d: Value, low: float, high: float) -> Value:
    """Return 1 / d, to a step of the result's type."""
    scaled, shift, most = brought_up(e, d, low, high)
    fraction = max(e.type_of(Role.RESULT).fraction, 1) + shift + RECIPROCAL_GUARD_BITS
    inverse = reciprocal(e, scaled, most, fraction, "d", is_sum=False)
    scale = 2.0**shift if high > 0 else -(2.0**shift)
    return e.b.mul(inverse, e.scalar(scale, "scale"), "inverse", "1 / d") if scale != 1 else inverse


def brought_up(e: Emitter, d: Value, low: float, high: float) -> tuple[Value, int, float]:
    """Return |2^s d| of numbers from low to high, at least `LEAST`; and s, and the largest."""
    least, most = sorted((abs(low), abs(high)))
    shift = max(ceil(log2(LEAST / least)), 0)
    scale = 2.0**shift if high > 0 else -(2.0**shift)
    scaled = e.b.mul(d, e.scalar(scale, "scale"), "d_scaled") if scale != 1 else d
    grid = scaled.type.element.fraction
    tight = FixedType.holding(0, ceil(most * 2.0 ** (shift + grid)), grid)
    return e.b.cast(scaled, replace(tight, overflow=Overflow.SAT), "d_above_0"), shift, most * 2.0**shift
