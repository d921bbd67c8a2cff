"""Models of several outputs, each judged by its own labels: facts, verdicts, plots, the page, and both commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from loopwire.cli import main
from loopwire.data import given_data
from loopwire.design import Design
from loopwire.errors import DataError
from loopwire.judgement import judge, outputs
from loopwire.report.stored import from_json
from random_models import Weights
from random_networks import residual

N = 300


@pytest.fixture(scope="module")
def design() -> Design:
    """Return a design of two inputs and two outputs, of which the second is much too coarse."""
    coarse = {"head": {"result": "fixed<3,2>", "preactivation": "fixed<3,2>"}}
    settings = {"model": {"precision": "fixed<16,6,RND,SAT>"}, "layer": coarse, "name": "heads"}
    return loopwire.compile(residual("heads", Weights(5)), loopwire.CompileConfig.from_dict(settings))


@pytest.fixture(scope="module")
def data(design: Design) -> tuple[dict[str, Any], dict[str, Any]]:
    random = np.random.default_rng(2)
    x = {port.name: random.normal(size=(N, *port.shape)) for port in design.ports}
    return x, {name: real.argmax(axis=1) for name, real in design.predict_float(x).items()}


def test_each_output_has_a_verdict_of_its_own(design: Design, data: Any, tmp_path: Path) -> None:
    given = given_data("data", data, design.ports, design.model.outputs)
    judged = judge(design, given, outputs(design, given))
    first, second = (output.name for output in design.model.outputs)
    kept, lost = judged.outputs
    assert (kept.name, lost.name) == (first, second) and len(kept.aucs) == 2 and np.sum(lost.confusion) == N
    page = design.to_html(tmp_path / "page.html", data).read_text()
    assert f"{second}: Physics lost" in page and f"{first}: Physics lost" not in page
    facts = json.loads(design.report().to_json())
    assert facts["outputs"] == []


def test_the_report_is_read_back(design: Design, data: Any) -> None:
    given = given_data("data", data, design.ports, design.model.outputs)
    report = replace(design.report(), **judge(design, given, outputs(design, given)).facts)
    assert from_json(report.to_json()) == report
    first, second = (output.name for output in design.model.outputs)
    states = {verdict.name: verdict.state for verdict in report.verdicts}
    assert states[f"{second}: Physics"] == "bad" and states[f"{first}: Physics"] != "bad"
    assert [row[0] for row in report.auc_rows()] == [f"{name}: {label}" for name in (first, second) for label in "01"]
    markdown = report.to_markdown()
    assert f"{second}: Same class, float and fixed" in markdown
    assert any(doubt.startswith(f"{second}: ") for doubt in report.doubts)


def test_curves_of_a_named_output(design: Design, data: Any) -> None:
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    first, second = (output.name for output in design.model.outputs)
    x, labels = data
    curves = [design.plot_roc(data, name).svg for name in (first, second)]
    assert curves[0] == design.plot_roc((x, {first: labels[first]})).svg != curves[1]
    with pytest.raises(DataError, match=r"plot_roc: the outputs '.*', '.*' have labels. Name one of them"):
        design.plot_roc(data)
    with pytest.raises(DataError, match=r"plot_roc: the model has no output 'mass'\."):
        design.plot_roc(data, "mass")


def test_commands_judge_both_heads(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    x = keras.Input((4, 2), name="x")
    h = keras.layers.SimpleRNN(3, name="rnn")(x)
    heads = [keras.layers.Dense(3, activation="softmax", name="kind")(h), keras.layers.Dense(1, name="prompt")(h)]
    keras.Model(x, heads).save(tmp_path / "two.keras")
    random = np.random.default_rng(1)
    labels = {"y.kind": random.integers(0, 3, N), "classes.kind": np.array(["b", "c", "l"])}
    np.savez(tmp_path / "x.npz", x=random.normal(size=(N, 4, 2)), **labels, **{"y.prompt": random.integers(0, 2, N)})

    def run(command: str, *more: str) -> dict[str, Any]:
        arguments = [
            command,
            tmp_path / "two.keras",
            "--data",
            tmp_path / "x.npz",
            "--out",
            tmp_path / command,
            "--json",
        ]
        done = CliRunner().invoke(main, [*map(str, arguments), *more], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    report = run("compile", "--simulate", "0")
    kind, prompt = report["outputs"]
    assert [auc["name"] for auc in kind["aucs"]] == ["b", "c", "l"] and [a["name"] for a in prompt["aucs"]] == ["1"]
    assert report["aucs"] == [] and report["agreement"]["top1"] is None and kind["agreement"]["top1"] > 0.9
    found = run("precision", "--keep", "kind:auc>=0.8", "--keep", "prompt:mae<=0.05")
    assert [measure["name"] for measure in found["checked"]["measures"]] == [
        "kind: b", "kind: c", "kind: l", "prompt: mae"
    ]  # fmt: skip
    assert {"kind.weight", "prompt.weight"} < found["types"].keys()
    scanned = run("scan", "--fraction", "4", "--integer", "4")
    assert len(scanned["points"][0]["measures"]) == 4
    explored = run("explore", "--keep", "auc>=0.8", "--trials", "20")
    assert explored["keep"] == "kind:auc>=0.8 and prompt:auc>=0.8" and explored["tried"] == 20
    figures = run("figures")
    assert figures["aucs"].keys() == {"kind", "prompt"}
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {
        "roc-kind.png", "roc-prompt.png", "confusion-kind.png", "confusion-prompt.png", "profile.png"
    }  # fmt: skip
