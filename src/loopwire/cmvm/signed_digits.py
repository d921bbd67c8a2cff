"""Canonic signed digits: a number as a sum of powers of two, of both signs, no two of them next to each other."""

from __future__ import annotations


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
