"""Masks with Keras's meaning: its numbers on data with masks at the start, inside and at the end, and all machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras
from loopwire.compiler import compile_silently

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


MODELS: dict[str, Callable[[Any], Any]] = {
    f.__name__: f for f in (masked_lstm, bidirectional, many, merges, with_states)
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
