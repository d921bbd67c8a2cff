"""ROC curves float against fixed point, one a class, with what physicists read off them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loopwire.report.figures import figure
from loopwire.text.escapes import mathtext

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Reals = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

BACKGROUND_EFFICIENCIES = (0.1, 0.01)
MOST_POINTS = 400
"""Of a curve as drawn; more are not seen."""
LOWEST_EFFICIENCY = 1e-3
LEGEND_ROW_INCHES = 0.25


@dataclass(frozen=True, eq=False)
class Curve:
    """Signal and background efficiency (n,) at falling thresholds, from 0 to 1, and the area under the curve."""

    signal: Reals
    background: Reals
    auc: float

    def signal_at(self, background: float) -> float:
        """Return the signal efficiency at a background efficiency, interpolated along the curve."""
        return float(np.interp(background, self.background, self.signal))


@dataclass(frozen=True, eq=False)
class ClassRoc:
    """One class against all others, of the float and of the fixed-point outputs."""

    name: str
    real: Curve
    fixed: Curve


@dataclass(frozen=True)
class WorkingPoint:
    """Signal efficiencies of one class at a background efficiency."""

    name: str
    background_efficiency: float
    real_signal_efficiency: float
    fixed_signal_efficiency: float


def class_rocs(labels: Labels, real: Reals, fixed: Reals, names: Sequence[str] | None = None) -> tuple[ClassRoc, ...]:
    """Return the curves of outputs (N, classes), or of class 1 for one output (N, 1).

    Classes that no event or every event belongs to are left out.
    """
    single = real.shape[1] == 1
    rocs = []
    for column in range(real.shape[1]):
        label = 1 if single else column
        is_class = labels == label
        if is_class.any() and not is_class.all():
            name = names[label] if names is not None else str(label)
            rocs.append(ClassRoc(name, *(_curve(is_class, scores[:, column]) for scores in (real, fixed))))
    return tuple(rocs)


def working_points(rocs: Sequence[ClassRoc]) -> tuple[WorkingPoint, ...]:
    """Return the signal efficiencies of every class at the usual background efficiencies."""
    return tuple(
        WorkingPoint(roc.name, background, roc.real.signal_at(background), roc.fixed.signal_at(background))
        for roc in rocs
        for background in BACKGROUND_EFFICIENCIES
    )


def confusion(labels: Labels, outputs: Reals) -> npt.NDArray[np.int64]:
    """Return counts (classes, classes): rows are true classes, columns those with the largest output."""
    if outputs.shape[1] == 1:
        predicted, classes = (outputs[:, 0] > 0.5).astype(np.int64), 2
    else:
        predicted, classes = outputs.argmax(axis=1), outputs.shape[1]
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


@contextmanager
def roc_figure(rocs: Sequence[ClassRoc], title: str = "") -> Iterator[Figure]:
    """Draw background against signal efficiency: float solid, fixed dash-dot, AUCs in the legend.

    Raises:
        ToolError: matplotlib or mplhep is not installed.
    """
    with figure((7.0, 5.3 + LEGEND_ROW_INCHES * len(rocs))) as drawn:
        axes = drawn.add_subplot()
        for index, roc in enumerate(rocs):
            for curve, style, kind in ((roc.real, "-", "float"), (roc.fixed, "-.", "fixed")):
                kept = np.unique(np.linspace(0, len(curve.signal) - 1, MOST_POINTS).astype(int))
                label = mathtext(f"{roc.name}, {kind}: AUC = {curve.auc:.4f}")
                axes.plot(curve.signal[kept], curve.background[kept], style, color=f"C{index}", label=label)
        axes.set_xlabel("signal efficiency")
        axes.set_ylabel("background efficiency")
        axes.set_yscale("log")
        axes.set_xlim(0, 1)
        axes.set_ylim(LOWEST_EFFICIENCY, 1)
        axes.set_title(title)
        handles, labels = axes.get_legend_handles_labels()
        # Off the curves, float and fixed of a class in a row: a legend fills one column after the other.
        drawn.legend(handles[::2] + handles[1::2], labels[::2] + labels[1::2], loc="outside lower center", ncols=2)
        yield drawn


@contextmanager
def confusion_figure(counts: npt.ArrayLike, names: Sequence[str] = (), title: str = "") -> Iterator[Figure]:
    """Draw a confusion matrix: share of each true class (row) by the predicted class (column).

    Args:
        counts: of sequences, for each true class and each predicted one.
        names: of the classes; their numbers where there are none.
        title: above it.
    """
    counts = np.asarray(counts)
    names = names or [str(k) for k in range(len(counts))]
    with figure((4.6, 4.2)) as drawn:
        axes = drawn.add_subplot()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*shares.shape):
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, f"{shares[row, column]:.3f}", ha="center", va="center", color=colour)
        labels = [mathtext(name) for name in names]
        axes.set_xticks(range(len(names)), labels)
        axes.set_yticks(range(len(names)), labels)
        axes.minorticks_off()
        axes.tick_params(length=0)
        axes.set_xlabel("class predicted")
        axes.set_ylabel("true class")
        axes.set_title(title)
        yield drawn


def _curve(is_class: npt.NDArray[np.bool_], scores: Reals) -> Curve:
    from sklearn.metrics import auc, roc_curve

    background, signal, _ = roc_curve(is_class, scores)
    return Curve(signal, background, float(auc(background, signal)))
