"""Arithmetic on fixed-point numbers held as integers in numpy arrays: the definition of a cast.

Arrays are ``int64`` where every value fits 63 bits and of Python integers (dtype ``object``) where not; the
functions here take both. A value v with f fraction bits stands for the real number v · 2**-f.

Ref: AMD UG1399, "Arbitrary Precision Fixed-Point Data Types", quantisation and overflow modes.
"""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from loopwire.ir.types import FixedType, Overflow, Rounding

Integers = npt.NDArray[Any]
"""int64, or object holding Python integers."""

INT64_BITS = 63


def integer_dtype(*widths: int) -> type[np.int64] | type[object]:
    """Return the narrowest array dtype whose elements hold signed integers of all these widths."""
    return np.int64 if max(widths) <= INT64_BITS else object


def cast(values: Integers, fraction: int, to: FixedType) -> Integers:
    """Cast integers with `fraction` fraction bits to type `to`; return integers counted in its steps.

    Rounds first, then handles overflow, as ap_fixed does. The result's dtype is ``integer_dtype(to.width)``.
    """
    wide = _widened(np.atleast_1d(values), to.fraction - fraction, to.width)
    result = overflow(round_to(wide, fraction, to.fraction, to.rounding), to)
    return result.astype(integer_dtype(to.width), copy=False).reshape(values.shape)


def _widened(values: Integers, shift_left: int, width: int) -> Integers:
    """Return `values`, as Python integers if int64 is too narrow for their cast to `width` bits."""
    if values.dtype == object or values.size == 0:
        return values
    magnitude = max(abs(int(values.min())), abs(int(values.max())))
    fits = max(magnitude.bit_length() + shift_left, -shift_left, width) < INT64_BITS
    return values if fits else values.astype(object)


def round_to(values: Integers, fraction: int, to_fraction: int, rounding: Rounding) -> Integers:
    """Change the number of fraction bits from `fraction` to `to_fraction`."""
    dropped = fraction - to_fraction
    if dropped <= 0:
        shifted: Integers = values << -dropped
        return shifted
    half = 1 << (dropped - 1)
    floor: Integers = values >> dropped
    rest = values - (floor << dropped)
    negative = values < 0
    match rounding:
        case Rounding.TRN:
            up = np.zeros(values.shape, bool)
        case Rounding.TRN_ZERO:
            up = negative & (rest != 0)
        case Rounding.RND:
            up = rest >= half
        case Rounding.RND_ZERO:
            up = (rest > half) | ((rest == half) & negative)
        case Rounding.RND_INF:
            up = (rest > half) | ((rest == half) & ~negative)
        case Rounding.RND_MIN_INF:
            up = rest > half
        case Rounding.RND_CONV:
            up = (rest > half) | ((rest == half) & (floor & 1 == 1))
        case _:
            assert_never(rounding)
    rounded: Integers = floor + up.astype(values.dtype)
    return rounded


def overflow(values: Integers, to: FixedType) -> Integers:
    """Bring integers (counted in steps of `to`) into the range of `to`."""
    low, high = to.min_integer, to.max_integer
    match to.overflow:
        case Overflow.WRAP:
            wrapped: Integers = ((values - low) & ((1 << to.width) - 1)) + low
            return wrapped
        case Overflow.SAT:
            return np.minimum(np.maximum(values, low), high)
        case Overflow.SAT_ZERO:
            return np.where((values < low) | (values > high), np.zeros_like(values), values)
        case Overflow.SAT_SYM:
            return np.minimum(np.maximum(values, max(low, -high) if to.width > 1 else low), high)
        case _:
            assert_never(to.overflow)


def quantise(reals: npt.ArrayLike, to: FixedType) -> Integers:
    """Cast real numbers to type `to`; return integers counted in its steps.

    Raises:
        ValueError: a number is not finite.
    """
    reals = np.asarray(reals, np.float64)
    if not np.isfinite(reals).all():
        raise ValueError("a number that is not finite has no fixed-point value")
    large = (np.abs(reals) >= np.ldexp(1.0, INT64_BITS - 3 - to.fraction)) | (to.fraction < 0)
    if not large.any():
        # One bit below the last place and a sticky bit for all the rest round as the whole number would.
        halves = np.ldexp(reals, to.fraction + 1)
        floor = np.floor(halves)
        return cast(2 * floor.astype(np.int64) + (floor != halves), to.fraction + 2, to)
    if not large.all():
        integers = quantise(np.where(large, 0.0, reals), to)
        integers[large] = quantise(reals[large], to)
        return integers
    # Every float64 is m · 2**e with |m| < 2**53, an integer: it is cast as such, exactly.
    mantissas, exponents = np.frexp(np.atleast_1d(reals))
    lowest = int(exponents.min(initial=0)) - 53
    integers = np.ldexp(mantissas, 53).astype(np.int64).astype(object)
    scaled = integers << (exponents - 53 - lowest).astype(object)
    return cast(scaled.reshape(reals.shape), -lowest, to)


def to_real(values: Integers, fraction: int) -> npt.NDArray[np.float64]:
    """Return the real numbers that integers with `fraction` fraction bits stand for."""
    return np.ldexp(values.astype(np.float64), -fraction)
