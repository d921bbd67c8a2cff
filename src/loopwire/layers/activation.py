"""Activation functions, written with primitive ops, and the layer that applies one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import Role
from loopwire.layers.softmax import softmax

TABLES = ("sigmoid", "tanh", "softsign", "softplus")


@dataclass(frozen=True)
class Function:
    """An activation by name.

    `slope` and `offset` are the parameters of those that have them: leaky_relu (slope of the negative side), elu
    (alpha), hard_sigmoid (slope and offset of its ramp: Keras 2 has 0.2 and 0.5, Keras 3 has 1/6 and 0.5).
    """

    name: str
    slope: float = 0.0
    offset: float = 0.0


LINEAR = Function("linear")
SIGMOID = Function("sigmoid")
TANH = Function("tanh")


def activate(e: Emitter, function: Function, x: Value, to: FixedType, name: str, note: str = "") -> Value:
    """Add function(x) in type `to`; a softmax runs over the elements of the vector `x`."""
    b = e.b
    match function.name:
        case "linear":
            return x if x.type.element == to else b.cast(x, to, name, note)
        case "relu":
            return b.cast(b.max(x, e.scalar(0.0, "zero")), to, name, note)
        case "relu6":
            bounded = b.min(b.max(x, e.scalar(0.0, "zero")), e.scalar(6.0, "six"))
            return b.cast(bounded, to, name, note)
        case "leaky_relu":
            zero = e.scalar(0.0, "zero")
            negative = b.mul(b.min(x, zero), e.scalar(function.slope, "slope"))
            return b.cast(b.add(b.max(x, zero), negative), to, name, note)
        case "elu":
            zero = e.scalar(0.0, "zero")
            negative = e.table("expm1_nonpositive", x, to, f"{name}_expm1")
            scaled = b.mul(negative, e.scalar(function.slope, "alpha"))
            return b.cast(b.add(b.max(x, zero), scaled), to, name, note)
        case "hard_sigmoid":
            ramp = b.add(b.mul(x, e.scalar(function.slope, "slope")), e.scalar(function.offset, "offset"))
            bounded = b.min(b.max(ramp, e.scalar(0.0, "zero")), e.scalar(1.0, "one"))
            return b.cast(bounded, to, name, note)
        case "softmax":
            return softmax(e, x, to, name)
        case table if table in TABLES:
            return e.table(table, x, to, name, note)
        case unknown:
            raise AssertionError(f"no frontend may hand on activation {unknown!r}")


@dataclass(frozen=True)
class Activation:
    """y = function(x), on a vector or on each step of a sequence."""

    name: str
    function: Function

    kind: ClassVar[str] = "Activation"
    roles: ClassVar[tuple[Role, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input's shape."""
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the function."""
        return e.each_step(
            lambda e, v: activate(e, self.function, v, e.type_of(Role.RESULT), "y", f"y = {self.function.name}(x)"),
            x,
            "y",
        )
