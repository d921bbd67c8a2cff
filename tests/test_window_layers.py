"""Layers over windows of steps, and those that give a sequence other steps: Keras's numbers, and all machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import loopwire
from hls_designs import lowered
from keras_models import keras, sequential
from loopwire import layers
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from loopwire.layers.model import chain
from networks import prove
from random_models import Weights

L = keras.layers
weights = Weights(5)
STEPS, FEATURES = 10, 4
KERAS: dict[str, Callable[[], list[Any]]] = {
    "conv": lambda: [L.Conv1D(3, 3)],
    "conv_one": lambda: [L.Conv1D(5, 1, activation="relu")],
    "conv_same": lambda: [L.Conv1D(3, 4, padding="same", activation="tanh")],
    "conv_same_strided": lambda: [L.Conv1D(3, 3, padding="same", strides=2)],
    "conv_causal": lambda: [L.Conv1D(3, 3, padding="causal", dilation_rate=2)],
    "conv_causal_strided": lambda: [L.Conv1D(2, 3, padding="causal", strides=2)],
    "conv_strided": lambda: [L.Conv1D(2, 3, strides=3, use_bias=False)],
    "conv_apart": lambda: [L.Conv1D(2, 5, strides=5)],
    "conv_dilated": lambda: [L.Conv1D(2, 3, dilation_rate=3)],
    "conv_groups": lambda: [L.Conv1D(6, 2, groups=2)],
    "depthwise": lambda: [L.DepthwiseConv1D(3, depth_multiplier=2)],
    "separable": lambda: [L.SeparableConv1D(3, 3, depth_multiplier=2, padding="same", activation="relu")],
    "max_pooling": lambda: [L.MaxPooling1D(2)],
    "max_pooling_uneven": lambda: [L.MaxPooling1D(3)],
    "max_pooling_same": lambda: [L.MaxPooling1D(5, strides=3, padding="same")],
    "max_pooling_overlapping": lambda: [L.MaxPooling1D(4, strides=2, padding="same")],
    "average_pooling": lambda: [L.AveragePooling1D(5)],
    "average_pooling_same": lambda: [L.AveragePooling1D(3, padding="same")],
    "global_max": lambda: [L.GlobalMaxPooling1D()],
    "global_average": lambda: [L.GlobalAveragePooling1D()],
    "global_max_kept": lambda: [L.GlobalMaxPooling1D(keepdims=True), L.LSTM(2)],
    "global_average_kept": lambda: [L.GlobalAveragePooling1D(keepdims=True)],
    "up_sampling": lambda: [L.UpSampling1D(3)],
    "zero_padding": lambda: [L.ZeroPadding1D((1, 2))],
    "cropping": lambda: [L.Cropping1D((2, 1))],
    "softmax_over_steps": lambda: [L.Dense(2), L.Softmax(axis=1)],
    "softmax_over_both": lambda: [L.Dense(2), L.Softmax(axis=[1, 2])],
    "permute": lambda: [L.Permute((2, 1))],
    "normalization_of_all": lambda: [L.Dense(3), L.LayerNormalization(axis=[1, 2], epsilon=0.05)],
    "group_normalization": lambda: [L.MaxPooling1D(2), L.GroupNormalization(2, epsilon=0.05)],
    "group_normalization_of_each": lambda: [L.GroupNormalization(-1, epsilon=0.05), L.LSTM(2)],
    "group_normalization_of_one": lambda: [L.Dense(1), L.GroupNormalization(1, epsilon=0.05)],
    "up_between": lambda: [L.LSTM(2, return_sequences=True), L.UpSampling1D(2), L.GRU(2)],
    "in_front": lambda: [L.Conv1D(4, 3, activation="relu"), L.MaxPooling1D(2), L.LSTM(3), L.Dense(2)],
}


def model(name: str, seed: int = 1) -> Any:
    return sequential((STEPS, FEATURES), KERAS[name](), seed)


@pytest.mark.parametrize("name", KERAS)
def test_real_numbers_are_those_of_keras(name: str) -> None:
    network = model(name)
    x = np.random.default_rng(1).normal(0, 1, (7, STEPS, FEATURES)).astype(np.float32)
    found = compile_silently(loopwire.load(network)).predict_float(x)
    expected = network.predict(x, verbose=0)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("name", KERAS)
def test_fast_emulator_gives_the_integers_of_the_definition(name: str) -> None:
    graph = compile_silently(loopwire.load(model(name))).graph
    element = graph.inputs[0].type.element
    low, high = element.min_integer, element.max_integer
    x = np.random.default_rng(2).integers(low, high, (20, *graph.inputs[0].type.shape), endpoint=True)
    fast = try_build(graph)
    assert fast is not None
    assert np.array_equal(fast.run(x), evaluate_integers(graph, (x,))[0])


IN_HARDWARE = [
    "conv",
    "conv_same",
    "conv_causal_strided",
    "max_pooling_same",
    "conv_same_strided",
    "max_pooling_overlapping",
    "average_pooling_same",
    "separable",
    "up_between",
    "zero_padding",
    "cropping",
    "permute",
    "softmax_over_steps",
    "group_normalization",
    "in_front",
]


@pytest.mark.parametrize("name", IN_HARDWARE)
def test_hardware_conforms(name: str) -> None:
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 7}
    prove(compile_silently(loopwire.load(model(name)), loopwire.CompileConfig.from_dict(settings)))


STREAMING = {
    "valid": [layers.Convolution("c", layers.Window(5), weights(2, 5, 4), np.zeros(2))],
    "strided": [layers.Convolution("c", layers.Window(3, 2), weights(2, 3, 4), np.zeros(2))],
    "same": [layers.MaxPooling("c", layers.Window(3, 1, padding="same"))],
    "cropped": [layers.Cropping("c", 1, 2)],
    "padded": [layers.ZeroPadding("c", 1, 1)],
}


@pytest.mark.parametrize("name", STREAMING)
def test_windows_stream(name: str) -> None:
    """The layer behind begins with its first window: all is done before twice as many cycles as there are steps."""
    features = STREAMING[name][0].output_shape((40, FEATURES))[1]
    rnn = layers.SimpleRnn("r", weights(2, features), weights(2, 2), np.zeros(2))
    network = chain("m", (40, FEATURES), (*STREAMING[name], rnn), "test")
    design = compile_silently(network, loopwire.CompileConfig.from_dict({"clock_period_ns": 20, "part": "xcvu13p"}))
    assert design.predicted_cycles.latency_cycles < 60
    assert design.predicted_cycles.initiation_interval_cycles <= 42


@pytest.mark.parametrize(
    "knobs",
    [
        {"stateful": True, "channels": 3},
        {"copies": 2},
        {"port_registers": True, "bus_bits": 16},
        {"reuse_factor": 2},
    ],
    ids=str,
)
def test_cropped_steps_with_knobs(knobs: dict[str, Any]) -> None:
    window = layers.Convolution("c", layers.Window(3), weights(2, 3, 2), np.zeros(2))
    rnn = layers.SimpleRnn("r", weights(3, 2), weights(3, 3), np.zeros(3))
    network = chain("m", (6, 2), (window, rnn), "test")
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, **knobs}
    prove(compile_silently(network, loopwire.CompileConfig.from_dict(settings)))


W = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            layers.Convolution("c", layers.Window(11), W, np.zeros(2)),
            "layer 'c': its window of 11 steps is longer than its input of 10. Give longer sequences, a smaller window",
        ),
        (
            layers.Convolution("c", layers.Window(3), W[:, :, :3], np.zeros(2)),
            "layer 'c': its kernel takes 3 features, its input has 4. Check the layer before it",
        ),
        (
            layers.NormalizationOverSteps("c", np.ones((10, 4)), np.zeros((10, 4)), 0.1, groups=3),
            "layer 'c': it has scale (10, 4), offset (10, 4) and 3 groups, its input has (10, 4). Give both arrays the",
        ),
        (layers.Cropping("c", 5, 5), "layer 'c': it takes 5 and 5 steps off a sequence of 10. Leave at least one step"),
        (layers.ZeroPadding("c", 9000, 9000), "layer 'c': its result has 18010 steps. Make at most 16384"),
        (
            layers.MaxPooling("c", layers.Window(2**31, padding="same")),
            "layer 'c': it pads its input of 10 steps to 2147483657. Pad to at most 16384",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layer: Any, text: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        lowered((STEPS, FEATURES), [layer])
    assert str(refused.value).startswith(text)


def test_normalisation_is_exact_where_the_mean_is_large() -> None:
    rng = np.random.default_rng(4)
    scale, offset, x = rng.normal(0, 1, (70, 4)), rng.normal(0, 1, (70, 4)), rng.normal(20, 0.25, (9, 70, 4))
    design = compile_silently(
        chain("m", (70, 4), (layers.NormalizationOverSteps("c", scale, offset, 1e-3, 2),), "test")
    )
    groups = x.reshape(9, 70, 2, 2)
    mean, variance = groups.mean(axis=(1, 3), keepdims=True), groups.var(axis=(1, 3), keepdims=True)
    due = scale * ((groups - mean) / np.sqrt(variance + 1e-3)).reshape(x.shape) + offset
    assert np.abs(design.predict_float(x) - due).max() < 1e-9
    assert np.abs(design.predict(x) - due).max() < 0.05
