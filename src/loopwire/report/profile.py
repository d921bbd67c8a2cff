"""The range and the distribution of every tensor on the user's data, in float and in fixed point.

Values are counted in bins of an eighth of an octave, so that quantiles are known within 7 % of their value, whatever
the number of sequences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType
from loopwire.report.clipping import limits, tensor_name
from loopwire.report.figures import figure
from loopwire.report.paired import shown_values, visit_pairs
from loopwire.report.tensor_rows import TensorRow, TensorRows
from loopwire.text.escapes import mathtext
from loopwire.text.table import grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Reals = npt.NDArray[np.float64]

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
BINS = 1 << 12
MANTISSA_BITS = 3
EXPONENT_BIAS = 127
ROW_INCHES = 0.3
LEAST_DRAWN = 2.0**-14


@dataclass(frozen=True)
class Spread:
    """Where the values of a tensor lie.

    Attributes:
        low, high: least and greatest value.
        quantiles: of |value| > 0, at `QUANTILES`; None where all are 0.
        zeros: how many values are 0.
    """

    low: float
    high: float
    quantiles: tuple[float, ...] | None
    zeros: int


@dataclass(frozen=True)
class TensorProfile(TensorRow):
    """One tensor on all data.

    Attributes:
        layer: the model's layer; empty for the model's input.
        tensor: its name in the layer, with its equation if it has one.
        type: its type.
        is_weights: whether it is a constant.
        values: how many were met.
        real, fixed: the float values, and those in fixed point.
        clipped: float values beyond the type's range.
        underflowed: float values other than 0 that are nearer to 0 than to the type's first step.
    """

    HEAD: ClassVar = ("Layer", "Tensor", "Type", "Values", "Least", "Greatest", "Clipped", "Underflowed")
    WHAT: ClassVar = "Profile"

    layer: str
    tensor: str
    type: FixedType
    is_weights: bool
    values: int
    real: Spread
    fixed: Spread
    clipped: int
    underflowed: int

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table, by `HEAD`; ranges are those of the float values."""
        counts = (grouped(count) for count in (self.clipped, self.underflowed))
        where = (self.layer or "(input)", self.tensor, str(self.type), grouped(self.values))
        return *where, f"{self.real.low:.4g}", f"{self.real.high:.4g}", *counts


def profile(graph: Graph, inputs: Sequence[npt.NDArray[Any]]) -> TensorRows[TensorProfile]:
    """Return the profile of every tensor for inputs (N, *input shape), in the order of the graph."""
    tallies = {value: _Tally(value.type.element) for value in shown_values(graph)}
    visit_pairs(graph, inputs, lambda value, _, real, fixed: tallies[value].add(real, fixed))
    constants = {node.result for node in graph.walk() if isinstance(node.op, ops.Const)}
    return TensorRows(tally.profile(value, value in constants) for value, tally in tallies.items() if tally.values)


