"""Masks with Keras's meaning: its numbers on data with masks at the start, inside and at the end, and all machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras
from loopwire import layers
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from loopwire.frontends.keras.layer import Context, SavedLayer
from loopwire.frontends.keras.masks import Differs, Masks, Named
from loopwire.frontends.keras.saved import LayerEntry
from loopwire.layers.model import ModelBuilder

L = keras.layers
STEPS, FEATURES, VALUE = 7, 3, -1.0


def masked_lstm(x: Any) -> Any:
    return L.LSTM(3)(L.Masking(VALUE)(x))


def bidirectional(x: Any) -> Any:
    x = L.Bidirectional(L.GRU(2, return_sequences=True))(L.Masking(VALUE)(x))
    return L.Bidirectional(L.LSTM(2), merge_mode="mul")(x)


def many(x: Any) -> list[Any]:
    m = L.Masking(VALUE)(x)
    h = L.GRU(2, return_sequences=True)(L.Dropout(0.1)(m))
    zeros = L.SimpleRNN(2, return_sequences=True, zero_output_for_mask=True)(h)
    last = L.LSTM(2, zero_output_for_mask=True, go_backwards=True)(L.TimeDistributed(L.Dense(3))(zeros))
    return [h, last, L.GlobalAveragePooling1D()(L.Add()([h, zeros]))]


def merges(x: Any) -> list[Any]:
    a, b = L.Masking(VALUE)(x), L.Masking(2.0)(x)
    both = [L.GRU(2, return_sequences=True)(a), L.LSTM(2, return_sequences=True)(b)]
    half = [both[0], L.Dense(2)(x)]
    merged = [merge()(given) for merge in (L.Multiply, L.Maximum, L.Minimum) for given in (both, half, half[::-1])]
    masked = [L.Concatenate()(both), L.Average()(both), L.Concatenate()(half)]
    return [*merged, *(L.SimpleRNN(2)(y) for y in (*masked, *merged))]


def with_states(x: Any) -> list[Any]:
    encoded, masked = L.LSTM(2, return_state=True)(x)[1:], L.Masking(VALUE)(x)
    mask = keras.ops.any(keras.ops.not_equal(x, VALUE), axis=-1)
    decoder = L.LSTM(2, return_sequences=True, return_state=True)
    two = L.Bidirectional(L.GRU(2, return_state=True))
    return [
        *decoder(masked, initial_state=encoded, mask=mask),
        *decoder(masked, initial_state=encoded),  # Keras 3 hands on no mask here
        *two(masked, initial_state=encoded),
        L.LSTM(2)(masked, initial_state=encoded, mask=mask),
    ]


def stacked(x: Any) -> Any:
    cells = [L.GRUCell(2), L.LSTMCell(3), L.SimpleRNNCell(2)]
    return L.RNN(cells, return_sequences=True, zero_output_for_mask=True)(L.Masking(VALUE)(x))


MODELS: dict[str, Callable[[Any], Any]] = {
    f.__name__: f for f in (masked_lstm, bidirectional, many, merges, with_states, stacked)
}


def network(name: str) -> Any:
    keras.utils.set_random_seed(3)
    x = keras.Input((STEPS, FEATURES))
    return keras.Model(x, MODELS[name](x))


def padded(count: int = 40, value: float = VALUE) -> Any:
    """Sequences whose masked steps stand at the start, inside and at the end; some are masked as a whole, some not."""
    random = np.random.default_rng(1)
    x = random.normal(0, 1, (count, STEPS, FEATURES)).astype(np.float32)
    steps, start, end = np.arange(STEPS), random.integers(0, 4, (count, 1)), random.integers(3, STEPS + 1, (count, 1))
    gone = (steps < start) | (steps >= end) | (random.random((count, STEPS)) < 0.2)
    gone[0], gone[1] = True, False
    x[gone] = value
    x[2:, 3, 0] = value  # one feature alone masks nothing
    x[5:9, 2] = 2.0
    return x


def finite(y: Any) -> Any:
    """Keras divides by 0 where it averages over no step; Loopwire's result is 0 there."""
    return np.isfinite(y)


@pytest.mark.parametrize("name", MODELS)
def test_real_numbers_are_those_of_keras(name: str, tmp_path: Path) -> None:
    model, x = network(name), padded()
    expected = model.predict(x, verbose=0)
    expected = [expected] if len(model.outputs) == 1 else expected
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    for source in (model, tmp_path / "model.keras", tmp_path / "model.h5"):
        found = compile_silently(loopwire.load(source)).predict_float(x)
        found = {"": found} if len(model.outputs) == 1 else found
        for want, got in zip(expected, found.values(), strict=True):
            assert np.abs(want - got)[finite(want)].max() < 1e-5
            assert not got[~finite(want)].any()


