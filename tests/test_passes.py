"""Passes keep every number and do what they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.ir.verify import verify
from loopwire.layers.activation import Activation, Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, chain
from loopwire.layers.roles import LayerTypes, Role
from loopwire.layers.shape import Flatten, Reshape
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.fold_constants import fold_constants
from loopwire.passes.fuse_scans import fuse_scans
from loopwire.passes.lower import lower
from loopwire.passes.rewrite import drop_unused, rewrite
from random_graphs import random_graphs, random_inputs

STEPS, FEATURES = 4, 2
TYPE = FixedType(8, 3, rounding=Rounding.RND, overflow=Overflow.SAT)
INPUT = FixedType(6, 3)
Make = Callable[[np.random.Generator, int], Layer]
"""Makes a layer that takes so many features."""


def lstm(rng: np.random.Generator, features: int, name: str = "lstm", units: int = 2, **options: bool) -> Layer:
    shapes = (4 * units, features), (4 * units, units), (4 * units,)
    return Lstm(name, *(rng.normal(0, 0.5, shape) for shape in shapes), **options)  # type: ignore[arg-type]


def gru(rng: np.random.Generator, features: int, name: str = "gru", units: int = 2, **options: bool) -> Layer:
    shapes = (3 * units, features), (3 * units, units), (3 * units,), (3 * units,)
    return Gru(name, *(rng.normal(0, 0.5, shape) for shape in shapes), **options)  # type: ignore[arg-type]


def simple(rng: np.random.Generator, features: int, name: str = "rnn", units: int = 2, **options: bool) -> Layer:
    shapes = (units, features), (units, units), (units,)
    return SimpleRnn(name, *(rng.normal(0, 0.5, shape) for shape in shapes), **options)  # type: ignore[arg-type]


def dense(rng: np.random.Generator, features: int, name: str = "dense", function: str = "linear") -> Layer:
    return Dense(name, rng.normal(0, 0.5, (3, features)), rng.normal(0, 0.5, 3), Function(function))


def types_of(layer: Layer) -> LayerTypes:
    """Every role has a type but the pre-activation, which stays exact as it does by default."""
    return LayerTypes({role: TYPE for role in Role if role is not Role.PREACTIVATION})


def lowered(*layers: Layer, shape: tuple[int, ...] = (STEPS, FEATURES)) -> Graph:
    return verify(lower(chain("model", shape, layers, "test"), INPUT, types_of))


def chains() -> dict[str, Graph]:
    """Models as users build them, by name."""
    rng = np.random.default_rng(1)
    flat = STEPS * 2
    return {
        "lstm": lowered(lstm(rng, FEATURES)),
        "lstm_flatten_dense": lowered(
            lstm(rng, FEATURES, return_sequences=True), Flatten("flat"), dense(rng, flat), dense(rng, 3, "out")
        ),
        "stack": lowered(
            lstm(rng, FEATURES, return_sequences=True),
            gru(rng, 2, return_sequences=True),
            simple(rng, 2, return_sequences=True),
            Flatten("flat"),
            dense(rng, flat, function="sigmoid"),
        ),
        "dense_on_steps": lowered(dense(rng, FEATURES, "first", "relu"), gru(rng, 3), dense(rng, 2, "out", "tanh")),
        "sequence_out": lowered(gru(rng, FEATURES, return_sequences=True), dense(rng, 2), Activation("a", RELU)),
        "backwards_first": lowered(lstm(rng, FEATURES, go_backwards=True, return_sequences=True), gru(rng, 2)),
        "backwards_second": lowered(lstm(rng, FEATURES, return_sequences=True), gru(rng, 2, go_backwards=True)),
        "vector": lowered(dense(rng, 3, function="relu"), dense(rng, 3, "out", "softmax"), shape=(3,)),
        "softmax": lowered(
            gru(rng, FEATURES, return_sequences=True), Flatten("flat"), dense(rng, flat, function="softmax")
        ),
        "softsign": lowered(
            gru(rng, FEATURES, return_sequences=True), Flatten("flat"), dense(rng, flat, function="softsign")
        ),
    }


RELU = Function("relu")
PASSES: dict[str, Callable[[Graph], Graph]] = {
    "accumulate_flattened": accumulate_flattened,
    "fuse_scans": fuse_scans,
    "both": lambda graph: fuse_scans(accumulate_flattened(graph)),
    "drop_unused": drop_unused,
    "rewrite": lambda graph: rewrite(graph, lambda b, node, operands: None),
}


def assert_same_numbers(
    before: Graph, after: Graph, inputs: Sequence[Integers], lengths: Sequence[int] | None = None
) -> None:
    verify(after)
    steps = None if lengths is None else np.array(lengths)
    pairs = zip(evaluate_integers(before, inputs, steps), evaluate_integers(after, inputs, steps), strict=True)
    for value, (a, b) in zip(before.outputs, pairs, strict=True):
        assert a.tolist() == b.tolist(), f"{value!r}"


def scans(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, ops.Scan)]


@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=50, deadline=None)
@given(random_graphs(nested=True), st.integers(0, 2**32))
def test_passes_keep_the_numbers_of_any_graph(name: str, graph: Graph, seed: int) -> None:
    assert_same_numbers(graph, PASSES[name](graph), random_inputs(graph, seed))


@pytest.mark.parametrize("name", ["fuse_scans", "drop_unused", "rewrite"])
@settings(max_examples=50, deadline=None)
@given(random_graphs(), st.integers(0, 2**32), st.data())
def test_passes_keep_the_numbers_of_short_sequences(name: str, graph: Graph, seed: int, data: st.DataObject) -> None:
    longest = graph.inputs[-1].type.shape[0]
    lengths = data.draw(st.lists(st.integers(1, longest), min_size=3, max_size=3))
    assert_same_numbers(graph, PASSES[name](graph), random_inputs(graph, seed), lengths)


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("chain", chains())
def test_passes_keep_the_numbers_of_models(chain: str, pass_name: str) -> None:
    graph = chains()[chain]
    after = PASSES[pass_name](graph)
    inputs = random_inputs(graph, seed=3, batch=20)
    assert_same_numbers(graph, after, inputs)
    if len(graph.inputs[0].type.shape) == 2:
        assert_same_numbers(graph, after, inputs, [1 + k % STEPS for k in range(20)])
    assert [v.type for v in after.outputs] == [v.type for v in graph.outputs]


SCANS_LEFT = {
    "lstm": 1,
    "lstm_flatten_dense": 1,
    "stack": 1,
    "dense_on_steps": 1,
    "sequence_out": 1,
    "backwards_first": 1,
    "backwards_second": 2,
    "vector": 0,
    "softmax": 1,
    "softsign": 1,
}


@pytest.mark.parametrize("chain", SCANS_LEFT)
def test_what_can_run_at_once_is_one_scan(chain: str) -> None:
    after = fuse_scans(accumulate_flattened(chains()[chain]))
    assert len(scans(after)) == SCANS_LEFT[chain]
    assert not any(isinstance(node.op, ops.Reshape) for node in after.nodes)


def test_types_after_accumulation_are_those_before() -> None:
    """Else a table behind the sum would be designed for another range, and might give other results."""
    graph = chains()["softsign"]
    operands = [
        next(n.operands[0] for n in g.nodes if isinstance(n.op, ops.Table))
        for g in (graph, accumulate_flattened(graph))
    ]
    assert operands[0].type == operands[1].type


def add_up(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> tuple[list[Value], list[Value]]:
    total = inner.cast(inner.add(states[0], steps[0]), TYPE)
    return [total], [total]


def test_a_scan_that_starts_from_the_end_of_another_stays_apart() -> None:
    b = Builder()
    x = b.input("x", TensorType((STEPS, 2), TYPE))
    zero = b.const(np.zeros(2), TYPE)
    last, sums = b.scan((zero,), (x,), add_up, names=("last", "sums"))
    _, again = b.scan((last,), (sums,), add_up, names=("last", "again"))
    graph = b.graph([again])
    after = fuse_scans(graph)
    assert len(scans(after)) == 2
    assert_same_numbers(graph, after, random_inputs(graph, 0))


def test_a_scan_that_starts_from_all_steps_of_another_stays_apart() -> None:
    b = Builder()
    x = b.input("x", TensorType((2, 2), TYPE))
    _, sums = b.scan((b.const(np.zeros(2), TYPE),), (x,), add_up, names=("last", "sums"))
    keep, _ = b.scan((sums,), (sums,), lambda inner, s, x: ([s[0]], [x[0]]), names=("kept", "copy"))
    graph = b.graph([keep])
    after = fuse_scans(graph)
    assert len(scans(after)) == 2
    assert_same_numbers(graph, after, random_inputs(graph, 0))


def test_a_scan_of_constants_read_as_they_come_and_in_reverse_stays_apart() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), TYPE))
    steps = b.const(np.arange(2 * STEPS).reshape(STEPS, 2) / 8, TYPE)
    _, sums = b.scan((b.const(np.zeros(2), TYPE),), (steps,), add_up, names=("last", "sums"))
    both = b.scan((), (sums, b.reverse(sums)), lambda inner, _, s: ([], [inner.add(*s)]), names=("both",))
    graph = b.graph([*both, x])
    after = fuse_scans(graph)
    assert len(scans(after)) == 2
    assert_same_numbers(graph, after, random_inputs(graph, 0))


def test_a_product_that_others_read_too_is_kept() -> None:
    b = Builder()
    x = b.input("x", TensorType((STEPS, 2), TYPE))
    product = b.matvec(b.const(np.ones((3, 2 * STEPS)), TYPE), b.reshape(x, (2 * STEPS,)))
    graph = b.graph([b.add(product, b.const([0.5, 1.0, 2.0], TYPE)), product])
    after = accumulate_flattened(graph)
    assert_same_numbers(graph, after, random_inputs(graph, 0))


def test_rewriting_replaces_what_the_rule_wants() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), TYPE))
    graph = b.graph([b.mul(b.max(x, b.const(0.0, TYPE)), x)])

    def least(b: Builder, node: Node, operands: Sequence[Value]) -> Sequence[Value] | None:
        return [b.min(*operands)] if isinstance(node.op, ops.Max) else None

    after = verify(rewrite(graph, least))
    assert [type(node.op).__name__ for node in after.nodes] == ["Const", "Min", "Mul"]
    assert evaluate_integers(after, (np.array([[-3, 5]]),))[0].tolist() == [[9, 0]]


def test_unused_nodes_are_dropped() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), TYPE))
    b.mul(b.add(x, x, "unused"), x, "unused_too")
    graph = b.graph([b.sub(x, x, "y")])
    assert [node.result.name for node in drop_unused(graph).nodes] == ["y"]


def test_lowering_gives_one_input_and_output_and_keeps_real_numbers() -> None:
    rng = np.random.default_rng(2)
    layer = dense(rng, 3, function="tanh")
    assert isinstance(layer, Dense)
    graph = lowered(layer, shape=(3,))
    (x,), (y,) = graph.inputs, graph.outputs
    assert (x.name, x.type, y.type) == ("x", TensorType((3,), INPUT), TensorType((3,), TYPE))
    assert {node.result.layer for node in graph.nodes} == {"dense"}
    given = rng.normal(size=(5, 3))
    (real,) = evaluate_real(graph, (given,))
    np.testing.assert_allclose(real, np.tanh(given @ layer.kernel.T + layer.bias), atol=1e-12)


def test_layers_that_do_not_fit_are_refused_by_name() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(UnsupportedError) as caught:
        lowered(lstm(rng, FEATURES), gru(rng, 2, "second"))
    assert str(caught.value) == (
        "layer 'second': a recurrent layer got an input of shape (2,). It needs a sequence, of shape (steps, features)"
    )
    with pytest.raises(UnsupportedError) as caught:
        lowered(Reshape("cut", (3, -1)), dense(rng, 2))
    assert str(caught.value) == (
        "layer 'cut': an input of shape (4, 2) cannot become (3, -1). "
        "Give a shape of one to three lengths with the same number of elements"
    )


def test_what_is_computed_from_constants_is_a_constant() -> None:
    builder = Builder()
    x = builder.input("x", TensorType((2, 3), INPUT))
    fine = builder.const(np.arange(6) / 8 - 0.25, FixedType(12, 4), "fine")
    rows = builder.reshape(builder.cast(fine, INPUT, "rounded"), (2, 3), "rows")
    (sums,) = builder.scan((), (x, rows), lambda b, _, steps: ((), (b.add(*steps),)), names=("sums",))
    graph = builder.graph([sums])
    folded = verify(fold_constants(graph))
    assert [type(node.op) for node in folded.nodes] == [ops.Const, ops.Scan]
    given = np.random.default_rng(3).integers(-32, 31, (5, 2, 3))
    np.testing.assert_array_equal(evaluate_integers(folded, (given,))[0], evaluate_integers(graph, (given,))[0])


@given(random_graphs())
@settings(max_examples=40, deadline=None)
def test_folding_constants_changes_no_number(graph: Graph) -> None:
    inputs = random_inputs(graph, 3)
    for found, due in zip(
        evaluate_integers(fold_constants(graph), inputs), evaluate_integers(graph, inputs), strict=True
    ):
        np.testing.assert_array_equal(found, due)


def test_values_keep_their_roles_through_passes() -> None:
    graph = fuse_scans(
        accumulate_flattened(lowered(lstm(np.random.default_rng(1), FEATURES), dense(np.random.default_rng(2), 2)))
    )
    roles = {v.name: v.role for node in graph.walk() for v in (*node.operands, *node.results) if v.layer == "lstm"}
    expected = {"W": "weight", "U": "recurrent_weight", "b": "bias", "i": "gate", "c_next": "cell", "h_prev": "state"}
    assert {name: roles[f"lstm.{name}"] for name in expected} == expected
    assert roles["lstm.fc"] == "" and graph.inputs[0].role == "input"
