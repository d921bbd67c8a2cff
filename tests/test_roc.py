"""ROC curves and confusion matrices: numbers against scikit-learn, and what is drawn."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from keras_models import sequential
from loopwire.cli import main
from loopwire.report.figures import save, svg
from loopwire.report.roc import class_rocs, confusion, confusion_figure, roc_figure, working_points

RANDOM = np.random.default_rng(4)
LABELS = RANDOM.integers(0, 3, 3000)
REAL = RANDOM.random((3000, 3)) + 0.5 * np.eye(3)[LABELS]
FIXED = np.round(REAL * 4) / 4
NAMES = ("b", "c", "l")


def test_numbers() -> None:
    rocs = class_rocs(LABELS, REAL, FIXED, NAMES)
    assert [roc.name for roc in rocs] == ["b", "c", "l"]
    assert [roc.fixed.auc for roc in rocs] == pytest.approx([roc_auc_score(k == LABELS, FIXED[:, k]) for k in range(3)])
    background, signal, _ = roc_curve(LABELS == 1, REAL[:, 1])
    point = next(p for p in working_points(rocs) if p.name == "c" and p.background_efficiency == 0.1)
    assert point.real_signal_efficiency == pytest.approx(np.interp(0.1, background, signal))
    assert 0 < point.fixed_signal_efficiency != point.real_signal_efficiency


def test_one_output() -> None:
    (roc,) = class_rocs(LABELS == 1, REAL[:, 1:2], FIXED[:, 1:2])
    assert (roc.name, roc.real.auc) == ("1", pytest.approx(roc_auc_score(LABELS == 1, REAL[:, 1])))
    counts = confusion((LABELS == 1).astype(np.int64), REAL[:, 1:2])
    assert (counts == confusion_matrix(LABELS == 1, REAL[:, 1] > 0.5)).all()


def test_confusion() -> None:
    assert (confusion(LABELS, FIXED) == confusion_matrix(LABELS, FIXED.argmax(axis=1))).all()


def test_classes_without_events_are_left_out() -> None:
    assert [roc.name for roc in class_rocs(LABELS % 2, REAL, FIXED, NAMES)] == ["b", "c"]


def test_figures(tmp_path: Path) -> None:
    pytest.importorskip("mplhep")
    with roc_figure(class_rocs(LABELS, REAL, FIXED, NAMES)) as drawn:
        (axes,) = drawn.axes
        lines = axes.get_lines()
        assert [line.get_linestyle() for line in lines] == ["-", "-."] * 3
        assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
        (legend,) = drawn.legends
        texts = [text.get_text() for text in legend.get_texts()]
        drawn.draw_without_rendering()
        assert not legend.get_window_extent().overlaps(axes.get_window_extent())  # off the curves
        assert texts[3] == f"b, fixed: AUC = {roc_auc_score(LABELS == 0, FIXED[:, 0]):.4f}"
        written = save(drawn, tmp_path / "figures" / "roc")
        again = save(drawn, tmp_path / "again")
        element = svg(drawn)
    assert [path.name for path in written] == ["roc.png", "roc.pdf"]
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    assert element.startswith("<svg") and element.rstrip().endswith("</svg>")
    with confusion_figure(confusion(LABELS, FIXED), NAMES) as drawn:
        assert sum(float(text.get_text()) for text in drawn.axes[0].texts) == pytest.approx(3, abs=0.02)


def test_the_command(tmp_path: Path) -> None:
    pytest.importorskip("mplhep")
    layers = [keras.layers.GRU(3), keras.layers.Dense(3, activation="softmax")]
    sequential((4, 2), layers).save(tmp_path / "m.keras")
    np.savez(tmp_path / "x.npz", X=RANDOM.normal(0.0, 1.0, (300, 4, 2)), y=np.arange(300) % 3)
    arguments = ["figures", tmp_path / "m.keras", "--data", tmp_path / "x.npz", "--out", tmp_path / "out"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--precision", "fixed<10,4>"])
    assert result.exit_code == 0, result.output
    names = [f"{name}.{kind}" for name in ("roc", "confusion", "profile") for kind in ("png", "pdf")]
    lines = [line for line in result.stdout.splitlines() if line.startswith("Figure")]
    assert lines == [f"Figure: {tmp_path / 'out' / name}" for name in names]
    assert all((tmp_path / "out" / name).stat().st_size > 1000 for name in names)
