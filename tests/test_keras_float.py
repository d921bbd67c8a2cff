"""Loopwire's float reference against Keras itself: every supported layer and option, each container, within 1e-5."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("torch")

from keras_models import inputs_for, predict, randomise, read_every_way, real_outputs, sequential  # noqa: E402
from loopwire.errors import UnsupportedError  # noqa: E402
from loopwire.frontends.keras.model import read_keras  # noqa: E402
from loopwire.frontends.reading import Reading  # noqa: E402
from loopwire.passes.fold_batch_normalization import fold_batch_normalization  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras", "ignore:The structure of `inputs`")

L = keras.layers
SEQUENCE = (5, 3)
TOLERANCE = 1e-5
"""Absolute below 1, relative above: Keras computes in float32, and linear gates let numbers grow."""

RECURRENT = {
    "lstm": lambda **options: L.LSTM(4, **options),
    "gru": lambda **options: L.GRU(4, **options),
    "gru_reset_before": lambda **options: L.GRU(4, reset_after=False, **options),
    "simple_rnn": lambda **options: L.SimpleRNN(4, **options),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sequences": {"return_sequences": True},
    "backwards": {"go_backwards": True},
    "backwards_sequences": {"go_backwards": True, "return_sequences": True},
    "no_bias": {"use_bias": False},
    "dropout": {"dropout": 0.5, "recurrent_dropout": 0.5},
    "unroll": {"unroll": True},
    "relu": {"activation": "relu"},
}
NO_FUNCTIONS = {"get", "serialize", "deserialize", "glu", "threshold"}
"""In keras.activations; a GLU is a layer here, and a threshold is given as one of ReLU."""
ACTIVATIONS = sorted({name for name in vars(keras.activations) if name.islower() and name[0] != "_"} - NO_FUNCTIONS)
"""All that Keras has."""
OTHERS: dict[str, Callable[[], list[Any]]] = {
    "flatten": lambda: [L.LSTM(3, return_sequences=True), L.Flatten(), L.Dense(2)],
    "reshape": lambda: [L.Reshape((3, -1)), L.GRU(2)],
    "dense_on_steps": lambda: [L.Dense(4, activation="relu"), L.LSTM(3)],
    "dense_no_bias": lambda: [L.Flatten(), L.Dense(4, use_bias=False)],
    "activation": lambda: [L.Activation("tanh")],
    "relu_layer": lambda: [L.ReLU()],
    "relu6_layer": lambda: [L.ReLU(max_value=6.0)],
    "relu_negative_slope": lambda: [L.ReLU(negative_slope=0.1)],
    "relu_bounded": lambda: [L.ReLU(max_value=1.5)],
    "relu_bounded_with_slope": lambda: [L.ReLU(max_value=2.0, negative_slope=0.25)],
    "leaky_relu_layer": lambda: [L.LeakyReLU(negative_slope=0.15)],
    "elu_layer": lambda: [L.ELU(alpha=0.7)],
    "softmax_layer": lambda: [L.Softmax()],
    "relu_threshold": lambda: [L.ReLU(threshold=0.6)],
    "relu_everything": lambda: [L.ReLU(max_value=2.0, negative_slope=0.25, threshold=0.8)],
    "softmax_over_steps": lambda: [L.Softmax(axis=1)],
    "softmax_over_both": lambda: [L.Softmax(axis=[1, -1])],
    "softmax_last_axis": lambda: [L.Softmax(axis=2)],
    "activation_object": lambda: [L.Dense(3, activation=L.LeakyReLU(negative_slope=0.3))],
    "layer_normalization_of_all": lambda: [L.LayerNormalization(axis=[1, 2]), L.GRU(2)],
    "layer_normalization_of_all_from_behind": lambda: [L.LayerNormalization(axis=[-1, -2], scale=False)],
    "group_normalization": lambda: [L.Dense(4), L.GroupNormalization(2)],
    "group_normalization_of_each": lambda: [L.GroupNormalization(-1, center=False), L.GRU(2)],
    "batch_normalization": lambda: [L.BatchNormalization()],
    "batch_normalization_axis": lambda: [L.BatchNormalization(axis=2, epsilon=0.01)],
    "batch_normalization_bare": lambda: [L.BatchNormalization(scale=False, center=False)],
    "batch_normalization_scale": lambda: [L.BatchNormalization(center=False)],
    "batch_normalization_center": lambda: [L.BatchNormalization(scale=False)],
    "identities": lambda: [
        L.Dropout(0.5),
        L.SpatialDropout1D(0.5),
        L.GaussianNoise(0.5),
        L.GaussianDropout(0.5),
        L.AlphaDropout(0.5),
        L.ActivityRegularization(0.1),
        L.Identity(),
        L.Dense(2),
    ],
    "time_distributed_dense": lambda: [L.TimeDistributed(L.Dense(4, activation="tanh"))],
    "time_distributed_slopes": lambda: [L.TimeDistributed(L.PReLU()), L.TimeDistributed(L.Flatten())],
    "time_distributed_norm": lambda: [L.TimeDistributed(L.LayerNormalization()), L.TimeDistributed(L.Softmax())],
    "time_distributed_normalization": lambda: [L.TimeDistributed(L.BatchNormalization())],
    "time_distributed_softmax": lambda: [L.TimeDistributed(L.Softmax()), L.TimeDistributed(L.Dropout(0.1))],
    "several_of_a_class": lambda: [
        L.GRU(4, return_sequences=True),
        L.Dropout(0.2),
        L.GRU(4, return_sequences=True),
        L.Dropout(0.2),
        L.GRU(4),
        L.Dense(4),
        L.ReLU(),
        L.Dense(4),
        L.ReLU(),
        L.Dense(4, activation="softmax"),
    ],
}


def check(model: Any, folder: Path) -> None:
    x = inputs_for(model)
    expected = predict(model, x)
    for way, read in read_every_way(model, folder).items():
        assert read.output_shape() == model.output_shape[1:], way
        np.testing.assert_allclose(real_outputs(read, x), expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=way)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers_equal_keras(kind: str, options: str, tmp_path: Path) -> None:
    check(sequential(SEQUENCE, [RECURRENT[kind](**OPTIONS[options])]), tmp_path)


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_dense_activations_equal_keras(function: str, tmp_path: Path) -> None:
    check(sequential((6,), [L.Dense(5, activation=function)]), tmp_path)


def test_glu_equals_keras() -> None:
    model = sequential((4, 6), [L.Dense(6), L.Activation("glu")])
    x = inputs_for(model)
    np.testing.assert_allclose(real_outputs(read_keras(model), x), predict(model, x), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("function", ["hard_sigmoid", "relu6", "softsign", "linear"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_reset_before"])
def test_gate_activations_equal_keras(kind: str, function: str, tmp_path: Path) -> None:
    check(sequential(SEQUENCE, [RECURRENT[kind](recurrent_activation=function)]), tmp_path)


@pytest.mark.parametrize("case", OTHERS)
def test_other_layers_equal_keras(case: str, tmp_path: Path) -> None:
    check(sequential(SEQUENCE, OTHERS[case]()), tmp_path)


def test_functional_chain_equals_keras(tmp_path: Path) -> None:
    x = keras.Input(SEQUENCE, name="tracks")
    y = L.LSTM(4, return_sequences=True, name="dense")(x)
    y = L.Dense(4, name="lstm")(L.GRU(4, name="gru_9")(y))
    check(randomise(keras.Model(x, L.Dense(2, activation="softmax", name="input_layer")(y))), tmp_path)


def test_sequential_built_without_an_input_layer(tmp_path: Path) -> None:
    model = keras.Sequential([L.LSTM(4), L.Dense(2)])
    model.build((None, *SEQUENCE))
    check(randomise(model), tmp_path)


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_weights_of_other_precisions_are_read_as_they_are(dtype: str, tmp_path: Path) -> None:
    model = sequential(SEQUENCE, [L.LSTM(4, dtype=dtype), L.Dense(2, dtype=dtype)])
    plain = sequential(SEQUENCE, [L.LSTM(4), L.Dense(2)])
    plain.set_weights(model.get_weights())
    x = inputs_for(plain)
    for way, read in read_every_way(model, tmp_path).items():
        np.testing.assert_allclose(
            real_outputs(read, x), predict(plain, x), rtol=TOLERANCE, atol=TOLERANCE, err_msg=way
        )


def no_function() -> list[Any]:
    return [L.LSTM(2), L.Dense(2, activation=lambda x: x * x)]


class Dense(L.Dense):  # type: ignore[misc]
    """A layer that a user wrote under the name of one of Keras's."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        (lambda: [L.Lambda(lambda x: x * 2), L.LSTM(2)], "layer 'lambda.*': Lambda layers are not supported"),
        (lambda: [L.LSTM(2), Dense(2)], "layer 'dense.*': it is a custom layer, 'Dense'"),
        (no_function, "layer 'dense.*' .Dense.: option activation=.* is not supported"),
    ],
)
def test_code_of_users_is_refused_in_models_that_keras_saved(
    layers: Callable[[], list[Any]], problem: str, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input(SEQUENCE), *layers()])
    path = tmp_path / "model.keras"
    model.save(path)
    for source in (model, path):
        with pytest.raises(UnsupportedError, match=problem):
            read_keras(source, Reading(trust=True))


