"""Canonic signed digits: a number as a sum of powers of two, of both signs, no two of them next to each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LARGEST = 1 << 60
"""Magnitude below which 3 times a number has a sign bit left of 64."""


def csd(value: int) -> list[tuple[int, bool]]:
    """Return the canonic signed digits of a value as (shift, negative), lowest first."""
    digits = []
    shift = 0
    while value:
        if value & 1:
            negative = value & 3 == 3
            digits.append((shift, negative))
            value += 1 if negative else -1
        value >>= 1
        shift += 1
    return digits


def csd_digits(value: int) -> int:
    """Return the number of canonic signed digits of a value."""
    value = abs(value)
    return (value ^ 3 * value).bit_count()


def total_digits(values: npt.NDArray[np.generic]) -> int:
    """Return the number of canonic signed digits of all of some integers, of any shape."""
    if values.dtype == object or max(-int(values.min(initial=0)), int(values.max(initial=0))) >= LARGEST:
        return sum(csd_digits(int(value)) for value in values.flat)
    magnitudes = np.abs(values.astype(np.int64, order="C"))
    return int(np.unpackbits((magnitudes ^ (3 * magnitudes)).view(np.uint8)).sum(dtype=np.int64))
