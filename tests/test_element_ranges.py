"""Elements stay within the ranges found for each, and those are as narrow as the weights that they are made of."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapath_interpreter import run_sequence
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.element_ranges import ElementRanges, element_ranges
from loopwire.datapath.ops import Accumulate, Columns, Gather, Pairs, Products, WordRom
from loopwire.datapath.sharing import Sharing
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers
from loopwire.ir.types import FixedType
from loopwire.passes.lower import lower
from random_graphs import random_inputs
from test_expand import SOLVERS, only_datapath, random_model, random_types


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30), solver=st.sampled_from(sorted(SOLVERS)))
def test_elements_stay_within_their_ranges(seed: int, solver: str) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    datapath = only_datapath(graph, SOLVERS[solver])
    found = element_ranges(datapath, lambda _: False)
    (x,) = random_inputs(graph, seed, 4)
    for sequence in x:
        for known in run_sequence(datapath, sequence if sequence.ndim == 2 else sequence[np.newaxis]):
            for signal, (values,) in known.items():
                low, high = found[signal].low, found[signal].high
                inside = [a <= value <= b for a, value, b in zip(low, values, high, strict=True)]
                assert all(inside), f"an element of {signal.name} leaves its range"


def signal(name: str, count: int, low: int, high: int) -> Signal:
    return Signal(name, count, low, high, 0, "layer", "")


def ranges_of(rom_is_opaque: bool) -> dict[str, ElementRanges]:
    """Two chunks of two units, in two passes of two columns each: three inputs, the fourth column is padding."""
    rows = np.array([[1, 0, 3, 0], [2, 0, -3, 0], [1, 0, 1, 0], [3, 0, 2, 0]])
    features = np.array([[-4, 0, 1], [3, 2, 1], [0, 1, 1], [0, 1, 1]])
    x, words = signal("x", 3, -4, 3), signal("words", 4, -3, 3)
    columns, products = signal("columns", 2, -4, 3), signal("products", 4, -12, 12)
    pairs, total = signal("pairs", 2, -24, 24), signal("total", 2, -30, 30)
    operations = (
        Operation(WordRom(features, 1, by_step=False), (), x),
        Operation(WordRom(rows, 1, by_step=False), (), words),
        Operation(Columns(2), (x,), columns),
        Operation(Products(), (words, columns), products),
        Operation(Pairs(2, largest=False), (products,), pairs),
        Operation(Accumulate(), (pairs,), total),
        Operation(Gather(), (total,), signal("whole", 4, -30, 30)),
    )
    datapath = Datapath(
        signal("step", 1, 0, 1), operations, (), operations[-1].result, Sharing(units=4, chunks=2, passes=2)
    )
    found = element_ranges(datapath, lambda operation: rom_is_opaque and operation.result is words)
    return {result.name: ranges for result, ranges in found.items()}


def limits(found: ElementRanges) -> list[tuple[int, int]]:
    return list(zip(found.low, found.high, strict=True))


def test_a_cascade_holds_the_sums_of_its_products() -> None:
    matrix, vector, dots = signal("matrix", 6, -3, 3), signal("vector", 3, 0, 2), signal("dots", 4, -99, 99)
    operations = (
        Operation(WordRom(np.array([[1, -2, 3, 0, 1, 1], [1, 2, 1, 0, 1, -1]]), 1, by_step=False), (), matrix),
        Operation(WordRom(np.array([[0, 2, 1], [1, 2, 1]]), 1, by_step=False), (), vector),
        Operation(Products(cascaded=2), (matrix, vector), dots),
    )
    sharing = Sharing(units=2, chunks=1, passes=2)
    found = element_ranges(Datapath(signal("step", 1, 0, 1), operations, (), dots, sharing), lambda _: False)
    assert limits(found[dots]) == [(0 - 4, 1 + 4), (1, 3), (0 + 2, 0 + 2), (-1, 1)]


def test_a_sum_of_passes_holds_what_it_begins_with() -> None:
    values, first, total = signal("values", 2, -8, 7), signal("first", 2, -4, 3), signal("total", 2, -99, 99)
    rows, biases = np.array([[1, -2], [2, 3]]), np.array([[3, -4]])
    operations = (
        Operation(WordRom(rows, 1, by_step=False), (), values),
        Operation(WordRom(biases, 2, by_step=False), (), first),
        Operation(Accumulate(shift=1, first_shift=2), (values, first), total),
    )
    sharing = Sharing(units=2, chunks=1, passes=2)
    found = element_ranges(Datapath(signal("step", 1, 0, 1), operations, (), total, sharing), lambda _: False)
    assert limits(found[total]) == [(2 * 2 * 0 + 4 * 3, 2 * 2 * 2 + 4 * 3), (2 * 2 * -2 + 4 * -4, 2 * 2 * 3 + 4 * -4)]


def test_elements_of_shared_hardware_follow_their_weights() -> None:
    found = ranges_of(rom_is_opaque=False)
    assert limits(found["words"]) == [(1, 3), (0, 0), (-3, 3), (0, 0)]
    assert limits(found["columns"]) == [(-4, 3), (0, 2)]
    assert limits(found["products"]) == [(-12, 9), (0, 0), (-12, 12), (0, 0)]
    assert limits(found["pairs"]) == [(-12, 9), (-12, 12)]
    assert limits(found["total"]) == [(-24, 18), (-24, 24)]
    assert limits(found["whole"]) == [(-24, 18), (-24, 24)] * 2
    assert list(found["words"].widths()) == [2, 0, 3, 0]
    assert list(found["total"].widths()) == [6, 6]


def test_nothing_is_known_of_what_a_block_ram_holds() -> None:
    found = ranges_of(rom_is_opaque=True)
    assert limits(found["words"]) == [(-3, 3)] * 4
    assert limits(found["products"]) == [(-12, 12), (-6, 6)] * 2


@pytest.mark.parametrize(
    ("low", "high", "width"), [(0, 0, 0), (-5, -5, 0), (0, 1, 1), (0, 8, 4), (-8, 7, 4), (-9, 0, 5)]
)
def test_widths(low: int, high: int, width: int) -> None:
    def one(value: int) -> Integers:
        return np.array([value], object)

    assert ElementRanges(one(low), one(high)).widths() == [width]
    if width:
        assert FixedType.holding(low, high, 0).width == width
