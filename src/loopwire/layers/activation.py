"""Activation functions, written with primitive ops, and the layer that applies one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.functions import OWN, SELU_SCALE
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne
from loopwire.layers.roles import Role
from loopwire.layers.softmax import log_softmax, softmax
from loopwire.layers.sparsemax import sparsemax

TABLES = ("sigmoid", "tanh", "softsign", "erf", "arctan", "expm1")
EXACT = (
    "linear",
    "relu",
    "leaky_relu",
    "relu6",
    "hard_sigmoid",
    "hard_tanh",
    "hard_silu",
    "soft_shrink",
    "hard_shrink",
    "threshold",
    "sparse_plus",
)
"""Functions of comparisons, sums and products alone."""
TAILS = ("softplus", "silu", "gelu", "gelu_tanh", "mish", "squareplus")
"""Functions that are max(x, 0) and a table of what differs from it, which is small: the tail."""


@dataclass(frozen=True)
class Function:
    """An activation by name.

    The others are the parameters of those that have them: `slope` of the negative side (relu, leaky_relu), alpha (elu,
    celu), slope and `offset` of the ramp (hard_sigmoid: Keras 2 has 0.2 and 0.5, Keras 3 has 1/6 and 0.5); relu's
    largest result, `maximum`, and its threshold, as `offset`; the `slope` of the shrinking ones and of threshold is the
    bound, and threshold's `offset` what it gives below. A function that was registered (`ir.functions.register`) goes
    by its own name.
    """

    name: str
    slope: float = 0.0
    offset: float = 0.0
    maximum: float | None = None

    @property
    def needs_table(self) -> bool:
        """Whether it is not made of comparisons, sums and products alone."""
        return self.name not in EXACT


LINEAR = Function("linear")
SIGMOID = Function("sigmoid")
TANH = Function("tanh")


def activate(e: Emitter, function: Function, x: Value, role: str, name: str, note: str = "") -> Value:
    """Add function(x) in the type of `role`; a softmax runs over the elements of the vector `x`."""
    b, to = e.b, e.type_of(role)

    def cast(exact: Value) -> Value:
        return b.cast(exact, to, name, note, role=role)

    match function.name:
        case "linear":
            return e.cast(x, role, name, note)
        case "relu" if function.offset:
            return cast(_rectified_above(e, x, function))
        case "relu" | "leaky_relu":
            return cast(_rectified(e, x, function.slope, function.maximum))
        case "relu6":
            return cast(_rectified(e, x, 0.0, 6.0))
        case "elu":
            zero = e.scalar(0.0, "zero")
            negative = e.table("expm1_nonpositive", x, to, f"{name}_expm1", role=role)
            scaled = b.mul(negative, e.scalar(function.slope, "alpha"))
            return cast(b.add(b.max(x, zero), scaled))
        case "selu":
            negative = e.table("selu_nonpositive", x, to, f"{name}_negative", role=role)
            positive = b.mul(_rectified(e, x), e.scalar(SELU_SCALE, "lambda"))
            return cast(b.add(positive, negative))
        case "hard_sigmoid":
            ramp = b.add(b.mul(x, e.scalar(function.slope, "slope")), e.scalar(function.offset, "offset"))
            bounded = b.min(b.max(ramp, e.scalar(0.0, "zero")), e.scalar(1.0, "one"))
            return cast(bounded)
        case "celu":
            zero = e.scalar(0.0, "zero")
            scaled = b.mul(x, e.scalar(1.0 / function.slope, "one_by_alpha"), f"{name}_scaled")
            negative = b.mul(
                e.table("expm1_nonpositive", scaled, to, f"{name}_expm1", role=role), e.scalar(function.slope, "alpha")
            )
            return cast(b.add(b.max(x, zero), negative))
        case "hard_tanh":
            return cast(_clipped(e, x, 1.0))
        case "hard_silu":
            ramp = b.add(b.mul(x, e.scalar(1 / 6, "slope")), e.scalar(0.5, "offset"))
            return cast(b.mul(x, b.min(b.max(ramp, e.scalar(0.0, "zero")), e.scalar(1.0, "one"))))
        case "soft_shrink":
            return cast(b.sub(x, _clipped(e, x, function.slope)))
        case "hard_shrink":
            zero, below = e.scalar(0.0, "zero"), b.greater(e.scalar(-function.slope, "bound"), x, "is_below")
            return cast(b.where(below, x, b.where(_is_above(e, x, function.slope), x, zero)))
        case "threshold":
            kept = b.where(_is_above(e, x, function.slope), x, e.scalar(function.offset, "below"))
            return cast(kept)
        case "tanh_shrink":
            return cast(b.sub(x, e.table("tanh", x, _tail_type(x.type.element, to), f"{name}_tanh")))
        case "sparse_plus":
            rest = b.max(b.sub(e.scalar(1.0, "one"), _magnitude(e, x)), e.scalar(0.0, "zero"))
            tail = b.mul(b.mul(rest, rest, f"{name}_square"), e.scalar(0.25, "quarter"))
            return cast(b.add(_rectified(e, x), tail))
        case "log_sigmoid":
            curved = e.table("softplus_tail", x, _tail_type(x.type.element, to), f"{name}_tail")
            return cast(b.sub(b.min(x, e.scalar(0.0, "zero")), curved))
        case "exponential":
            return e.table("exp", x, to, name, note, role)
        case "softmax":
            return softmax(e, x, role, name)
        case "softmin":
            return softmax(e, b.sub(e.scalar(0.0, "zero"), x, f"{name}_negated"), role, name)
        case "sparsemax" | "keras_sparsemax":
            return sparsemax(e, x, role, name, as_keras=function.name != "sparsemax")
        case "log_softmax":
            return log_softmax(e, x, role, name)
        case tail if tail in TAILS:
            curved = e.table(f"{tail}_tail", x, _tail_type(x.type.element, to), f"{name}_tail")
            return cast(b.add(_rectified(e, x), curved))
        case table if table in TABLES or table in OWN:
            return e.table(table, x, to, name, note, role)
        case unknown:
            raise AssertionError(f"no frontend may hand on activation {unknown!r}")


def _rectified(e: Emitter, x: Value, slope: float = 0.0, maximum: float | None = None) -> Value:
    """Return min(max(x, 0), maximum) + slope · min(x, 0), exactly."""
    zero = e.scalar(0.0, "zero")
    result = e.b.max(x, zero)
    if maximum is not None:
        result = e.b.min(result, e.scalar(maximum, "maximum"))
    if slope:
        result = e.b.add(result, e.b.mul(e.b.min(x, zero), e.scalar(slope, "slope")))
    return result


def _rectified_above(e: Emitter, x: Value, function: Function) -> Value:
    """Return x where it is above the threshold θ, else 0, brought into 0…maximum, less slope · max(θ - x, 0)."""
    threshold, zero = e.scalar(function.offset, "threshold"), e.scalar(0.0, "zero")
    result = e.b.where(_is_above(e, x, function.offset), x, zero, "kept")
    if function.maximum is not None:
        result = e.b.min(e.b.max(result, zero), e.scalar(function.maximum, "maximum"))
    if function.slope:
        missing = e.b.max(e.b.sub(threshold, x, "below"), zero, "missing")
        result = e.b.sub(result, e.b.mul(missing, e.scalar(function.slope, "slope")))
    return result


def _clipped(e: Emitter, x: Value, bound: float) -> Value:
    """Return x brought into -bound…bound."""
    return e.b.min(e.b.max(x, e.scalar(-bound, "least")), e.scalar(bound, "most"))


def _magnitude(e: Emitter, x: Value) -> Value:
    return e.b.max(x, e.b.sub(e.scalar(0.0, "zero"), x), "magnitude")


def _is_above(e: Emitter, x: Value, bound: float) -> Value:
    return e.b.greater(x, e.scalar(bound, "bound"), "is_above", f"x > {bound:g}")


def _tail_type(x: FixedType, to: FixedType) -> FixedType:
    """Return the type of a tail, which lies in -1…1: as fine as `to`, or finer where the sum with x is rounded too."""
    fraction = max(to.fraction, 1) + (x.fraction > to.fraction)
    return FixedType(fraction + 1, 1, rounding=Rounding.RND, overflow=Overflow.SAT)


@dataclass(frozen=True)
class Activation(OneToOne):
    """y = function(x), on a vector or on each step of a sequence."""

    name: str
    function: Function

    kind: ClassVar[str] = "Activation"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input's shape."""
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the function."""
        return e.each_step(
            lambda e, v: activate(e, self.function, v, Role.RESULT, "y", f"y = {self.function.name}(x)"),
            x,
            name="y",
        )
