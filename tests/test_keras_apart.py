"""What a model file leaves open, and what is kept apart from it: weights, steps, states; archives of Keras 2."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from keras_files import SavedAs, dense, input_layer, lstm, sequential_config, write_h5
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.errors import ConfigError, LoopwireError, LoopwireWarning, ModelFileError, UnsupportedError
from loopwire.hls4ml import converters

LAYERS = [input_layer((5, 3)), lstm(units=3), dense()]
KERAS_3 = {"module": "keras", "registered_name": None}


def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, 5, 3))


def expected(tmp_path: Path) -> np.ndarray:
    return loopwire.compile(loopwire.load(write_h5(tmp_path / "whole.h5", LAYERS))).predict(x())


def by_class(file: h5py.File, root: str = "layers") -> None:
    """Lay weights out as Keras 2.12 and later do: a cell's own in `cell`, no names."""
    for layer in LAYERS[1:]:
        inside = "cell/vars" if layer.class_name == "LSTM" else "vars"
        for k, array in enumerate(layer.arrays):
            file[f"{root}/{layer.class_name.lower()}/{inside}/{k}"] = array


def of_compatible_keras_2(file: h5py.File) -> None:
    by_class(file, "_layer_checkpoint_dependencies")


def by_layer(file: h5py.File) -> None:
    """Lay weights out as `save_weights` of Keras 2 does to any `.h5`."""
    file.attrs["layer_names"] = [layer.config["name"].encode() for layer in LAYERS]
    for layer in LAYERS:
        group = file.create_group(layer.config["name"])
        group.attrs["weight_names"] = [f"array_{k}:0" for k in range(len(layer.arrays))]
        for k, array in enumerate(layer.arrays):
            group[f"array_{k}:0"] = array


def whole(file: h5py.File) -> None:
    by_layer(file.create_group("model_weights"))


def architecture(path: Path, layers: list[SavedAs] = LAYERS, **more: Any) -> Path:
    path.write_text(json.dumps({**sequential_config(layers), **(more or {"keras_version": "2.15.0"})}))
    return path


def weights_file(path: Path, layout: Any = by_class) -> Path:
    with h5py.File(path, "w") as file:
        layout(file)
    return path


@pytest.mark.parametrize("layout", [by_class, of_compatible_keras_2])
def test_archives_of_keras_2_are_read(layout: Any, tmp_path: Path) -> None:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        layout(file)
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("config.json", json.dumps(sequential_config(LAYERS)))
        archive.writestr("model.weights.h5", weights.getvalue())
    assert np.array_equal(loopwire.compile(loopwire.load(path)).predict(x()), expected(tmp_path))


@pytest.mark.parametrize("layout", [by_class, of_compatible_keras_2, by_layer, whole])
@pytest.mark.parametrize("version", [{"keras_version": "2.15.0"}, KERAS_3])
@pytest.mark.parametrize("trust", [False, True])
def test_weights_apart_from_the_architecture(layout: Any, version: dict[str, Any], trust: bool, tmp_path: Path) -> None:
    weights = weights_file(tmp_path / "w.h5", layout)
    model = loopwire.load(architecture(tmp_path / "m.json", **version), trust, weights=weights)
    assert np.array_equal(loopwire.compile(model).predict(x()), expected(tmp_path))


def test_an_architecture_as_hls4ml_names_it(tmp_path: Path) -> None:
    files = {"KerasJson": str(architecture(tmp_path / "m.json")), "KerasH5": str(weights_file(tmp_path / "w.h5"))}
    converted = converters.convert_from_config({**files, "OutputDir": str(tmp_path / "out"), "HLSConfig": {}})
    model = loopwire.load(files["KerasJson"], weights=files["KerasH5"])
    difference = converted.predict(x()) - loopwire.compile(model).predict_float(x())
    assert np.abs(difference).max() < 0.05


def refused(error: type[LoopwireError], *parts: str) -> Any:
    return pytest.raises(error, match=".*".join(parts))


