"""`loopwire finetune`: the written file is of the model's kind, and compiles to what was trained."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("torch", reason="training needs PyTorch (pip install loopwire[train])")

import loopwire as lw
from keras_files import SavedAs, dense, input_layer, lstm, random_arrays, write_h5
from keras_models import sequential
from loopwire import training
from loopwire.cli import main
from loopwire.errors import UnsupportedError
from loopwire.frontends.reading import Reading
from loopwire.training.finetune import finetune
from loopwire.training.schedule import Schedule
from loopwire.training.tuned_file import tuned_file

STEPS, FEATURES = 4, 3
X = np.random.default_rng(0).normal(0.0, 1.0, (300, STEPS, FEATURES)).astype(np.float32)
Y = (X.sum(axis=(1, 2)) > 0).astype(int)
SCHEDULE = Schedule(epochs=2, learning_rate=1e-2, batch=32)


def types(rounding: str = "RND") -> lw.CompileConfig:
    return lw.CompileConfig.from_dict({"model": {"precision": f"fixed<8,3,{rounding},SAT>"}})


def loopwire(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tagger.keras"
    layers = [
        keras.layers.GRU(3, name="gru"),
        keras.layers.Dense(2),
        keras.layers.BatchNormalization(),
        keras.layers.Softmax(),
    ]
    sequential((STEPS, FEATURES), layers).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, X=X, y=Y)
    return path


def test_the_command_writes_a_model_of_the_same_kind(model: Path, data: Path, tmp_path: Path) -> None:
    before, out = model.read_bytes(), tmp_path / "out" / "tuned.keras"
    options = ("--data", data, "--precision", "fixed<8,3,RND,SAT>", "--epochs", 2, "--learning-rate", 0.01)
    result = loopwire("finetune", model, *options, "--out", out)
    assert result.exit_code == 0, result.output
    said = (
        r"Held-out loss: 0\.\d+ with rounded weights, .*\nrounded  AUC over that of the float model: .* bits a weight"
    )
    assert re.search(said, result.stdout), result.stdout
    assert result.stderr.splitlines()[-1].startswith(f"next: loopwire compile {out} --precision ")
    facts = json.loads(loopwire("finetune", model, *options, "--out", out, "--json").stdout)
    assert len(facts["epochs"]) == 2 and facts["model"] == str(out)
    assert 0 < facts["rounded"]["weight_bits"] <= 8 and facts["tuned"]["measures"][0]["value"] > 0.5
    assert model.read_bytes() == before
    tuned = lw.load(out)
    assert tuned.layer_kinds() == lw.load(model).layer_kinds()
    design = lw.compile(tuned, types())
    np.testing.assert_allclose(keras.models.load_model(out).predict(X, verbose=0), design.predict_float(X), atol=1e-5)
    again = finetune(lw.load(model), types(), X, schedule=Schedule(epochs=2, learning_rate=1e-2))
    np.testing.assert_array_equal(design.predict(X), again.design.predict(X))


def bidirectional() -> SavedAs:
    shapes = [(FEATURES, 8), (2, 8), (8,)] * 2
    inner = {"class_name": "LSTM", "config": {**lstm(FEATURES).config, "return_sequences": False}}
    config = {"name": "both", "layer": inner, "merge_mode": "concat"}
    return SavedAs("Bidirectional", config, random_arrays(*shapes))


def gru() -> SavedAs:
    config = {
        "name": "gru1",
        "units": 2,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "reset_after": True,
    }
    return SavedAs("GRU", config, random_arrays((FEATURES, 6), (2, 6), (2, 6)))


FILES: dict[str, Sequence[SavedAs]] = {
    "lstm": (lstm(FEATURES), dense(2)),
    "two biases": (gru(), dense(2)),
    "both directions": (bidirectional(), dense(4)),
}


@pytest.mark.parametrize(("name", "rounding"), [*((name, "RND") for name in FILES), ("two biases", "TRN")])
def test_the_file_compiles_to_what_was_trained(name: str, rounding: str, tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5", [input_layer((STEPS, FEATURES)), *FILES[name]])
    tuned = finetune(lw.load(path), types(rounding), X, schedule=SCHEDULE)
    out = tmp_path / "tuned.h5"
    out.write_bytes(tuned_file(path, tuned))
    np.testing.assert_array_equal(
        lw.compile(lw.load(out), types(rounding)).predict(X), tuned.design.predict(X), strict=True
    )


def test_weights_that_lie_apart_are_what_is_written(tmp_path: Path) -> None:
    keras_model = sequential((STEPS, FEATURES), [keras.layers.LSTM(2), keras.layers.Dense(2, activation="softmax")])
    (tmp_path / "model.json").write_text(keras_model.to_json())
    keras_model.save_weights(tmp_path / "model.weights.h5")
    reading = Reading(weights=tmp_path / "model.weights.h5")
    tuned = finetune(lw.load(tmp_path / "model.json", weights=reading.weights), types(), X, schedule=SCHEDULE)
    out = tmp_path / "tuned.weights.h5"
    out.write_bytes(tuned_file(tmp_path / "model.json", tuned, reading))
    read = lw.load(tmp_path / "model.json", weights=out)
    np.testing.assert_array_equal(lw.compile(read, types()).predict(X), tuned.design.predict(X))
    keras_model.load_weights(out)


def test_the_command_prunes(model: Path, data: Path, tmp_path: Path) -> None:
    options = ("--data", data, "--precision", "fixed<8,3,RND,SAT>", "--epochs", 1, "--out", tmp_path / "tuned.keras")
    result = loopwire("finetune", model, *options, "--prune", "gru.recurent_weight=0.4")
    assert result.exit_code == 1 and "'gru.recurent_weight' is not a matrix of trained weights" in result.stderr
    result = loopwire("finetune", model, *options, "--prune", "gru.recurrent_weight=0.4")
    assert result.exit_code == 0, result.output
    result = loopwire("finetune", model, *options, "--teacher", model, "--teacher", model, "--digits", 0.7)
    assert result.exit_code == 0, result.output
    result = loopwire("finetune", model, *options, "--prune", "half")
    assert result.exit_code == 1 and "--prune: half is not a share of a matrix. Give a layer, a role" in result.stderr


def test_the_command_writes_narrower_types_that_the_next_one_takes(model: Path, data: Path, tmp_path: Path) -> None:
    out, found = tmp_path / "tuned.keras", tmp_path / "narrow.toml"
    options = ("--precision", "fixed<10,4,RND,SAT>", "--epochs", 2, "--batch", 16, "--learning-rate", 0.05)
    priced = ("--bit-price", 0.1, "--narrow", found)
    result = loopwire("finetune", model, "--data", data, *options, *priced, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"Types: {found}" in result.output and f"--config {found}" in result.output
    assert min(type.width for of in lw.CompileConfig.from_toml(found).layer.values() for type in of.types.values()) < 10


def test_what_cannot_be_written_is_refused_before_the_training(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"\x08\x07")
    result = loopwire("finetune", other, "--data", data)
    assert result.exit_code == 1
    assert "fine-tuned weights are written to files of Keras only" in result.stderr
    folder = tmp_path / "folder.keras"
    folder.mkdir()
    result = loopwire("finetune", tmp_path / "missing.keras", "--data", data, "--out", folder)
    assert result.exit_code == 1 and "it is a folder. Name a file in it" in result.stderr


def test_a_failed_training_leaves_what_was_there(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.keras"
    out.write_text("kept")
    result = loopwire("finetune", model, "--data", data, "--precision", "fixed<4,-8,RND,SAT>", "--out", out)
    assert result.exit_code == 1 and "no weight has a gradient" in result.stderr
    assert out.read_text() == "kept"


def test_another_file_than_the_model_was_read_from_is_refused(model: Path, tmp_path: Path) -> None:
    tuned = finetune(lw.load(model), types(), X, schedule=SCHEDULE)
    path = write_h5(tmp_path / "other.h5", [input_layer((STEPS, FEATURES)), gru()])
    with pytest.raises(UnsupportedError, match=r"other.h5: its layers are not those of the tuned model. Give the file"):
        tuned_file(path, tuned)


def test_without_pytorch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(lw.errors.ToolError, match=re.escape("training: PyTorch is not installed. Install it: pip")):
        importlib.reload(training)
