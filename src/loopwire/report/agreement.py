"""How well the fixed-point result keeps what the float result says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Float against fixed point on the same inputs.

    Attributes:
        sequences: how many were compared.
        top1: share of them whose largest output is the same; None where there is but one output.
        max_difference, mean_difference: of the outputs, absolute.
    """

    sequences: int
    top1: float | None
    max_difference: float
    mean_difference: float


@dataclass(frozen=True)
class ClassAuc:
    """Area under the ROC curve of one class against all others; None where the labels hold only one of the two."""

    name: str
    real: float | None
    fixed: float | None


def agreement(real: Reals, fixed: Reals) -> Agreement:
    """Compare outputs (N, …, classes)."""
    difference = np.abs(real - fixed)
    top1 = None
    if real.shape[-1] > 1:
        top1 = float(np.mean(real.argmax(axis=-1) == fixed.argmax(axis=-1)))
    return Agreement(len(real), top1, float(difference.max()), float(difference.mean()))


def class_aucs(
    labels: npt.NDArray[np.int64], real: Reals, fixed: Reals, names: Sequence[str] | None = None
) -> tuple[ClassAuc, ...]:
    """Return each class's AUC for outputs (N, classes); for one output (N, 1), that of class 1."""
    single = real.shape[1] == 1
    rows = []
    for column in range(real.shape[1]):
        label = 1 if single else column
        name = names[label] if names is not None else str(label)
        is_class = labels == label
        rows.append(ClassAuc(name, _auc(is_class, real[:, column]), _auc(is_class, fixed[:, column])))
    return tuple(rows)


def _auc(is_class: npt.NDArray[np.bool_], scores: Reals) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_class, scores)) if is_class.any() and not is_class.all() else None
