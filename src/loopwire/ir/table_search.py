"""Search for the cheapest table that keeps an error bound: where to clamp, how many bits to drop, where to split.

Each cell of inputs that share a result allows some whole results, smallest…greatest, whose error stays in bounds at all
of its inputs; the functions are monotone between known points, so the ends of a cell tell. A table is right if and only
if each cell's result is among those, which is tried on all cells of each split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.ir.functions import TABULATED, Reals, Symmetry
from loopwire.ir.table_form import LUT_ENTRIES, Int64s, TableForm, mirrored
from loopwire.ir.types import FixedType

LARGEST_INDEX = 1 << 20
"""Cells beyond which a function is not tabulated."""
SPARE_INDEX_BITS = 1
"""How many more index bits than a plain table needs a bipartite table may take, which leaves it room for its error."""
ROUND_BITS = 4
"""Clamp ends are tried with zeros below this many top bits: a short subtracter, a short comparison."""
GUARD_BITS = (1, 2, 3)
ANYTHING = 1 << 56
"""Bound of a result that no input asks for."""


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
            for point in points:
                y = self._value(-point if folded else point)
                if folded and self.symmetry:
                    y = mirrored(y, self.symmetry, self.out)
                least = np.where(reached, np.minimum(least, y), least)
                largest = np.where(reached, np.maximum(largest, y), largest)
        return least, largest

    def _value(self, x: Int64s) -> Reals:
        """The exact result for inputs x, in steps of `out`; inputs beyond low…high count as the nearest of these."""
        reals = np.ldexp(np.clip(x, self.low, self.high).astype(np.float64), -self.fraction_in)
        y = np.ldexp(TABULATED[self.function].real(reals), self.out.fraction)
        return np.clip(y, self.out.min_integer, self.out.max_integer)

    def allowed(self, least: Reals, largest: Reals, error: float) -> tuple[Reals, Reals]:
        """Return the smallest and the largest whole result whose error stays below `error` between these values."""
        limit_low, limit_high = self.result_limits()
        below = error * (1 - 1e-9)
        return np.maximum(np.ceil(largest - below), limit_low), np.minimum(np.floor(least + below), limit_high)

    def clamp(self, error: float) -> tuple[int, int]:
        """Return low and high ends of m beyond which one whole result is near enough to all values."""

        def is_flat(begin: int, end: int) -> bool:
            smallest, largest = self.allowed(*self.bounds(np.array([begin]), np.array([end])), error)
            return bool(smallest[0] <= largest[0])

        first, last = self.m_low, self.m_high
        clamp_low = _last_true(lambda m: is_flat(first, m), first, last)
        if clamp_low == last:
            return clamp_low, last
        return clamp_low, -_last_true(lambda m: is_flat(-m, last), -last, -clamp_low - 1)


def _last_true(holds: Callable[[int], bool], first: int, last: int) -> int:
    """Return the last integer in first…last up to which a condition holds, or `first`."""
    while first < last:
        middle = (first + last + 1) // 2
        first, last = (middle, last) if holds(middle) else (first, middle - 1)
    return first


def _windows(target: Target, error: float) -> list[tuple[int, int]]:
    """Return clamps to choose from, the simplest hardware first: slices of m, then starts and ends less round."""
    found: dict[tuple[int, int], None] = {}
    # A clamp that uses up all of the error leaves none to the cells at its ends: also try one that uses half.
    for clamp_error in (min(error, 1.0), 0.5 * (error + 0.5)):
        low, high = target.clamp(clamp_error)
        bits = (high - low).bit_length()
        while True:
            half = (1 << bits) >> 1
            start = low // half * half if half else low
            if high - start < 1 << bits:
                break
            bits += 1
        unit = 1 << max(bits - ROUND_BITS, 0)
        round_low = low // unit * unit
        round_high = -(-(high + 1) // unit) * unit - 1
        found |= dict.fromkeys([(start, start + (1 << bits) - 1), (start, round_high), (start, high)])
        found |= dict.fromkeys([(round_low, round_high), (round_low, high)])
    return list(found)


def cheapest(targets: list[Target], error: float, max_entries: int | None) -> TableForm | None:
    """Return the cheapest table whose error stays below `error` steps, or None."""
    splits = [
        split
        for target in targets
        for window in _windows(target, error)
        for cells in _feasible_cells(target, *window, error)
        for split in cells.splits()
        if max_entries is None or sum(split.rom_lengths) <= max_entries
    ]
    best: TableForm | None = None
    for split in sorted(splits, key=lambda split: split.least_luts):
        if best is not None and split.least_luts >= best.lut6_estimate:
            break
        form = split.build()
        if form is not None and (best is None or form.lut6_estimate < best.lut6_estimate):
            best = form
    return best


@dataclass(frozen=True, eq=False)
class _Cells:
    """The function over a window of m, cut into cells of 2**dropped_bits inputs that share one result each."""

    target: Target
    clamp_low: int
    clamp_high: int
    dropped_bits: int
    is_coarsest: bool
    slack: float
    """How much less than the function, at most, a table may rise between two cells, in steps of the result."""
    least: Reals
    """Least value in each cell, in steps of the result; +inf in a cell without inputs."""
    largest: Reals
    smallest: Int64s
    """Smallest whole result near enough to all values of each cell; far below where there are no inputs."""
    greatest: Int64s

    @cached_property
    def middle(self) -> Reals:
        """Middle of the values in each cell, but the limits at both ends; of cells without inputs, the nearest's."""
        reached = np.flatnonzero(np.isfinite(self.least))
        nearest_reached = np.clip(np.arange(self.least.size), reached[0], reached[-1])
        middle: Reals = 0.5 * (self.least[nearest_reached] + self.largest[nearest_reached])
        ends = np.array([self.target.m_low, self.target.m_high])
        middle[reached[[0, -1]]] = self.target.bounds(ends, ends)[0]
        return middle

    def splits(self) -> Iterator[_Split]:
        """Yield the plain table, if no coarser cells are possible, and all ways to split the index in three."""
        if self.is_coarsest:
            yield _Split(self, 0, 0)
        bits = (self.least.size - 1).bit_length()
        for low_bits in range(1, bits):
            for mid_bits in range(1, bits - low_bits + 1):
                yield _Split(self, low_bits, mid_bits)

    def error_of(self, results: Int64s) -> float:
        """Return the largest error, in steps, if each cell gives this result."""
        reached = np.isfinite(self.least)
        return float(np.maximum(results - self.least, self.largest - results)[reached].max())


