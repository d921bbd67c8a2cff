"""Layers on each step of sequences whose steps are sequences: Keras's numbers, those of the definition, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras, randomise, read_every_way, sequential
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from loopwire.layers import Dense, EachStep
from loopwire.layers.steps import UpSampling

pytestmark = pytest.mark.filterwarnings("ignore")
L, Each = keras.layers, keras.layers.TimeDistributed
STEPS, INNER, FEATURES = 3, 4, 2


def attention_of_steps() -> Any:
    s = keras.Input((INNER, FEATURES))
    return each(keras.Model(s, L.GlobalAveragePooling1D()(L.MultiHeadAttention(1, 2)(s, s))))


def decoder_of_steps() -> Any:
    s = keras.Input((INNER, FEATURES))
    y, h = L.GRU(2, return_state=True)(s)
    return each(keras.Model(s, L.LSTM(2)(L.RepeatVector(2)(h), initial_state=[y, h])))


def each(inner: Any) -> Any:
    x = keras.Input((STEPS, INNER, FEATURES))
    return randomise(keras.Model(x, L.LSTM(2)(Each(inner)(x))), 1)


def words() -> Any:
    x = keras.Input((STEPS, INNER))
    return randomise(keras.Model(x, L.GRU(2)(Each(L.LSTM(2))(Each(L.Embedding(9, 2))(x)))), 1)


def chain(*layers: Any) -> Any:
    return sequential((STEPS, INNER, FEATURES), layers, 1)


FORMS: dict[str, Callable[[], Any]] = {
    "convolution": lambda: chain(Each(L.Conv1D(4, 2, groups=2, padding="causal")), Each(L.Flatten()), L.LSTM(2)),
    "separable": lambda: chain(Each(L.SeparableConv1D(3, 2, strides=2)), Each(L.GlobalMaxPooling1D())),
    "pooling": lambda: chain(Each(L.MaxPooling1D(3, strides=2, padding="same")), Each(L.AveragePooling1D(2))),
    "moves": lambda: chain(Each(L.ZeroPadding1D(1)), Each(L.UpSampling1D(2)), Each(L.Permute((2, 1)))),
    "recurrent": lambda: chain(Each(L.LSTM(3)), L.GRU(2)),
    "directions": lambda: chain(Each(L.Bidirectional(L.SimpleRNN(2))), L.Dense(2)),
    "cells": lambda: chain(Each(L.RNN([L.GRUCell(2), L.LSTMCell(2)], go_backwards=True))),
    "alike": lambda: chain(Each(L.Dense(3)), Each(L.Softmax(axis=1)), Each(L.LayerNormalization()), Each(L.PReLU())),
    "of each step": lambda: chain(Each(Each(L.Dense(3))), Each(L.Reshape((6, 2)))),
    "attention": attention_of_steps,
    "decoder": decoder_of_steps,
    "words": words,
}


def inputs(network: Any, count: int) -> Any:
    rng = np.random.default_rng(1)
    shape = (count, *network.input_shape[1:])
    return rng.integers(0, 9, shape) if len(shape) == 3 else rng.normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_those_of_keras_and_of_the_definition(form: str) -> None:
    network = FORMS[form]()
    x, design = inputs(network, 6), compile_silently(loopwire.load(network))
    expected = network.predict(x, verbose=0)
    found = design.predict_float(x)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
    integers, _ = design.input_integers(x, None)
    fast = try_build(design.graph)
    assert fast is not None
    (quick,), (due,) = (run(design.graph, integers.arrays, None) for run in (fast, evaluate_integers))
    assert np.array_equal(quick, due)


@pytest.mark.parametrize("form", ["directions", "cells", "of each step"])
def test_weights_are_found_in_every_file(form: str, tmp_path: Path) -> None:
    network = FORMS[form]()
    x = inputs(network, 3)
    expected = network.predict(x, verbose=0)
    for model in read_every_way(network, tmp_path).values():
        assert np.abs(compile_silently(model).predict_float(x) - expected).max() < 1e-5


def test_a_mask_that_a_layer_of_each_step_would_read_as_its_own_is_refused() -> None:
    inner = keras.Sequential([keras.Input((3,)), L.RepeatVector(2), L.LSTM(2)])
    x = keras.Input((5, 3))
    network = keras.Model(x, Each(L.Dense(2))(L.Masking()(x)))
    loopwire.load(network)
    network = keras.Sequential([x, L.Masking(), Each(inner, name="each")])
    message = r"layer 'each' \(TimeDistributed\): its input has a mask of steps, and a layer in it reads a mask of the"
    with pytest.raises(UnsupportedError, match=message):
        loopwire.load(network)


def test_steps_of_other_sizes_are_refused() -> None:
    layer = EachStep(UpSampling("up", 2), ((4, 2),))
    with pytest.raises(
        UnsupportedError, match=r"layer 'up': each step holds \(4, 2\), its inputs are 'x' of shape \(3, 6\)"
    ):
        layer(loopwire.Input((3, 6)))
    assert (layer.kind, layer.roles) == ("UpSampling1D", ())
    assert EachStep(Dense("d", np.ones((2, 3)), np.ones(2)), ((4, 3),))(loopwire.Input((5, 12))).shape == (5, 8)
