"""Losses that the data show are told in words: of AUC, of agreement, by types too coarse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from keras_files import dense, input_layer, lstm, write_h5
from loopwire.cli import main
from loopwire.report.agreement import Agreement, ClassAuc
from loopwire.report.doubts import doubts
from loopwire.report.judged import JudgedOutput


def test_an_auc_that_falls_and_classes_that_change() -> None:
    aucs = (ClassAuc("b", 0.93, 0.5), ClassAuc("c", 0.8, 0.795), ClassAuc("l", None, None))
    output = JudgedOutput("", Agreement(100, 0.42, 1.0, 0.5), aucs)
    told = doubts([output], ())
    assert told == (
        "The AUC of class b falls from 0.9300 in float to 0.5000 in fixed point",
        "Float and fixed point give the same class for only 42.0% of the sequences",
    )
    assert doubts([JudgedOutput("", Agreement(100, 0.999, 1.0, 0.5), aucs[1:])], ()) == doubts([], ()) == ()
    assert doubts([replace(output, name="kind")], ()) == tuple(f"kind: {doubt}" for doubt in told)


def test_types_too_coarse_are_told_everywhere(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 5, 3)).astype("f4")
    np.savez(tmp_path / "data.npz", X=x, y=(x[:, -1, 0] > 0).astype(int))
    model = write_h5(tmp_path / "m.h5", [input_layer((5, 3)), lstm(), dense(2)])
    for precision, lost in (("ap_fixed<16,20>", True), ("fixed<18,6,RND,SAT>", False)):
        out = tmp_path / precision
        arguments = ["compile", model, "--data", tmp_path / "data.npz", "--precision", precision, "--simulate", "0"]
        result = CliRunner().invoke(main, [*map(str, arguments), "--out", str(out)])
        assert result.exit_code == 0, result.output
        told = json.loads((out / "report.json").read_text())["doubts"]
        page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
        assert bool(told) == lost
        assert result.stderr.count("warning: The steps of ") == 2 * lost  # of the weights, and of what data show
        assert len(set(result.stderr.splitlines())) == len(result.stderr.splitlines())
        assert ('<p class="bad"><b>The steps of ' in page) == lost
        assert ("## What is lost in fixed point" in text) == lost
        assert ('<p class="good">No value on the data' in page) == (not lost)


def test_weights_too_coarse_are_told_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=np.random.default_rng(1).normal(size=(60, 5, 3)))
    (tmp_path / "types.toml").write_text('[kind.LSTM]\nweight = "fixed<8,11>"\n')
    model = write_h5(tmp_path / "m.h5", [input_layer((5, 3)), lstm(), dense(2)])
    options = ("--data", "data.npz", "--config", "types.toml", "--out", "out")
    words = [str(tmp_path / word) if "." in word or word == "out" else word for word in options]
    result = CliRunner().invoke(main, ["compile", str(model), *words, "--simulate", "0"])
    assert result.exit_code == 0, result.output
    assert result.stderr.count("warning: The steps of ") == 1
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["doubts"]) == 1
