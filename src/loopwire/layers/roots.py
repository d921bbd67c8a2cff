"""Logarithms, square roots and their reciprocals, of each element; and the length of a vector, the root of its squares.

They bend sharply near 0 and hardly at all further out, so each is a sum of tables, each for a factor of 4 of its
argument and constant beyond, as a softmax's reciprocal. That an argument is never 0 follows from its range, as for a
divisor (`layers.division`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.functions import SQRT_POWERS, sqrt_part
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.division import brought_up, ends_of
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.normalization import inverse_root
from loopwire.layers.roles import Role
from loopwire.layers.softmax import logarithm_parts

GUARD_BITS = 1
"""Of the parts of a root, beyond what the result has."""
LOGARITHM_GUARD_BITS = 3
"""Of the parts of a logarithm, none of which is exact, not even where it is constant."""
START_BITS = 8
"""The part of a root that begins at 0 has so many bits of argument."""


@dataclass(frozen=True)
class Elementwise(OneToOne):
    """A function of each element of a vector, or of each step of a sequence."""

    name: str

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        return input_shape


class SquareRoot(Elementwise):
    """y = √max(x, 0)"""

    kind = "SquareRoot"

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the root."""
        return e.each_step(lambda e, v: e.cast(_root(e, v), Role.RESULT, "y", "y = √x"), x, name="y")


class InverseSquareRoot(Elementwise):
    """y = 1 / √x; no element of x may be 0."""

    kind = "InverseSquareRoot"

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the root."""
        low, _ = _ends_above_0(e, self.name, x)
        more = max(-math.floor(math.log(low, 4)), 0)
        return e.each_step(
            lambda e, v: e.cast(inverse_root(e, v, low, more), Role.RESULT, "y", "y = 1 / √x"), x, name="y"
        )


class Logarithm(Elementwise):
    """y = log x, the natural one; no element of x may be 0."""

    kind = "Logarithm"

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the logarithm."""
        low, high = _ends_above_0(e, self.name, x)

        def step(e: Emitter, v: Value) -> Value:
            scaled, shift, most = brought_up(e, v, low, high)
            fraction = max(e.type_of(Role.RESULT).fraction, 1) + LOGARITHM_GUARD_BITS
            parts = logarithm_parts(e, scaled, most, fraction, "x", is_sum=False)
            total = next(parts)[1]
            for start, part in parts:
                total = e.b.add(total, part, f"log_to_{start}")
            if shift:
                less = FixedType(fraction + 6, 6)
                total = e.b.sub(total, e.b.const(shift * math.log(2), less, "log_of_scale"), "log")
            return e.cast(total, Role.RESULT, "y", "y = log x")

        return e.each_step(step, x, name="y")


@dataclass(frozen=True)
class EuclideanNorm(OneToOne):
    """(n,) or (T, n) → (1,) or (T, 1): y = √Σ x²."""

    name: str

    kind: ClassVar[str] = "EuclideanNorm"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with 1 in the last place."""
        return (*input_shape[:-1], 1)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the exact sum of the squares, and its root."""

        def step(e: Emitter, v: Value) -> Value:
            total = e.b.reduce_sum(e.b.mul(v, v, "squares"), "squares_sum")
            return e.cast(_root(e, e.b.reshape(total, (1,), "sum")), Role.RESULT, "y", "y = √Σ x²")

        return e.each_step(step, x, name="y")


def _ends_above_0(e: Emitter, name: str, x: Value) -> tuple[float, float]:
    """Return the least and the largest of what must be above 0.

    Raises:
        UnsupportedError: it may not be.
    """
    low, high = ends_of(e, name, x, what="argument")
    if low < 0:
        problem = f"its argument %{x.name} may be {low:g}, in fixed point"
        raise UnsupportedError(f"layer {name!r}", problem, "Give it numbers above 0")
    return low, high


def _root(e: Emitter, x: Value) -> Value:
    """Return √max(x, 0), exact to a step of the result's type."""
    exact, to = x.type.element, e.type_of(Role.RESULT)
    fine = max(to.fraction, 1) + GUARD_BITS
    bits = min(2 * fine, exact.fraction)
    x = e.b.cast(x, FixedType(bits + exact.integer, exact.integer, False, Rounding.RND, Overflow.SAT), "x_above_0")
    first = max((START_BITS - bits) // 2, SQRT_POWERS[0])
    largest = min(exact.max_integer * exact.step, (to.max_integer * to.step) ** 2)
    last = min(max(math.ceil(math.log(largest, 4)), first + 1), SQRT_POWERS[-1] + 1)
    start = sqrt_part(None, first)
    root = e.table(start, x, _part_type(fine, first), "root_from_0", f"√x up to 4^{first}")
    for power in range(first, last):
        end = power + 1 if power < last - 1 else None
        part = e.table(sqrt_part(power, end), x, _part_type(fine, power + 1), f"root_{power - first}")
        # Below where it begins a part is 2^power: what was counted already.
        own = e.b.sub(part, e.scalar(2.0**power, "begin"), f"root_{power - first}_more")
        root = e.b.add(root, own, f"root_to_{power - first}")
    return root


def _part_type(fine: int, power: int) -> FixedType:
    """Return the type of numbers up to 2**power."""
    return FixedType(fine + power + 1, power + 1, False, Rounding.RND, Overflow.SAT)
