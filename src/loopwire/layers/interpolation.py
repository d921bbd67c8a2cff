"""Functions of fine numbers: a table of values at the ends of equal segments, one of slopes, and a product in between.

    c = ⌊x⌋ to a multiple of h = 2**-k       d = x - c       y = f(c) + (f(c + h) - f(c)) / h · d

A table alone needs cells as fine as its results; here h is so small that a chord is near enough to the curve. All
that rounds are casts and tables, as everywhere, and in real numbers d is 0 and y = f(x).

The error is below one step 2**-F of the result:

    1/8    x is rounded to F + 3 fraction bits, and no slope exceeds 2
    1/8    the chord is |f''| h² / 8 from the curve; k is the least for which that is no more
    1/8    the values have F + 3 fraction bits
    1/8    the slopes have F + 3 - k, and d is below 2**-k
    1/2    the result is rounded to nearest
"""

from __future__ import annotations

import math

from loopwire.ir.builder import Builder
from loopwire.ir.functions import FUNCTIONS, MOST_SEGMENT_BITS, chord_of
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding

FEWEST_FRACTION_BITS = 16
"""Of operand and result, from which on a table alone takes more than an interpolation."""
FINEST_FRACTION_BITS = 24
"""A finer result is interpolated to this many fraction bits."""
STEEPEST_BITS = 1
"""No function that is interpolated is steeper than 2**STEEPEST_BITS."""


def is_interpolated(function: str, operand: FixedType, to: FixedType) -> bool:
    """Say whether a function is better interpolated than looked up."""
    finest = min(operand.fraction, to.fraction)
    is_fine = finest >= FEWEST_FRACTION_BITS and to.integer > -FINEST_FRACTION_BITS
    return is_fine and FUNCTIONS[function].curvature is not None


def interpolated(
    b: Builder, function: str, x: Value, to: FixedType, name: str, note: str = "", role: str = ""
) -> Value:
    """Add function(x) in type `to`, to one step of `to` or to 2**-FINEST_FRACTION_BITS, whichever is larger."""
    curvature = FUNCTIONS[function].curvature
    assert curvature is not None, f"{function} is not interpolated"
    fraction = min(to.fraction, FINEST_FRACTION_BITS)
    segment_bits = min(max(math.ceil((fraction + math.log2(curvature)) / 2), 1), MOST_SEGMENT_BITS)
    given = x.type.element
    fine = min(given.fraction, fraction + 2 + STEEPEST_BITS)
    integer = max(given.integer + (given.fraction > fine), 2 - segment_bits)
    signed = given.signed
    if fine < given.fraction:
        x = b.cast(x, FixedType(integer + fine, integer, signed, Rounding.RND), f"{name}_x")
    start = b.cast(x, FixedType(integer + segment_bits, integer, signed), f"{name}_start", "c = ⌊x⌋")
    offset_type = FixedType(fine - segment_bits, -segment_bits, signed=False)
    offset = b.cast(b.sub(x, start, f"{name}_offset_exact"), offset_type, f"{name}_offset", "d = x - c")
    value = b.table(function, start, FixedType(fraction + 5, 2), name=f"{name}_value", note="f(c)")
    slope_type = FixedType(fraction + 5 - segment_bits, 2)
    slope = b.table(chord_of(function, segment_bits), start, slope_type, name=f"{name}_slope", note="s(c)")
    exact = b.add(value, b.mul(slope, offset, f"{name}_rise", "s d"), f"{name}_exact", "f(c) + s d")
    rounded = FixedType(fraction + to.integer, to.integer, to.signed, Rounding.RND, Overflow.SAT)
    if rounded != to:
        exact = b.cast(exact, rounded, name, note)
    return b.cast(exact, to, name, note, role=role)
