"""What rounds a tensor in a trained model: fixed-point types, one for all elements or one for each.

    y = gain · cast(x / scale) + offset, cast by the element's own type

Every framework's quantisers become these: as numbers for weights, as casts in a graph for what flows through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.functions import INVERSES, MOST_ROUNDED_BITS
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.activation import LINEAR, Function
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.rounding import rounded

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

EXACT_FUNCTIONS = ("linear", "relu", "hard_sigmoid")
"""What a layer may apply without a quantiser behind it: it needs no rounding."""
EXACT_BITS = 16
"""Fraction bits that their factors may have."""
NEAREST = (Rounding.RND, Rounding.RND_CONV, Rounding.RND_INF, Rounding.RND_ZERO, Rounding.RND_MIN_INF)
MOST_BITS = 64
"""Of a quantiser that is carried, on either side of the point."""


@dataclass(frozen=True, eq=False)
class Quantiser:
    """Types by element: `signed`, `integer` bits without the sign and `fraction` bits broadcast to the tensor's shape.

    A type without bits makes 0 of everything. `scale` divides first, `gain` and `offset` come last; they are exact
    where they are sums of few powers of two.
    """

    signed: Ints
    integer: Ints
    fraction: Ints
    rounding: Rounding
    overflow: Overflow
    scale: float = 1.0
    gain: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, type: FixedType, *, scale: float = 1.0, gain: float = 1.0, offset: float = 0.0) -> Quantiser:
        """Return the quantiser that casts every element to one type."""
        signed, integer, fraction = (np.array(b) for b in (int(type.signed), type.integer - type.signed, type.fraction))
        return cls(signed, integer, fraction, type.rounding, type.overflow, scale, gain, offset)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the types: that of the tensor, or one that is broadcast to it."""
        return np.broadcast_shapes(self.signed.shape, self.integer.shape, self.fraction.shape)

    def refuse_uncarried(self, where: str) -> None:
        """Refuse types that no hardware carries.

        Raises:
            UnsupportedError: a type has more than `MOST_BITS` bits on a side of its point.
        """
        for bits, what in ((self.integer, "integer"), (self.fraction, "fraction")):
            worst = bits.reshape(-1)[np.abs(bits).argmax()]
            if abs(worst) > MOST_BITS:
                problem = f"a quantiser has {worst} {what} bits, more than hardware carries"
                raise UnsupportedError(where, problem, f"Train it with at most {MOST_BITS} on each side of the point")

    def types(self, shape: tuple[int, ...]) -> list[FixedType | None]:
        """Return the type of each element of a tensor, row-major; None of one that is always 0."""
        bits = np.broadcast_arrays(self.signed, self.integer, self.fraction, np.empty(shape))[:3]
        return [self._type(*map(int, each)) for each in zip(*(b.reshape(-1) for b in bits), strict=True)]

    def _type(self, signed: int, integer: int, fraction: int) -> FixedType | None:
        integer = max(integer, -fraction)
        width = signed + integer + fraction
        symmetric_zero = self.overflow is Overflow.SAT_SYM and signed and width == 1
        if width <= 0 or symmetric_zero:
            return None
        return FixedType(width, signed + integer, bool(signed), self.rounding, self.overflow)

    def quantised(self, reals: npt.ArrayLike) -> Reals:
        """Return what becomes of trained numbers."""
        given = np.asarray(reals, np.float64)
        types = self.types(given.shape)
        scaled = given.reshape(-1) / self.scale
        result = np.zeros(given.size)
        for to in {to for to in types if to is not None}:
            chosen = np.array([each == to for each in types])
            result[chosen] = to_real(quantise(scaled[chosen], to), to.fraction)
        return (result * self.gain + self.offset).reshape(given.shape)

    def emit(self, e: Emitter, x: Value, name: str, note: str = "", function: Function = LINEAR) -> Value:
        """Add the quantiser of function(x) for a vector x (n,): a cast for each run of elements of one type.

        The function is one of `EXACT_FUNCTIONS`, or one of `INVERSES`, which is rounded exactly.
        """
        if self.scale != 1.0:
            x = e.b.mul(x, e.scalar(1.0 / self.scale, f"{name}_inverse_scale"), f"{name}_scaled")
        is_table = function.name in INVERSES
        if not is_table:
            x = exactly(e, function, x, name)
        (count,) = x.type.shape
        parts = []
        for start, stop, to in _runs(self.types((count,))):
            part = x if stop - start == count else e.b.slice(x, start, stop, f"{name}_in")
            if to is None:
                parts.append(e.exact(np.zeros(stop - start), f"{name}_0"))
                continue
            if is_table:
                part = rounded(e, function.name, part, to.fraction, f"{name}_exact", f"{function.name}(x)")
            parts.append(e.b.cast(part, to, name, note, in_reals=True))
        y = _joined(e, parts, name)
        if self.gain != 1.0:
            y = e.b.mul(y, e.scalar(self.gain, f"{name}_gain"), f"{name}_gained")
        return y if not self.offset else e.b.add(y, e.scalar(self.offset, f"{name}_offset"), f"{name}_moved")

    def refuse_function(self, where: str, function: Function) -> None:
        """Refuse a function that this quantiser cannot round exactly.

        Raises:
            UnsupportedError: it is no such function, or this is no rounding to nearest to so many bits.
        """
        if _is_exact(function):
            return
        if function.name not in INVERSES:
            known = ", ".join((*EXACT_FUNCTIONS, *INVERSES))
            problem = f"{function.name} before a quantiser is not rounded exactly"
            raise UnsupportedError(where, problem, f"Use one of {known}")
        least, most = int(self.fraction.min()), int(self.fraction.max())
        if self.rounding not in NEAREST or least < 1 or most > MOST_ROUNDED_BITS or self.scale != 1.0:
            problem = f"{function.name} is quantised by {self.rounding} to {least} to {most} fraction bits"
            raise UnsupportedError(where, problem, f"Round it to nearest, to 1 to {MOST_ROUNDED_BITS} fraction bits")


