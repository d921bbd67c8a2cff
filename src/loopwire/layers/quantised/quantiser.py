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
SIGNIFICANT_BITS = 24
"""Of numbers that are no multiples of a power of two, such as a scale: as many as float32 has."""
GUARD_BITS = 12
"""By how many bits an input is finer than the scale that it is quantised by first, where that is no power of two."""
ENDS = ("low", "high")
NEAREST = (Rounding.RND, Rounding.RND_CONV, Rounding.RND_INF, Rounding.RND_ZERO, Rounding.RND_MIN_INF)
MOST_BITS = 64
"""Of a quantiser that is carried, on either side of the point."""


@dataclass(frozen=True, eq=False)
class Quantiser:
    """Types by element: `signed`, `integer` bits without the sign and `fraction` bits broadcast to the tensor's shape.

    A type without bits makes 0 of everything. `scale` divides first, `gain` and `offset` come last; they are exact
    where they are sums of few powers of two. `bounds` are the least and the greatest result of the cast, in steps of
    the element's type, where its range is wider. So many steps as `shift` are added before the cast and taken off after
    it, which tells where numbers in the middle of two go.
    """

    signed: Ints
    integer: Ints
    fraction: Ints
    rounding: Rounding
    overflow: Overflow
    scale: float = 1.0
    gain: float = 1.0
    offset: float = 0.0
    bounds: tuple[int, int] | None = None
    shift: int = 0

    @classmethod
    def of_levels(
        cls, scale: npt.ArrayLike, low: int, high: int, rounding: Rounding, zero: int = 0, *, shifted: bool = False
    ) -> Quantiser:
        """Return the quantiser to the multiples of a scale, or of one for each element, by `low` - `zero` to `high` -
        `zero`; if `shifted`, x / scale + zero is what is rounded.

        Raises:
            ValueError: scales that are no powers of two differ.
        """
        scales = np.asarray(scale, np.float64)
        shift = zero if shifted else 0
        low, high = low - zero + shift, high - zero + shift
        levels = FixedType.holding(low, high, 0)
        is_symmetric = low == -high and levels.signed
        full = (levels.min_integer, levels.max_integer)
        bounds = None if is_symmetric or (low, high) == full else (low, high)
        overflow = Overflow.SAT_SYM if is_symmetric else Overflow.SAT
        bits, sign = levels.width - levels.signed, np.array(int(levels.signed))
        mantissas, exponents = np.frexp(scales)
        if (mantissas == 0.5).all():
            fraction = 1 - exponents.astype(np.int64)
            return cls(sign, bits - fraction, fraction, rounding, overflow, bounds=bounds, shift=shift)
        factor = float(scales.reshape(-1)[0])
        if (scales != factor).any():
            raise ValueError("scales differ, and are no powers of two")
        return cls(sign, np.array(bits), np.array(0), rounding, overflow, factor, factor, bounds=bounds, shift=shift)

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
        shift = np.broadcast_to(self.shift * np.exp2(-self.fraction.astype(np.float64)), given.shape).reshape(-1)
        scaled = given.reshape(-1) / self.scale + shift
        result = np.zeros(given.size)
        for to in {to for to in types if to is not None}:
            chosen = np.array([each == to for each in types])
            whole = quantise(scaled[chosen], to)
            result[chosen] = to_real(whole if self.bounds is None else np.clip(whole, *self.bounds), to.fraction)
        return np.asarray((result - shift) * self.gain + self.offset).reshape(given.shape)

    def emit(self, e: Emitter, x: Value, name: str, note: str = "", function: Function = LINEAR) -> Value:
        """Add the quantiser of function(x) for a vector x (n,): a cast for each run of elements of one type.

        The function is one of `EXACT_FUNCTIONS`, or one of `INVERSES`, which is rounded exactly.
        """
        is_table = function.name in INVERSES and self.scale == 1.0
        if function.name in INVERSES and not is_table:
            x = rounded(e, function.name, x, MOST_ROUNDED_BITS, f"{name}_fine", f"{function.name}(x)")
        elif not is_table:
            x = exactly(e, function, x, name)
        if self.scale != 1.0:
            x = e.b.mul(x, _factor(e, 1.0 / self.scale, f"{name}_inverse_scale"), f"{name}_scaled")
        (count,) = x.type.shape
        steps = np.exp2(-np.broadcast_to(self.fraction, (count,)).astype(np.float64))
        if self.shift:
            x = e.b.add(x, e.exact(self.shift * steps, f"{name}_shift"), f"{name}_shifted")
        parts = []
        for start, stop, to in _runs(self.types((count,))):
            part = x if stop - start == count else e.b.slice(x, start, stop, f"{name}_in")
            if to is None:
                parts.append(e.exact(np.zeros(stop - start), f"{name}_0"))
                continue
            if is_table:
                part = rounded(e, function.name, part, to.fraction, f"{name}_exact", f"{function.name}(x)")
            parts.append(e.b.cast(part, to, name, note, in_reals=True))
        y = joined(e, parts, name)
        if self.bounds is not None:
            low, high = (e.exact(bound * steps, f"{name}_{end}") for bound, end in zip(self.bounds, ENDS, strict=True))
            y = e.b.min(e.b.max(y, low, f"{name}_from"), high, f"{name}_bounded")
        if self.shift:
            y = e.b.sub(y, e.exact(self.shift * steps, f"{name}_shift"), f"{name}_back")
        if self.gain != 1.0:
            y = e.b.mul(y, _factor(e, self.gain, f"{name}_gain"), f"{name}_gained")
        return y if not self.offset else e.b.add(y, e.scalar(self.offset, f"{name}_offset"), f"{name}_moved")

    def refuse_function(self, where: str, function: Function) -> None:
        """Refuse a function that this quantiser cannot round exactly.

        Raises:
            UnsupportedError: it is no such function, or this does not round to nearest to this many bits.
        """
        if is_exact(function):
            return
        if function.name not in INVERSES:
            known = ", ".join((*EXACT_FUNCTIONS, *INVERSES))
            problem = f"{function.name} before a quantiser is not rounded exactly"
            raise UnsupportedError(where, problem, f"Use one of {known}")
        least, most = int(self.fraction.min()), int(self.fraction.max())
        is_carried = self.scale != 1.0 or (least >= 1 and most <= MOST_ROUNDED_BITS)
        if self.rounding not in NEAREST or not is_carried:
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
        elif not is_exact(self.function):
            problem = f"nothing quantises the results of {self.function.name}"
            raise UnsupportedError(where, problem, "Train it with a quantiser behind it")

    def emit(self, e: Emitter, x: Value, name: str, note: str = "") -> Value:
        """Add function and quantiser for a vector x (n,)."""
        if self.quantiser is None:
            return exactly(e, self.function, x, name)
        return self.quantiser.emit(e, x, name, note, self.function)


