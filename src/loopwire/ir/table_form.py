"""What a function's table is, exactly: its ROMs, how they are read, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import Integers
from loopwire.ir.functions import Symmetry
from loopwire.ir.types import FixedType

LARGEST_LOOKUP = 1 << 20
"""Inputs beyond which `TableForm.lookup_array` is refused."""
LUT_ENTRIES = 64
"""One bit of this many ROM entries fits one six-input LUT (AMD UG574, "LUT as memory")."""

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
    over all inputs low…high against the function clipped to the range of `out`, in steps of `out`. Inputs are those of
    the function and `added`.
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
    added: int = 0

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
    def last_cell(self) -> int:
        """The cell of the last input that is not clamped; that of the first one is 0."""
        return (self.clamp_high - self.clamp_low) >> self.dropped_bits

    @property
    def covered(self) -> FixedType | None:
        """The type of integers whose every number m the table holds and no other; None where there is none."""
        bits = max(self.index_bits, 1)
        held = FixedType(bits, bits, signed=self.clamp_low < 0)
        return held if (held.min_integer, held.max_integer) == (self.clamp_low, self.clamp_high) else None

    def covering(self, most_entries: int) -> TableForm | None:
        """Return the same table with its ends repeated until it is `covered`, or None where that cannot be.

        Args:
            most_entries: of its base.
        """
        held = FixedType.holding(self.clamp_low, self.clamp_high, 0)
        before, after = self.clamp_low - held.min_integer, held.max_integer - self.clamp_high
        steps = 1 << self.dropped_bits
        if self.covered:
            return self
        if self.offset or before % steps or after % steps:
            return None
        if before // steps + len(self.base) + after // steps > most_entries:
            return None
        base = (self.base[0],) * (before // steps) + self.base + (self.base[-1],) * (after // steps)
        return replace(self, clamp_low=held.min_integer, clamp_high=held.max_integer, base=base)

    def raised(self, added: int) -> TableForm:
        """Return the same table of inputs that are more by `added`; of a table without symmetry."""
        ends = {end: getattr(self, end) + added for end in ("low", "high", "clamp_low", "clamp_high", "added")}
        return replace(self, **ends)

    def plain(self) -> TableForm:
        """Return the same table as one ROM, with an entry for each cell."""
        cells = np.arange(self.last_cell + 1)
        found = replace(self, symmetry=None).evaluate(self.clamp_low + (cells << self.dropped_bits))
        return replace(self, low_bits=0, mid_bits=0, guard_bits=0, base=tuple(found.tolist()), offset=())

    @property
    def subtracter_bits(self) -> int:
        """Bits of u that a subtracter makes; the bits below are those of the clamped m.

        0 where clamp_low is a multiple of 2**(index_bits - 1): u is then (m ^ clamp_low) mod 2**index_bits, a slice of
        m but for a top bit that may be inverted.
        """
        return subtracter_bits(self.clamp_low, self.index_bits)

    @cached_property
    def base_bits(self) -> int:
        """Width of the base ROM: unsigned unless an entry is negative."""
        return FixedType.holding(min(self.base), max(self.base), 0).width

    @cached_property
    def offset_bits(self) -> int:
        """Width of the offset ROM, whose entries are never negative; 0 without one."""
        return max(self.offset).bit_length() if self.offset else 0

    @cached_property
    def roms(self) -> tuple[tuple[int, int], ...]:
        """Entries and bits of each ROM."""
        base = (len(self.base), self.base_bits)
        return (base, (len(self.offset), self.offset_bits)) if self.offset else (base,)

    @property
    def entries(self) -> int:
        """Entries of both ROMs."""
        return len(self.base) + len(self.offset)

    @property
    def rom_bits(self) -> int:
        """Bits of both ROMs."""
        return sum(entries * bits for entries, bits in self.roms)

    @property
    def lut6_estimate(self) -> int:
        """Six-input LUTs, estimated: 64 ROM entries a bit, and a LUT for each bit of an adder."""
        luts = sum(-(-entries // LUT_ENTRIES) * bits for entries, bits in self.roms)
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
            y = np.where(x < 0, mirrored(y, self.symmetry, self.out), y)
        return y

    def lookup_array(self) -> Int64s:
        """Return the results for all inputs low…high, in order; there may be at most 2**20."""
        assert self.high - self.low < LARGEST_LOOKUP
        return self.evaluate(np.arange(self.low, self.high + 1))


def mirrored(y: npt.NDArray[Any], symmetry: Symmetry, out: FixedType) -> npt.NDArray[Any]:
    """Return f(-x) for y = f(x), both counted in steps of `out`."""
    match symmetry:
        case Symmetry.ODD:
            result = -y
        case Symmetry.COMPLEMENT:
            result = 2**out.fraction - y
        case Symmetry.EVEN:
            result = y
        case _:
            assert_never(symmetry)
    return result


def telling_bits(bound: int, width: int) -> int:
    """Return how many upper bits of a number of `width` bits say whether it is below `bound`, at least two.

    Those from the lowest 1 of the bound on: the bits below are 0 in the bound, and change nothing.
    """
    below = (bound & -bound).bit_length() - 1 if bound else width
    return max(width - below, 2)


def subtracter_bits(clamp_low: int, index_bits: int) -> int:
    """Return `TableForm.subtracter_bits`."""
    below = index_bits if clamp_low == 0 else (clamp_low & -clamp_low).bit_length() - 1
    return 0 if below >= index_bits - 1 else index_bits - below
