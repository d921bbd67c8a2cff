"""Ranges of values: nothing evaluated ever leaves them, types hold them, and they are as narrow as claimed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwire.emulator.evaluate import evaluate_integers
from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.fixed_point import Integers
from loopwire.ir.functions import Symmetry
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import MAX_SCAN_ITERATIONS, Range, ranges, table_range
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from random_graphs import random_graphs, random_inputs

BYTE = FixedType(8, 8)


def assert_sound(graph: Graph, inputs: Sequence[Integers], lengths: Integers | None = None) -> None:
    found = ranges(graph)
    for value, span in found.items():
        assert span.within(Range.of_type(value.type.element)), f"{value!r} is too narrow for {span}"

    def check(value: Value, integers: Integers) -> None:
        span = found[value]
        assert span.low <= integers.min() and integers.max() <= span.high, f"{value!r} leaves {span}"

    def observe(node: Node, operands: Sequence[Integers], result: Integers) -> None:
        for value, integers in zip((*node.operands, node.result), (*operands, result), strict=True):
            check(value, integers)

    outputs = evaluate_integers(graph, inputs, lengths, observe)
    for value, integers in zip(graph.outputs, outputs, strict=True):
        check(value, integers)


@settings(max_examples=150, deadline=None)
@given(random_graphs(nested=True), st.integers(0, 2**32))
def test_no_value_leaves_its_range(graph: Graph, seed: int) -> None:
    assert_sound(graph, random_inputs(graph, seed))


@settings(max_examples=60, deadline=None)
@given(random_graphs(), st.integers(0, 2**32), st.data())
def test_no_value_of_a_short_sequence_leaves_its_range(graph: Graph, seed: int, data: st.DataObject) -> None:
    length = graph.inputs[1].type.shape[0]
    lengths = data.draw(st.lists(st.integers(1, length), min_size=3, max_size=3))
    assert_sound(graph, random_inputs(graph, seed), np.array(lengths))


def vector(b: Builder, name: str, type: FixedType, size: int = 3) -> Value:
    return b.input(name, TensorType((size,), type))


def bounds(graph: Graph, value: Value) -> tuple[int, int]:
    span = ranges(graph)[value]
    return span.low, span.high


def counter(length: int, state: FixedType, increment: float = 1.0) -> tuple[Graph, Value, Value]:
    """c' = c + increment from 0; the graph, c as it enters a step, and the final c."""
    b = Builder()
    entering: list[Value] = []

    def body(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        entering.extend(states)
        (c,) = states
        total = inner.cast(inner.add(c, inner.const(increment, FixedType(4, 4))), state)
        return [total], [total]

    x = b.input("x", TensorType((length,), FixedType(1, 1)))
    last, _ = b.scan([b.const(0.0, state, "c")], [x], body, names=("last", "sequence"))
    return b.graph((last,)), entering[0], last


@pytest.mark.parametrize("length", [1, 2, 7, MAX_SCAN_ITERATIONS])
def test_a_counter_is_bounded_by_its_steps(length: int) -> None:
    graph, entering, last = counter(length, FixedType(16, 16))
    assert bounds(graph, entering) == (0, length - 1)
    assert bounds(graph, last) == (0, length)


def test_a_scan_too_long_to_follow_takes_the_full_range_of_its_state() -> None:
    type = FixedType(16, 16)
    graph, entering, last = counter(MAX_SCAN_ITERATIONS + 1, type)
    assert bounds(graph, entering) == bounds(graph, last) == (type.min_integer, type.max_integer)


def test_a_long_scan_whose_states_settle_is_followed_to_the_end() -> None:
    saturating = FixedType(5, 5, overflow=Overflow.SAT)
    graph, _, last = counter(10_000, saturating)
    assert bounds(graph, last) == (0, saturating.max_integer)


def test_a_state_that_passes_through_another_is_followed_through_both() -> None:
    b = Builder()
    x = b.input("x", TensorType((5,), FixedType(3, 3)))
    zero = b.const(0.0, FixedType(3, 3))
    last = b.scan([zero, zero], [x], lambda _, s, t: ([s[1], t[0]], [s[0]]), names=("p", "q", "y"))
    assert [bounds(b.graph(last), value) for value in last] == [(-4, 3)] * 3


def test_a_matrix_that_changes_from_step_to_step_is_not_taken_for_its_first_value() -> None:
    b = Builder()
    start = b.const([[1.0, 0.0], [0.0, 0.0]], FixedType(2, 2))
    matrices = b.const(np.ones((3, 2, 2)), FixedType(2, 2))
    ones = b.const([1.0, 1.0], FixedType(2, 2))

    def body(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        return [steps[0], states[1]], [inner.matvec(states[0], states[1])]

    _, _, products = b.scan([start, ones], [matrices], body, names=("matrix", "ones", "products"))
    graph = b.graph((products,))
    (result,) = evaluate_integers(graph, ())
    assert bounds(graph, products) == (0, 2)
    assert result.max() == 2


def blend(z_type: FixedType, a_type: FixedType, b_type: FixedType, swap: bool = False) -> tuple[Graph, Value]:
    """(1 - z)·p + z·q, and the other way round."""
    b = Builder()
    p, q, z = vector(b, "p", a_type), vector(b, "q", b_type), vector(b, "z", z_type)
    rest = b.sub(b.const(1.0, FixedType(6, 2)), z)
    products = [b.mul(p, rest), b.mul(z, q)]
    mixed = b.add(*products[:: -1 if swap else 1])
    return b.graph((mixed,)), mixed


@pytest.mark.parametrize("swap", [False, True])
def test_a_blend_stays_between_what_it_blends(swap: bool) -> None:
    graph, mixed = blend(FixedType(4, 0, signed=False), BYTE, FixedType(10, 8), swap)
    assert mixed.type.element.fraction == 6
    assert bounds(graph, mixed) == (-128 << 6, (127 << 6) + (3 << 4))
    assert_sound(graph, random_inputs(graph, seed=1, batch=500))


@pytest.mark.parametrize("z_type", [FixedType(5, 1), FixedType(5, 1, signed=False)])
def test_a_weight_outside_0_to_1_is_no_blend(z_type: FixedType) -> None:
    graph, mixed = blend(z_type, BYTE, BYTE)
    assert bounds(graph, mixed)[1] > 127 << 4
    assert_sound(graph, random_inputs(graph, seed=1, batch=500))


def test_a_blend_needs_one_weight_not_two_alike() -> None:
    b = Builder()
    p, z, other = vector(b, "p", BYTE), vector(b, "z", FixedType(4, 0, False)), vector(b, "o", FixedType(4, 0, False))
    rest = b.sub(b.const(1.0, FixedType(6, 2)), z)
    graph = b.graph((b.add(b.mul(rest, p), b.mul(other, p)),))
    assert bounds(graph, graph.outputs[0])[1] > 127 << 4
    assert_sound(graph, random_inputs(graph, seed=1, batch=500))


def test_a_difference_to_a_maximum_or_minimum_has_a_known_sign() -> None:
    b = Builder()
    x, y = vector(b, "x", BYTE), vector(b, "y", BYTE)
    largest, larger, smaller = b.reduce_max(x), b.max(y, x), b.min(x, y)
    pairs = [(x, largest), (x, larger), (smaller, x), (smaller, y)]
    below, above = [b.sub(p, q) for p, q in pairs], [b.sub(q, p) for p, q in pairs]
    unknown = [b.sub(y, largest), b.sub(larger, smaller)]
    graph = b.graph((*below, *above, *unknown))
    assert [bounds(graph, value) for value in below] == [(-255, 0)] * 4
    assert [bounds(graph, value) for value in above] == [(0, 255)] * 4
    assert [bounds(graph, value) for value in unknown] == [(-255, 255)] * 2
    assert_sound(graph, random_inputs(graph, seed=1, batch=500))


def test_a_product_with_a_known_matrix_is_bounded_row_by_row() -> None:
    b = Builder()
    product = b.matvec(b.const([[1.0, -2.0], [3.0, 0.0]], BYTE), vector(b, "x", FixedType(4, 4, signed=False), 2))
    assert bounds(b.graph((product,)), product) == (-30, 45)


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [
        (Overflow.SAT, (-8, 7)),
        (Overflow.SAT_SYM, (-7, 7)),
        (Overflow.WRAP, (-8, 7)),
        (Overflow.SAT_ZERO, (-8, 7)),
    ],
)
def test_a_cast_that_overflows(overflow: Overflow, expected: tuple[int, int]) -> None:
    b = Builder()
    narrow = b.cast(vector(b, "x", BYTE), FixedType(4, 4, overflow=overflow))
    assert bounds(b.graph((narrow,)), narrow) == expected


def test_a_saturated_end_leaves_the_other_as_it_is() -> None:
    b = Builder()
    narrow = b.cast(vector(b, "x", FixedType(8, 8, signed=False)), FixedType(4, 4, overflow=Overflow.SAT))
    assert bounds(b.graph((narrow,)), narrow) == (0, 7)


def test_a_cast_rounds_its_ends_as_it_rounds_all() -> None:
    b = Builder()
    x = vector(b, "x", FixedType(4, 1))
    casts = [b.cast(x, FixedType(4, 4, rounding=mode)) for mode in (Rounding.TRN, Rounding.TRN_ZERO, Rounding.RND)]
    assert [bounds(b.graph(casts), value) for value in casts] == [(-1, 0), (-1, 0), (-1, 1)]


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "softplus", "silu_tail", "exp_nonpositive"])
@pytest.mark.parametrize("max_error_steps", [0.7, 4.0])
def test_the_range_of_a_table_is_exact(function: str, max_error_steps: float) -> None:
    element = FixedType(9, 4)
    b = Builder()
    x = vector(b, "x", element)
    y = b.table(function, x, FixedType(8, 3), max_error_steps=max_error_steps)
    graph = b.graph((y,))
    everything = np.arange(element.min_integer, element.max_integer + 1)
    (results,) = evaluate_integers(graph, (np.stack([everything] * 3, axis=1),))
    for low, high in [(-256, 255), (-1, -1), (-40, 0), (3, 90), (200, 255), (-256, -200), (-7, 77)]:
        part = results[(everything >= low) & (everything <= high)]
        assert ranges(graph, (Range(low, high),))[y] == Range(int(part.min()), int(part.max()))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([None, *Symmetry]), st.integers(0, 3), st.integers(0, 9))
