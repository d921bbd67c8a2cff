"""Sparsemax: the nearest point to a vector among those whose elements are not negative and sum to 1.

Ref: Martins & Astudillo 2016, arXiv:1602.02068, algorithm 1: of z sorted, the largest first, K elements are in the
support, those with 1 + k z_k > z_1 + … + z_k = S_k. With τ = (S_K - 1) / K, which is the largest (S_k - 1) / k, too,

    y = max(z - τ, 0)

Keras (3.15.1) takes S_1 + … + S_K for S_K. Sorting, sums and comparisons are exact; 1/k is rounded.
"""

from __future__ import annotations

from functools import reduce
from itertools import accumulate

import numpy as np

from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter

GUARD_BITS = 2
"""Fraction bits of 1/k beyond those of the result and of the largest sum."""


def sparsemax(e: Emitter, z: Value, role: str, name: str, *, as_keras: bool = False) -> Value:
    """Add sparsemax over the elements of vector `z` (n,), in the type of `role`; or what Keras has by that name."""
    b, count, to = e.b, z.type.size, e.type_of(role)
    ordered = _descending(e, [b.reshape(b.slice(z, k, k + 1, "z_k"), (), "z_k") for k in range(count)])
    sums = list(accumulate(ordered, lambda total, more: b.add(total, more, "S_k")))
    fraction = max(to.fraction, 0) + max(z.type.element.integer, 0) + 2 * count.bit_length() + GUARD_BITS
    shares = FixedType(fraction + 1, 1, signed=False)
    limit = _of_keras(e, ordered, sums, shares) if as_keras else _limit(e, sums, shares)
    kept = b.max(b.sub(z, limit, "above"), e.scalar(0.0, "zero"), "kept")
    return e.cast(kept, role, name, "y = max(z - τ, 0)")


def _limit(e: Emitter, sums: list[Value], shares: FixedType) -> Value:
    """Return τ."""
    bounds = [
        e.b.mul(e.b.sub(total, e.scalar(1.0, "one"), "above_one"), e.b.const(1 / k, shares, "share"), "tau_k")
        for k, total in enumerate(sums, start=1)
    ]
    return reduce(lambda a, b: e.b.max(a, b, "tau", "τ = max (S_k - 1) / k"), bounds)


def _of_keras(e: Emitter, ordered: list[Value], sums: list[Value], shares: FixedType) -> Value:
    """Return (S_1 + … + S_K - 1) / K."""
    b, one, zero = e.b, e.scalar(1.0, "one"), e.scalar(0.0, "zero")
    inside = [
        b.greater(b.add(one, b.mul(e.scalar(k, "k"), z, "k_z")), total, "is_inside", "1 + k z_k > S_k")
        for k, (z, total) in enumerate(zip(ordered, sums, strict=True), start=1)
    ]
    counted = [b.where(bit, total, zero, "counted") for bit, total in zip(inside, sums, strict=True)]
    total, size = (reduce(lambda x, y: b.add(x, y, "total"), parts) for parts in (counted, inside))
    numbers = np.maximum(np.arange(len(sums) + 1), 1)[:, np.newaxis]
    share = b.reshape(b.lookup(b.const(1 / numbers, shares, "shares"), size, "share_of_K"), (), "share", "1 / K")
    return b.mul(b.sub(total, one, "above_one"), share, "tau", "τ = (S_1 + … + S_K - 1) / K")


def _descending(e: Emitter, values: list[Value]) -> list[Value]:
    """Sort scalars by a network of comparators: Batcher's odd-even mergesort (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    values = list(values)
    count, p = len(values), 1 << max((len(values) - 1).bit_length() - 1, 0)
    first = p
    while p and count > 1:
        q, r, distance = first, 0, p
        while distance > 0:
            for k in range(count - distance):
                if k & p == r:
                    a, b = values[k], values[k + distance]
                    values[k], values[k + distance] = e.b.max(a, b, "larger"), e.b.min(a, b, "smaller")
            distance, q, r = q - p, q // 2, p
        p //= 2
    return values