def test_weights_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    json_path = architecture(tmp_path / "m.json")
    with refused(ModelFileError, "m.json: it is an architecture without weights", "--weights FILE", "weights=file"):
        loopwire.load(json_path)
    with refused(ConfigError, "weights: the model has weights of its own", "Leave out one"):
        loopwire.load(write_h5(tmp_path / "whole.h5", LAYERS), weights=weights_file(tmp_path / "w.h5"))
    with refused(ModelFileError, "m.json: it is not an HDF5 file", "model.save_weights"):
        loopwire.load(json_path, weights=json_path)
    with refused(ModelFileError, "no.h5: there is no such file"):
        loopwire.load(json_path, weights=tmp_path / "no.h5")
    with refused(ModelFileError, "o.h5: it is an HDF5 file without weights of Keras", "model.save_weights"):
        loopwire.load(json_path, weights=weights_file(tmp_path / "o.h5", lambda file: file.create_group("other")))
    with refused(ModelFileError, "lstm1", "0 arrays of weights where 3 belong"):
        loopwire.load(json_path, weights=weights_file(tmp_path / "p.h5", lambda file: file.create_group("layers")))


def test_open_steps_are_chosen(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "open.h5", [input_layer((None, 3)), lstm(units=3), dense()])
    assert np.array_equal(loopwire.compile(loopwire.load(path, steps=5)).predict(x()), expected(tmp_path))
    for steps, parts in ((7, ["steps: the model's input has shape", "not 7 steps"]), (0, ["0 steps are out of range"])):
        with refused(ConfigError, *parts):
            loopwire.load(write_h5(tmp_path / "whole.h5", LAYERS), steps=steps)
    with refused(ConfigError, r"steps: the model's input has shape \(5, 3\), not 6 steps", "Leave 'steps' out"):
        loopwire.compile(loopwire.load(path, steps=5), CompileConfig(steps=6))


def test_the_command_line_takes_steps_and_weights(tmp_path: Path) -> None:
    open_steps = architecture(tmp_path / "m.json", [input_layer((None, 3)), *LAYERS[1:]])
    weights, settings = weights_file(tmp_path / "w.h5"), tmp_path / "s.toml"
    settings.write_text("steps = 5\n")
    for number, choice in enumerate((["--steps", "5"], ["--config", str(settings)])):
        out = tmp_path / f"out{number}"
        paths = [str(path) for path in (open_steps, "--weights", weights, "--out", out)]
        result = CliRunner().invoke(main, ["compile", *paths, "--simulate", "0", *choice])
        assert result.exit_code == 0, result.stderr
        assert json.loads((out / "design.json").read_text())["model"]["input_shape"] == [5, 3]


def test_a_stateful_model_is_compiled_so_and_said_so(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "s.h5", [input_layer((5, 3)), lstm(units=3, stateful=True), dense()])
    model = loopwire.load(path)
    with pytest.warns(LoopwireWarning, match="s.h5: its layers are stateful, so it is compiled stateful"):
        design = loopwire.compile(model)
    with warnings.catch_warnings(action="error"):
        asked = loopwire.compile(model, CompileConfig(stateful=True))
    assert design.config.stateful and np.array_equal(design.predict(x()), asked.predict(x()))
    result = CliRunner().invoke(main, ["compile", str(path), "--simulate", "0", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: ") and "compiled stateful" in result.stderr


def test_layers_that_disagree_about_states_are_refused(tmp_path: Path) -> None:
    first = lstm(units=3, return_sequences=True, stateful=True)
    second = lstm(features=3)
    second.config["name"] = "lstm2"
    model = loopwire.load(write_h5(tmp_path / "s.h5", [input_layer((5, 3)), first, second]))
    with refused(UnsupportedError, "layer 'lstm2': it is not stateful, as 'lstm1' is", "Set 'stateful'"):
        loopwire.compile(model)
    assert loopwire.compile(model, CompileConfig(stateful=True)).config.stateful
