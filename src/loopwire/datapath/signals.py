"""Vectors of integers between the operations of a datapath, each exact and as narrow as its range allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from loopwire.ir.interval import Range
from loopwire.ir.table_form import telling_bits
from loopwire.ir.types import FixedType


@dataclass(frozen=True, eq=False)
class Signal:
    """A vector of `count` integers low…high, counted in steps of 2**-fraction. Compared by identity.

    `note` says what it is, for readers of the firmware; `layer` whose it is.
    """

    name: str
    count: int
    low: int
    high: int
    fraction: int
    layer: str
    note: str

    @cached_property
    def type(self) -> FixedType:
        """The narrowest type that holds every element."""
        return FixedType.holding(self.low, self.high, self.fraction)

    @property
    def width(self) -> int:
        """Bits of an element."""
        return self.type.width

    @property
    def signed(self) -> bool:
        """Whether an element may be negative."""
        return self.type.signed

    @property
    def bits(self) -> int:
        """Bits of all elements."""
        return self.count * self.width

    def bits_beyond(self, low: int, high: int) -> list[int]:
        """Return how many upper bits say that an element is below `low` or above `high`, for each that may be."""
        ends = [low] * (self.low < low) + [high + 1] * (self.high > high)
        return [telling_bits(end, self.width) for end in ends]


def signal_like(name: str, count: int, given: Range, fraction: int, layer: str, note: str) -> Signal:
    """Return a signal with the range `given`."""
    return Signal(name, count, given.low, given.high, fraction, layer, note)
