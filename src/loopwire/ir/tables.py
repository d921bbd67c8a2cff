"""Functions of one number as small ROMs: a plain table, or two tables and an adder; never a multiplier.

A bipartite table splits the index into x0, x1, x2 from the top: one ROM, indexed by x0 and x1, holds the function
on a coarse grid, another, indexed by x0 and x2, what to add in between with a slope shared by all x1 of one x0.

Ref: D. Das Sarma and D. W. Matula, "Faithful bipartite ROM reciprocal tables", ARITH 1995.
Ref: M. J. Schulte and J. E. Stine, "Approximating elementary functions with symmetric bipartite tables", IEEE Trans.
     Computers 48(8), 1999.
Ref: F. de Dinechin and A. Tisserand, "Multipartite table methods", IEEE Trans. Computers 54(3), 2005.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from loopwire.errors import ConfigError, nearest
from loopwire.ir.fixed_point import Integers
from loopwire.ir.functions import FUNCTIONS, Reals, Symmetry
from loopwire.ir.types import FixedType

LARGEST_LOOKUP = 1 << 20
"""Inputs beyond which `TableForm.lookup_array` is refused."""
LARGEST_INDEX = 1 << 20
"""Cells beyond which a function is not tabulated."""
LUT_ENTRIES = 64
"""One bit of so many ROM entries fits one six-input LUT (AMD UG574, "LUT as memory")."""
SPARE_INDEX_BITS = 1
"""How many more index bits than a plain table needs a bipartite table may take, which leaves it room for its error."""
LARGEST_WIDTH = 48
"""Bits of a result: functions are computed in float64, whose 53 bits leave some to judge errors with."""
ROUND_BITS = 4
"""Ends of a clamp are tried that are round in all but so many top bits: a short subtracter, a short comparison."""
GUARD_BITS = (1, 2, 3)
ANYTHING = 1 << 56
"""Bound of a result that no input asks for."""
ENTRY_SEARCH_RATIO = 1.05
"""The error of a table of limited size is the least possible within this factor, as far as the search sees."""

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TableForm:
    """A function from integers x with `fraction_in` fraction bits to integers of type `out`, exactly as built.

        m      = |x| if `symmetry` else x
        u      = min(max(m, clamp_low), clamp_high) - clamp_low
        c      = u >> dropped_bits                      cell; its low_bits lowest bits are x2, the next mid_bits are x1
        sum    = base[c >> low_bits] + offset[(x0 << low_bits) | x2]        no second term where `offset` is empty
        y      = sum >> guard_bits
        result = y, or, for x < 0: -y if `symmetry` is ODD, 2**out.fraction - y if COMPLEMENT, y if EVEN

    `base` contains the rounding constant; no result leaves the range of `out`. `max_error_steps` is the largest error
    over all inputs low…high against the function clipped to the range of `out`, in steps of `out`.
    """

    function: str
    low: int
    high: int
    fraction_in: int
    out: FixedType
    symmetry: Symmetry | None
    clamp_low: int
    clamp_high: int
    dropped_bits: int
    low_bits: int
    mid_bits: int
    guard_bits: int
    base: tuple[int, ...]
    offset: tuple[int, ...]
    max_error_steps: float

    @property
    def domain_low(self) -> int:
        """The result is the same for all inputs up to this one."""
        return -self.clamp_high if self.symmetry else self.clamp_low

    @property
    def domain_high(self) -> int:
        """The result is the same for all inputs from this one on."""
        return self.clamp_high

    @property
    def index_bits(self) -> int:
        """Bits of u."""
        return (self.clamp_high - self.clamp_low).bit_length()

    @property
    def subtracter_bits(self) -> int:
        """Bits of u that a subtracter makes; the bits below are those of the clamped m.

        0 where clamp_low is a multiple of 2**(index_bits - 1): u is then (m ^ clamp_low) mod 2**index_bits, a slice of
        m but for a top bit that may be inverted.
        """
        bits = self.index_bits
        below = bits if self.clamp_low == 0 else (self.clamp_low & -self.clamp_low).bit_length() - 1
        return 0 if below >= bits - 1 else bits - below

    @property
    def base_bits(self) -> int:
        """Width of the base ROM: unsigned unless an entry is negative."""
        return FixedType.holding(min(self.base), max(self.base), 0).width

    @property
    def offset_bits(self) -> int:
        """Width of the offset ROM, whose entries are never negative; 0 without one."""
        return max(self.offset).bit_length() if self.offset else 0

    @property
    def entries(self) -> int:
        """Entries of both ROMs."""
        return len(self.base) + len(self.offset)

    @property
    def rom_bits(self) -> int:
        """Bits of both ROMs."""
        return len(self.base) * self.base_bits + len(self.offset) * self.offset_bits

    @property
    def lut6_estimate(self) -> int:
        """Six-input LUTs, estimated: 64 ROM entries a bit, and a LUT for each bit of an adder."""
        luts = -(-len(self.base) // LUT_ENTRIES) * self.base_bits
        luts += -(-len(self.offset) // LUT_ENTRIES) * self.offset_bits
        luts += self.base_bits if self.offset else 0
        luts += self.subtracter_bits
        if self.symmetry:
            luts += FixedType.holding(self.low, self.high, 0).width
            luts += 0 if self.symmetry is Symmetry.EVEN else self.out.width
        return luts

    @cached_property
    def _roms(self) -> tuple[Int64s, Int64s]:
        return np.array(self.base, np.int64), np.array(self.offset, np.int64)

    def evaluate(self, x: Integers) -> Int64s:
        """Return the table's result for integers x, of any shape, from low to high."""
        base, offset = self._roms
        m = np.abs(x) if self.symmetry else x
        u = np.clip(m, self.clamp_low, self.clamp_high).astype(np.int64) - self.clamp_low
        cell = u >> self.dropped_bits
        total = base[cell >> self.low_bits]
        if self.offset:
            x0 = cell >> (self.low_bits + self.mid_bits)
            x2 = cell & ((1 << self.low_bits) - 1)
            total = total + offset[(x0 << self.low_bits) | x2]
        y: Int64s = total >> self.guard_bits
        if self.symmetry:
            y = np.where(x < 0, _mirrored(y, self.symmetry, self.out), y)
        return y

    def lookup_array(self) -> Int64s:
        """Return the results for all inputs low…high, in order; there may be at most 2**20."""
        assert self.high - self.low < LARGEST_LOOKUP
        return self.evaluate(np.arange(self.low, self.high + 1))


