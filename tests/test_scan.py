"""The scan of a metric over fraction bits and integer widths, and its figure."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from keras_models import sequential
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.data import Data
from loopwire.errors import ConfigError
from loopwire.layers.model import Model
from loopwire.optimise.scan import numbers, scan
from loopwire.system.workers import workers

X = np.random.default_rng(2).normal(0.0, 1.0, (900, 4, 3))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tagger.keras"
    sequential((4, 3), [keras.layers.GRU(4), keras.layers.Dense(3, activation="softmax")]).save(path)
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> Model:
    return loopwire.load(path)


def test_every_tensor_has_the_scanned_type(model: Model) -> None:
    found = scan(model, Data(X), [3, 2], [5, 1], "mae")
    assert [(point.integer, point.fraction) for point in found.points] == [(2, 1), (2, 5), (3, 1), (3, 5)]
    both = {"precision": "fixed<8,3,RND,SAT>", "preactivation": "fixed<8,3,RND,SAT>"}
    design = loopwire.compile(model, CompileConfig.from_dict({"model": both}))
    expected = np.abs(design.predict(X) - design.predict_float(X)).mean()
    assert found.points[3].measures[0].value == pytest.approx(expected)
    assert found.points[1].measures[0].value < found.points[0].measures[0].value


def test_workers_find_the_same_points(model: Model) -> None:
    pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    alone = scan(model, Data(X), [3, 2], [5, 1], "mae")
    with workers(2) as several:
        assert scan(model, Data(X), [3, 2], [5, 1], "mae", workers=several) == alone


def test_a_curve_for_each_class(model: Model) -> None:
    found = scan(model, Data(X, np.arange(900) % 3, ("u", "d", "s")), [4], [6])
    assert [measure.name for measure in found.points[0].measures] == ["u", "d", "s"]


def test_numbers() -> None:
    assert numbers("--integer", "4, 6,8") == [4, 6, 8] and numbers("--fraction", "2-4,9") == [2, 3, 4, 9]
    with pytest.raises(ConfigError, match=r"--fraction: '2:4' is not a list of numbers. Write it as '4,6,8' or '2-12'"):
        numbers("--fraction", "2:4")


def test_no_type(model: Model) -> None:
    with pytest.raises(
        ConfigError, match=r"scan: 0 integer and 0 fraction bits are not a type. Give at least 1 bit in all"
    ):
        scan(model, Data(X), [0], [0, 1], "mae")
    with pytest.raises(ConfigError, match=r"metric: 'aucs' is not known. Did you mean 'auc'.* Choose from "):
        scan(model, Data(X), [4], [4], "aucs")


def test_the_command(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("mplhep")
    np.savez(tmp_path / "x.npz", X=X, y=np.arange(900) % 3)
    options = ["--data", str(tmp_path / "x.npz"), "--integer", "3,4", "--fraction", "2-4", "--out", str(tmp_path / "s")]
    result = CliRunner().invoke(main, ["scan", str(path), *options])
    assert result.exit_code == 0, result.output
    assert [line for line in result.stdout.splitlines() if line.startswith("Scan")] == [
        f"Scan: {tmp_path / name}" for name in ("s.png", "s.pdf", "s.json")
    ]
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF")
    assert len(json.loads((tmp_path / "s.json").read_text())["points"]) == 6
