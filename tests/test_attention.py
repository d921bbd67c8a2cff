"""Attention over steps: the paper's numbers, and all machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import loopwire
from loopwire import CompileConfig, layers
from loopwire.compiler import compile_silently
from loopwire.datapath.ops import Tile
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from networks import prove

STEPS, FEATURES = 5, 3


def weights(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed + sum(shape)).normal(0, 0.7, shape)


POOLING = layers.AttentionPooling("pool", weights(4, FEATURES), weights(4), weights(4, seed=2))


HEADS, OTHER_STEPS = 2, 4


def projection(rows: int, columns: int) -> layers.Projection:
    return layers.Projection(weights(rows, columns), weights(rows, seed=columns))


MULTI_HEAD = layers.MultiHeadAttention(
    "heads",
    HEADS,
    query=projection(HEADS * 2, FEATURES),
    key=projection(HEADS * 2, FEATURES),
    value=projection(HEADS * 3, FEATURES),
    output=projection(4, HEADS * 3),
)
"""Of keys of 2 elements, and values of 3."""
KINDS = {
    "dot": layers.Attention("dot"),
    "scaled": layers.Attention("scaled", 0.7),
    "additive": layers.AdditiveAttention("additive", weights=weights(FEATURES)),
    "additive_scaled": layers.AdditiveAttention("additive", -0.6, weights=weights(FEATURES)),
    "multi_head": MULTI_HEAD,
}


def attended(layer: Any, query: Any, value: Any) -> Any:
    """What the papers say, one query after another."""
    if not isinstance(layer, layers.MultiHeadAttention):
        return np.array([one_head(lambda q, k: score(layer, q, k), q, value, value) for q in query])
    q, k, v = (x @ p.kernel.T + p.bias for x, p in ((query, layer.query), (value, layer.key), (value, layer.value)))
    split = [np.split(x, layer.heads, axis=1) for x in (q, k, v)]
    contexts = [
        [one_head(lambda q, k: q @ k / np.sqrt(len(k)), one, k, v) for one in q] for q, k, v in zip(*split, strict=True)
    ]
    return np.concatenate(contexts, axis=1) @ layer.output.kernel.T + layer.output.bias


def score(layer: layers.Attention, q: Any, k: Any) -> Any:
    if isinstance(layer, layers.AdditiveAttention):
        return layer.weights @ np.tanh(layer.scale * (q + k))
    return layer.scale * (q @ k)


def one_head(of: Any, query: Any, keys: Any, values: Any) -> Any:
    shares = np.exp([of(query, key) for key in keys])
    return shares / shares.sum() @ values


def attention_model(layer: Any, cross: bool) -> Any:
    x = loopwire.Input((STEPS, FEATURES))
    z = loopwire.Input((OTHER_STEPS, FEATURES), "z") if cross else x
    return loopwire.Model.of("attention", [x, z] if cross else x, layer(x, z))


@pytest.mark.parametrize("cross", [False, True], ids=["self", "cross"])
@pytest.mark.parametrize("kind", KINDS)
def test_attention_in_real_numbers_is_that_of_the_papers(kind: str, cross: bool) -> None:
    layer, random = KINDS[kind], np.random.default_rng(4)
    x, z = random.normal(0, 1, (8, STEPS, FEATURES)), random.normal(0, 1, (8, OTHER_STEPS, FEATURES))
    found = compile_silently(attention_model(layer, cross)).predict_float({"x": x, "z": z} if cross else x)
    expected = [attended(layer, query, value) for query, value in zip(x, z if cross else x, strict=True)]
    assert np.abs(found - np.array(expected)).max() < 1e-12


@pytest.mark.parametrize("kind", ["scaled", "additive_scaled", "multi_head"])
def test_all_machines_agree_on_attention(kind: str) -> None:
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 7}
    design = compile_silently(attention_model(KINDS[kind], kind != "multi_head"), CompileConfig.from_dict(settings))
    integers, _ = design.input_integers(design.random_inputs(40, 1), None)
    fast = try_build(design.graph)
    assert fast is not None
    (found,), (due,) = (run(design.graph, integers.arrays, None) for run in (fast, evaluate_integers))
    assert np.array_equal(found, due)
    prove(design)


@pytest.mark.parametrize(("kind", "reuse_factor"), [("scaled", 4), ("additive_scaled", 6), ("multi_head", 3)])
def test_attention_whose_multipliers_serve_several_products(kind: str, reuse_factor: int) -> None:
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 7, "reuse_factor": reuse_factor}
    design = compile_silently(attention_model(KINDS[kind], kind != "multi_head"), CompileConfig.from_dict(settings))
    operations = [op for pipeline in design.firmware.pipelines for op in pipeline.datapath.operations]
    assert any(isinstance(op.kind, Tile) for op in operations)
    prove(design, count=10)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(5, 3)], r"a MultiHeadAttention layer got inputs of shapes \(5, 3\)"),
        ([(5, 3), (3,)], r"a MultiHeadAttention layer got inputs of shapes \(5, 3\), \(3,\)"),
        ([(5, 3), (4, 3), (5, 3)], "its keys have 5 steps, its values 4"),
        ([(5, 3), (65, 3)], "it attends to 65 steps, and hardware keeps at most 64"),
        ([(5, 3), (4, 2)], r"its value takes 3 features, and gets a sequence of shape \(4, 2\)"),
    ],
)
def test_attention_to_what_does_not_fit_is_refused(shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(UnsupportedError, match=f"layer 'heads': {message}"):
        MULTI_HEAD(*(loopwire.Input(shape) for shape in shapes))


def test_a_query_of_other_features_than_the_keys_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="layer 'dot': its query has 3 features, its keys 2"):
        KINDS["dot"](loopwire.Input((5, 3)), loopwire.Input((5, 2)))


def network(*around: layers.Layer) -> Any:
    x = loopwire.Input((STEPS, FEATURES))
    tensor: Any = x
    for layer in (*around, POOLING, layers.Dense("head", weights(2, FEATURES), weights(2))):
        tensor = layer(tensor)
    return loopwire.Model.of("attention", x, tensor)


def test_real_numbers_are_those_of_the_paper() -> None:
    x = np.random.default_rng(3).normal(0, 1, (20, STEPS, FEATURES))
    tensor = loopwire.Input((STEPS, FEATURES))
    model = loopwire.Model.of("m", tensor, POOLING(tensor))
    scores = np.tanh(x @ POOLING.kernel.T + POOLING.bias) @ POOLING.query
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = (shares[..., np.newaxis] * x).sum(axis=1)
    assert np.abs(compile_silently(model).predict_float(x) - expected).max() < 1e-12


def test_all_machines_agree() -> None:
    cell = layers.Gru(
        "gru", *(weights(9, FEATURES), weights(9, FEATURES), weights(9), weights(9)), return_sequences=True
    )
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 7}
    design = compile_silently(network(cell), CompileConfig.from_dict(settings))
    element = design.graph.inputs[0].type.element
    shape = (40, STEPS, FEATURES)
    x = np.random.default_rng(2).integers(element.min_integer, element.max_integer, shape, endpoint=True)
    fast = try_build(design.graph)
    assert fast is not None
    assert np.array_equal(fast.run(x), evaluate_integers(design.graph, (x,))[0])
    prove(design)


def test_too_long_a_sequence_is_refused() -> None:
    with pytest.raises(
        UnsupportedError, match=r"layer 'pool': it attends to at most 64 steps of 3 features, not \(65, 3\)"
    ):
        POOLING(loopwire.Input((65, FEATURES)))
