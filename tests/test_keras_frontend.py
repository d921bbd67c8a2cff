"""What the Keras frontend makes of a file: order, layouts, versions. No Keras here; test_keras_float.py has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras_files import (
    SavedAs,
    dense,
    functional_config,
    input_layer,
    lstm,
    random_arrays,
    sequential_config,
    write_h5,
)
from loopwire.frontends.keras.model import read_keras
from loopwire.frontends.reading import Reading
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.simple_rnn import SimpleRnn


def read(tmp_path: Path, *layers: SavedAs, **options: Any) -> Any:
    """Write a file of these layers after an input (5, 3), and read it."""
    return read_keras(write_h5(tmp_path / "model.h5", [input_layer((5, 3)), *layers], **options), Reading(trust=True))


def test_published_model_is_read_whole(shared_data: Path) -> None:
    path = shared_data / "models" / "paper" / "5tagLSTM6FeatFINAL.h5"
    model = read_keras(path, Reading(trust=True))
    assert (model.name, model.source, model.input_shape) == ("model_1", str(path), (20, 6))
    assert model.layer_kinds() == {"lstm1": "LSTM", "flatten_1": "Flatten", "output_sigmoid": "Dense"}
    recurrent, _, last = model.layers
    assert isinstance(recurrent, Lstm)
    assert recurrent.return_sequences
    assert isinstance(last, Dense)
    assert last.activation == Function("softmax")
    with h5py.File(path) as file:
        kernel = file["model_weights/lstm1"][file["model_weights/lstm1"].attrs["weight_names"][0]][()]
    np.testing.assert_array_equal(recurrent.kernel, kernel.T)


def test_matrices_are_transposed_and_widened(tmp_path: Path) -> None:
    saved = lstm()
    (layer,) = read(tmp_path, saved).layers
    kernel, recurrent_kernel, bias = saved.arrays
    assert layer.kernel.dtype == layer.recurrent_kernel.dtype == layer.bias.dtype == np.float64
    np.testing.assert_array_equal(layer.kernel, kernel.T)
    np.testing.assert_array_equal(layer.recurrent_kernel, recurrent_kernel.T)
    np.testing.assert_array_equal(layer.bias, bias)
    assert (layer.activation, layer.recurrent_activation) == (Function("tanh"), Function("sigmoid"))


def test_gru_with_reset_after_has_two_biases(tmp_path: Path) -> None:
    config = {"name": "g", "units": 2, "activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
    arrays = random_arrays((3, 6), (2, 6), (2, 6))
    (layer,) = read(tmp_path, SavedAs("GRU", config, arrays)).layers
    assert isinstance(layer, Gru)
    assert layer.reset_after
    np.testing.assert_array_equal(layer.bias, arrays[2][0])
    np.testing.assert_array_equal(layer.recurrent_bias, arrays[2][1])


def test_gru_of_early_keras_2_resets_before(tmp_path: Path) -> None:
    config = {"name": "g", "units": 2, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}
    (layer,) = read(tmp_path, SavedAs("GRU", config, random_arrays((3, 6), (2, 6), (6,)))).layers
    assert not layer.reset_after
    np.testing.assert_array_equal(layer.recurrent_bias, np.zeros(6))


def test_missing_bias_is_zero(tmp_path: Path) -> None:
    config = {"name": "r", "units": 2, "activation": None, "use_bias": False}
    (layer,) = read(tmp_path, SavedAs("SimpleRNN", config, random_arrays((3, 2), (2, 2)))).layers
    assert isinstance(layer, SimpleRnn)
    assert layer.activation == Function("linear")
    np.testing.assert_array_equal(layer.bias, np.zeros(2))


@pytest.mark.parametrize(("version", "slope"), [("2.4.0", 0.2), ("2.2.4-tf", 0.2), ("3.0.0", 1 / 6)])
def test_hard_sigmoid_is_the_saving_versions(version: str, slope: float, tmp_path: Path) -> None:
    (layer,) = read(tmp_path, lstm(recurrent_activation="hard_sigmoid"), version=version).layers
    assert layer.recurrent_activation == Function("hard_sigmoid", slope=slope, offset=0.5)


@pytest.mark.parametrize(
    ("class_name", "config", "function"),
    [
        ("LeakyReLU", {"alpha": 0.3}, Function("leaky_relu", slope=0.3)),
        ("ELU", {"alpha": 1.5}, Function("elu", slope=1.5)),
        ("ReLU", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}, Function("relu")),
        ("ReLU", {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}, Function("relu", maximum=6.0)),
        ("ReLU", {"negative_slope": 0.25}, Function("relu", slope=0.25)),
        ("ReLU", {"max_value": 2, "negative_slope": 0.25}, Function("relu", slope=0.25, maximum=2.0)),
        ("Activation", {"activation": "swish"}, Function("silu")),
        ("Softmax", {"axis": -1}, Function("softmax")),
        ("Activation", {"activation": "softplus"}, Function("softplus")),
        (
            "Activation",
            {"activation": {"module": "keras.layers", "class_name": "ELU", "config": {"alpha": 2.0}}},
            Function("elu", slope=2.0),
        ),
        (
            "Activation",
            {"activation": {"module": "keras.activations", "class_name": "function", "config": "relu6"}},
            Function("relu6"),
        ),
    ],
)
def test_activation_layers(class_name: str, config: Any, function: Function, tmp_path: Path) -> None:
    (layer,) = read(tmp_path, SavedAs(class_name, {"name": "f", **config})).layers
    assert layer == Activation("f", function)


def test_batch_normalization_becomes_scale_and_offset(tmp_path: Path) -> None:
    gamma, beta, mean = random_arrays((3,), (3,), (3,))
    variance = np.array([0.5, 1.0, 2.0], np.float32)
    config = {"name": "n", "axis": [2], "epsilon": 0.001, "momentum": 0.99, "fused": None}
    (layer,) = read(tmp_path, SavedAs("BatchNormalization", config, [gamma, beta, mean, variance])).layers
    assert isinstance(layer, BatchNormalization)
    scale = gamma.astype(float) / np.sqrt(variance.astype(float) + 0.001)
    np.testing.assert_allclose(layer.scale, scale, rtol=1e-15)
    np.testing.assert_allclose(layer.offset, beta - mean.astype(float) * scale, rtol=1e-15)


def test_sequential_of_early_keras_2_has_no_input_layer(tmp_path: Path) -> None:
    layers = [lstm(batch_input_shape=[None, 5, 3], implementation=1), dense(2, dtype="float32")]
    config = sequential_config(layers)
    config["config"] = config["config"]["layers"]
    model = read_keras(write_h5(tmp_path / "model.h5", layers, config), Reading(trust=True))
    assert model.input_shape == (5, 3)
    assert model.output_shape() == (2,)


def test_functional_layers_are_taken_in_the_order_of_the_data(tmp_path: Path) -> None:
    layers = [input_layer((5, 3)), dense(2, name="last"), lstm(), dense(2, name="first")]
    edges = {"lstm1": ["input_1"], "first": ["lstm1"], "last": ["first"]}
    config = functional_config(layers, edges, output_layers=[["last", 0, 0]])
    model = read_keras(write_h5(tmp_path / "model.h5", layers, config), Reading(trust=True))
    assert [layer.name for layer in model.layers] == ["lstm1", "first", "last"]


def test_names_split_over_several_attributes(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5", [input_layer((5, 3)), lstm()])
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        names = list(group.attrs["layer_names"])
        del group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:1], names[1:]
    assert read_keras(path, Reading(trust=True)).layer_kinds() == {"lstm1": "LSTM"}


def test_time_distributed_keeps_the_outer_name(tmp_path: Path) -> None:
    inner = dense(3, name="inner")
    config = {"name": "outer", "layer": {"class_name": "Dense", "config": inner.config}}
    model = read(tmp_path, SavedAs("TimeDistributed", config, inner.arrays))
    assert model.layer_kinds() == {"outer": "Dense"}
    assert model.output_shape() == (5, 2)


def test_identities_vanish(tmp_path: Path) -> None:
    names = ["Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout1D", "Identity"]
    layers = [SavedAs(name, {"name": name, "rate": 0.5, "noise_shape": None, "seed": 3}) for name in names]
    assert read(tmp_path, *layers, lstm()).layer_kinds() == {"lstm1": "LSTM"}


def test_no_framework_is_imported() -> None:
    code = (
        "import sys; import loopwire.frontends.keras.model;"
        "print([name for name in ('keras', 'tensorflow', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