@contextmanager
def profile_figure(rows: Sequence[TensorProfile], title: str = "") -> Iterator[Figure]:
    """Draw |value| of every tensor as two boxes, float above fixed, over the range from its type's step to its end.

    Boxes reach from the 25 % to the 75 % quantile, whiskers from 1 % to 99 %, dots are the largest values.

    Raises:
        ToolError: matplotlib or mplhep is not installed.
    """
    rows = [row for row in rows if row.real.quantiles is not None]
    with figure((8.0, 1.3 + ROW_INCHES * len(rows))) as drawn:
        axes = drawn.add_subplot()
        for place, row in enumerate(rows):
            low, high = row.type.step, max(row.type.max_integer, 1) * row.type.step
            axes.barh(place, high - low, left=low, height=0.86, color="0.9", zorder=0)
            for offset, spread, colour in ((-0.2, row.real, "C0"), (0.2, row.fixed, "C1")):
                if spread.quantiles is None:
                    continue
                q01, q25, q50, q75, q99 = spread.quantiles
                top = max(abs(spread.low), abs(spread.high))
                axes.plot([q01, q99], [place + offset] * 2, color=colour, linewidth=1.2)
                axes.barh(place + offset, q75 - q25, left=q25, height=0.3, color=colour, zorder=2)
                axes.plot([q50, q50], [place + offset - 0.15, place + offset + 0.15], color="white", linewidth=1.2)
                axes.plot(top, place + offset, ".", color=colour, markersize=4)
        labels = (f"{row.layer}: {row.tensor}" if row.layer else row.tensor for row in rows)
        axes.set_yticks(range(len(rows)), [mathtext(label) for label in labels])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
        axes.tick_params(axis="y", labelsize=8, length=0)
        axes.set_xlabel("|value|; grey: from the type's step to its largest value")
        for colour, name in (("C0", "float"), ("C1", "fixed")):
            axes.barh(0, 0, left=1, color=colour, label=name)
        axes.set_xlim(LEAST_DRAWN)
        axes.legend(loc="lower right", frameon=True)
        axes.set_title(title)
        yield drawn


class _Histogram:
    """Counts of numbers by sign, exponent and the highest bits of their mantissa; 0 and -0 are one."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self._counts = np.zeros(BINS, np.int64)

    def add(self, values: npt.NDArray[np.float32]) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        bins = values.reshape(-1).view(np.uint32) >> (32 - BINS.bit_length() + 1)
        self._counts += np.bincount(bins, minlength=BINS)

    def magnitudes(self) -> npt.NDArray[np.int64]:
        """Return counts by the bin of |value|; the first bin is 0."""
        counts: npt.NDArray[np.int64] = self._counts[: BINS // 2] + self._counts[BINS // 2 :]
        return counts

    def below(self, power_of_two: int) -> int:
        """Return how many values other than 0 are nearer to it than 2**power_of_two."""
        first = max((power_of_two + EXPONENT_BIAS) << MANTISSA_BITS, 1)
        return int(self.magnitudes()[1:first].sum())

    def spread(self) -> Spread:
        counts = self.magnitudes()
        zeros = int(counts[0])
        counts[0] = 0
        total = int(counts.sum())
        if not total:
            return Spread(self.low, self.high, None, zeros)
        places = np.searchsorted(np.cumsum(counts), [max(q * total, 1) for q in QUANTILES])
        largest = max(abs(self.low), abs(self.high))
        return Spread(self.low, self.high, tuple(min(_middle(int(k)), largest) for k in places), zeros)


class _Tally:
    """Counts of one tensor."""

    def __init__(self, type: FixedType) -> None:
        self.values = self._clipped = 0
        self._type = type
        self._least, self._most = limits(type)
        self._real, self._fixed = _Histogram(), _Histogram()

    def add(self, real: Reals, fixed: npt.NDArray[np.generic]) -> None:
        self.values += real.size
        self._real.add(real.astype(np.float32))
        self._fixed.add(fixed.astype(np.float32) * np.float32(self._type.step))
        if self._real.low < self._least or self._real.high > self._most:
            self._clipped += int(np.count_nonzero((real < self._least) | (real > self._most)))

    def profile(self, value: Value, is_weights: bool) -> TensorProfile:
        underflowed = self._real.below(-self._type.fraction - 1)
        name, spreads = tensor_name(value), (self._real.spread(), self._fixed.spread())
        return TensorProfile(
            value.layer, name, self._type, is_weights, self.values, *spreads, self._clipped, underflowed
        )


def _middle(place: int) -> float:
    """Return the number in the middle of a bin of magnitudes."""
    exponent, mantissa = place >> MANTISSA_BITS, place & ((1 << MANTISSA_BITS) - 1)
    return float(2.0 ** (exponent - EXPONENT_BIAS) * (1 + (mantissa + 0.5) / (1 << MANTISSA_BITS)))
