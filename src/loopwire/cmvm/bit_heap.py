"""Sums of many numbers bit by bit: counters of bits of one weight until two rows are left, which a carry chain adds.

A counter of six bits takes three six-input look-up tables and leaves three bits, of weights 1, 2 and 4: as many look-up
tables as bits that it takes off, as with adders, and half as high a column in the time of one look-up table, where an
adder takes that of a carry chain.

Ref: L. Dadda, "Some schemes for parallel multipliers", Alta Frequenza 34 (1965); M. Kumm, P. Zipf, "Pipelined
compressor tree optimization using integer linear programming", FPL 2014, DOI 10.1109/FPL.2014.6927468.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MANY, FEW = 6, 3
"""Bits that a counter counts: the inputs of a look-up table, or the fewest that are worth one, which leaves two."""
HEIGHTS = (2, 3, 6, 12, 24, 48, 96, 192, 384, 768, 1536, 3072, 6144, 12288)
"""What columns are brought to, level by level: two from three by counters of few, else half."""


@dataclass(frozen=True, slots=True)
class Term:
    """±(source << shift), a two's complement number of `width` bits where it is signed."""

    source: int
    shift: int
    negative: bool
    width: int
    signed: bool


@dataclass(frozen=True, slots=True)
class SourceBit:
    """A bit of a source, maybe inverted."""

    source: int
    index: int
    inverted: bool


@dataclass(frozen=True, slots=True)
class CountBit:
    """A bit of what a counter of a group counts."""

    group: int
    counter: int
    index: int


@dataclass(frozen=True, slots=True)
class One:
    """A constant 1."""


Bit = SourceBit | CountBit | One
Column = list[Bit]


@dataclass
class Counters:
    """Counters of one level, each of up to `size` bits, the first of which are `inverted` before."""

    size: int
    inverted: int
    counted: list[tuple[Bit, ...]] = field(default_factory=list)

    @property
    def count_bits(self) -> int:
        """Bits of each count."""
        return self.size.bit_length()


@dataclass(frozen=True)
class BitHeap:
    """A sum modulo two to its width: groups of counters, and the two rows of bits that they leave, lowest first.

    `levels` counters are in series at most. Counters read no group of their own level or a later one.
    """

    groups: tuple[Counters, ...]
    rows: tuple[tuple[Bit | None, ...], tuple[Bit | None, ...]]
    levels: int

    @property
    def luts(self) -> int:
        """Look-up tables: one for each bit of a count, and one for each of the carry chain.

        Both bits of a count of three could share one, as they do with AMD's tools, not with Yosys.
        """
        chain = next((len(self.rows[1]) - k for k, bit in enumerate(self.rows[1]) if bit is not None), 0)
        return sum(group.count_bits * len(group.counted) for group in self.groups) + chain


def bit_heap(terms: Iterable[Term], width: int) -> BitHeap:
    """Return what adds terms, modulo two to `width`."""
    columns = _columns(terms, width)
    groups: list[Counters] = []
    levels = 0
    while (highest := max(map(len, columns))) > HEIGHTS[0]:
        columns = _level(columns, max(height for height in HEIGHTS if height < highest), groups)
        levels += 1
    low, high = (tuple(column[k] if k < len(column) else None for column in columns) for k in (0, 1))
    return BitHeap(tuple(groups), (low, high), levels)


def _columns(terms: Iterable[Term], width: int) -> list[Column]:
    """Return the bits of each weight. A bit of weight -w is its inverse of weight w, less w; all w are a constant."""
    columns: list[Column] = [[] for _ in range(width)]
    constant = 0
    for term in terms:
        for index in range(term.width):
            weight = 1 << (index + term.shift)
            negative = term.negative ^ (term.signed and index == term.width - 1)
            constant -= weight * negative
            if index + term.shift < width:
                columns[index + term.shift].append(SourceBit(term.source, index, negative))
    for place, column in enumerate(columns):
        if constant >> place & 1:
            column.append(One())
    return columns


def _level(columns: list[Column], height: int, groups: list[Counters]) -> list[Column]:
    """Return the columns behind counters that bring them to a height, lowest column first, as counts go up."""
    numbers: dict[tuple[int, int], int] = {}
    behind: list[Column] = [[] for _ in columns]
    for place, column in enumerate(columns):
        bits = column
        while (excess := len(bits) + len(behind[place]) - height) > 0 and len(bits) > 1:
            size = MANY if excess >= FEW and len(bits) > FEW else FEW  # of six bits five go, of three two
            # A count is the same in whichever order: inverted bits first, so that few modules differ.
            taken = sorted(bits[:size], key=lambda bit: not is_inverted(bit))
            kind = size, sum(map(is_inverted, taken))
            if kind not in numbers:
                numbers[kind] = len(groups)
                groups.append(Counters(*kind))
            group = groups[numbers[kind]]
            for index in range(min(group.count_bits, len(columns) - place)):
                behind[place + index].append(CountBit(numbers[kind], len(group.counted), index))
            group.counted.append(tuple(taken))
            bits = bits[size:]
        behind[place] = bits + behind[place]
    return behind


def is_inverted(bit: Bit) -> bool:
    """Say whether it is the inverse of a bit."""
    return isinstance(bit, SourceBit) and bit.inverted