def _mirrored(y: npt.NDArray[Any], symmetry: Symmetry, out: FixedType) -> npt.NDArray[Any]:
    match symmetry:
        case Symmetry.ODD:
            mirrored = -y
        case Symmetry.COMPLEMENT:
            mirrored = 2**out.fraction - y
        case Symmetry.EVEN:
            mirrored = y
        case _:
            assert_never(symmetry)
    return mirrored


@lru_cache(maxsize=1024)
def design_table(
    function: str,
    low: int,
    high: int,
    fraction_in: int,
    out: FixedType,
    *,
    max_error_steps: float = 1.0,
    max_entries: int | None = None,
    fold: bool = False,
) -> TableForm:
    """Return the cheapest table, by `TableForm.lut6_estimate`, of a function over the integers low…high.

    Args:
        function: a name in `FUNCTIONS`.
        low: smallest input, in steps of 2**-fraction_in.
        high: largest input.
        fraction_in: fraction bits of the inputs.
        out: type of the results; the function is clipped to its range.
        max_error_steps: the error of every result stays below this many steps of `out`.
        max_entries: if given, the error is instead the least that a table of at most so many entries allows.
        fold: whether the function's symmetry may be used to tabulate one side only.

    Raises:
        ConfigError: the function is unknown or not defined on all inputs, or no table so small or so exact exists.
    """
    assert low <= high
    where = f"table of {function}"
    if function not in FUNCTIONS:
        known = ", ".join(FUNCTIONS)
        raise ConfigError(
            where, f"{function!r} is not a known function", f"Choose from {known}.{nearest(function, FUNCTIONS)}"
        )
    real = FUNCTIONS[function]
    if low <= real.defined_above * 2.0**fraction_in:
        raise ConfigError(
            where,
            f"it is not defined on all inputs, which reach down to {low * 2.0**-fraction_in:g}",
            f"Give inputs above {real.defined_above:g}",
        )
    if max_entries is not None and max_entries < 2:
        raise ConfigError(where, f"{max_entries} entries cannot tell two inputs apart", "Allow at least 2 entries")
    symmetries = [None, real.symmetry] if fold and real.symmetry and low < 0 else [None]
    if out.width > LARGEST_WIDTH:
        raise ConfigError(
            where,
            f"results of {out.width} bits are finer than the function can be computed",
            f"Give a result type of at most {LARGEST_WIDTH} bits",
        )
    targets = [_Target(function, low, high, fraction_in, out, symmetry) for symmetry in symmetries]
    if max_entries is not None:
        return _most_exact(targets, max_entries)
    found = _cheapest(targets, max_error_steps, None)
    if found is None:
        raise ConfigError(
            where,
            f"no table of at most {LARGEST_INDEX} cells keeps the error below {max_error_steps:g} steps of {out}",
            "Give a result type with fewer fraction bits, a larger error (rounding alone costs 0.5), or max_entries",
        )
    return found


