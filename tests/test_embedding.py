"""Embeddings: Keras's numbers, indices checked, and all machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras, randomise
from loopwire import layers
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import DataError, UnsupportedError

L = keras.layers
STEPS, WORDS = 6, 11
SETTINGS = {"model": {"precision": "fixed<10,3,RND,SAT>"}, "clock_period_ns": 7}


def plain() -> Any:
    return keras.Sequential([keras.Input((STEPS,)), L.Embedding(WORDS, 3), L.GRU(3), L.Dense(2)])


def masked() -> Any:
    x = keras.Input((STEPS,), dtype="int32")
    y = L.Bidirectional(L.GRU(2))(L.Embedding(WORDS, 2, mask_zero=True)(x))
    return keras.Model(x, L.Dense(2, activation="softmax")(y))


def two_inputs() -> Any:
    words, features = keras.Input((STEPS,), name="words"), keras.Input((STEPS, 2), name="features")
    embedded = [L.Embedding(5, 2, mask_zero=True)(words), L.Embedding(WORDS, 1)(words)]
    y = L.LSTM(2)(L.Concatenate()([*embedded, features]))
    return keras.Model([words, features], [y, L.LSTM(2)(embedded[0])])


MODELS = {f.__name__: f for f in (plain, masked, two_inputs)}


def inputs(model: Any, count: int = 30) -> Any:
    random = np.random.default_rng(1)
    words = random.integers(0, 5 if len(model.inputs) > 1 else WORDS, (count, STEPS))
    words[random.random(words.shape) < 0.3] = 0
    if len(model.inputs) == 1:
        return words
    return {"words": words, "features": random.normal(0, 1, (count, STEPS, 2)).astype(np.float32)}


def network(name: str) -> Any:
    return randomise(MODELS[name](), 2)


@pytest.mark.parametrize("name", MODELS)
def test_real_numbers_are_those_of_keras(name: str, tmp_path: Path) -> None:
    model = network(name)
    x = inputs(model)
    expected = model.predict(x, verbose=0)
    expected = expected if isinstance(expected, list) else [expected]
    for suffix in ("keras", "h5"):
        model.save(tmp_path / f"model.{suffix}")
    for source in (model, tmp_path / "model.keras", tmp_path / "model.h5"):
        found = compile_silently(loopwire.load(source)).predict_float(x)
        found = list(found.values()) if isinstance(found, dict) else [found]
        for want, got in zip(expected, found, strict=True):
            assert np.abs(want - got).max() < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_fast_emulator_gives_the_integers_of_the_definition(name: str) -> None:
    model = network(name)
    design = compile_silently(loopwire.load(model), loopwire.CompileConfig.from_dict(SETTINGS))
    fast = try_build(design.graph)
    assert fast is not None
    x, _ = design.input_integers(inputs(model), None)
    for found, expected in zip(fast.run_all(x.arrays), evaluate_integers(design.graph, x.arrays), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", MODELS)
def test_hardware_conforms(name: str) -> None:
    model = network(name)
    design = compile_silently(loopwire.load(model), loopwire.CompileConfig.from_dict(SETTINGS))
    loopwire.verify(design, inputs(model, 60))


def test_hls_conforms() -> None:
    settings = {**SETTINGS, "target": "vitis_hls"}
    model = network("masked")
    design = compile_silently(loopwire.load(model), loopwire.CompileConfig.from_dict(settings))
    loopwire.verify(design, inputs(model, 60))


def test_steps_may_be_open(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((None,)), L.Embedding(WORDS, 3), L.GRU(3)])
    x = np.arange(8).reshape(2, 4)
    found = compile_silently(loopwire.load(model, steps=4)).predict_float(x)
    assert np.abs(found - model.predict(x, verbose=0)).max() < 1e-5


@pytest.mark.parametrize(("index", "said"), [(WORDS, "11"), (-1, "-1"), (0.5, "0.5")])
def test_an_index_that_is_no_row_is_refused(index: float, said: str) -> None:
    design = compile_silently(loopwire.load(network("plain")))
    x = np.zeros((3, STEPS))
    x[1, 2] = index
    text = f"x: element (1, 2) is {said}, and this input has 11 values. Give whole numbers from 0 to 10"
    for judged in (design.predict, design.predict_float, design.simulate):
        with pytest.raises(DataError) as refused:
            judged(x)
        assert str(refused.value) == text


def test_features_are_no_indices() -> None:
    with pytest.raises(UnsupportedError) as refused:
        layers.Embedding("e", np.ones((4, 2)))(loopwire.Input((STEPS, 2)))
    text = (
        "layer 'e': it looks up one index per step, but its input has shape (6, 2). Give it indices of shape (steps, 1)"
    )
    assert str(refused.value) == text


def test_computed_indices_are_rounded_and_beyond_the_table_give_zeros() -> None:
    x = loopwire.Input((1,))
    table = np.array([[1.0], [2.0], [3.0]])
    model = loopwire.Model.of("m", x, layers.Embedding("e", table)(layers.Activation("a", layers.Function("relu"))(x)))
    design = compile_silently(model, loopwire.CompileConfig.from_dict(SETTINGS))
    given = np.array([[-1.0], [0.9], [1.0], [2.5], [3.0], [3.9]])
    assert design.predict(given)[:, 0].tolist() == [1, 1, 2, 3, 0, 0]
    assert design.predict_float(given)[:, 0].tolist() == [1, 1, 2, 3, 0, 0]
    loopwire.verify(design, given)
