"""Sums by counters of bits: exact modulo two to their width, in as few levels as their height asks."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwire.cmvm.bit_heap import (
    HEIGHTS,
    MANY,
    Bit,
    BitHeap,
    CountBit,
    HeapSize,
    One,
    Term,
    bit_heap,
    counter_luts,
    heap_size,
    is_inverted,
)


def total(heap: BitHeap, values: list[int]) -> int:
    """Return what a heap adds up to, counter by counter, from the values of its sources."""
    counts: list[list[int]] = []

    def bit(given: Bit | None) -> int:
        match given:
            case None:
                return 0
            case One():
                return 1
            case CountBit():
                return counts[given.group][given.counter] >> given.index & 1
            case _:
                return (values[given.source] >> given.index & 1) ^ given.inverted

    for group in heap.groups:
        assert all(len(bits) == group.size <= MANY for bits in group.counted)
        assert all(is_inverted(b) == (k < group.inverted) for bits in group.counted for k, b in enumerate(bits))
        counts.append([sum(map(bit, bits)) for bits in group.counted])
    return sum(bit(given) << place for row in heap.rows for place, given in enumerate(row))


def depth(heap: BitHeap) -> int:
    """Return how many counters of a heap are in series, and the look-up table of a sum of three rows."""
    depths: dict[int, int] = {}

    def of_bits(bits: Iterable[Bit | None]) -> int:
        return max((depths[bit.group] for bit in bits if isinstance(bit, CountBit)), default=0)

    for number, group in enumerate(heap.groups):
        depths[number] = 1 + max(map(of_bits, group.counted))
    return max(map(of_bits, heap.rows)) + heap.is_ternary


def luts(heap: BitHeap) -> int:
    """Return the look-up tables of all counters and the bits of the carry chain."""
    counters = sum(counter_luts(group.size) * len(group.counted) for group in heap.groups)
    return counters + len(heap.rows[0]) - heap.passed_bits


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 30))
def test_a_heap_is_the_sum_of_its_terms(seed: int) -> None:
    source = random.Random(seed)
    width = source.randint(1, 20)
    terms = [
        Term(number, source.randint(0, 9), source.random() < 0.5, source.randint(1, 9), source.random() < 0.5)
        for number in range(source.randint(1, 60))
    ]
    heap = bit_heap(terms, width)
    size = heap_size(terms, width)
    assert luts(heap) == size.luts and depth(heap) <= size.levels
    for _ in range(4):
        values = [
            source.randint(-(term.signed << (term.width - 1)), (1 << (term.width - term.signed)) - 1) for term in terms
        ]
        due = sum((-1) ** term.negative * value << term.shift for term, value in zip(terms, values, strict=True))
        assert (total(heap, values) - due) % (1 << width) == 0


@pytest.mark.parametrize(("count", "levels"), [(2, 0), (3, 1), (6, 2), (7, 3), (12, 3), (13, 4), (24, 4), (48, 5)])
def test_each_level_halves_what_is_left(count: int, levels: int) -> None:
    assert heap_size([Term(source, 0, False, 8, False) for source in range(count)], 16).levels == levels
    assert all(below < above <= 2 * below for below, above in itertools.pairwise(HEIGHTS))


def test_a_counter_takes_as_many_look_up_tables_as_bits_that_it_takes_off() -> None:
    """Of six bits three are left, of different weights."""
    terms = [Term(source, 0, False, 1, False) for source in range(MANY)]
    heap = bit_heap(terms, 3)
    assert [(group.size, group.inverted, len(group.counted)) for group in heap.groups] == [(MANY, 0, 1)]
    assert heap_size(terms, 3) == HeapSize(3, 1)


def test_three_rows_are_added_without_counters() -> None:
    """An adder of three rows has a look-up table in front of its carry chain."""
    terms = [Term(source, 0, False, 8, False) for source in range(3)]
    heap = bit_heap(terms, 10)
    assert heap.groups == () and heap.is_ternary and heap_size(terms, 10) == HeapSize(10, 1)
