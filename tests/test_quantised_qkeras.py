"""Layers of QKeras: files of our own writing compute what QKeras's equations say, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_files import SavedAs, input_layer, random_arrays, write_h5
from loopwire.config import CompileConfig
from loopwire.errors import UnsupportedError
from quantised_files import Array

WEIGHT = {"class_name": "quantized_bits", "config": {"bits": 6, "integer": 1, "alpha": 1}}
BIAS = "quantized_bits(8, 2, alpha=1.0)"
STATE = "quantized_bits(7, 1)"
TANH = {"class_name": "quantized_tanh", "config": {"bits": 6, "symmetric": True}}
SIGMOID = {"class_name": "quantized_sigmoid", "config": {"bits": 7}}


def _bits(x: Array, bits: int, integer: int, low: int | None = None) -> Array:
    """quantized_bits, signed, or from `low` steps on."""
    step = 2.0 ** (integer - bits + 1)
    return np.clip(np.rint(x / step), -(2 ** (bits - 1)) if low is None else low, 2 ** (bits - 1) - 1) * step


def _tanh(x: Array) -> Array:
    return _bits(np.clip(x, -1, 1), 6, 0, low=-31)


def _sigmoid(x: Array) -> Array:
    return np.clip(np.rint(np.clip(x / 2 + 0.5, 0, 1) * 128), 0, 127) / 128


def _read(tmp_path: Path, shape: tuple[int, ...], *layers: SavedAs) -> loopwire.Model:
    return loopwire.load(write_h5(tmp_path / "m.h5", [input_layer(shape), *layers], version="2.14.0"))


def _equal(model: loopwire.Model, x: Array, y: Array, hardware: bool = False) -> None:
    design = loopwire.compile(model, CompileConfig.from_dict({"model": {"input": "fixed<16,6>"}}))
    assert np.array_equal(design.predict_float(x), y)
    assert np.array_equal(design.predict(x), y)
    if hardware:
        assert np.array_equal(design.simulate(x[:20]).outputs, y[:20])


def _numbers(*shape: int) -> Array:
    return np.random.default_rng(5).integers(-2000, 2000, shape) / 512


def _dense(activation: Any = None, kernel: Any = WEIGHT, bias: Any = BIAS) -> SavedAs:
    config = {"name": "dense", "units": 4, "use_bias": True, "activation": activation}
    config |= {"kernel_quantizer": kernel, "bias_quantizer": bias, "kernel_range": None}
    return SavedAs("QDense", config, random_arrays((3, 4), (4,)))


ACTIVATIONS: dict[str, tuple[Any, Callable[[Array], Array]]] = {
    "bits": ("quantized_bits(6,2)", lambda a: _bits(a, 6, 2)),
    "unsigned bits": ("quantized_bits(6,2,keep_negative=0)", lambda a: np.clip(np.rint(a * 16), 0, 63) / 16),
    "alpha": ("quantized_bits(6,2,alpha=0.5)", lambda a: _bits(a, 6, 2) / 2),
    "one bit": ("quantized_bits(1,1,alpha=2.0)", lambda a: np.where(a >= 0, 2.0, -2.0)),
    "relu": ("quantized_relu(6,2)", lambda a: np.clip(np.rint(a * 16), 0, 63) / 16),
    "tanh": (TANH, _tanh),
    "sigmoid": (SIGMOID, _sigmoid),
    "real tanh": ("quantized_tanh(8, use_real_tanh=True)", lambda a: _bits(np.tanh(a), 8, 0)),
    "real sigmoid": (
        "quantized_sigmoid(5, use_real_sigmoid=True)",
        lambda a: np.clip(np.rint(32 / (1 + np.exp(-a))), 0, 31) / 32,
    ),
    "binary": ("binary(alpha=0.5)", lambda a: np.where(a >= 0, 0.5, -0.5)),
    "hard_sigmoid": ("hard_sigmoid", lambda a: np.clip(a / 2 + 0.5, 0, 1)),
    "plain relu": ("relu", lambda a: np.maximum(a, 0)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dense_with_each_activation(tmp_path: Path, name: str) -> None:
    option, function = ACTIVATIONS[name]
    layer, x = _dense(option), _numbers(100, 3)
    kernel, bias = layer.arrays
    _equal(_read(tmp_path, (3,), layer), x, function(x @ _bits(kernel, 6, 1) + _bits(bias, 8, 2)))


def test_an_activation_layer_on_each_step_gives_the_input_its_type(tmp_path: Path) -> None:
    model = _read(tmp_path, (2, 3), SavedAs("QActivation", {"name": "q", "activation": "quantized_bits(6,2)"}))
    design = loopwire.compile(model)
    x = np.random.default_rng(1).normal(size=(200, 2, 3)) * 3
    assert str(design.graph.inputs[0].type.element) == "fixed<6,3,RND_CONV,SAT>"
    assert np.array_equal(design.predict(x), _bits(x, 6, 2))


def _options(units: int) -> dict[str, Any]:
    quantisers = {"kernel_quantizer": WEIGHT, "recurrent_quantizer": WEIGHT, "bias_quantizer": BIAS}
    functions = {"activation": TANH, "recurrent_activation": SIGMOID, "state_quantizer": STATE}
    return {"name": "rnn", "units": units, "use_bias": True, **quantisers, **functions}


def test_lstm(tmp_path: Path) -> None:
    layer = SavedAs("QLSTM", {**_options(2), "return_sequences": True}, random_arrays((3, 8), (2, 8), (8,)))
    x = _numbers(50, 4, 3)
    _equal(_read(tmp_path, (4, 3), layer), x, _lstm_steps(x, layer.arrays), hardware=True)


@pytest.mark.parametrize("reset_after", [False, True])
def test_gru(tmp_path: Path, reset_after: bool) -> None:
    biases = (2, 6) if reset_after else (6,)
    config = {**_options(2), "reset_after": reset_after}
    layer = SavedAs("QGRU", config, random_arrays((3, 6), (2, 6), biases))
    x = _numbers(50, 4, 3)
    w, u, b = _bits(layer.arrays[0], 6, 1), _bits(layer.arrays[1], 6, 1), _bits(layer.arrays[2], 8, 2)
    b, d = b if reset_after else (b, np.zeros(6))
    h = np.zeros((50, 2))
    for t in range(4):
        h, xw = _bits(h, 7, 1), x[:, t] @ w + b
        z, r = np.split(_sigmoid(xw[:, :4] + h @ u[:, :4] + d[:4]), 2, axis=1)
        reset = r * (h @ u[:, 4:] + d[4:]) if reset_after else (r * h) @ u[:, 4:]
        h = z * h + (1 - z) * _tanh(xw[:, 4:] + reset)
    _equal(_read(tmp_path, (4, 3), layer), x, h)


def test_simple_rnn(tmp_path: Path) -> None:
    config = {key: value for key, value in _options(2).items() if key != "recurrent_activation"}
    layer = SavedAs("QSimpleRNN", config, random_arrays((3, 2), (2, 2), (2,)))
    x = _numbers(50, 4, 3)
    w, u, b = _bits(layer.arrays[0], 6, 1), _bits(layer.arrays[1], 6, 1), _bits(layer.arrays[2], 8, 2)
    h = np.zeros((50, 2))
    for t in range(4):
        h = _tanh(x[:, t] @ w + _bits(h, 7, 1) @ u + b)
    _equal(_read(tmp_path, (4, 3), layer), x, h)


def test_weights_in_powers_of_two(tmp_path: Path) -> None:
    layer, x = _dense(kernel={"class_name": "quantized_po2", "config": {"bits": 4, "max_value": None}}), _numbers(50, 3)
    kernel, bias = layer.arrays
    powers = np.sign(kernel) * 2.0 ** np.clip(np.rint(np.log2(np.abs(kernel))), -4, 3)
    _equal(_read(tmp_path, (3,), layer), x, x @ powers + _bits(bias, 8, 2))


def test_weights_of_a_scale_found_for_each_column(tmp_path: Path) -> None:
    layer, x = _dense(kernel="quantized_bits(4, 0, alpha='auto_po2')"), _numbers(50, 3)
    model = _read(tmp_path, (3,), layer)
    kernel = model.layers[0].kernel.T  # type: ignore[attr-defined]
    for column, latent in zip(kernel.T, layer.arrays[0].T, strict=True):
        errors = []
        for exponent in range(-8, 2):
            step = 2.0**exponent
            whole = np.clip(np.sign(latent) * np.floor(np.abs(latent) / step + 0.5), -7, 7)
            errors.append((float(((whole * step - latent) ** 2).sum()), (whole * step).tolist()))
        assert column.tolist() in [values for _, values in sorted(errors)[:2]]  # near the best fit of all
    _equal(model, x, x @ kernel + _bits(layer.arrays[1], 8, 2))


def test_what_is_refused(tmp_path: Path) -> None:
    def said(layer: SavedAs, shape: tuple[int, ...] = (3,)) -> str:
        with pytest.raises(UnsupportedError) as error:
            loopwire.compile(_read(tmp_path, shape, layer))
        return str(error.value)

    assert "kernel_quantizer=None is not supported" in said(_dense(kernel=None))
    assert "Train it with alpha='auto_po2' for weights" in said(_dense(kernel="quantized_bits(4, alpha='auto')"))
    assert "Supported: quantized_bits, quantized_po2 and binary" in said(_dense(kernel="stochastic_ternary()"))
    assert "nothing quantises the results of tanh" in said(_dense("tanh"))
    assert "negative_slope=0.25" in said(_dense("quantized_relu(6,2,negative_slope=0.25)"))
    assert "Loopwire does not know this argument" in said(_dense("quantized_bits(6,2,strange=1)"))
    assert "Give a whole number from 1 to 32" in said(_dense("quantized_bits(99)"))
    assert "with its arguments by name" in said(_dense("__import__('os').system('true')"))
    assert "with its arguments by name" in said(_dense("quantized_bits(" + "(" * 150 + ")"))
    unbounded = SavedAs("QLSTM", {**_options(2), "state_quantizer": None}, random_arrays((3, 8), (2, 8), (8,)))
    assert "no quantiser bounds its state" in said(unbounded, (4, 3))


def test_fine_tuning_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="fine-tuning needs PyTorch")
    from loopwire.training.finetune import finetune

    model = _read(tmp_path, (3,), _dense())
    with pytest.raises(UnsupportedError, match="layer 'dense': it was trained with quantisers"):
        finetune(model, CompileConfig(), _numbers(50, 3))


def _lstm_steps(x: Array, arrays: Sequence[Array]) -> Array:
    w, u, b = _bits(arrays[0], 6, 1), _bits(arrays[1], 6, 1), _bits(arrays[2], 8, 2)
    h, c, results = np.zeros((len(x), 2)), np.zeros((len(x), 2)), []
    for t in range(x.shape[1]):
        h, c = _bits(h, 7, 1), _bits(c, 7, 1)
        i, f, g, o = np.split(x[:, t] @ w + h @ u + b, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * _tanh(g)
        h = _sigmoid(o) * _tanh(c)
        results.append(h)
    return np.stack(results, 1)


@pytest.mark.parametrize(
    ("mode", "merged"),
    [
        ("concat", lambda a, b: np.concatenate([a, b], axis=-1)),
        ("sum", lambda a, b: a + b),
        ("ave", lambda a, b: (a + b) / 2),
        ("mul", lambda a, b: a * b),
    ],
)
def test_both_directions(tmp_path: Path, mode: str, merged: Callable[[Array, Array], Array]) -> None:
    inner = {"class_name": "QLSTM", "config": {**_options(2), "return_sequences": True}}
    arrays = random_arrays(*((3, 8), (2, 8), (8,)) * 2)
    layer = SavedAs("QBidirectional", {"name": "both", "layer": inner, "merge_mode": mode}, arrays)
    x = _numbers(50, 4, 3)
    backward = _lstm_steps(x[:, ::-1], arrays[3:])[:, ::-1]
    y = merged(_lstm_steps(x, arrays[:3]), backward)
    _equal(_read(tmp_path, (4, 3), layer), x, y, hardware=mode == "concat")


def test_directions_without_quantisers_are_refused(tmp_path: Path) -> None:
    inner = {"class_name": "LSTM", "config": {"units": 2, "activation": "tanh"}}
    layer = SavedAs("QBidirectional", {"name": "both", "layer": inner}, random_arrays(*((3, 8), (2, 8), (8,)) * 2))
    with pytest.raises(UnsupportedError, match="Wrap QLSTM, QGRU or QSimpleRNN layers with equal return_sequences"):
        _read(tmp_path, (4, 3), layer)
