"""Softmax that keeps the largest element largest: exact differences to it, then exp, sum, reciprocal, product.

softmax(x)_k = exp(x_k - max x) / Σ_j exp(x_j - max x). The largest element's exponential is exactly 1, so the sum
lies in [1, n].

The reciprocal bends sharply near 1 and hardly at all further out, so one table for all of [1, n] is mostly waste. It is
a sum of small ones, each for a factor of 4 of its argument and constant beyond:

    1/s = 1/clip(s, 1, 4) + (1/clip(s, 4, 16) - 1/4) + (1/clip(s, 16, 64) - 1/16) + …
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loopwire.ir.functions import RECIPROCAL_LOWS, RECIPROCAL_RATIO
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.emitter import Emitter

RECIPROCAL_GUARD_BITS = 1
"""Fraction bits that the reciprocal carries beyond the result's."""


def softmax(e: Emitter, x: Value, role: str, name: str) -> Value:
    """Add softmax over the elements of vector `x` (n,), in the type of `role`."""
    b, to = e.b, e.type_of(role)
    fraction = max(to.fraction, 1)
    largest = b.reduce_max(x, f"{name}_largest", "m = max x")
    below = b.sub(x, largest, f"{name}_below", "d = x - m")
    unit = _unit(fraction + _exponential_guard_bits(x.type.size))
    exponential = e.table("exp_nonpositive", below, unit, f"{name}_exp", "p = exp(d)")
    total = b.reduce_sum(exponential, f"{name}_total", "s = sum p")
    inverse = reciprocal(e, total, x.type.size, fraction + RECIPROCAL_GUARD_BITS, name)
    return b.cast(b.mul(exponential, inverse, f"{name}_scaled"), to, name, "y = p v", role=role)


def log_softmax(e: Emitter, x: Value, role: str, name: str) -> Value:
    """Add x - m - log Σ exp(x - m), m = max x, over the elements of vector `x` (n,), in the type of `role`."""
    b, to = e.b, e.type_of(role)
    fraction = max(to.fraction, 1)
    below = b.sub(x, b.reduce_max(x, f"{name}_largest", "m = max x"), f"{name}_below", "d = x - m")
    unit = _unit(fraction + _exponential_guard_bits(x.type.size))
    exponential = e.table("exp_nonpositive", below, unit, f"{name}_exp", "p = exp(d)")
    total = b.reduce_sum(exponential, f"{name}_total", "s = sum p")
    for low, part in logarithm_parts(e, total, x.type.size, fraction, name):
        below = b.sub(below, part, f"{name}_less_{low}")
    return b.cast(below, to, name, "y = d - log s", role=role)


def logarithm_parts(
    e: Emitter, total: Value, most: float, fraction: int, name: str, *, is_sum: bool = True
) -> Iterator[tuple[int, Value]]:
    """Yield numbers whose sum is log s, s from 1 to `most`, by where they begin.

    log s is log of s clipped to 1…4, and what each further part adds to the logarithm of where it begins. With `is_sum`
    s is a sum of `most` exponentials; others may be larger in real numbers than `most`.
    """
    lows = [low for low in RECIPROCAL_LOWS if low < max(most, 2)]
    integer = 4 if most < np.exp(8) else 5
    for low in lows:
        part = e.table(
            f"log_{low}_to_{low * RECIPROCAL_RATIO}" if is_sum or low < lows[-1] else f"log_from_{low}",
            total,
            FixedType(fraction + integer + 2, integer, rounding=Rounding.RND, overflow=Overflow.SAT),
            f"{name}_log_{low}",
        )
        start = np.log(low)
        yield low, e.b.sub(part, e.b.const(start, part.type.element, f"{name}_start_{low}")) if low > 1 else part


def _exponential_guard_bits(n: int) -> int:
    """Return the fraction bits that exponentials carry beyond the result's: their n errors add up in the sum."""
    return max(n.bit_length() - 1, 1)


def _unit(fraction: int, low: int = 1) -> FixedType:
    """Return the narrowest unsigned type with `fraction` fraction bits that holds 0…1/low, `low` a power of 2."""
    integer = 2 - low.bit_length()
    return FixedType(fraction + integer, integer, signed=False, rounding=Rounding.RND, overflow=Overflow.SAT)


def reciprocal(e: Emitter, total: Value, most: float, fraction: int, name: str, *, is_sum: bool = True) -> Value:
    """Add v = 1 / s for numbers s from 1 to `most`.

    With `is_sum` these are sums of `most` exponentials; others may be larger in real numbers than `most`.
    """
    lows = [low for low in RECIPROCAL_LOWS if low < max(most, 2)]
    assert not is_sum or most <= lows[-1] * RECIPROCAL_RATIO, f"the reciprocal of {most}"
    # Where s is outside its part, a table gives the power of 4 that is taken off again: this must be exact.
    fraction = max(fraction, lows[-1].bit_length() - 1)
    parts = [
        e.table(
            f"reciprocal_{low}_to_{low * RECIPROCAL_RATIO}" if is_sum or low < lows[-1] else f"reciprocal_from_{low}",
            total,
            _unit(fraction, low),
            f"{name}_inverse_{low}",
            f"1 / clip(s, {low}, {low * RECIPROCAL_RATIO})",
        )
        for low in lows
    ]
    # The later tables are smaller, and there earlier: what is added to them first costs no time.
    inverse = parts.pop()
    if parts:
        excess = e.scalar(sum(1.0 / low for low in lows[1:]), f"{name}_excess")
        inverse = e.b.sub(inverse, excess, f"{name}_inverse_rest")
    for low, part in zip(reversed(lows[:-1]), reversed(parts), strict=True):
        sum_name, note = (f"{name}_inverse_from_{low}", "") if low > 1 else (f"{name}_inverse", "v = 1 / s")
        inverse = e.b.add(inverse, part, sum_name, note)
    return inverse
