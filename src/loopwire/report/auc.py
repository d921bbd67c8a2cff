"""The area under the ROC curve of two sets of scores for the same events, and the error of their ratio.

Ref: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845 (placements and their
     covariance); X. Sun and W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389-1393 (placements from mid-ranks).
Ref: J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29-36 (error of one area).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Placements:
    """One set of scores of N events.

    Attributes:
        area: under the ROC curve, ties counted half.
        signal: share of background below each signal event (m,).
        background: share of signal above each background event (n,).
    """

    area: float
    signal: Reals
    background: Reals


def placements(is_signal: Flags, scores: Reals) -> Placements:
    """Return the rank of each event among those of the other kind; both kinds must be there."""
    signal, background = scores[is_signal], scores[~is_signal]
    among_all = _midranks(scores)
    above = (among_all[is_signal] - _midranks(signal)) / len(background)
    below = 1.0 - (among_all[~is_signal] - _midranks(background)) / len(signal)
    return Placements(float(above.mean()), above, below)


def ratio_influence(is_signal: Flags, real: Placements, fixed: Placements) -> Reals:
    """Return what each of N events adds to the error of fixed.area / real.area: the variance is the sum of squares."""
    ratio = fixed.area / real.area
    influence = np.empty(len(is_signal))
    for here, a, b in (
        (is_signal, fixed.signal, real.signal),
        (~is_signal, fixed.background, real.background),
    ):
        difference = (a - ratio * b) / real.area
        influence[here] = (difference - difference.mean()) / len(difference)
    return influence


def area_error(area: float, signal: int, background: int) -> float:
    """Return the standard error of an area from this many events (Hanley and McNeil 1982, eq. 1 and 2)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (signal - 1) * (q1 - area**2) + (background - 1) * (q2 - area**2)
    return math.sqrt(max(variance, 0.0) / (signal * background))


def _midranks(scores: Reals) -> Reals:
    """Return the rank of each score from 1 on, ties sharing their mean."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Reals = (last - 0.5 * (counts - 1))[inverse]
    return ranks
