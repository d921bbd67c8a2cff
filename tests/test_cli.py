"""The command line: what it writes and says, and one clear line for everything that can go wrong."""

from __future__ import annotations

import errno
import importlib.util
import json
import re
import shlex
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from keras_models import sequential
from loopwire import verification
from loopwire.cli import console, main
from loopwire.cli.failures import errors_reported
from loopwire.errors import LoopwireWarning, VerificationError

STEPS, FEATURES = 4, 2
X = np.random.default_rng(0).normal(0.0, 1.0, (60, STEPS, FEATURES)).astype(np.float32)
Y = np.arange(60) % 3


def loopwire(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tagger.keras"
    sequential((STEPS, FEATURES), [keras.layers.GRU(3), keras.layers.Dense(3, activation="softmax")]).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, X=X, y=Y, classes=np.array(["up", "down", "charm"]))
    return path


def test_knobs_are_chosen_for_targets_and_given_back_as_a_file(model: Path, tmp_path: Path) -> None:
    chosen, again = tmp_path / "chosen", tmp_path / "again"
    bounds = ("--max-latency-ns", 1000, "--max-share", "20%")
    result = loopwire("compile", model, *bounds, "--out", chosen, "--simulate", 0)
    assert result.exit_code == 0, result.output
    assert "of at most 1000 ns" in " ".join(result.stdout.replace("│", " ").split())
    report = json.loads((chosen / "report.json").read_text())
    assert [target["name"] for target in report["targets"]] == ["max_latency_ns", "max_share"]
    assert report["targets"][0]["reached"] == 5 * report["predicted"]["latency_cycles"] <= 1000
    result = loopwire("compile", model, "--config", chosen / "chosen.toml", "--out", again, "--simulate", 0)
    assert result.exit_code == 0, result.output
    written = [{path.name: path.read_text() for path in (out / "rtl").iterdir()} for out in (chosen, again)]
    assert written[0] == written[1]


@pytest.mark.parametrize("folder", [".", "..", "models"])
def test_a_folder_in_place_of_a_model_is_called_so(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    result = loopwire("compile", folder)
    assert result.exit_code == 1 and f"error: {folder}: it is a folder. Loopwire reads Keras" in result.stderr


def test_the_clock_is_chosen(model: Path, tmp_path: Path) -> None:
    result = loopwire("compile", model, "--clock-ns", "auto", "--out", tmp_path / "auto", "--simulate", 0)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "auto" / "report.json").read_text())
    assert report["chosen"] == [{"name": "clock_period_ns", "value": f"{report['clock_period_ns']:g}"}]
    assert f"clock_period_ns = {report['clock_period_ns']}" in (tmp_path / "auto" / "chosen.toml").read_text()
    refused = loopwire("compile", model, "--clock-ns", "fast", "--out", tmp_path / "no")
    assert refused.exit_code == 2 and "'fast' is not a period. Give nanoseconds, such as 5, or auto" in refused.output


