"""What the vector machine needs for a cast: the numbers that round, and the limits that overflow is measured by."""

from __future__ import annotations

from loopwire.emulator.vector_words import UnsuitableError, is_wide, largest_shift, shifted
from loopwire.ir.interval import Range
from loopwire.ir.types import FixedType, Overflow, Rounding

MOST_DROPPED_BITS = 62

_NO_OVERFLOW = 0
_OVERFLOWS = {Overflow.WRAP: 1, Overflow.SAT: 2, Overflow.SAT_SYM: 2, Overflow.SAT_ZERO: 3}


def cast_parameters(given: Range, fraction: int, to: FixedType) -> tuple[bool, list[int]]:
    """Return whether a cast of numbers with this range and these fraction bits is wide, and its parameters.

    Raises:
        UnsuitableError: it drops too many bits, or its numbers are beyond 64 bits.
    """
    dropped = fraction - to.fraction
    if dropped > MOST_DROPPED_BITS:
        raise UnsuitableError(f"a cast that drops {dropped} bits")
    half = (1 << dropped) >> 1 if dropped > 0 else 0
    # Numbers added before the bits are dropped: always, where negative, where the result would be odd.
    added = {
        Rounding.TRN: (0, 0, 0),
        Rounding.TRN_ZERO: (0, 2 * half - 1, 0),
        Rounding.RND: (half, 0, 0),
        Rounding.RND_ZERO: (half - 1, 1, 0),
        Rounding.RND_INF: (half, -1, 0),
        Rounding.RND_MIN_INF: (half - 1, 0, 0),
        Rounding.RND_CONV: (half - 1, 0, 1),
    }[to.rounding]
    if dropped > 0:
        before = Range(given.low, given.high + 2 * half)
        rounded = Range(given.low >> dropped, (given.high >> dropped) + 1)
    else:
        before = rounded = shifted(given, -dropped)
    low, high, overflow = to.min_integer, to.max_integer, _OVERFLOWS[to.overflow]
    if to.overflow is Overflow.SAT_SYM and to.width > 1:
        low = max(low, -high)
    if low <= rounded.low and rounded.high <= high:
        low, high, overflow = 0, 0, _NO_OVERFLOW
    wide = is_wide(given, before, Range(low, high))
    return wide, [max(dropped, -largest_shift(wide)), *added, overflow, low, high, to.width]