def norm() -> Any:
    return L.BatchNormalization()


FOLDED: dict[str, tuple[Callable[[], list[Any]], list[str]]] = {
    "into_the_dense_before": (lambda: [L.Dense(4), norm(), L.ReLU()], ["Dense", "Activation"]),
    "into_the_dense_after": (lambda: [L.LSTM(4), norm(), L.Dense(3)], ["LSTM", "Dense"]),
    "into_the_lstm": (lambda: [norm(), L.LSTM(4, go_backwards=True)], ["LSTM"]),
    "into_the_gru": (lambda: [norm(), L.GRU(4)], ["GRU"]),
    "into_the_gru_reset_before": (lambda: [norm(), L.GRU(4, reset_after=False, use_bias=False)], ["GRU"]),
    "into_the_simple_rnn": (lambda: [norm(), L.SimpleRNN(4)], ["SimpleRNN"]),
    "through_the_flatten": (lambda: [norm(), L.Flatten(), L.Dense(4)], ["Flatten", "Dense"]),
    "two_in_a_row": (lambda: [L.Dense(4), norm(), norm(), L.GRU(2)], ["Dense", "GRU"]),
    "not_through_a_function": (
        lambda: [L.Dense(4, activation="relu"), norm(), L.ReLU()],
        ["Dense", "BatchNormalization", "Activation"],
    ),
    "nothing_to_take_it": (lambda: [L.LSTM(4), norm()], ["LSTM", "BatchNormalization"]),
}