def _most_exact(targets: list[_Target], max_entries: int) -> TableForm:
    """Search the least error, in steps, for which a table fits in `max_entries`."""
    unmet, met = 0.5, float(targets[0].out.max_integer - targets[0].out.min_integer + 1)
    best = _cheapest(targets, met, max_entries)
    assert best is not None, "one entry suffices for an error as large as the range"
    met = max(best.max_error_steps, unmet)
    while met > unmet * ENTRY_SEARCH_RATIO:
        middle = float(np.sqrt(met * unmet))
        found = _cheapest(targets, middle, max_entries)
        if found is None:
            unmet = middle
        else:
            best, met = found, min(middle, found.max_error_steps)
    return best


@dataclass(frozen=True)
class _Target:
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
        mirrored = _mirrored(np.array([low, high]), self.symmetry, self.out).tolist()
        return max(low, min(mirrored)), min(high, max(mirrored))

    def bounds(self, first: Int64s, last: Int64s) -> tuple[Reals, Reals]:
        """Return the least and the largest value, in steps of `out`, over each interval first…last of m.

        Where no input falls into an interval, the least is +inf and the largest -inf.
        """
        least, largest = np.full(first.shape, np.inf), np.full(first.shape, -np.inf)
        for side_low, side_high, folded in self.sides():
            begin, end = np.maximum(first, side_low), np.minimum(last, side_high)
            reached = begin <= end
            points = [begin, end]
            for turning_point in FUNCTIONS[self.function].turning_points:
                nearest_below = int(np.floor(turning_point * 2.0**self.fraction_in))
                points += [np.clip(point, begin, end) for point in (nearest_below, nearest_below + 1)]
            for point in points:
                y = self._value(-point if folded else point)
                if folded and self.symmetry:
                    y = _mirrored(y, self.symmetry, self.out)
                least = np.where(reached, np.minimum(least, y), least)
                largest = np.where(reached, np.maximum(largest, y), largest)
        return least, largest

    def _value(self, x: Int64s) -> Reals:
        """The exact result for inputs x, in steps of `out`; inputs beyond low…high count as the nearest of these."""
        reals = np.ldexp(np.clip(x, self.low, self.high).astype(np.float64), -self.fraction_in)
        y = np.ldexp(FUNCTIONS[self.function].real(reals), self.out.fraction)
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


def _windows(target: _Target, error: float) -> list[tuple[int, int]]:
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


def _cheapest(targets: list[_Target], error: float, max_entries: int | None) -> TableForm | None:
    """Return the cheapest table whose error stays below `error` steps, or None."""
    splits = [
        _Split(cells, low_bits, mid_bits)
        for target in targets
        for window in _windows(target, error)
        for cells in _feasible_cells(target, *window, error)
        for low_bits, mid_bits in cells.splits()
    ]
    best: TableForm | None = None
    for split in sorted(splits, key=lambda split: split.least_luts):
        if max_entries is not None and sum(split.rom_lengths) > max_entries:
            continue
        if best is not None and split.least_luts >= best.lut6_estimate:
            break
        form = split.build()
        if form is not None and (best is None or form.lut6_estimate < best.lut6_estimate):
            best = form
    return best


@dataclass(frozen=True, eq=False)
class _Cells:
    """The function over a window of m, cut into cells of 2**dropped_bits inputs that share one result each."""

    target: _Target
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

    def splits(self) -> Iterator[tuple[int, int]]:
        """Yield the ways, as (low_bits, mid_bits), to split the cells' index; (0, 0) is the plain table."""
        if self.is_coarsest:
            yield 0, 0
        bits = (self.least.size - 1).bit_length()
        for low_bits in range(1, bits):
            for mid_bits in range(1, bits - low_bits + 1):
                yield low_bits, mid_bits

    def error_of(self, results: Int64s) -> float:
        """Return the largest error, in steps, if each cell gives this result."""
        reached = np.isfinite(self.least)
        return float(np.maximum(results - self.least, self.largest - results)[reached].max())


def _feasible_cells(target: _Target, clamp_low: int, clamp_high: int, error: float) -> Iterator[_Cells]:
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
        padded = np.pad(values, (0, -values.size % width), constant_values=fill)
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