def _feasible_cells(target: Target, clamp_low: int, clamp_high: int, error: float) -> Iterator[_Cells]:
    """Yield the coarsest cells within which one result is near enough to all values, and somewhat finer ones."""
    coarsest: int | None = None
    for dropped_bits in range((clamp_high - clamp_low).bit_length(), -1, -1):
        count = ((clamp_high - clamp_low) >> dropped_bits) + 1
        if count > LARGEST_INDEX or (coarsest is not None and dropped_bits < coarsest - SPARE_INDEX_BITS):
            return
        first = clamp_low + (np.arange(count) << dropped_bits)
        last = first + (1 << dropped_bits) - 1
        first[0], last[-1] = min(clamp_low, target.m_low), max(clamp_high, target.m_high)
        least, largest = target.bounds(first, last)
        smallest, greatest = target.allowed(least, largest, error)
        if (smallest > greatest).any():
            continue
        coarsest = dropped_bits if coarsest is None else coarsest
        reached = np.isfinite(least)
        yield _Cells(
            target,
            clamp_low,
            clamp_high,
            dropped_bits,
            dropped_bits == coarsest,
            2 * error + 1,
            least,
            largest,
            np.where(reached, smallest, -ANYTHING).astype(np.int64),
            np.where(reached, greatest, ANYTHING).astype(np.int64),
        )


