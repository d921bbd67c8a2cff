"""Attention over steps: the paper's numbers, and all machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import loopwire
from loopwire import layers
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from networks import prove

STEPS, FEATURES = 5, 3


def weights(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed + sum(shape)).normal(0, 0.7, shape)


POOLING = layers.AttentionPooling("pool", weights(4, FEATURES), weights(4), weights(4, seed=2))


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
    design = compile_silently(network(cell), loopwire.CompileConfig.from_dict(settings))
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