@dataclass(frozen=True, eq=False)
class Activated:
    """y = Q(φ(x)); without a quantiser φ is one of `EXACT_FUNCTIONS`."""

    function: Function = LINEAR
    quantiser: Quantiser | None = None

    def check(self, where: str) -> None:
        """Refuse what is not exact.

        Raises:
            UnsupportedError: the function's results are not rounded, or not exactly.
        """
        if self.quantiser is not None:
            self.quantiser.refuse_function(where, self.function)
        elif not _is_exact(self.function):
            problem = f"nothing quantises the results of {self.function.name}"
            raise UnsupportedError(where, problem, "Train it with a quantiser behind it")

    def emit(self, e: Emitter, x: Value, name: str, note: str = "") -> Value:
        """Add function and quantiser for a vector x (n,)."""
        if self.quantiser is None:
            return exactly(e, self.function, x, name)
        return self.quantiser.emit(e, x, name, note, self.function)


def _is_exact(function: Function) -> bool:
    """Say whether a function needs no rounding: its factors are few fraction bits long."""
    factors = (function.slope, function.offset, function.maximum or 0.0)
    return function.name in EXACT_FUNCTIONS and all(float(factor * 2**EXACT_BITS).is_integer() for factor in factors)


def exactly(e: Emitter, function: Function, x: Value, name: str) -> Value:
    """Add one of `EXACT_FUNCTIONS`, without rounding."""
    if function == LINEAR:
        return x
    if function.name == "hard_sigmoid":
        ramp = e.b.mul(x, e.scalar(function.slope, "slope"), f"{name}_ramp")
        ramp = e.b.add(ramp, e.scalar(function.offset, "offset"), f"{name}_ramp")
        return e.b.min(e.b.max(ramp, e.scalar(0.0, "zero")), e.scalar(1.0, "one"), f"{name}_hard")
    assert function.name == "relu", f"{function.name} is not exact"
    y = e.b.max(x, e.scalar(0.0, "zero"), f"{name}_relu", "max(x, 0)")
    if function.maximum is not None:
        y = e.b.min(y, e.scalar(function.maximum, "maximum"), f"{name}_bounded")
    if function.slope:
        negative = e.b.mul(e.b.min(x, e.scalar(0.0, "zero")), e.scalar(function.slope, "slope"))
        y = e.b.add(y, negative, f"{name}_leaky")
    return y


def holding_all(types: Sequence[FixedType | None]) -> FixedType:
    """Return the narrowest type that holds every number of these types."""
    held = [to for to in types if to is not None] or [FixedType(1, 1, signed=False)]
    signed, fraction = any(to.signed for to in held), max(to.fraction for to in held)
    integer = max(to.integer + (signed and not to.signed) for to in held)
    return FixedType(integer + fraction, integer, signed)


def input_type(quantisers: Sequence[Quantiser], size: int) -> FixedType | None:
    """Return a type for numbers from outside of which these quantisers make what they make of the numbers themselves.

    It is theirs where it is the same for all elements; where only ranges differ, the widest; where fraction bits
    differ, one with a bit more, so that rounding half up twice is rounding half up once. None where there is no such.
    """
    types = {to for each in quantisers for to in each.types((size,)) if to is not None}
    if any(each.scale != 1.0 for each in quantisers) or not types:
        return None
    modes = {(to.rounding, to.overflow) for to in types}
    if len(modes) > 1:
        return None
    ((rounding, overflow),) = modes
    held = holding_all(list(types))
    if len({to.fraction for to in types}) == 1:
        return held.with_modes(rounding, Overflow.SAT if overflow is Overflow.SAT_SYM and len(types) > 1 else overflow)
    if rounding not in (Rounding.TRN, Rounding.RND):
        return None
    extra = int(rounding is Rounding.RND)
    finer = FixedType(held.width + extra, held.integer, held.signed)
    return finer.with_modes(Rounding.TRN, overflow)


def _runs(types: Sequence[FixedType | None]) -> Iterator[tuple[int, int, FixedType | None]]:
    """Yield first element, the one after the last, and the type of each run of elements of one type."""
    start = 0
    for to, run in groupby(types):
        stop = start + len(list(run))
        yield start, stop, to
        start = stop


def _joined(e: Emitter, parts: Sequence[Value], name: str) -> Value:
    if len(parts) == 1:
        return parts[0]
    held = holding_all([part.type.element for part in parts])
    return e.b.concat([e.b.cast(part, held, f"{name}_held") for part in parts], f"{name}_all")
