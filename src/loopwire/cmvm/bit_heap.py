"""Sums of many numbers bit by bit: counters of bits of one weight until three rows are left, which a carry chain adds.

A counter of six bits takes three six-input look-up tables and leaves three bits, of weights 1, 2 and 4: as many look-up
tables as bits that it takes off, as with adders, and half as high a column in the time of one look-up table, where an
adder takes that of a carry chain. An adder of three rows takes the time of counters of three bits and an adder of two,
and a third of their look-up tables.

Ref: L. Dadda, "Some schemes for parallel multipliers", Alta Frequenza 34 (1965); M. Kumm, P. Zipf, "Pipelined
compressor tree optimization using integer linear programming", FPL 2014, DOI 10.1109/FPL.2014.6927468.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MANY, FEW = 6, 3
"""Bits that a counter counts at most, the inputs of a look-up table, and the fewest of which bits go."""
HEIGHTS = (3, 6, 12, 24, 48, 96, 192, 384, 768, 1536, 3072, 6144, 12288)
"""What columns are brought to, level by level: half, and at last what one carry chain adds."""


@dataclass(frozen=True, slots=True)
class Term:
    """±(source << shift), a two's complement number of `width` bits where it is signed.

    The source of a constant is always that.
    """

    source: int
    shift: int
    negative: bool
    width: int
    signed: bool
    constant: int | None = None


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
    """Counters of one level, each of `size` bits, the first of which are `inverted` before."""

    size: int
    inverted: int
    counted: list[tuple[Bit, ...]] = field(default_factory=list)

    @property
    def count_bits(self) -> int:
        """Bits of each count."""
        return self.size.bit_length()


@dataclass(frozen=True)
class BitHeap:
    """A sum modulo two to its width: groups of counters, and the three rows of bits that they leave, lowest first.

    Counters read no group of their own level or a later one. Where a row has a bit, those before it have one too.
    """

    groups: tuple[Counters, ...]
    rows: tuple[tuple[Bit | None, ...], ...]

    @property
    def passed_bits(self) -> int:
        """Lowest bits of the sum that are the first row's: no other has any there."""
        return next((place for place, bit in enumerate(self.rows[1]) if bit is not None), len(self.rows[1]))

    @property
    def is_ternary(self) -> bool:
        """Whether its carry chain adds three rows."""
        return any(bit is not None for bit in self.rows[2])


@dataclass(frozen=True, slots=True)
class HeapSize:
    """What a heap takes, of which planning asks far more often than for its bits.

    `luts` has those of the counters, and one look-up table for each bit of the carry chain. `levels` are the look-up
    tables in series, at most, before the carry chain's own: a sum of three rows has one more in front.
    """

    luts: int
    levels: int


def bit_heap(terms: Iterable[Term], width: int) -> BitHeap:
    """Return what adds terms, modulo two to `width`."""
    columns = _columns(terms, width)
    groups: list[Counters] = []
    while (highest := max(map(len, columns))) > HEIGHTS[0]:
        columns = _level(columns, _next_height(highest), groups)
    rows = (tuple(column[k] if k < len(column) else None for column in columns) for k in range(HEIGHTS[0]))
    return BitHeap(tuple(groups), tuple(rows))


def heap_size(terms: Iterable[Term], width: int) -> HeapSize:
    """Return what `bit_heap` of the same terms takes; how high its columns are decides that."""
    heights, luts, levels = _heights(terms, width), 0, 0
    while (highest := max(heights)) > HEIGHTS[0]:
        behind, height = [0] * width, _next_height(highest)
        for place, bits in enumerate(heights):
            for size in _sizes(bits, behind[place], height):
                bits -= size
                luts += counter_luts(size)
                for above in range(place, min(place + size.bit_length(), width)):
                    behind[above] += 1
            behind[place] += bits
        heights, levels = behind, levels + 1
    chain = next((width - place for place, bits in enumerate(heights) if bits > 1), 0)
    return HeapSize(luts + chain, levels + (max(heights) == HEIGHTS[0]))


def counter_luts(size: int) -> int:
    """Return the look-up tables of a counter: one makes two functions of five bits, or one of six (AMD UG574)."""
    return size.bit_length() if size == MANY else (size.bit_length() + 1) // 2


def _columns(terms: Iterable[Term], width: int) -> list[Column]:
    """Return the bits of each weight.

    A bit of weight -w is its inverse of weight w, less w; all w are a constant, to which constant terms are added.
    Inverted bits come first, so that they are counted: a counter inverts at no cost, an adder of what is left does not.
    """
    columns: list[Column] = [[] for _ in range(width)]
    constant = 0
    for term in terms:
        if term.constant is not None:
            constant += _constant(term)
            continue
        inverted = _inverted(term)
        constant -= inverted << term.shift
        for index in range(min(term.width, width - term.shift)):
            columns[index + term.shift].append(SourceBit(term.source, index, bool(inverted >> index & 1)))
    for place, column in enumerate(columns):
        if constant >> place & 1:
            column.append(One())
        column.sort(key=lambda bit: not is_inverted(bit))
    return columns


def _heights(terms: Iterable[Term], width: int) -> list[int]:
    """Return how many bits `_columns` has of each weight."""
    heights, constant = [0] * width, 0
    for term in terms:
        if term.constant is not None:
            constant += _constant(term)
            continue
        constant -= _inverted(term) << term.shift
        for place in range(term.shift, min(term.shift + term.width, width)):
            heights[place] += 1
    return [bits + (constant >> place & 1) for place, bits in enumerate(heights)]


def _constant(term: Term) -> int:
    assert term.constant is not None
    return (-term.constant if term.negative else term.constant) << term.shift


def _inverted(term: Term) -> int:
    """Return which bits of a term are negative: all of a negative term, and the sign has the other sign."""
    return ((1 << term.width) - 1) * term.negative ^ term.signed << (term.width - 1)


def _next_height(highest: int) -> int:
    return max(height for height in HEIGHTS if height < highest)


def _sizes(bits: int, behind: int, height: int) -> list[int]:
    """Return the sizes of the counters that bring a column to a height, `behind` bits of counts below among it."""
    sizes = []
    while (excess := bits + behind - height) > 0 and bits > 1:
        size = min(bits, MANY if bits >= MANY or excess >= FEW else FEW)  # of six bits five go, of three two
        sizes.append(size)
        bits, behind = bits - size, behind + 1
    return sizes


def _level(columns: list[Column], height: int, groups: list[Counters]) -> list[Column]:
    """Return the columns behind counters that bring them to a height, lowest column first, as counts go up."""
    numbers: dict[tuple[int, int], int] = {}
    behind: list[Column] = [[] for _ in columns]
    for place, column in enumerate(columns):
        bits = column
        for size in _sizes(len(column), len(behind[place]), height):
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
