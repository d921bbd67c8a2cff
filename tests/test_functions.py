"""Activations, normalisations and functions of one's own: Keras's and torch's numbers, and the integers near them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras, sequential
from loopwire import layers
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import ConfigError
from loopwire.frontends.keras.activations import FUNCTIONS
from loopwire.ir import functions
from loopwire.layers import Function

L = keras.layers
STEPS, FEATURES = 3, 6
KERAS: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: L.Activation(name) for name in FUNCTIONS},
    "layer_normalization": lambda: L.LayerNormalization(),
    "layer_normalization_bare": lambda: L.LayerNormalization(center=False, scale=False, epsilon=0.01),
    "rms_normalization": lambda: L.RMSNormalization(),
    "unit_normalization": lambda: L.UnitNormalization(),
    "prelu": lambda: L.PReLU(),
    "prelu_shared": lambda: L.PReLU(shared_axes=[1]),
    "rnn_of_lstm": lambda: L.RNN(L.LSTMCell(3), return_sequences=True),
    "rnn_of_gru": lambda: L.RNN(L.GRUCell(3), go_backwards=True),
    "rnn_of_simple": lambda: L.RNN(L.SimpleRNNCell(3)),
    "rescaling": lambda: L.Rescaling(0.5, offset=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    "normalization": lambda: L.Normalization(mean=[0.5] * 6, variance=[4.0] * 6),
}
FINE = {"model": {"precision": "fixed<18,6,RND,SAT>"}}


def design_of(name: str) -> tuple[Any, loopwire.Design]:
    network = sequential((STEPS, FEATURES), [KERAS[name]()])
    return network, compile_silently(loopwire.load(network), loopwire.CompileConfig.from_dict(FINE))


@pytest.mark.parametrize("name", KERAS)
def test_numbers_are_those_of_keras(name: str) -> None:
    network, design = design_of(name)
    x = np.round(np.random.default_rng(1).normal(0, 1.2, (50, STEPS, FEATURES)) * 1024) / 1024
    expected = network.predict(x, verbose=0)
    assert np.allclose(design.predict_float(x), expected, rtol=1e-6, atol=1e-5)
    assert np.abs(design.predict(x) - expected.clip(-32, 32)).max() < 8 * 2.0**-12


@pytest.mark.parametrize("name", ["mish", "log_softmax", "hard_shrink", "layer_normalization", "unit_normalization"])
def test_fast_emulator_gives_the_integers_of_the_definition(name: str) -> None:
    _, design = design_of(name)
    graph = design.graph
    element = graph.inputs[0].type.element
    shape = (50, STEPS, FEATURES)
    x = np.random.default_rng(2).integers(element.min_integer, element.max_integer, shape, endpoint=True)
    fast = try_build(graph)
    assert fast is not None
    assert np.array_equal(fast.run(x), evaluate_integers(graph, (x,))[0])


TORCH: dict[str, Function] = {
    "Threshold(0.3, 1.5)": Function("threshold", slope=0.3, offset=1.5),
    "Hardshrink(0.7)": Function("hard_shrink", slope=0.7),
    "Softshrink(0.7)": Function("soft_shrink", slope=0.7),
    "CELU(1.5)": Function("celu", slope=1.5),
    "Softmin(-1)": Function("softmin"),
    "LogSigmoid()": Function("log_sigmoid"),
    "Hardswish()": Function("hard_silu"),
    "Hardtanh()": Function("hard_tanh"),
    "Mish()": Function("mish"),
}


@pytest.mark.parametrize("name", TORCH)
def test_numbers_are_those_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).normal(0, 1.5, (50, 5))
    expected = eval(f"torch.nn.{name}", {"torch": torch})(torch.tensor(x)).numpy()
    tensor = loopwire.Input((5,))
    model = loopwire.Model.of("m", tensor, layers.Activation("a", TORCH[name])(tensor))
    assert np.abs(compile_silently(model).predict_float(x) - expected).max() < 1e-6


def test_group_normalisation_is_that_of_keras() -> None:
    network = sequential((6,), [L.GroupNormalization(3)])
    x = np.random.default_rng(1).normal(0, 1.5, (50, 6))
    found = compile_silently(loopwire.load(network)).predict_float(x)
    assert np.abs(found - network.predict(x, verbose=0)).max() < 1e-5


def test_a_function_of_ones_own_is_an_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in (functions.FUNCTIONS, functions.TABULATED):  # so that it is gone after the test
        monkeypatch.setitem(known, "own_cosine", functions.FUNCTIONS["tanh"])
        monkeypatch.delitem(known, "own_cosine")
    loopwire.functions.register("own_cosine", np.cos, turning_points=tuple(np.pi * k for k in range(-12, 13)))
    tensor = loopwire.Input((4,))
    model = loopwire.Model.of("m", tensor, layers.Activation("a", Function("own_cosine"))(tensor))
    design = compile_silently(model)
    x = np.random.default_rng(1).normal(0, 5, (200, 4))
    assert np.abs(design.predict_float(x) - np.cos(x)).max() < 1e-12
    on_grid = np.round(x * 1024) / 1024
    assert np.abs(design.predict(on_grid) - np.cos(on_grid)).max() < 2.0**-10


@pytest.mark.parametrize(
    ("name", "real", "text"),
    [
        ("two words", np.cos, "function: 'two words' is not a plain word"),
        ("tanh", np.tanh, "function: 'tanh' exists already. Give it another name"),
        (
            "own_log",
            np.log,
            "function: 'own_log' does not return a finite number for each element of an array of 257. Write it with",
        ),
        (
            "own_sum",
            np.sum,
            "function: 'own_sum' does not return a finite number for each element of an array of 257. Write it with",
        ),
    ],
)
def test_functions_are_checked(name: str, real: Any, text: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(ConfigError) as refused:
        loopwire.functions.register(name, real)
    assert str(refused.value).startswith(text)
