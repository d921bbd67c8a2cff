"""`loopwire inspect`: a model as it is read, from any frontend, as tables and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keras_files import SavedAs, dense, input_layer, lstm, write_h5
from loopwire.cli import main

JETS = Path(__file__).parents[1] / "examples" / "jets"


def inspected(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["inspect", *map(str, arguments)])


def test_tables_tell_layers_shapes_parameters_and_states() -> None:
    result = inspected(JETS / "jet_lstm20.keras")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    for expected in (
        "Format Keras archive",
        "Inputs constituents (20, 6)",
        "Outputs classes (5,)",
        "Parameters 4 165",
        "Target verilog compiles",
        "Target vitis_hls compiles",
        "lstm LSTM constituents (20, 6) (20, 20) 2 160 h 20, c 20 return_sequences",
        "flatten Flatten lstm (20, 20) (400,) 0",
        "classes Dense flatten (400,) (5,) 2 005 activation softmax",
    ):
        assert expected in lines


def test_json_tells_the_same() -> None:
    value = json.loads(inspected(JETS / "jet_lstm20.keras", "--json").stdout)
    assert (value["format"], value["parameters"], value["inputs"]) == ("Keras archive", 4165, {"constituents": [20, 6]})
    first = value["calls"][0]
    assert (first["kind"], first["states"], first["parameters"]) == ("LSTM", {"h": 20, "c": 20}, 2160)
    assert value["refusals"] == {"verilog": None, "vitis_hls": None}


def test_what_a_target_cannot_compile_is_told(tmp_path: Path) -> None:
    layers = [input_layer((5, 3)), lstm(return_sequences=True), SavedAs("LSTM", lstm().config | {"name": "two"})]
    layers[2].arrays = [array[:2] if array.ndim == 2 else array for array in lstm().arrays]
    layers[2].config["stateful"] = True
    path = write_h5(tmp_path / "m.h5", [*layers, dense(2, 2)])
    value = json.loads(inspected(path, "--json").stdout)
    assert "it is not stateful, as 'two' is" in value["refusals"]["verilog"]


def test_what_is_not_supported_is_told_with_its_place(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "m.h5", [input_layer((5, 3)), SavedAs("GroupQueryAttention", {"name": "mask"}), lstm()])
    result = inspected(path)
    assert result.exit_code == 1
    assert "layer 'mask': GroupQueryAttention layers are not supported" in result.stderr


def test_all_operations_that_are_not_supported_are_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Wave(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: object) -> object:
            return torch.sin(x)

    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.wave = Wave()

        def forward(self, x: object) -> object:
            return torch.tan(torch.cos(self.wave(x)))

    from torch_models import saved

    result = inspected(saved(Odd().eval(), [torch.zeros(2, 4, 3)], tmp_path / "odd.pt2"))
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert "odd.pt2, module 'wave', aten.sin.default (test_inspect.py, line" in told
    assert "this operation is not supported, nor are aten.cos.default in 'the model', aten.tan.default in" in told
