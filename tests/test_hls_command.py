"""`loopwire compile --target vitis_hls`: what it writes, proves, tells and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

import loopwire
from keras_models import sequential
from loopwire.cli import main
from loopwire.errors import VerificationError

STEPS, FEATURES = 4, 2
X = np.random.default_rng(0).normal(0.0, 1.0, (60, STEPS, FEATURES)).astype(np.float32)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def written(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tagger.keras"
    sequential((STEPS, FEATURES), [keras.layers.GRU(3, name="gru"), keras.layers.Dense(3, activation="softmax")]).save(
        path
    )
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, X=X, y=np.arange(60) % 3, classes=np.array(["up", "down", "charm"]))
    return path


def test_from_a_model_file_to_verified_hls_cxx(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = command("compile", model, "--target", "vitis_hls", "--data", data, "--out", out, "--reuse-factor", 3)
    assert result.exit_code == 0, result.output
    told = (out / "report.md").read_text()
    assert "| Latency and initiation interval | not known without Vitis HLS" in told and "predicted" not in told
    report = json.loads((out / "report.json").read_text())
    assert report["target"] == "vitis_hls" and report["predicted"] is None and report["loop_latency_cycles"] is None
    assert report["verification"]["sequences"] == 60 and 0 < report["verification"]["short_sequences"] <= 30
    assert report["agreement"]["sequences"] == 60 and [auc["name"] for auc in report["aucs"]] == ["up", "down", "charm"]
    files = written(out)
    assert {"firmware/tagger.cpp", "build_prj.tcl", "tagger_test.cpp", "README.md", "report.html"} <= files.keys()
    assert not any(name.endswith(".sv") for name in files)
    facts = json.loads(files["design.json"])
    assert (facts["target"], facts["interleave"]) == ("vitis_hls", 1)
    assert (facts["knobs"]["io"], facts["knobs"]["reuse_factor"]) == ("stream", 3)
    assert "latency_cycles" not in files["design.json"]
    assert len(files["tb_data/tb_input_features.dat"].splitlines()) == 32
    page = files["report.html"]
    assert "HLS C++ equals the emulator on 60 sequences" in page and "Latency and interval" not in page
    again = command("compile", model, "--target", "vitis_hls", "--data", data, "--out", out, "--reuse-factor", 3)
    assert again.exit_code == 0 and written(out) == files


def test_the_target_in_a_file_without_data(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text('target = "vitis_hls"\nio = "parallel"\ncopies = 4\n[layer_reuse_factor]\ndense = 2\n')
    kind = sequential((STEPS, FEATURES), [keras.layers.LSTM(2), keras.layers.Dense(2, name="dense")])
    kind.save(tmp_path / "other.keras")
    out = tmp_path / "out"
    result = command("compile", tmp_path / "other.keras", "--config", config, "--out", out, "--simulate", 20)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text())
    checked = report["verification"]
    assert (checked["sequences"], checked["short_sequences"], checked["simulated"]) == (20, 0, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--copies", 3), "copies: HLS loops are rolled or unrolled: 3 copies of a cell cannot share 4 steps"),
        (("--multipliers", "dsp"), "multipliers: HLS C++ does not carry 'dsp'"),
        (("--part", "LFE5U-85F"), "part 'LFE5U-85F': Vitis HLS and Vivado HLS know parts of AMD only"),
    ],
)
def test_what_hls_cannot_express_is_refused_before_anything_is_written(
    model: Path, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    result = command("compile", model, "--target", "vitis_hls", "--out", tmp_path / "out", *options)
    assert result.exit_code == 1 and result.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()


def test_an_unknown_target(model: Path) -> None:
    result = command("compile", model, "--target", "vivado_hls")
    assert result.exit_code == 1
    expected = "error: target: 'vivado_hls' is unknown. Did you mean 'vitis_hls'? Choose from verilog, vitis_hls\n"
    assert result.stderr == expected


def test_a_failed_run_leaves_what_is_there(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert command("compile", model, "--target", "vitis_hls", "--out", out, "--simulate", 0).exit_code == 0
    before = written(out)
    monkeypatch.setenv("CXX", str(tmp_path / "nothing"))
    monkeypatch.setenv("PATH", "")
    assert command("compile", model, "--target", "vitis_hls", "--out", out, "--reuse-factor", 2).exit_code == 1
    assert written(out) == before


def test_a_wrong_bit_is_found(model: Path) -> None:
    design = loopwire.compile(loopwire.load(model), loopwire.CompileConfig(target="vitis_hls"))
    text = design.hls.files["firmware/layers/gru.h"]
    wrong = text.replace("h_next[k] = ", "h_next[k] = 2 * ", 1)
    assert wrong != text
    vars(design.hardware)["project"] = replace(design.hls, files={**design.hls.files, "firmware/layers/gru.h": wrong})
    with pytest.raises(VerificationError, match=r"C simulation of \w+, sequence 0: element 0 of the result is"):
        loopwire.verify(design, X)


def test_progress_of_the_c_simulation(model: Path) -> None:
    design = loopwire.compile(loopwire.load(model), loopwire.CompileConfig(target="vitis_hls", io="parallel"))
    seen: list[tuple[int, int]] = []
    found = loopwire.verify(design, np.tile(X, (10, 1, 1)), progress=lambda *done: seen.append(done))
    assert str(found) == "HLS C++ equals the emulator on 600 sequences (0 of them short): 0 bits differ"
    assert seen == [(250, 600), (500, 600), (600, 600)]
