"""Search for the cheapest table that keeps an error bound: where to clamp, how many bits to drop, where to split.

Each cell of inputs that share a result allows some whole results, smallest…greatest, whose error stays in bounds at all
of its inputs (`table_target`). A table is right if and only if each cell's result is among those, which is tried on all
cells of each split.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loopwire.ir.functions import Reals
from loopwire.ir.table_form import LUT_ENTRIES, Int64s, TableForm, subtracter_bits
from loopwire.ir.table_target import Target

LARGEST_INDEX = 1 << 20
"""Cells beyond which a function is not tabulated."""
SPARE_INDEX_BITS = 1
"""How many more index bits than a plain table needs a bipartite table may take, which leaves it room for its error."""
ROUND_BITS = 4
"""Clamp ends are tried with zeros below this many top bits: a short subtracter, a short comparison."""
GUARD_BITS = (1, 2, 3)
SHORT = 16
"""Elements along an axis that are few to loop over."""
MANY = 1 << 12
"""Elements of which each loop over few takes long."""
ANYTHING = 1 << 56
"""Bound of a result that no input asks for."""


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
        for cells in _all_cells(target, error)
        for split in cells.splits()
        if max_entries is None or split.base_entries + split.offset_entries <= max_entries
    ]
    best, luts = None, math.inf
    for split in sorted(splits, key=lambda split: split.least_luts):
        if split.least_luts >= luts:
            break
        if split.is_hopeless or split.closer_least_luts >= luts:
            continue
        form = split.build()
        if form is not None and form.lut6_estimate < luts:
            best, luts = form, form.lut6_estimate
    return best


@dataclass(frozen=True, eq=False)
class _Cells:
    """The function over a window of m, cut into cells of 2**dropped_bits inputs that share one result each."""

    target: Target
    clamp_low: int
    clamp_high: int
    dropped_bits: int
    slack: float
    """How much less than the function, at most, a table may rise between two cells, in steps of the result."""
    least: Reals
    """Least value in each cell, in steps of the result; +inf in a cell without inputs."""
    largest: Reals
    smallest: Int64s
    """Smallest whole result near enough to all values of each cell; far below where there are no inputs."""
    greatest: Int64s
    is_coarsest: bool = False

    @cached_property
    def middle(self) -> Reals:
        """Middle of the values in each cell, but the limits at both ends; of cells without inputs, the nearest's."""
        reached = np.flatnonzero(np.isfinite(self.least))
        nearest_reached = np.clip(np.arange(self.least.size), reached[0], reached[-1])
        middle: Reals = 0.5 * (self.least[nearest_reached] + self.largest[nearest_reached])
        ends = np.array([self.target.m_low, self.target.m_high])
        middle[reached[[0, -1]]] = self.target.bounds(ends, ends)[0]
        return middle

    @cached_property
    def result_bits(self) -> int:
        """Bits of the difference of the largest and the least result, at least."""
        return int(np.ptp(self.middle)).bit_length()

    @cached_property
    def subtracter_bits(self) -> int:
        """As the table's."""
        return subtracter_bits(self.clamp_low, (self.clamp_high - self.clamp_low).bit_length())

    def splits(self) -> Iterator[_Split]:
        """Yield the plain table, if no coarser cells are possible, and all ways to split the index in three."""
        count, result_bits = self.least.size, self.result_bits
        index_bits = (count - 1).bit_length()
        if self.is_coarsest:
            yield _Split(_Groups(self, 0), 0, count, 0, _luts(count, result_bits))
        for low_bits in range(1, index_bits):
            groups, base = _Groups(self, low_bits), -(-count >> low_bits)
            for mid_bits in range(1, index_bits - low_bits + 1):
                offset = -(-count >> (low_bits + mid_bits)) << low_bits
                yield _Split(groups, mid_bits, base, offset, _luts(base, result_bits, offset, groups.offset_bits))

    def error_of(self, results: Int64s) -> float:
        """Return the largest error, in steps, if each cell gives this result."""
        reached = np.isfinite(self.least)
        return float(np.maximum(results - self.least, self.largest - results)[reached].max())