def test_from_a_model_file_to_verified_firmware(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "build" / "tagger"
    result = loopwire("compile", model, "--data", data, "--out", out, "--simulate", 40)
    assert result.exit_code == 0, result.output
    for text in ("charm", "predicted and simulated", "delay model", "on 40 sequences", "0 bits differ"):
        assert text in " ".join(result.stdout.replace("│", " ").split()), result.stdout
    assert result.stdout.splitlines()[-1] == f"Report: {out / 'report.html'}"
    report = json.loads((out / "report.json").read_text())
    assert report["verification"]["sequences"] == 40
    assert report["predicted"] == report["verification"]["simulated"]
    assert [auc["name"] for auc in report["aucs"]] == ["up", "down", "charm"]
    assert report["agreement"]["sequences"] == 60 and report["agreement"]["top1"] > 0.9
    assert {"README.md", "design.json", "report.md", "rtl", "testbench"} <= {entry.name for entry in out.iterdir()}
    assert (out / "rtl" / "tagger.sv").exists()


def test_without_data_and_simulation(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = loopwire("compile", model, "--simulate", 0)
    assert result.exit_code == 0, result.output
    assert "not verified" in result.stdout
    report = json.loads(Path("build/tagger/report.json").read_text())
    assert report["verification"] is None and report["agreement"] is None and report["part"] == "xcku115-flvb2104-2-i"


def test_a_part_that_is_too_small_is_told(model: Path, tmp_path: Path) -> None:
    options = ("--part", "LFE5U-12F-8BG381C", "--clock-ns", 15, "--multipliers", "dsp", "--simulate", 0)
    result = loopwire("compile", model, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (dsps,) = (use for use in report["estimated"] if use["name"] == "DSPs")
    assert dsps["used"] > dsps["available"] == 28
    ratio = dsps["used"] / 28
    warned, following = result.stderr.splitlines()
    assert following == f"next: loopwire route {tmp_path / 'out'}"
    assert warned == (
        f"warning: LFE5U-12F-8BG381C is too small, by the estimate: {dsps['used']} DSPs, {ratio:.2f} times the 28 "
        f"of the part. To make it fit, compile with a reuse factor about {ratio:.1f} times as large "
        "(--reuse-factor) or --multipliers shift_add"
    )
    assert loopwire("compile", model, "--out", tmp_path / "out", "--simulate", 0, "--quiet").stderr == ""


def test_what_does_not_fit_is_simulated_only_where_asked_for(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--part", "LFE5U-12F-8BG381C", "--clock-ns", 15, "--multipliers", "dsp", "--reuse-factor", 1)
    result = loopwire("compile", model, *options, "--out", out)
    assert_refused(result, "part LFE5U-12F-8BG381C: it is too small, by the estimate: ", out)
    _, remedy, fitting = result.stderr.partition(
        "To compile it all the same, add --simulate 1000. To make it fit: loopwire"
    )
    assert remedy and "--clock-ns 15.0 --multipliers dsp" in fitting and "--reuse-factor" not in fitting
    assert fitting.endswith("--max-share 80%\n")
    again = loopwire(*shlex.split(fitting), "--simulate", 5)
    assert again.exit_code == 0, again.output
    assert "0 bits differ" in " ".join(again.stdout.replace("│", " ").split())
    asked = loopwire("compile", model, *options, "--out", out, "--simulate", 5)
    assert asked.exit_code == 0 and "0 bits differ" in " ".join(asked.stdout.replace("│", " ").split())


def test_steps_are_lines_where_there_is_no_terminal(model: Path, tmp_path: Path) -> None:
    arguments = ("compile", model, "--out", tmp_path / "out", "--simulate", 0)
    result = loopwire(*arguments)
    assert re.findall(r"^\[ *[\d.]+ s\] (.*)$", result.stdout, re.M) == ["Reading", "Solving", "Writing"]
    quiet = loopwire(*arguments, "-q")
    assert quiet.exit_code == 0 and quiet.stdout.startswith("tagger") and quiet.stderr == ""
    assert loopwire("-q", *arguments).stdout == quiet.stdout


def test_a_long_step_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LINE_S", 0.0)

    @click.command
    def command() -> None:
        with console.progress_bars(Console()) as progress, console.step(progress, "Searching") as update:
            update(3, 7)
            update(4, doing="4 tried")

    lines = CliRunner().invoke(console.with_verbosity(command)).stdout.splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["Searching", "Searching: 3 of 7", "Searching: 4 tried"]


def test_programs_are_told_on_request(model: Path, tmp_path: Path) -> None:
    program = "from loopwire.cli import main; main()"
    command = [sys.executable, "-c", program, "compile", model, "--out", tmp_path / "out", "--simulate", "1", "-v"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^[\d.]+ s, status 0: .*/verilator_bin --cc ", done.stderr, re.M)


def test_a_warning_is_a_line() -> None:
    @click.command
    def command() -> None:
        with errors_reported():
            warnings.warn("the cache\nis full", LoopwireWarning, 1)
            warnings.warn("else", UserWarning, 1)

    lines = CliRunner().invoke(command).stderr.splitlines()
    assert lines[0] == "warning: the cache is full" and "UserWarning: else" in lines[1]


@pytest.mark.parametrize("out", ["/", "/proc/loopwire"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(out: str, tmp_path: Path) -> None:
    result = loopwire("compile", tmp_path / "none.keras", "--out", out)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert re.match(rf"error: {out}: it (holds something else|cannot be written) \(", line), line


def test_options_override_the_file(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text('part = "xc7a100t"\nclock_period_ns = 8\nname = "other"\n[model]\nprecision = "fixed<12,4>"')
    options = ("--config", config, "--part", "xcvu13p", "--precision", "ap_fixed<14,5>", "--simulate", 0)
    result = loopwire("compile", model, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "out" / "design.json").read_text())
    assert (facts["part"], facts["clock_period_ns"], facts["top"]) == ("xcvu13p", 8.0, "other")
    assert facts["input"]["type"] == "fixed<14,5>"


def test_tensors_that_clip_are_told(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X * 255 / np.abs(X).max())
    result = loopwire("compile", model, "--data", tmp_path / "x.npy", "--out", tmp_path / "out", "--simulate", 0)
    assert result.exit_code == 0, result.output
    assert "Tensors that clip" in result.stdout and "(input)" in result.stdout
    rows = json.loads((tmp_path / "out" / "report.json").read_text())["clipping"]
    assert rows[0]["tensor"] == "x" and rows[0]["type"] == "fixed<16,6,RND,SAT>"
    assert rows[0]["suggestion"] == "fixed<19,9,RND,SAT>" and 0 < rows[0]["clipped"] < rows[0]["values"] == X.size


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def other_framework(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02")
    return path


def no_model(path: Path) -> Path:
    path.write_text("hello")
    return path


def nan_weights(path: Path) -> Path:
    broken = sequential((STEPS, FEATURES), [keras.layers.GRU(3)])
    broken.layers[0].set_weights([array * np.nan for array in broken.layers[0].get_weights()])
    broken.save(path)
    return path


def with_lambda(path: Path) -> Path:
    keras.Sequential([keras.Input((STEPS, FEATURES)), keras.layers.Lambda(lambda x: x)]).save(path)
    return path


def unknown_shape(path: Path) -> Path:
    keras.Sequential([keras.Input((None, FEATURES)), keras.layers.GRU(3)]).save(path)
    return path


BAD_MODELS = {
    truncated: "model.keras: it is damaged or truncated. Save the model again",
    other_framework: "model.keras: it looks like a PyTorch checkpoint. Loopwire reads Keras .h5 and .keras files",
    no_model: "model.keras: it is neither HDF5 nor a zip archive",
    nan_weights: "its kernel holds NaN or infinity",
    with_lambda: "It holds Python code, which is never run",
    unknown_shape: "its sequences, of shape (None, 2), may have any number of steps. Give it: --steps T",
}


def assert_refused(result: Result, text: str, out: Path) -> None:
    """Exit status 1, one line on standard error with `text`, no traceback, nothing written."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and text in lines[0], result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


@pytest.mark.parametrize("make", BAD_MODELS)
def test_bad_models(make: Callable[[Path], Path], model: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "model.keras", tmp_path / "out"
    path.write_bytes(model.read_bytes())
    assert_refused(loopwire("compile", make(path), "--out", out), BAD_MODELS[make], out)


def test_no_such_model(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(loopwire("compile", tmp_path / "none.h5", "--out", out), "none.h5: there is no such file", out)


BAD_DATA = [
    (X[:, :3], "'X': it has shape (60, 3, 2). The model takes (N, 4, 2)"),
    (X.astype("U8"), "'X': its elements are of dtype <U8. Give whole or floating-point numbers"),
    (X * np.nan, "'X': element (0, 0, 0) is nan. Remove or replace values that are not finite"),
]


@pytest.mark.parametrize(("inputs", "text"), BAD_DATA)
def test_bad_data(inputs: Any, text: str, model: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "bad.npz", tmp_path / "out"
    np.savez(path, X=inputs)
    assert_refused(loopwire("compile", model, "--data", path, "--out", out), f"bad.npz, {text}", out)


BAD_OPTIONS = [
    (("--precision", "ap_fixed<0,3>"), "a width of 0 bits is out of range. Give a width from 1 to 1024"),
    (("--precision", "float16"), "type 'float16': this is not a fixed-point type. Write it as 'fixed<16,6>'"),
    (("--part", "xcku1155"), "part 'xcku1155': this part is not known. Did you mean 'xcku115'"),
    (("--clock-ns", "0"), "clock_period_ns: 0.0 is not a period. Give nanoseconds above 0"),
    (("--multipliers", "lut"), "multipliers: 'lut' is unknown. Choose from auto, shift_add, dsp"),
    (("--config", "none.toml"), "none.toml: it cannot be read (No such file or directory)"),
]


@pytest.mark.parametrize(("options", "text"), BAD_OPTIONS)
def test_bad_options(options: tuple[str, ...], text: str, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(loopwire("compile", model, "--out", out, *options), text, out)


WRONG_USAGE = [
    (("compile",), "Missing argument 'MODEL'"),
    (("compile", "m.h5", "--clock", "5"), "No such option '--clock'"),
    (("compile", "m.h5", "--simulate", "-1"), "-1 is not in the range x>=0"),
    (("compile", "m.h5", "--clock-ns", "fast"), "'fast' is not a period. Give nanoseconds, such as 5, or auto"),
    (("compil",), "No such command 'compil'"),
]


@pytest.mark.parametrize(("arguments", "text"), WRONG_USAGE)
def test_wrong_usage(arguments: tuple[str, ...], text: str) -> None:
    result = loopwire(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr and "Traceback" not in result.output


def test_a_folder_that_holds_something_else_is_left_alone(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("mine")
    result = loopwire("compile", model, "--out", out)
    assert result.exit_code == 1
    assert "thesis: it holds something else ('chapter1.tex'). Choose another folder" in result.stderr
    assert [entry.name for entry in out.iterdir()] == ["chapter1.tex"]


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is not None, reason="ziglang is a compiler outside of PATH")
def test_no_compiler(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    text = (
        "simulation: no C++ compiler was found (g++, clang++ or the Python package ziglang). Install one: 'apt install"
    )
    out = tmp_path / "out"
    assert_refused(loopwire("compile", model, "--out", out), text, out)
    without = loopwire("compile", model, "--out", out, "--simulate", 0)
    assert without.exit_code == 0 and "not verified" in without.stdout


@pytest.mark.parametrize("place", ["README.md", "simulate.cpp"])
def test_a_full_disk(place: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = "write_bytes" if place == "README.md" else "write_text"
    write = getattr(Path, method)

    def full(self: Path, *given: Any) -> Any:
        if self.name == place:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, *given)

    monkeypatch.setattr(Path, method, full)
    out = tmp_path / "out"
    sequences = 0 if place == "README.md" else 1
    assert_refused(loopwire("compile", model, "--out", out, "--simulate", sequences), "No space left on device", out)
    assert list(tmp_path.iterdir()) == []


def test_firmware_that_fails_is_not_written(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise VerificationError("simulation of tagger", "a bit\ndiffers", "Report it")

    monkeypatch.setattr(verification, "verify", fails)
    out = tmp_path / "out"
    assert_refused(loopwire("compile", model, "--out", out, "--simulate", 1), "tagger: a bit differs. Report it", out)


def test_version_and_help() -> None:
    assert loopwire("--version").stdout == "loopwire 0.1.0\n"
    assert "Compile MODEL (Keras, PyTorch .pt2 or ONNX)" in loopwire("compile", "--help").stdout


QUICK = """
import sys
{statement}
heavy = {{"numpy", "h5py", "rich", "sklearn", "alkaid", "keras", "torch", "tensorflow"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import loopwire",
        "from loopwire.cli import main; main(['--help'], standalone_mode=False)",
        "from loopwire.cli import main; main(['compile', '--help'], standalone_mode=False)",
    ],
)
def test_import_and_help_load_no_framework(statement: str) -> None:
    subprocess.run([sys.executable, "-c", QUICK.format(statement=statement)], check=True, stdout=subprocess.DEVNULL)


def test_public_names() -> None:
    import loopwire

    for name in loopwire.__all__:
        assert getattr(loopwire, name) is not None and name in dir(loopwire)
    assert loopwire.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="module 'loopwire' has no attribute 'complie'"):
        loopwire.complie  # noqa: B018
