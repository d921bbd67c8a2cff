"""The function that a table is searched for: its values over intervals of inputs, and the results near enough to them.

The functions are monotone between known points, so the least and the largest value over an interval are at its ends or
at such points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loopwire.ir.functions import TABULATED, Reals, Symmetry
from loopwire.ir.table_form import Int64s, mirrored
from loopwire.ir.types import FixedType

PROBES = 64
"""Inputs that are looked at together where the end of a clamp is searched."""


@dataclass(frozen=True)
class Target:
    """The function to be tabulated, of m ≥ 0 if folded by `symmetry`, else of m = x."""

    function: str
    low: int
    high: int
    fraction_in: int
    out: FixedType
    symmetry: Symmetry | None

    def sides(self) -> Iterator[tuple[int, int, bool]]:
        """The inputs as intervals of m, and whether these are the folded ones, x = -m."""
        if self.symmetry is None:
            yield self.low, self.high, False
        else:
            if self.high >= 0:
                yield max(self.low, 0), self.high, False
            yield max(1, -self.high), -self.low, True

    @property
    def m_low(self) -> int:
        return min(low for low, _, _ in self.sides())

    @property
    def m_high(self) -> int:
        return max(high for _, high, _ in self.sides())

    def result_limits(self) -> tuple[int, int]:
        """The results y, before unfolding, that leave no final result outside the range of `out`."""
        low, high = self.out.min_integer, self.out.max_integer
        if self.symmetry is None:
            return low, high
        ends = mirrored(np.array([low, high]), self.symmetry, self.out).tolist()
        return max(low, min(ends)), min(high, max(ends))

    def bounds(self, first: Int64s, last: Int64s) -> tuple[Reals, Reals]:
        """Return the least and the largest value, in steps of `out`, over each interval first…last of m.

        Where no input falls into an interval, the least is +inf and the largest -inf.
        """
        least, largest = np.full(first.shape, np.inf), np.full(first.shape, -np.inf)
        for side_low, side_high, folded in self.sides():
            begin, end = np.maximum(first, side_low), np.minimum(last, side_high)
            reached = begin <= end
            points = [begin, end]
            for turning_point in TABULATED[self.function].turning_points:
                nearest_below = int(np.floor(turning_point * 2.0**self.fraction_in))
                points += [np.clip(point, begin, end) for point in (nearest_below, nearest_below + 1)]
            looked_at = np.stack(points)
            y = self._value(-looked_at if folded else looked_at)
            if folded and self.symmetry:
                y = mirrored(y, self.symmetry, self.out)
            least = np.where(reached, np.minimum(least, y.min(axis=0)), least)
            largest = np.where(reached, np.maximum(largest, y.max(axis=0)), largest)
        return least, largest

    def _value(self, x: Int64s) -> Reals:
        """The exact result for inputs x, in steps of `out`; inputs beyond low…high count as the nearest of these."""
        known = np.minimum(np.maximum(x, self.low), self.high)
        reals = np.ldexp(known.astype(np.float64), -self.fraction_in)
        y = np.ldexp(TABULATED[self.function].real(reals), self.out.fraction)
        clipped: Reals = np.minimum(np.maximum(y, self.out.min_integer), self.out.max_integer)
        return clipped

    def allowed(self, least: Reals, largest: Reals, error: float) -> tuple[Reals, Reals]:
        """Return the smallest and the largest whole result whose error stays below `error` between these values."""
        limit_low, limit_high = self.result_limits()
        below = error * (1 - 1e-9)
        return np.maximum(np.ceil(largest - below), limit_low), np.minimum(np.floor(least + below), limit_high)

    def clamp(self, error: float) -> tuple[int, int]:
        """Return low and high ends of m beyond which one whole result is near enough to all values."""

        def are_flat(begin: Int64s, end: Int64s) -> npt.NDArray[np.bool_]:
            smallest, largest = self.allowed(*self.bounds(begin, end), error)
            return smallest <= largest

        first, last = self.m_low, self.m_high
        clamp_low = _last_true(lambda m: are_flat(np.full_like(m, first), m), first, last)
        if clamp_low == last:
            return clamp_low, last
        return clamp_low, -_last_true(lambda m: are_flat(-m, np.full_like(m, last)), -last, -clamp_low - 1)


def _last_true(hold: Callable[[Int64s], npt.NDArray[np.bool_]], first: int, last: int) -> int:
    """Return the last integer in first…last up to which a condition holds, or `first`; it is asked of many at once."""
    while first < last:
        step = -(-(last - first) // PROBES)
        probes = np.arange(first + step, last + 1, step)
        held = hold(probes)
        count = len(probes) if held.all() else int(held.argmin())
        first, last = first + count * step, min(first + (count + 1) * step - 1, last)
    return first
