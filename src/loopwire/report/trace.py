"""Layer by layer, float against fixed point: where precision is lost, and from which step on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import to_real
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType
from loopwire.report.clipping import tensor_name
from loopwire.report.paired import shown_values, visit_pairs
from loopwire.report.tensor_rows import TensorRow, TensorRows

Reals = npt.NDArray[np.float64]

DRIFT = 0.1
"""A tensor drifts where its root mean square error exceeds this share of the root mean square of its float values."""


@dataclass(frozen=True)
class TensorTrace(TensorRow):
    """One tensor on all data.

    Attributes:
        layer: the model's layer; empty for the model's input.
        tensor: its name in the layer, with its equation if it has one.
        type: its type.
        max_error, mean_error: of its values, absolute.
        relative_error: root mean square error over root mean square of the float values; None where these are all 0.
        correlation: of float and fixed values; None where either is constant.
        first_drift_step: the first step, from 0, whose relative error exceeds `DRIFT`; None where none does.
    """

    HEAD: ClassVar = (
        "Layer", "Tensor", "Type", "Largest error", "Mean error", "Relative error", "Correlation", "Drifts from step"
    )  # fmt: skip
    WHAT: ClassVar = "Trace"

    layer: str
    tensor: str
    type: FixedType
    max_error: float
    mean_error: float
    relative_error: float | None
    correlation: float | None
    first_drift_step: int | None

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table, by `HEAD`."""
        return (
            self.layer or "(input)",
            self.tensor,
            str(self.type),
            f"{self.max_error:.3g}",
            f"{self.mean_error:.3g}",
            "-" if self.relative_error is None else f"{self.relative_error:.2%}",
            "-" if self.correlation is None else f"{self.correlation:.5f}",
            "-" if self.first_drift_step is None else str(self.first_drift_step),
        )


def trace(graph: Graph, inputs: Sequence[npt.NDArray[Any]]) -> TensorRows[TensorTrace]:
    """Compare every tensor for inputs (N, *input shape), in the order of the graph.

    The fixed-point values are those of a fixed-point evaluation from the input on: errors of earlier tensors and steps
    are part of later ones'.
    """
    tallies = {value: _Tally() for value in shown_values(graph)}

    def visit(value: Value, step: int, real: Reals, fixed: npt.NDArray[np.generic]) -> None:
        tallies[value].add(step, real, to_real(fixed, value.type.element.fraction))

    visit_pairs(graph, inputs, visit)
    return TensorRows(tally.row(value) for value, tally in tallies.items() if tally.steps)


class _Tally:
    """Sums over one tensor's values."""

    def __init__(self) -> None:
        self.steps: list[Reals] = []
        """For each step the sums of: 1, |error|, error², real, fixed, real², fixed², real·fixed."""
        self._max_error = 0.0

    def add(self, step: int, real: Reals, fixed: Reals) -> None:
        real, fixed = (np.ravel(np.broadcast_to(values, real.shape)) for values in (real, fixed))
        error = np.abs(fixed - real)
        self._max_error = max(self._max_error, float(error.max()))
        plain = [real.size, error.sum(), error @ error, real.sum(), fixed.sum()]
        sums = np.array([*plain, real @ real, fixed @ fixed, real @ fixed], np.float64)
        if step == len(self.steps):
            self.steps.append(np.zeros(len(sums)))
        self.steps[step] += sums

    def row(self, value: Value) -> TensorTrace:
        count, absolute, _, real, fixed, real2, fixed2, both = np.sum(self.steps, axis=0)
        spread = math.sqrt(max(real2 - real**2 / count, 0.0) * max(fixed2 - fixed**2 / count, 0.0))
        correlation = float((both - real * fixed / count) / spread) if spread > 0 else None
        by_step = [_relative(sums) for sums in self.steps]
        drifts = [step for step, error in enumerate(by_step) if error is not None and error > DRIFT]
        return TensorTrace(
            value.layer,
            tensor_name(value),
            value.type.element,
            self._max_error,
            float(absolute / count),
            _relative(np.sum(self.steps, axis=0)),
            correlation,
            drifts[0] if drifts else None,
        )


def _relative(sums: Reals) -> float | None:
    squares, reals = float(sums[2]), float(sums[5])
    return math.sqrt(squares / reals) if reals > 0 else None