def test_no_cell_of_a_table_is_missed(data: st.DataObject, symmetry: Symmetry | None, dropped: int, start: int) -> None:
    base = tuple(data.draw(st.lists(st.integers(-99, 99), min_size=1, max_size=12)))
    first = start if symmetry else start - 5
    low, high = sorted(data.draw(st.tuples(st.integers(-60, 60), st.integers(-60, 60))))
    last = first + (len(base) << dropped) - 1
    form = TableForm("any", -60, 60, 0, BYTE, symmetry, first, last, dropped, 0, 0, 0, base, (), 0.0)
    results = form.evaluate(np.arange(low, high + 1))
    assert table_range(form, low, high) == Range(int(results.min()), int(results.max()))


def test_the_short_cell_of_a_folded_table_is_not_missed() -> None:
    form = TableForm("any", -60, 60, 0, BYTE, Symmetry.ODD, 0, 7, 2, 0, 0, 0, (5, 1), (), 0.0)
    assert table_range(form, -8, 3) == Range(-5, 5)


def test_results_beyond_a_short_sequence_are_zero() -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    (ones,) = b.scan([], [x], lambda inner, _, __: ([], [inner.const(1.0, BYTE)]), names=("ones",))
    graph = b.graph((ones,))
    assert_sound(graph, random_inputs(graph, seed=1), np.array([1, 2, 3]))


def test_a_weight_counted_in_other_steps_than_its_one_is_no_blend() -> None:
    b = Builder()
    p, z = vector(b, "p", BYTE), vector(b, "z", FixedType(1, -3, signed=False))
    rest = b.sub(b.const(1.0, FixedType(2, 2)), z)
    graph = b.graph((b.add(b.mul(rest, p), b.mul(z, p)),))
    assert_sound(graph, random_inputs(graph, seed=1, batch=500))


def test_ranges_of_a_large_recurrence_are_found_fast() -> None:
    units, length = 128, 100
    state = FixedType(16, 6)
    b = Builder()
    weights = np.linspace(-0.3, 0.3, 4 * units * units).reshape(4 * units, units)

    def body(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        total = inner.matvec(inner.const(weights, state), states[0])
        grown = inner.cast(inner.add(states[0], inner.const(2.0**-10, state)), state)
        return [grown], [inner.cast(total, state)]

    x = b.input("x", TensorType((length, 3), state))
    last, _ = b.scan([b.const(np.zeros(units), state, "h")], [x], body, names=("last", "sequence"))
    graph = b.graph((last,))
    start = time.process_time()
    assert bounds(graph, last)[1] == length
    assert time.process_time() - start < 1.0