def _all_cells(target: Target, error: float) -> Iterator[_Cells]:
    """Yield, of each window, the coarsest cells within which one result is near enough to all values, and finer ones.

    The coarsest ones of a window are about as wide as those of the one before: there the search for them begins.
    """
    near: int | None = None
    for low, high in _windows(target, error):
        widest = (high - low).bit_length()
        dropped_bits = widest if near is None else min(near, widest)
        cells = _cells(target, low, high, dropped_bits, error)
        if cells is None:
            while cells is None and dropped_bits and (high - low) >> (dropped_bits - 1) < LARGEST_INDEX:
                dropped_bits -= 1
                cells = _cells(target, low, high, dropped_bits, error)
        else:
            while dropped_bits < widest and (wider := _cells(target, low, high, dropped_bits + 1, error)) is not None:
                dropped_bits, cells = dropped_bits + 1, wider
        if cells is None:
            continue
        near = dropped_bits
        yield replace(cells, is_coarsest=True)
        for finer in range(dropped_bits - 1, max(dropped_bits - SPARE_INDEX_BITS, 0) - 1, -1):
            cells = _cells(target, low, high, finer, error) if (high - low) >> finer < LARGEST_INDEX else None
            if cells is not None:
                yield cells


def _cells(target: Target, clamp_low: int, clamp_high: int, dropped_bits: int, error: float) -> _Cells | None:
    """Return the cells of 2**dropped_bits inputs, or None where no one result is near enough to all values of one."""
    count = ((clamp_high - clamp_low) >> dropped_bits) + 1
    first = clamp_low + (np.arange(count) << dropped_bits)
    last = first + (1 << dropped_bits) - 1
    first[0], last[-1] = min(clamp_low, target.m_low), max(clamp_high, target.m_high)
    least, largest = target.bounds(first, last)
    smallest, greatest = target.allowed(least, largest, error)
    if (smallest > greatest).any():
        return None
    reached = np.isfinite(least)
    return _Cells(
        target,
        clamp_low,
        clamp_high,
        dropped_bits,
        2 * error + 1,
        least,
        largest,
        np.where(reached, smallest, -ANYTHING).astype(np.int64),
        np.where(reached, greatest, ANYTHING).astype(np.int64),
    )


@dataclass(frozen=True, eq=False)
class _Groups:
    """Cells in groups of 2**low_bits that share an entry of the base: those of all x2."""

    cells: _Cells
    low_bits: int

    @cached_property
    def _ends(self) -> tuple[slice, slice]:
        """The first and the last cells of the groups that are whole."""
        group = 1 << self.low_bits
        whole = self.cells.least.size // group * group
        return slice(0, whole, group), slice(group - 1, whole, group)

    @cached_property
    def offset_bits(self) -> int:
        """Bits of an offset, at least."""
        first, last = self._ends
        span = float(np.abs(self.cells.middle[last] - self.cells.middle[first]).max(initial=0.0))
        return int(2 * max(span - self.cells.slack, 0.0)).bit_length()

    @cached_property
    def base_bits(self) -> int:
        """Bits of an entry of the base, at least: each has a guard bit, and is the result where its offset is 0."""
        whole = self._ends[1].stop
        smallest = self.cells.smallest[:whole].reshape(-1, 1 << self.low_bits).min(axis=1)
        greatest = self.cells.greatest[:whole].reshape(-1, 1 << self.low_bits).max(axis=1)
        return max(int(2 * (smallest.max() - greatest.min() - 1)), 0).bit_length()

    @cached_property
    def most_mid_bits(self) -> int:
        """The most bits of x1 for which, by the ends of the x2 alone, each x0 has a slope for all of its x1."""
        first, last = self._ends
        smallest, greatest = self.cells.smallest, self.cells.greatest
        least_rise, largest_rise = smallest[last] - greatest[first] - 1, greatest[last] + 1 - smallest[first]
        mid_bits = 0
        while least_rise.size > 1:
            pairs = np.arange(0, least_rise.size, 2)
            least_rise, largest_rise = np.maximum.reduceat(least_rise, pairs), np.minimum.reduceat(largest_rise, pairs)
            if (least_rise > largest_rise).any():
                return mid_bits
            mid_bits += 1
        return (self.cells.least.size - 1).bit_length() - self.low_bits


