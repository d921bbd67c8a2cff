"""Types of results: exact, no wider than needed, narrower where constants are known; names and scans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwire.emulator.evaluate import evaluate_integers
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Value
from loopwire.ir.text import print_graph
from loopwire.ir.types import FixedType, TensorType
from random_graphs import random_graphs, random_inputs

A = FixedType(4, 2)
B = FixedType(3, 3, signed=False)


def operands(size: int = 2) -> tuple[Builder, Value, Value]:
    b = Builder()
    return b, b.input("a", TensorType((size,), A)), b.input("b", TensorType((size,), B))


@pytest.mark.parametrize(
    ("emit", "expected"),
    [
        (lambda b, x, y: b.add(x, y), "fixed<7,5>[2]"),
        (lambda b, x, y: b.sub(x, y), "fixed<7,5>[2]"),
        (lambda b, x, y: b.sub(y, y), "fixed<4,4>[2]"),
        (lambda b, x, y: b.mul(x, y), "fixed<7,5>[2]"),
        (lambda b, x, y: b.max(x, y), "ufixed<5,3>[2]"),
        (lambda b, x, y: b.min(x, y), "fixed<4,2>[2]"),
        (lambda b, x, y: b.reduce_sum(x), "fixed<5,3>[]"),
        (lambda b, x, y: b.reduce_max(y), "ufixed<3,3>[]"),
        (lambda b, x, y: b.cast(x, B), "ufixed<3,3>[2]"),
        (lambda b, x, y: b.table("tanh", x, FixedType(5, 1)), "fixed<5,1>[2]"),
        (lambda b, x, y: b.slice(x, 1, 2), "fixed<4,2>[1]"),
        (lambda b, x, y: b.concat([x, x, x]), "fixed<4,2>[6]"),
        (lambda b, x, y: b.reshape(y, (2, 1)), "ufixed<3,3>[2, 1]"),
        (lambda b, x, y: b.reverse(x), "fixed<4,2>[2]"),
        (lambda b, x, y: b.mul(x, b.const(0.5, A)), "fixed<5,1>[2]"),
        (lambda b, x, y: b.add(x, b.const(0.0, FixedType(40, 20))), "fixed<22,2>[2]"),
        (lambda b, x, y: b.matvec(b.const([[1.0, 1.0], [1.0, 0.0]], A), y), "ufixed<6,4>[2]"),
        (lambda b, x, y: b.matvec(b.reshape(x, (1, 2)), y), "fixed<8,6>[1]"),
    ],
)
def test_the_type_of_a_result(emit: Callable[[Builder, Value, Value], Value], expected: str) -> None:
    assert str(emit(*operands()).type) == expected


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["add", "sub", "mul", "max", "min"]), st.integers(1, 5), st.integers(-1, 4), st.booleans())
def test_the_type_of_a_result_holds_all_and_one_bit_less_would_not(
    kind: str, width: int, integer: int, signed: bool
) -> None:
    b = Builder()
    types = [FixedType(width, integer, signed), A]
    x, y = (b.input(name, TensorType((1,), type)) for name, type in zip("xy", types, strict=True))
    graph = b.graph((getattr(b, kind)(x, y),))
    every = np.meshgrid(*(np.arange(t.min_integer, t.max_integer + 1) for t in types))
    (result,) = evaluate_integers(graph, tuple(values.reshape(-1, 1) for values in every))
    type = graph.outputs[0].type.element
    assert FixedType.holding(int(result.min()), int(result.max()), type.fraction) == type


def test_names_are_unique_in_bodies_too() -> None:
    b = Builder()
    b.layer = "cell"
    x = b.input("x", TensorType((4, 2), A))
    h = b.const(np.zeros(2), A, "h")
    last, _ = b.scan([h], [x], lambda inner, s, t: ([t[0]], [inner.add(s[0], t[0], "h")]), names=("h", "y"))
    graph = b.graph((last,))
    names = [value.name for node in graph.walk() for value in node.results]
    assert names == ["cell.h", "cell.h_2", "cell.h_3", "cell.y"]
    assert {value.layer for node in graph.walk() for value in node.results} == {"cell"}


def test_the_results_of_a_scan() -> None:
    b = Builder()
    x = b.input("x", TensorType((4, 2), A))
    h = b.const([3.0, 1.0], B, "h")
    last, sums = b.scan([h], [x], lambda inner, s, t: ([s[0]], [inner.add(s[0], t[0])]), names=("last", "sums"))
    assert (str(last.type), str(sums.type)) == ("ufixed<3,3>[2]", "fixed<7,5>[4, 2]")


@settings(max_examples=60, deadline=None)
@given(random_graphs(nested=True), st.integers(0, 2**32))
def test_an_inlined_copy_gives_the_same_text_and_numbers(graph: Graph, seed: int) -> None:
    b = Builder()
    copy = b.graph(b.inline(graph, [b.input_like(value) for value in graph.inputs]))
    assert print_graph(copy) == print_graph(graph)
    inputs = random_inputs(graph, seed)
    for before, after in zip(evaluate_integers(graph, inputs), evaluate_integers(copy, inputs), strict=True):
        assert np.array_equal(before, after)