@pytest.mark.parametrize("case", FOLDED)
def test_folding_normalization_changes_no_output(case: str) -> None:
    layers, kinds = FOLDED[case]
    model = sequential(SEQUENCE, layers())
    read = read_keras(model)
    folded = fold_batch_normalization(read)
    assert [layer.kind for layer in folded.layers] == kinds
    x = inputs_for(model)
    np.testing.assert_allclose(real_outputs(folded, x), real_outputs(read, x), rtol=1e-12, atol=1e-12)


def loadable_copy(source: Path, target: Path) -> Path:
    """Copy a file of Keras 2 without `time_major`, an option that Keras 3 refuses to load."""
    shutil.copy(source, target)
    with h5py.File(target, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            layer["config"].pop("time_major", None)
        file.attrs["model_config"] = json.dumps(config)
    return target


@pytest.mark.parametrize("name", ["5tagLSTM6FeatFINAL.h5", "lstmNORMALVERYSMALL.h5", "Quickdraw5ClassLSTMFinL.h5"])
def test_published_models_equal_keras(name: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "models" / "paper" / name
    model = keras.saving.load_model(loadable_copy(source, tmp_path / name), compile=False)
    x = inputs_for(model, count=4)
    np.testing.assert_allclose(
        real_outputs(read_keras(source, Reading(trust=True)), x), predict(model, x), rtol=TOLERANCE, atol=TOLERANCE
    )


@pytest.mark.parametrize(
    "name",
    [
        "jet_lstm20_flat.h5",
        "jet_lstm20_flat.keras",
        "jet_gru20_flat.h5",
        "jet_gru20_flat.keras",
        "jet_lstm20_64.keras",
        "flav_gru120.keras",
        "qd_gru128_256_128.keras",
    ],
)
def test_trained_models_equal_keras(name: str, shared_data: Path) -> None:
    source = shared_data / "models" / name
    model = keras.saving.load_model(source, compile=False)
    x = inputs_for(model, count=4)
    np.testing.assert_allclose(
        real_outputs(read_keras(source, Reading(trust=True)), x), predict(model, x), rtol=TOLERANCE, atol=TOLERANCE
    )