SETTINGS = {"model": {"precision": "fixed<10,4,RND,SAT>"}, "clock_period_ns": 7}


@pytest.mark.parametrize("name", MODELS)
def test_fast_emulator_gives_the_integers_of_the_definition(name: str) -> None:
    design = compile_silently(loopwire.load(network(name)), loopwire.CompileConfig.from_dict(SETTINGS))
    fast = try_build(design.graph)
    assert fast is not None
    x, _ = design.input_integers(padded(), None)
    for found, expected in zip(fast.run_all(x.arrays), evaluate_integers(design.graph, x.arrays), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["masked_lstm", "bidirectional", "many"])
def test_hardware_conforms(name: str) -> None:
    design = compile_silently(loopwire.load(network(name)), loopwire.CompileConfig.from_dict(SETTINGS))
    loopwire.verify(design, padded(200))


def test_hls_conforms() -> None:
    settings = {**SETTINGS, "target": "vitis_hls"}
    design = compile_silently(loopwire.load(network("many")), loopwire.CompileConfig.from_dict(settings))
    loopwire.verify(design, padded(100))


def x_of(*layers: Any) -> Any:
    x = given = keras.Input((STEPS, FEATURES))
    for layer in layers:
        x = layer(x)
    return keras.Model(given, x)


def compared() -> Any:
    x = keras.Input((STEPS, FEATURES))
    return keras.Model(x, L.LSTM(2)(keras.ops.not_equal(x, 0.0)))


def constant_mask() -> Any:
    x = keras.Input((STEPS, FEATURES))
    return keras.Model(x, L.LSTM(2)(x, mask=np.ones((1, STEPS), bool)))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            lambda: x_of(L.Masking(name="m"), L.Conv1D(2, 2, name="c"), L.LSTM(2)),
            "layer 'c' (Conv1D): its input has a mask, which it does not pass on: Keras drops it here, with a warning. "
            "Put the Masking behind this layer, or take the mask away (mask_zero=False)",
        ),
        (
            compared,
            ", which is a mask, as a tensor. Give masks to the argument mask of a layer; numbers are inputs of float32",
        ),
        (constant_mask, "it is called with a mask that is not a tensor. Give it a mask that is a tensor of the model"),
    ],
)
def test_what_keras_drops_is_refused(model: Callable[[], Any], text: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        loopwire.load(model())
    assert text in str(refused.value)


def test_what_ends_the_steps_takes_all_of_them() -> None:
    model, x = x_of(L.Masking(VALUE), L.LSTM(2, return_sequences=True), L.GlobalMaxPooling1D()), padded()
    found = compile_silently(loopwire.load(model)).predict_float(x)
    assert np.abs(found - model.predict(x, verbose=0)).max() < 1e-5


CELL = {"kernel": np.ones((4, 1)), "recurrent_kernel": np.ones((4, 1)), "bias": np.zeros(4)}


@pytest.mark.parametrize(
    ("options", "shape", "text"),
    [
        (
            {},
            (5, 1),
            "layer 'a': its mask is 'm' of shape (5, 1) for an input of shape (7, 1). Give it one bit for",
        ),
        (
            {"stateful": True},
            (7, 1),
            "layer 'a': it has a mask, and states that last: what a masked first step repeats is not among them. "
            "Let masked steps give 0 (zero_output_for_mask=True), or leave stateful out",
        ),
    ],
)
def test_masks_that_do_not_fit_are_refused(options: dict[str, Any], shape: tuple[int, int], text: str) -> None:
    cell = layers.Lstm("a", **CELL, masked=True, **options)
    with pytest.raises(UnsupportedError) as refused:
        cell(loopwire.Input((7, 1)), loopwire.Input(shape, "m"))
    assert str(refused.value).startswith(text)


def test_different_masks_merge_otherwise_in_keras_2() -> None:
    builder = ModelBuilder()
    masks = Masks(builder, str)
    inputs = [builder.input(name, (STEPS, 2)) for name in "ab"]
    for tensor in inputs:
        masks.begin(tensor, frozenset({Differs(tensor, 0.0)}))
    saved = SavedLayer(LayerEntry("Add", "sum", {}), Context("old.h5", 2, (STEPS, 2)), ())
    with pytest.raises(UnsupportedError) as refused:
        masks.follow(saved, layers.Add("sum"), inputs, builder.call(layers.Add("sum"), *inputs), Named())
    text = "old.h5, layer 'sum' (Add): it merges sequences of different masks. Save the model with Keras 3, or mask"
    assert str(refused.value).startswith(text)
