"""Softmax that keeps the ranking: exact differences to the largest element, then exp, sum, reciprocal, product.

softmax(x)_k = exp(x_k - max x) / Σ_j exp(x_j - max x). The largest element's exponential is exactly 1, so the sum
lies in [1, n].
"""

from __future__ import annotations

from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.emitter import Emitter

GUARD_BITS = 2
"""Fraction bits that exponentials and the reciprocal carry beyond the result's, to keep their errors below its step."""


def softmax(e: Emitter, x: Value, to: FixedType, name: str) -> Value:
    """Add softmax over the elements of vector `x` (n,), in type `to`."""
    b = e.b
    fraction = max(to.fraction, 1) + GUARD_BITS
    unit = FixedType(fraction + 1, 1, signed=False, rounding=Rounding.RND, overflow=Overflow.SAT)
    largest = b.reduce_max(x, f"{name}_largest", "m = max x")
    below = b.sub(x, largest, f"{name}_below", "d = x - m")
    exponential = e.table("exp_nonpositive", below, unit, f"{name}_exp", "p = exp(d)")
    total = b.reduce_sum(exponential, f"{name}_total", "s = sum p")
    inverse = e.table("reciprocal_from_one", total, unit, f"{name}_inverse", "v = 1 / s")
    return b.cast(b.mul(exponential, inverse, f"{name}_scaled"), to, name, "y = p v")
