"""Every error of the Keras frontend: where, what, the value met, what to do."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest

from keras_files import SavedAs, dense, functional_config, input_layer, lstm, random_arrays, sequential_config, write_h5
from loopwire.errors import LoopwireError, ModelFileError, UnsupportedError
from loopwire.frontends.keras.model import read_keras
from loopwire.frontends.reading import Reading


def refused(error: type[LoopwireError], where: str, problem: str, remedy: str) -> Any:
    """Expect an error that ends with this place, and has this problem and this remedy in it."""
    return pytest.raises(error, match=f"{re.escape(where)}: .*{re.escape(problem)}.*{re.escape(remedy)}")


def read(tmp_path: Path, *layers: SavedAs, shape: tuple[int, ...] = (5, 3), **options: Any) -> Any:
    return read_keras(write_h5(tmp_path / "model.h5", [input_layer(shape), *layers], **options), Reading(trust=True))


# Files that are not Keras models.


def test_missing_file(tmp_path: Path) -> None:
    with refused(ModelFileError, "none.h5", "there is no such file", "Check the path"):
        read_keras(tmp_path / "none.h5", Reading(trust=True))


def zip_of(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            archive.writestr(member, b"{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.h5", b"", "it is empty"),
        ("text.h5", b"hello, world", "it is neither HDF5 nor a zip archive"),
        ("model.pt", zip_of("archive/data.pkl", "archive/data/0"), "it looks like a PyTorch checkpoint"),
        ("data.npz", zip_of("a.npy", "b.npy"), "it looks like a NumPy .npz archive"),
        ("any.keras", zip_of("readme.txt"), "it is a zip archive without config.json and metadata.json"),
        ("old.h5", b"\x80\x02}q\x00.", "it looks like a Python pickle, such as an old PyTorch checkpoint"),
        ("model.tflite", b"\x1c\x00\x00\x00TFL3\x14\x00", "it looks like a TensorFlow Lite model"),
        ("graph.pb", b"\x0a\x0b", "it looks like a TensorFlow graph"),
    ],
)
def test_foreign_files_are_named(name: str, content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with refused(ModelFileError, name, problem, "ave the model"):
        read_keras(path, Reading(trust=True))


@pytest.mark.parametrize(
    ("files", "problem", "remedy"),
    [
        (["saved_model.pb"], "it is a TensorFlow SavedModel folder", "save it as .h5"),
        (["config.json", "model.weights.h5"], "it is an unpacked .keras archive", "Zip its files"),
        ([], "it is a folder", "give the path of one"),
    ],
)
def test_folders_are_named(files: list[str], problem: str, remedy: str, tmp_path: Path) -> None:
    for file in files:
        (tmp_path / file).touch()
    with refused(ModelFileError, tmp_path.name, problem, remedy):
        read_keras(tmp_path)


def test_something_that_is_no_model() -> None:
    with refused(UnsupportedError, "a builtins.int", "it is not a Keras model", "Give a keras.Model"):
        read_keras(3)  # type: ignore[arg-type]


def test_weights_without_an_architecture(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros(3)
    with refused(ModelFileError, "w.weights.h5", "HDF5 file without a model's configuration", "save the whole model"):
        read_keras(tmp_path / "w.weights.h5", Reading(trust=True))


def keras_archive_file(path: Path, weights: Callable[[h5py.File], None], **replaced: bytes) -> Path:
    """Write a .keras archive of an LSTM, with members replaced or, where empty, left out."""
    layers = [input_layer((5, 3)), lstm()]
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        weights(file)
    members = {
        "metadata.json": json.dumps({"keras_version": "3.5.0"}).encode(),
        "config.json": json.dumps(functional_config(layers, {"lstm1": ["input_1"]})).encode(),
        "model.weights.h5": buffer.getvalue(),
    } | {name.replace("_json", ".json").replace("_h5", ".weights.h5"): text for name, text in replaced.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if content:
                archive.writestr(name, content)
    return path


def lstm_weights(file: h5py.File) -> None:
    for k, array in enumerate(lstm().arrays):
        file[f"layers/lstm/cell/vars/{k}"] = array


def test_archive_as_written_here_is_sound(tmp_path: Path) -> None:
    assert read_keras(keras_archive_file(tmp_path / "m.keras", lstm_weights), Reading(trust=True)).layer_kinds() == {
        "lstm1": "LSTM"
    }


@pytest.mark.parametrize(
    ("replaced", "error", "problem", "remedy"),
    [
        ({"model_h5": b""}, ModelFileError, "it holds no model.weights.h5", "Save the model with its weights"),
        ({"model_h5": b"junk"}, ModelFileError, "it is damaged or truncated", "Save the model again"),
        ({"config_json": b"{"}, ModelFileError, "its configuration is not readable JSON", "Save the model again"),
        ({"config_json": b"[" * 90_000}, ModelFileError, "not valid: it nests deeper than 100", "Save the model again"),
        ({"config_json": b"[" + b"1," * 100_000 + b"1]"}, ModelFileError, "holds more than 100000 values", "Save"),
        ({"config_json": b'{"seed": 1' + b"0" * 400 + b"}"}, ModelFileError, "a whole number of 401 digits", "Save"),
        ({"config_json": rb'{"name": "\ud800"}'}, ModelFileError, "surrogates not allowed", "Save the model again"),
        ({"config_json": b"[1]"}, ModelFileError, "not that of a model", "Save the model again"),
        (
            {"config_json": b'{"class_name": "Functional", "config": {}}'},
            ModelFileError,
            "lists no layers",
            "Save the model again",
        ),
        (
            {"metadata_json": b'{"keras_version": "1.2.0"}'},
            UnsupportedError,
            "it was saved by Keras 1.2.0",
            "Load it in Keras 2 or 3",
        ),
        (
            {"metadata_json": b"{}"},
            UnsupportedError,
            "it was saved by Keras of unknown version",
            "save it again",
        ),
        (
            {"config_json": b'{"class_name": "Tagger", "config": {}}'},
            UnsupportedError,
            "it is a model of class 'Tagger'",
            "Build it as keras.Sequential",
        ),
    ],
)
def test_bad_archives(
    replaced: dict[str, bytes], error: type[LoopwireError], problem: str, remedy: str, tmp_path: Path
) -> None:
    with refused(error, "m.keras", problem, remedy):
        read_keras(keras_archive_file(tmp_path / "m.keras", lstm_weights, **replaced), Reading(trust=True))


def test_weights_of_another_layer_in_the_place(tmp_path: Path) -> None:
    def weights(file: h5py.File) -> None:
        lstm_weights(file)
        file.create_group("layers/lstm/vars").attrs["name"] = "lstm7"

    with refused(ModelFileError, "m.keras", "weights of layer 'lstm7' are where 'lstm1' belongs", "Save"):
        read_keras(keras_archive_file(tmp_path / "m.keras", weights), Reading(trust=True))


def test_archive_member_that_expands_too_far(tmp_path: Path) -> None:
    bomb = b" " * 5_000_000
    with refused(ModelFileError, "m.keras", "config.json would take 5000000 bytes, more than the 4194304", "Check"):
        read_keras(keras_archive_file(tmp_path / "m.keras", lstm_weights, config_json=bomb), Reading(trust=True))


def test_array_declared_larger_than_any_memory(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "m.h5", [input_layer((5, 3)), lstm()])
    with h5py.File(path, "r+") as file:
        del file["model_weights/lstm1/lstm1/array_0:0"]
        file.create_dataset("model_weights/lstm1/lstm1/array_0:0", (1 << 20, 1 << 20), "f4", chunks=(64, 64))
    with refused(ModelFileError, "m.h5", "its weights would take 4398046511", "Check the file"):
        read_keras(path, Reading(trust=True))


def replace_kernel(path: Path, replacement: Any) -> None:
    with h5py.File(path, "r+") as file:
        del file["model_weights/lstm1/lstm1/array_0:0"]
        file["model_weights/lstm1/lstm1/array_0:0"] = replacement


@pytest.mark.parametrize("link", [h5py.ExternalLink("other.h5", "/a"), h5py.SoftLink("/model_weights")])
def test_links_are_not_followed(link: Any, tmp_path: Path) -> None:
    path = write_h5(tmp_path / "m.h5", [input_layer((5, 3)), lstm()])
    replace_kernel(path, link)
    with refused(ModelFileError, "m.h5", "is a link to another place", "Save the model again"):
        read_keras(path, Reading(trust=True))


def test_arrays_in_other_files_are_not_read(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "m.h5", [input_layer((5, 3)), lstm()])
    (tmp_path / "secret").write_bytes(bytes(96))
    with h5py.File(path, "r+") as file:
        del file["model_weights/lstm1/lstm1/array_0:0"]
        file["model_weights/lstm1/lstm1"].create_dataset(
            "array_0:0", (3, 8), "f4", external=[(str(tmp_path / "secret"), 0, 96)]
        )
    with refused(ModelFileError, "m.h5", "lies in another file", "Save the model again"):
        read_keras(path, Reading(trust=True))


@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_truncated_files(kind: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{kind}"
    if kind == "h5":
        write_h5(whole, [input_layer((5, 3)), lstm()])
    else:
        keras_archive_file(whole, lstm_weights)
    content = whole.read_bytes()
    path = tmp_path / f"cut.{kind}"
    for size in range(0, len(content) - 1, max(1, len(content) // 60)):
        path.write_bytes(content[:size])
        with pytest.raises(ModelFileError, match=r"(Save|save) the model"):
            read_keras(path, Reading(trust=True))


# Weights that do not fit.


def test_missing_weights(tmp_path: Path) -> None:
    problem = "it has 2 arrays of weights where 3 belong (kernel, recurrent_kernel, bias)"
    saved = lstm()
    with refused(ModelFileError, "layer 'lstm1' (LSTM)", problem, "Save the model again"):
        read(tmp_path, SavedAs("LSTM", saved.config, saved.arrays[:2]))


def test_weights_of_the_wrong_shape(tmp_path: Path) -> None:
    problem = "its kernel has shape (4, 8) where its options and input ask for (3, 8)"
    with refused(ModelFileError, "layer 'lstm1' (LSTM)", problem, "Save the model again"):
        read(tmp_path, lstm(features=4))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(bad: float, tmp_path: Path) -> None:
    saved = lstm()
    saved.arrays[1][0, :2] = bad
    problem = "its recurrent_kernel holds NaN or infinity (2 of 16 numbers)"
    with refused(ModelFileError, "layer 'lstm1' (LSTM)", problem, "Train the model again"):
        read(tmp_path, saved)


def test_weights_that_are_no_floats(tmp_path: Path) -> None:
    arrays = [array.astype(np.int8) for array in lstm().arrays]
    with refused(ModelFileError, "layer 'lstm1' (LSTM)", "its kernel holds int8", "Save the model again"):
        read(tmp_path, SavedAs("LSTM", lstm().config, arrays))


def test_negative_variance(tmp_path: Path) -> None:
    config = {"name": "n", "axis": -1, "epsilon": 0.001}
    arrays = [*random_arrays((3,), (3,), (3,)), np.array([1, -1, 1], np.float32)]
    with refused(ModelFileError, "layer 'n' (BatchNormalization)", "moving_variance is negative", "Save"):
        read(tmp_path, SavedAs("BatchNormalization", config, arrays))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"units": "two"}, "option 'units' is 'two', not a positive whole number"),
        ({"units": -1}, "option 'units' is -1, not a positive whole number"),
        ({"use_bias": 1}, "option 'use_bias' is 1, not true or false"),
    ],
)
def test_options_of_the_wrong_kind(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    saved = lstm()
    saved.config.update(options)
    with refused(ModelFileError, "layer 'lstm1' (LSTM)", problem, "Save the model again"):
        read(tmp_path, saved)


@pytest.mark.parametrize("option", ["units", "activation", "recurrent_activation"])
def test_missing_option(option: str, tmp_path: Path) -> None:
    saved = lstm()
    del saved.config[option]
    with refused(ModelFileError, "layer 'lstm1' (LSTM)", f"its configuration lacks '{option}'", "Save"):
        read(tmp_path, saved)


def test_two_layers_of_one_name(tmp_path: Path) -> None:
    layers = [input_layer((5, 3)), dense(name="d")]
    config = functional_config([*layers, dense(2, name="d")], {"d": ["input_1"]})
    with refused(ModelFileError, "model.h5", "2 of its layers are called 'd'", "Save the model again"):
        read_keras(write_h5(tmp_path / "model.h5", layers, config), Reading(trust=True))


STRANGE = (None, 0, -1, 2.5, "x", "", [], {}, [None], ["a", 0, 0], True, {"config": 3}, 10**30, {"config": {}})


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) in a configuration."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@pytest.mark.parametrize("seed", range(20))
def test_any_damage_to_the_configuration_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    layers = [
        input_layer((5, 3)),
        lstm(return_sequences=True, dtype={"class_name": "Policy", "config": {"name": "float32"}}),
        SavedAs("Softmax", {"name": "s", "axis": -1}),
        SavedAs("Reshape", {"name": "r", "target_shape": [10]}),
        dense(10),
    ]
    edges = {"lstm1": ["input_1"], "s": ["lstm1"], "r": ["s"], "dense1": ["r"]}
    path = write_h5(tmp_path / "model.h5", layers)
    outcomes = []
    for _ in range(20):
        config = json.loads(json.dumps(functional_config(layers, edges)))
        container, key = random.choice(list(places(config)))
        if random.random() < 0.3:
            del container[key]
        else:
            container[key] = random.choice(STRANGE)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        try:
            outcomes.append(read_keras(path, Reading(trust=True)).input_shape)
        except LoopwireError:
            outcomes.append(())
    assert () in outcomes


# Layers and options that are not compiled.


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("time_major", True, "(batch, steps, features)"),
        ("activation", "glu", "It halves the features: give it as a layer of its own"),
        ("activation", "sparsely", "Supported: linear, relu, relu6"),
        ("activation", "hard_sigmoi", "Did you mean 'hard_sigmoid'"),
        ("recurrent_activation", {"module": "builtins", "class_name": "function", "config": "relu"}, "Supported"),
        ("activation", {"code": "4wEAAA", "defaults": None, "closure": None}, "Supported: linear"),
        ("peephole", True, "Loopwire does not know this option; build the layer without it"),
        ("dtype", "bfloat16", "Use one of float32"),
        ("dtype", {"class_name": "QuantizedDTypePolicy", "config": {"name": "int8_from_float32"}}, "float32"),
    ],
)
def test_options_that_are_refused(option: str, value: Any, remedy: str, tmp_path: Path) -> None:
    met = value["config"]["name"] if option == "dtype" and isinstance(value, dict) else value
    with refused(UnsupportedError, "layer 'lstm1' (LSTM)", f"option {option}={met!r} is not supported", remedy):
        read(tmp_path, lstm(**{option: value}))


def test_long_values_are_cut(tmp_path: Path) -> None:
    with refused(UnsupportedError, "layer 'lstm1' (LSTM)", f"activation='{'x' * 79}… is not", "Supported"):
        read(tmp_path, lstm(activation="x" * 1000))


@pytest.mark.parametrize(
    ("class_name", "config", "problem", "remedy"),
    [
        ("Softmax", {"axis": 0}, "axis=0", "Run it over the features, the steps, or both"),
        ("BatchNormalization", {"axis": 1, "epsilon": 0.1}, "axis=1", "axis=-1"),
        ("LayerNormalization", {"axis": 1}, "axis=1", "axis=-1, or steps and features together, axis=[1, 2]"),
        ("LayerNormalization", {"axis": [1, 3]}, "axis=[1, 3]", "axis=-1, or steps and features together"),
        ("GroupNormalization", {"axis": 1, "groups": 2}, "axis=1", "Normalise the last axis: axis=-1"),
        ("BatchNormalization", {"renorm": True, "epsilon": 0.1}, "renorm=True", "renorm=False"),
        ("Flatten", {"data_format": "channels_first"}, "data_format='channels_first'", "channels_last"),
        ("Reshape", {"target_shape": [None, 3]}, "target_shape=[None, 3]", "Give positive whole numbers"),
        ("Reshape", {"target_shape": [-5, -3]}, "target_shape=[-5, -3]", "Give positive whole numbers"),
        ("ELU", {}, "its alpha is not in the model", "save with a newer Keras"),
        ("Dropout", {"training": True}, "training=True", "build the layer without it"),
    ],
)
def test_options_of_other_layers_that_are_refused(
    class_name: str, config: dict[str, Any], problem: str, remedy: str, tmp_path: Path
) -> None:
    with refused(UnsupportedError, f"layer 'x' ({class_name})", problem, remedy):
        read(tmp_path, SavedAs(class_name, {"name": "x", **config}))


@pytest.mark.parametrize(
    ("class_name", "remedy"),
    [
        ("Lambda", "It holds Python code, which is never run"),
        ("CuDNNLSTM", "LSTM(recurrent_activation='sigmoid')"),
        ("CuDNNGRU", "GRU(reset_after=True"),
        ("Conv2D", "docs/keras.md lists those that are"),
        ("Densee", "Did you mean 'Dense'"),
        ("PReLUs", "Did you mean 'PReLU'"),
    ],
)
def test_layers_that_are_refused(class_name: str, remedy: str, tmp_path: Path) -> None:
    with refused(UnsupportedError, "layer 'x'", f"{class_name} layers are not supported", remedy):
        read(tmp_path, SavedAs(class_name, {"name": "x"}))


@pytest.mark.parametrize(
    "extra",
    [
        {"module": "my_code.layers"},
        {"module": None, "registered_name": "Custom>LSTM"},
        {"module": None, "registered_name": "LSTM"},
        {"class_name": "Custom>LSTM"},
    ],
)
def test_custom_layers_are_refused(extra: dict[str, Any], tmp_path: Path) -> None:
    with refused(UnsupportedError, "layer 'lstm1'", "it is a custom layer", "Build it from Keras's own layers"):
        read(tmp_path, SavedAs("LSTM", lstm().config, lstm().arrays, extra))


def test_time_distributed_gives_a_recurrent_layer_steps_that_are_sequences(tmp_path: Path) -> None:
    config = {"name": "x", "layer": {"class_name": "LSTM", "config": lstm().config}}
    with refused(UnsupportedError, "layer 'x'", "a recurrent layer got an input of shape (3,)", "It needs a sequence"):
        read(tmp_path, SavedAs("TimeDistributed", config, lstm().arrays))


def test_time_distributed_needs_a_sequence(tmp_path: Path) -> None:
    config = {"name": "x", "layer": {"class_name": "Dense", "config": dense().config}}
    with refused(UnsupportedError, "layer 'x' (TimeDistributed)", "its input has shape (2,)", "It needs a sequence"):
        read(tmp_path, lstm(), SavedAs("TimeDistributed", config))


def time_distributed(*layers: SavedAs) -> SavedAs:
    return SavedAs("TimeDistributed", {"name": "each", "layer": sequential_config(layers)})


def test_a_time_distributed_whose_result_has_too_many_axes(tmp_path: Path) -> None:
    layers = (input_layer((3,)), SavedAs("Reshape", {"name": "r", "target_shape": [3, 1, 1]}))
    problem = "its result has shape (5, 3, 1, 1), of 4 axes"
    with refused(UnsupportedError, "layer 'each' (TimeDistributed)", problem, "Flatten each step inside of it"):
        read(tmp_path, time_distributed(*layers), shape=(5, 3))


def test_options_of_a_time_distributed_model_are_read(tmp_path: Path) -> None:
    wrapper = time_distributed(input_layer((3,)), dense())
    wrapper.config["steps_apart"] = 2
    with refused(
        UnsupportedError, "layer 'each' (TimeDistributed)", "option steps_apart=2", "Loopwire does not know this option"
    ):
        read(tmp_path, wrapper)


def test_model_that_computes_nothing(tmp_path: Path) -> None:
    with refused(UnsupportedError, "model.h5", "none of its layers computes anything", "Give a model with layers"):
        read(tmp_path, SavedAs("Dropout", {"name": "d", "rate": 0.5}))


@pytest.mark.parametrize("version", [None, "1.2.2", "4.0.0"])
def test_other_versions_of_keras(version: str | None, tmp_path: Path) -> None:
    problem = f"it was saved by Keras {version or 'of unknown version'}"
    with refused(UnsupportedError, "model.h5", problem, "Load it in Keras 2 or 3 and save it again"):
        read(tmp_path, lstm(), version=version)


# Shapes and graphs.


@pytest.mark.parametrize(
    ("shape", "problem", "remedy"),
    [
        ((None, 3), "its sequences, of shape (None, 3), may have any number of steps", "--steps T, 'steps' in"),
        ((5, None), "its shape (5, None) is unknown at compile time", "keras.Input((steps, features))"),
        ((0, 3), "it has shape (0, 3): there is nothing in it", "keras.Input((steps, features))"),
        ((), "it has shape ()", "Give one of"),
    ],
)
def test_input_shapes_that_are_refused(
    shape: tuple[int | None, ...], problem: str, remedy: str, tmp_path: Path
) -> None:
    with refused(UnsupportedError, "model.h5, input", problem, remedy):
        read_keras(write_h5(tmp_path / "model.h5", [input_layer(shape), lstm()]), Reading(trust=True))


def test_a_layer_of_sequences_refuses_images(tmp_path: Path) -> None:
    with refused(
        UnsupportedError, "layer 'lstm1' (LSTM)", "its input has shape (5, 4, 3), of three", "Flatten each step"
    ):
        read_keras(write_h5(tmp_path / "model.h5", [input_layer((5, 4, 3)), lstm()]), Reading(trust=True))


def test_shape_that_was_never_given(tmp_path: Path) -> None:
    with refused(UnsupportedError, "model.h5, input", "its shape is not in the model", "keras.Input"):
        read_keras(write_h5(tmp_path / "model.h5", [lstm()]), Reading(trust=True))


def test_sparse_input(tmp_path: Path) -> None:
    with refused(UnsupportedError, "layer 'input_1' (InputLayer)", "option sparse=True", "ordinary dense array"):
        read_keras(write_h5(tmp_path / "model.h5", [input_layer((5, 3), sparse=True), lstm()]), Reading(trust=True))


def read_graph(tmp_path: Path, edges: dict[str, list[str]], *layers: SavedAs, **ends: Any) -> Any:
    everything = [input_layer((5, 3)), *layers]
    return read_keras(
        write_h5(tmp_path / "model.h5", everything, functional_config(everything, edges, **ends)), Reading(trust=True)
    )


ADD = SavedAs("Add", {"name": "add"})


def tensor(name: str, index: int = 0) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, index]}}


def test_two_inputs_of_a_layer_that_takes_one(tmp_path: Path) -> None:
    node = {"args": [tensor("input_1"), tensor("input_1")], "kwargs": {}}
    layer = SavedAs("Dense", dense(name="a").config, dense().arrays, {"inbound_nodes": [node]})
    with refused(
        UnsupportedError, "layer 'a' (Dense)", "this Dense takes 2 inputs ('input_1', 'input_1')", "on its input alone"
    ):
        read_graph(tmp_path, {}, layer)


def test_sequence_and_vector_cannot_be_merged(tmp_path: Path) -> None:
    edges = {"lstm1": ["input_1"], "add": ["lstm1", "input_1"]}
    met = "Add cannot merge 'lstm1' of shape (2,), 'input_1' of shape (5, 3)"
    with refused(UnsupportedError, "layer 'add'", met, "all vectors or all sequences with the same number of steps"):
        read_graph(tmp_path, edges, lstm(), ADD)


def test_features_that_do_not_fit_cannot_be_merged(tmp_path: Path) -> None:
    edges = {"a": ["input_1"], "add": ["a", "input_1"]}
    with refused(UnsupportedError, "layer 'add'", "'a' of shape (5, 2), 'input_1' of shape (5, 3)", "sizes that fit"):
        read_graph(tmp_path, edges, dense(name="a"), ADD)


def test_sequences_of_other_lengths_cannot_be_merged(tmp_path: Path) -> None:
    vectors = SavedAs("RepeatVector", {"name": "again", "n": 4})
    joined = SavedAs("Concatenate", {"name": "join", "axis": -1})
    edges = {"lstm1": ["input_1"], "again": ["lstm1"], "join": ["again", "input_1"]}
    with refused(
        UnsupportedError,
        "layer 'join'",
        "'again' of shape (4, 2), 'input_1' of shape (5, 3)",
        "the same number of steps",
    ):
        read_graph(tmp_path, edges, lstm(), vectors, joined)


def test_initial_states_of_another_size(tmp_path: Path) -> None:
    node = {"args": [tensor("input_1")], "kwargs": {"initial_state": [tensor("other"), tensor("other")]}}
    layer = SavedAs("LSTM", lstm().config, lstm().arrays, {"inbound_nodes": [node]})
    other = SavedAs("GRU", {"name": "other", "units": 3, "activation": "tanh", "recurrent_activation": "sigmoid"})
    other.arrays = random_arrays((3, 9), (3, 9), (9,))
    met = "its initial states are 'other' of shape (3,), 'other' of shape (3,)"
    with refused(UnsupportedError, "layer 'lstm1'", met, "It needs h of shape (2,), c of shape (2,)"):
        read_graph(tmp_path, {"other": ["input_1"]}, other, layer)


def test_one_initial_state_of_two(tmp_path: Path) -> None:
    node = {"args": [tensor("input_1")], "kwargs": {"initial_state": [tensor("input_1")]}}
    layer = SavedAs("LSTM", lstm().config, lstm().arrays, {"inbound_nodes": [node]})
    with refused(UnsupportedError, "layer 'lstm1' (LSTM)", "takes 2 inputs", "an RNN with all its states"):
        read_graph(tmp_path, {}, layer)


def test_result_that_a_layer_does_not_have(tmp_path: Path) -> None:
    node = {"args": [tensor("lstm1", 1)], "kwargs": {}}
    layer = SavedAs("Dense", dense(2, name="a").config, dense(2).arrays, {"inbound_nodes": [node]})
    with refused(ModelFileError, "layer 'a'", "it takes result 1 of 'lstm1', which has 1", "Save the model again"):
        read_graph(tmp_path, {"lstm1": ["input_1"]}, lstm(), layer)


@pytest.mark.parametrize(
    ("layer", "problem", "remedy"),
    [
        (SavedAs("Concatenate", {"name": "join", "axis": 1}), "option axis=1", "the features: axis=-1"),
        (SavedAs("Dot", {"name": "join", "axes": [1, [2]]}), "option axes=[1, [2]]", "give an axis of each"),
        (SavedAs("Dot", {"name": "join", "axes": 1, "normalize": True}), "option normalize=True", "UnitNormalization"),
    ],
)
def test_merges_along_other_axes(layer: SavedAs, problem: str, remedy: str, tmp_path: Path) -> None:
    with refused(UnsupportedError, f"layer 'join' ({layer.class_name})", problem, remedy):
        read_graph(tmp_path, {"join": ["input_1", "input_1"]}, layer)


def test_bidirectional_of_layers_that_read_the_same_way(tmp_path: Path) -> None:
    inner = {"class_name": "LSTM", "config": lstm().config}
    config = {"name": "both", "merge_mode": "concat", "layer": inner, "backward_layer": inner}
    layer = SavedAs("Bidirectional", config, [*lstm().arrays, *lstm().arrays])
    with refused(
        UnsupportedError, "layer 'both' (Bidirectional)", "option backward_layer='LSTM'", "one of which reads backwards"
    ):
        read_graph(tmp_path, {"both": ["input_1"]}, layer)


def test_bidirectional_of_what_does_not_recur(tmp_path: Path) -> None:
    config = {"name": "both", "merge_mode": "sum", "layer": {"class_name": "Dense", "config": dense().config}}
    layer = SavedAs("Bidirectional", config, [*dense().arrays, *dense().arrays])
    with refused(
        UnsupportedError, "layer 'both' (Bidirectional)", "option layer='Dense'", "Wrap LSTM, GRU or SimpleRNN"
    ):
        read_graph(tmp_path, {"both": ["input_1"]}, layer)


def test_dropout_left_on_is_refused(tmp_path: Path) -> None:
    layer = SavedAs(
        "Dropout",
        {"name": "d", "rate": 0.5},
        extra={"inbound_nodes": [[["input_1", 0, 0, {"training": True}]]]},
    )
    with refused(UnsupportedError, "layer 'd'", "it is called with training=True", "on its inputs alone"):
        read_graph(tmp_path, {}, layer)


def test_graph_that_leads_nowhere(tmp_path: Path) -> None:
    with refused(ModelFileError, "model.h5", "leads to a layer 'gone' it does not list", "Save the model again"):
        read_graph(tmp_path, {"lstm1": ["gone"]}, lstm())


def test_graph_that_runs_in_a_circle(tmp_path: Path) -> None:
    told = "layer 'b' needs its own result by way of 'a': its graph has a cycle"
    with refused(ModelFileError, "model.h5", told, "Save the model again"):
        read_graph(tmp_path, {"a": ["b"], "b": ["a"]}, dense(name="a"), dense(2, name="b"))


def test_layers_off_the_way(tmp_path: Path) -> None:
    ends = {"output_layers": [["lstm1", 0, 0]]}
    with refused(UnsupportedError, "model.h5", "['a'] do not lead to its output", "without them"):
        read_graph(tmp_path, {"lstm1": ["input_1"], "a": ["lstm1"]}, lstm(), dense(2, name="a"), **ends)