@dataclass(frozen=True)
class _Split:
    """A table to be tried: cells, and where their index is split."""

    cells: _Cells
    low_bits: int
    mid_bits: int

    @property
    def rom_lengths(self) -> tuple[int, int]:
        """Entries of the base and of the offset ROM."""
        count = self.cells.least.size
        blocks = -(-count >> (self.low_bits + self.mid_bits))
        return -(-count >> self.low_bits), blocks << self.low_bits if self.low_bits else 0

    @cached_property
    def least_luts(self) -> int:
        """A bound from below of the table's `lut6_estimate`."""
        middle, group = self.cells.middle, 1 << self.low_bits
        result_bits = int(np.ptp(middle)).bit_length()
        base, offset = (-(-length // LUT_ENTRIES) for length in self.rom_lengths)
        if not offset:
            return base * result_bits
        ends = middle[: middle.size // group * group].reshape(-1, group)
        span = float(np.abs(ends[:, -1] - ends[:, 0]).max(initial=0.0))
        offset_bits = int(2 * max(span - self.cells.slack, 0.0)).bit_length()
        return (base + 1) * result_bits + offset * offset_bits

    def is_hopeless(self) -> bool:
        """Say whether, already by the ends of the x2 alone, no slope serves all x1 of some x0."""
        lowest, highest = self._blocks(self.cells.smallest, -ANYTHING), self._blocks(self.cells.greatest, ANYTHING)
        least_rise = (lowest[:, :, -1] - highest[:, :, 0] - 1).max(axis=1)
        largest_rise = (highest[:, :, -1] + 1 - lowest[:, :, 0]).min(axis=1)
        return bool((least_rise > largest_rise).any())

    def build(self) -> TableForm | None:
        """Return the table with the fewest guard bits, or None if the split cannot keep the error."""
        if self.low_bits == 0:
            base = np.clip(np.rint(self.cells.middle).astype(np.int64), self.cells.smallest, self.cells.greatest)
            return self._form(0, base, np.empty(0, np.int64), base)
        if self.is_hopeless():
            return None
        for guard_bits in GUARD_BITS:
            form = self._bipartite(guard_bits)
            if form is not None:
                return form
        return None

    def _blocks(self, values: npt.NDArray[Any], fill: float) -> npt.NDArray[Any]:
        """Return the cells' values by (x0, x1, x2)."""
        width = 1 << (self.low_bits + self.mid_bits)
        padded = np.full(values.size + -values.size % width, fill, values.dtype)
        padded[: values.size] = values
        return padded.reshape(-1, 1 << self.mid_bits, 1 << self.low_bits)

    def _bipartite(self, guard_bits: int) -> TableForm | None:
        scale = 1 << guard_bits
        middle = self._blocks(self.cells.middle, self.cells.middle[-1]) * scale
        lowest = self._blocks(self.cells.smallest, -ANYTHING) * scale
        highest = self._blocks(self.cells.greatest, ANYTHING) * scale + (scale - 1)

        # A block's offsets are the middle way between the slopes of its x1.
        offset = np.rint(_middle_of(middle - _middle_of(middle, axis=2), axis=1)).astype(np.int64)
        offset -= offset.min(axis=2, keepdims=True)
        base_low = (lowest - offset).max(axis=2, keepdims=True)
        base_high = (highest - offset).min(axis=2, keepdims=True)
        if (base_low > base_high).any():
            return None
        wanted = np.rint(_middle_of(middle - offset, axis=2)).astype(np.int64) + scale // 2
        base = np.clip(wanted, base_low, base_high)
        results = (base + offset).reshape(-1)[: self.cells.least.size] >> guard_bits
        return self._form(guard_bits, base.reshape(-1)[: self.rom_lengths[0]], offset.reshape(-1), results)

    def _form(self, guard_bits: int, base: Int64s, offset: Int64s, results: Int64s) -> TableForm:
        target = self.cells.target
        return TableForm(
            target.function,
            target.low,
            target.high,
            target.fraction_in,
            target.out,
            target.symmetry,
            self.cells.clamp_low,
            self.cells.clamp_high,
            self.cells.dropped_bits,
            self.low_bits,
            self.mid_bits,
            guard_bits,
            tuple(base.tolist()),
            tuple(offset.tolist()),
            self.cells.error_of(results),
        )


def _middle_of(values: Reals, axis: int) -> Reals:
    middle: Reals = 0.5 * (values.max(axis=axis, keepdims=True) + values.min(axis=axis, keepdims=True))
    return middle