def is_exact(function: Function) -> bool:
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


def repeats_to(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Say whether an array of a shape is broadcast to another, which stays as it is."""
    ends = zip(reversed(shape), reversed(whole), strict=False)
    return len(shape) <= len(whole) and all(length in (1, of) for length, of in ends)


def holding_all(types: Sequence[FixedType | None]) -> FixedType:
    """Return the narrowest type that holds every number of these types."""
    held = [to for to in types if to is not None] or [FixedType(1, 1, signed=False)]
    signed, fraction = any(to.signed for to in held), max(to.fraction for to in held)
    integer = max(to.integer + (signed and not to.signed) for to in held)
    return FixedType(integer + fraction, integer, signed)


def input_type(quantisers: Sequence[Quantiser], size: int) -> FixedType | None:
    """Return a type for numbers from outside of which these quantisers make what they make of the numbers themselves.

    It is theirs where it is the same for all elements; where only ranges differ, the widest; where fraction bits
    differ, one with a bit more, so that rounding half up twice is rounding half up once. A scale that is no power of
    two, and a shift, take `GUARD_BITS` more than levels do, and numbers that near the middle of two may go either way.
    None where there is no such type.
    """
    types = {to for each in quantisers for to in each.types((size,)) if to is not None}
    scales = {each.scale for each in quantisers}
    if len(scales) > 1 or not types:
        return None
    (scale,) = scales
    if scale != 1.0 or any(each.shift for each in quantisers):
        return _finer(holding_all(list(types)), scale)
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


def _factor(e: Emitter, factor: float, name: str) -> Value:
    """Add a factor to 24 significant bits."""
    return e.exact(np.float64(to_significant_bits(np.array(factor))), name)


def to_significant_bits(reals: Reals) -> Reals:
    """Return numbers as they are if all are multiples of one step that is not too fine, else rounded to such a step.

    It is 2^-`SIGNIFICANT_BITS` of the power of two above the largest.
    """
    largest = float(np.abs(reals).max(initial=0.0))
    step = np.exp2(np.frexp(largest)[1] - SIGNIFICANT_BITS)
    return np.asarray(np.rint(reals / step) * step)


def _finer(levels: FixedType, scale: float) -> FixedType:
    """Return a type much finer than the steps of a scale, which holds its levels."""
    fraction = GUARD_BITS + levels.fraction - int(np.frexp(scale)[1]) + 1
    high = int(np.ceil((levels.max_integer + 1) * levels.step * scale * 2.0**fraction))
    held = FixedType.holding(-high, high, fraction)
    return held.with_modes(Rounding.RND, Overflow.SAT)


def _runs(types: Sequence[FixedType | None]) -> Iterator[tuple[int, int, FixedType | None]]:
    """Yield first element, the one after the last, and the type of each run of elements of one type."""
    start = 0
    for to, run in groupby(types):
        stop = start + len(list(run))
        yield start, stop, to
        start = stop


def joined(e: Emitter, parts: Sequence[Value], name: str) -> Value:
    """Add the vector of all parts' elements, in the type that holds each."""
    if len(parts) == 1:
        return parts[0]
    held = holding_all([part.type.element for part in parts])
    return e.b.concat([e.b.cast(part, held, f"{name}_held") for part in parts], f"{name}_all")