class _Split(NamedTuple):
    """A table to be tried: cells in groups, and where the index of these is split; a plain one has one cell a group."""

    groups: _Groups
    mid_bits: int
    base_entries: int
    offset_entries: int
    least_luts: int
    """A bound from below of the table's `lut6_estimate`."""

    @property
    def closer_least_luts(self) -> int:
        """A closer bound, which takes longer."""
        groups, cells = self.groups, self.groups.cells
        base_bits = max(cells.result_bits, groups.base_bits) if groups.low_bits else cells.result_bits
        luts = _luts(self.base_entries, base_bits, self.offset_entries, groups.offset_bits)
        return luts + cells.subtracter_bits

    @property
    def is_hopeless(self) -> bool:
        """Whether, already by the ends of the x2 alone, no slope serves all x1 of some x0."""
        return self.groups.low_bits > 0 and self.mid_bits > self.groups.most_mid_bits

    def build(self) -> TableForm | None:
        """Return the table with the fewest guard bits, or None if the split cannot keep the error."""
        cells = self.groups.cells
        if self.groups.low_bits == 0:
            base = np.clip(np.rint(cells.middle).astype(np.int64), cells.smallest, cells.greatest)
            return self._form(0, base, np.empty(0, np.int64), base)
        middle = self._blocks(cells.middle, cells.middle[-1])
        lowest, highest = self._blocks(cells.smallest, -ANYTHING), self._blocks(cells.greatest, ANYTHING)
        # A block's offsets are the middle way between the slopes of its x1.
        slope = _middle_of(middle - _middle_of(middle, axis=2), axis=1)
        for guard_bits in GUARD_BITS:
            scale = 1 << guard_bits
            offset = np.rint(slope * scale).astype(np.int64)
            offset -= _extremes(np.minimum, offset, axis=2)
            base_low = _extremes(np.maximum, lowest * scale - offset, axis=2)
            base_high = _extremes(np.minimum, highest * scale + (scale - 1) - offset, axis=2)
            if (base_low > base_high).any():
                continue
            wanted = np.rint(_middle_of(middle * scale - offset, axis=2)).astype(np.int64) + scale // 2
            base = np.clip(wanted, base_low, base_high)
            results = (base + offset).reshape(-1)[: cells.least.size] >> guard_bits
            return self._form(guard_bits, base.reshape(-1)[: self.base_entries], offset.reshape(-1), results)
        return None

    def _blocks(self, values: npt.NDArray[Any], fill: float) -> npt.NDArray[Any]:
        """Return the cells' values by (x0, x1, x2)."""
        missing = -values.size % (1 << (self.groups.low_bits + self.mid_bits))
        padded = np.append(values, np.full(missing, fill, values.dtype)) if missing else values
        return padded.reshape(-1, 1 << self.mid_bits, 1 << self.groups.low_bits)

    def _form(self, guard_bits: int, base: Int64s, offset: Int64s, results: Int64s) -> TableForm:
        cells, target = self.groups.cells, self.groups.cells.target
        return TableForm(
            target.function,
            target.low,
            target.high,
            target.fraction_in,
            target.out,
            target.symmetry,
            cells.clamp_low,
            cells.clamp_high,
            cells.dropped_bits,
            self.groups.low_bits,
            self.mid_bits,
            guard_bits,
            tuple(base.tolist()),
            tuple(offset.tolist()),
            cells.error_of(results),
        )


def _luts(base_entries: int, base_bits: int, offset_entries: int = 0, offset_bits: int = 0) -> int:
    """Return the LUTs of ROMs, and of what adds them where there are two."""
    base, offset = -(-base_entries // LUT_ENTRIES), -(-offset_entries // LUT_ENTRIES)
    return (base + (offset > 0)) * base_bits + offset * offset_bits


def _middle_of(values: Reals, axis: int) -> Reals:
    middle: Reals = 0.5 * (_extremes(np.maximum, values, axis) + _extremes(np.minimum, values, axis))
    return middle


def _extremes(larger: np.ufunc, values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Return the largest (or least) along the second or the last axis, of a power of two of elements, and keep it.

    Of many, neighbours are compared all at once: numpy's own reduction is slow where an axis is short.
    """
    if values.size < MANY:
        found: npt.NDArray[Any] = larger.reduce(values, axis, keepdims=True)
        return found
    if axis == 1 and values.shape[2] < SHORT:
        columns = (_extremes(larger, values[:, np.newaxis, :, k], 2) for k in range(values.shape[2]))
        return np.concatenate(list(columns), axis=2)
    while values.shape[axis] > 1:
        even, odd = (values[:, k::2] if axis == 1 else values[:, :, k::2] for k in (0, 1))
        values = larger(even, odd)
    return values
