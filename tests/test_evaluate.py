"""The definition of every op against exact rational arithmetic, number by number, written from the docstrings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import table_form
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from random_graphs import random_graphs, random_inputs
from test_tables import interpret

Nested = Any
"""A Fraction, or a list of Nested."""


def step(type: FixedType) -> Fraction:
    return Fraction(2) ** -type.fraction


def each(function: Callable[..., Fraction], *arrays: Nested) -> Nested:
    """Apply a function element by element; numbers go with every element of a list."""
    if not any(isinstance(a, list) for a in arrays):
        return function(*arrays)
    length = next(len(a) for a in arrays if isinstance(a, list))
    return [each(function, *(a[k] if isinstance(a, list) else a for a in arrays)) for k in range(length)]


def rounded(x: Fraction, mode: Rounding) -> int:
    below, above = math.floor(x), math.ceil(x)
    if mode is Rounding.TRN:
        return below
    if mode is Rounding.TRN_ZERO:
        return math.trunc(x)
    if x - below != above - x or below == above:
        return below if x - below < above - x else above
    towards_zero, away = (below, above) if x > 0 else (above, below)
    even = below if below % 2 == 0 else above
    return {
        Rounding.RND: above,
        Rounding.RND_MIN_INF: below,
        Rounding.RND_ZERO: towards_zero,
        Rounding.RND_INF: away,
        Rounding.RND_CONV: even,
    }[mode]


def bounded(steps: int, to: FixedType) -> int:
    low = -(2 ** (to.width - 1)) if to.signed else 0
    high = low + 2**to.width - 1
    if low <= steps <= high and not (to.overflow is Overflow.SAT_SYM and to.signed and to.width > 1):
        return steps
    match to.overflow:
        case Overflow.WRAP:
            return (steps - low) % 2**to.width + low
        case Overflow.SAT:
            return low if steps < low else high
        case Overflow.SAT_ZERO:
            return 0
        case Overflow.SAT_SYM:
            lowest = -high if to.signed and to.width > 1 else low
            return min(max(steps, lowest), high)


def flat(array: Nested) -> list[Fraction]:
    return [x for part in array for x in flat(part)] if isinstance(array, list) else [array]


def shaped(numbers: Sequence[Fraction], shape: tuple[int, ...]) -> Nested:
    if not shape:
        return numbers[0]
    size = len(numbers) // shape[0]
    return [shaped(numbers[k * size : (k + 1) * size], shape[1:]) for k in range(shape[0])]


def result_of(node: Node, operands: list[Nested], steps: int) -> Nested:
    match node.op, operands:
        case ops.Const(), []:
            array, type = node.op.reals, node.op.type
            exact = (Fraction(float(x)) / step(type) for x in array.reshape(-1))
            return shaped([bounded(rounded(x, type.rounding), type) * step(type) for x in exact], array.shape)
        case ops.MatVec(), [matrix, vector]:
            return [sum((w * x for w, x in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]
        case ops.Add(), [a, b]:
            return each(lambda a, b: a + b, a, b)
        case ops.Sub(), [a, b]:
            return each(lambda a, b: a - b, a, b)
        case ops.Mul(), [a, b]:
            return each(lambda a, b: a * b, a, b)
        case ops.Max(), [a, b]:
            return each(lambda a, b: a if a > b else b, a, b)
        case ops.Min(), [a, b]:
            return each(lambda a, b: a if a < b else b, a, b)
        case ops.Greater(), [a, b]:
            return each(lambda a, b: Fraction(a > b), a, b)
        case ops.Where(), [condition, a, b]:
            return each(lambda chosen, a, b: a if chosen else b, condition, a, b)
        case ops.Lookup(), [table, index]:
            return table[int(index)] if index < len(table) else [Fraction(0)] * len(table[0])
        case ops.ReduceSum(), [vector]:
            return sum(vector, Fraction(0))
        case ops.ReduceMax(), [vector]:
            return max(vector)
        case ops.Cast(to), [a]:
            return each(lambda x: bounded(rounded(x / step(to), to.rounding), to) * step(to), a)
        case ops.Table(), [a]:
            element = node.operands[0].type.element
            form = table_form(node.op, element)
            return each(lambda x: interpret(form, int(x / step(element))) * step(form.out), a)
        case ops.Slice(start, stop), [a]:
            return [a[k] for k in range(start, stop)]
        case ops.Concat(), parts:
            return [x for part in parts for x in part]
        case ops.Reshape(shape), [a]:
            return shaped(flat(a), shape)
        case ops.Transpose(rows), [a]:
            return [a[k] for column in range(len(a) // rows) for k in range(column, len(a), len(a) // rows)]
        case ops.Reverse(), [a]:
            return a[:steps][::-1] + a[steps:]
    raise AssertionError(node.op)


def one_sequence(graph: Graph, inputs: Sequence[Nested], steps: int) -> list[Nested]:
    """Evaluate a graph for one sequence of so many steps; what does not follow an input's steps has all of its own.

    The steps of an input are those of what is computed element by element of it, and of what a scan of it stacks.
    """
    known = dict(zip(graph.inputs, inputs, strict=True))
    of_input = {v: len(v.type.shape) > 1 for v in graph.inputs}
    stepwise = (ops.Add, ops.Sub, ops.Mul, ops.Max, ops.Min, ops.Greater, ops.Where, ops.Cast, ops.Table, ops.Reverse)
    for node in graph.nodes:
        operands = [known[v] for v in node.operands]
        if not isinstance(node.op, ops.Scan):
            of_input[node.result] = isinstance(node.op, stepwise) and any(of_input[v] for v in node.operands)
            whole = len(known[node.operands[0]]) if isinstance(node.op, ops.Reverse) else steps
            known[node.result] = result_of(node, operands, steps if of_input[node.result] else whole)
            continue
        scan = node.op
        short = any(of_input[v] for v in node.operands[scan.states :])
        of_input |= {v: short and k >= scan.states for k, v in enumerate(node.results)}
        states, sequences = operands[: scan.states], operands[scan.states :]
        rows: list[list[Nested]] = [[] for _ in node.results[scan.states :]]
        for t in range(min(scan.length, steps) if short else scan.length):
            outputs = one_sequence(scan.body, [*states, *(x[t] for x in sequences)], steps)
            states = outputs[: scan.states]
            for row, y in zip(rows, outputs[scan.states :], strict=True):
                row.append(y)
        for row in rows:
            row += [each(lambda _: Fraction(0), row[0])] * (scan.length - len(row))
        known.update(zip(node.results, [*states, *rows], strict=True))
    return [known[v] for v in graph.outputs]


def as_fractions(integers: Any, value: Value) -> Nested:
    return shaped([int(k) * step(value.type.element) for k in integers.reshape(-1)], value.type.shape)


def assert_defined_as(graph: Graph, seed: int, lengths: Sequence[int] | None, batch: int) -> None:
    inputs = random_inputs(graph, seed, batch)
    longest = graph.inputs[-1].type.shape[0]
    outputs = evaluate_integers(graph, inputs, None if lengths is None else np.array(lengths))
    for k in range(batch):
        length = longest if lengths is None else lengths[k]
        given = [as_fractions(x[k : k + 1], v) for x, v in zip(inputs, graph.inputs, strict=True)]
        for value, numbers in zip(graph.inputs, given, strict=True):
            if lengths is not None and len(value.type.shape) > 1:
                numbers[length:] = [each(lambda _: Fraction(0), row) for row in numbers[length:]]
        exact = one_sequence(graph, given, length)
        for value, integers, numbers in zip(graph.outputs, outputs, exact, strict=True):
            assert integers.shape == (batch, *value.type.shape)
            assert as_fractions(integers[k : k + 1], value) == numbers, f"{value!r} of sequence {k}"


@settings(max_examples=60, deadline=None)
@given(random_graphs(nested=True), st.integers(0, 2**32))
def test_every_op_is_exact(graph: Graph, seed: int) -> None:
    assert_defined_as(graph, seed, None, batch=2)


@settings(max_examples=40, deadline=None)
@given(random_graphs(), st.integers(0, 2**32), st.data())
def test_short_sequences_end_early(graph: Graph, seed: int, data: st.DataObject) -> None:
    longest = graph.inputs[-1].type.shape[0]
    lengths = data.draw(st.lists(st.integers(1, longest), min_size=3, max_size=3))
    assert_defined_as(graph, seed, lengths, batch=3)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("width", [1, 4, 62, 63, 64, 80])
def test_casts_near_the_width_of_machine_integers(rounding: Rounding, overflow: Overflow, width: int) -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), FixedType(width, 3)))
    narrow = FixedType(max(width - 3, 1), 3, rounding=rounding, overflow=overflow)
    wide = FixedType(width + 2, 9, signed=False, rounding=rounding, overflow=overflow)
    graph = b.graph([b.cast(x, narrow), b.cast(x, wide), b.mul(x, x), b.add(x, b.const(0.5, FixedType(70, 1)))])
    assert_defined_as(graph, 0, None, batch=6)


def test_a_matrix_may_differ_from_sequence_to_sequence() -> None:
    b = Builder()
    v = b.input("v", TensorType((2,), FixedType(8, 4)))
    matrix = b.input("m", TensorType((3, 2), FixedType(8, 4)))
    assert_defined_as(b.graph([b.matvec(matrix, v)]), 1, None, batch=3)


def test_machine_integers_are_used_where_they_suffice() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), FixedType(31, 10)))
    narrow, wide = b.mul(x, x, "narrow"), b.mul(b.mul(x, x), x, "wide")
    graph = b.graph([narrow, wide, b.cast(wide, FixedType(20, 10))])
    types = [y.dtype for y in evaluate_integers(graph, random_inputs(graph, 0))]
    assert types == [np.int64, object, np.int64]


def test_real_evaluation_rounds_nothing() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), FixedType(4, 2)))
    weights = b.const([[0.1, -0.3]], FixedType(3, 1))
    tanh = b.table("tanh", b.cast(b.matvec(weights, x), FixedType(2, 1)), FixedType(2, 1))
    (y,) = evaluate_real(b.graph([tanh]), (np.array([[0.7, 0.01]]),))
    assert y == pytest.approx(np.tanh([[0.1 * 0.7 - 0.3 * 0.01]]), abs=1e-15)


def test_what_lies_beyond_a_short_sequence_is_ignored_by_scans() -> None:
    b = Builder()
    x = b.input("x", TensorType((3, 1), FixedType(8, 8)))
    start = b.const([0.0], FixedType(8, 8))
    total, _ = b.scan(
        (start,),
        (b.reverse(x),),
        lambda inner, s, x: ((inner.cast(inner.add(s[0], x[0]), FixedType(8, 8)),), (x[0],)),
        names=("total", "x"),
    )
    steps = np.array([[[1], [2], [99]], [[3], [98], [99]]])
    (y,) = evaluate_integers(b.graph([total]), (steps,), np.array([2, 1]))
    assert y.tolist() == [[3], [3]]


def test_what_lies_beyond_a_short_sequence_counts_as_zero() -> None:
    b = Builder()
    x = b.input("x", TensorType((3, 2), FixedType(8, 4)))
    graph = b.graph((b.reshape(x, (6,)),))
    (y,) = evaluate_integers(graph, (np.arange(1, 13).reshape(2, 3, 2),), np.array([1, 2]))
    assert y.tolist() == [[1, 2, 0, 0, 0, 0], [7, 8, 9, 10, 0, 0]]


@pytest.mark.parametrize("evaluate", [evaluate_real, evaluate_integers])
def test_products_run_in_one_thread(evaluate: Callable[..., object]) -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    b = Builder()
    x = b.input("x", TensorType((1,), FixedType(8, 4)))
    graph = b.graph([b.add(x, x)])
    before, seen = threads(), []
    evaluate(graph, (np.zeros((1, 1), np.int64),), observe=lambda *_: seen.append(threads()))
    assert seen == [[1] * len(before)]
    assert threads() == before
