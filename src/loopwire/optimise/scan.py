"""A metric against fraction bits, for several integer widths: every tensor of the model in one and the same type.

Ref: arXiv:2207.00559, section 4: the figures of the AUC's ratio, fixed over float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from loopwire.arguments import instance, whole
from loopwire.compiler import compile_silently
from loopwire.data import Inputs, given_data
from loopwire.errors import ConfigError, nearest
from loopwire.layers.model import Model
from loopwire.optimise.criterion import METRICS, Criterion, Measure
from loopwire.optimise.groups import Group, Probe, configuration, fixed
from loopwire.optimise.model_judge import ModelJudge, criteria_of
from loopwire.report.figures import figure
from loopwire.report.picture import Picture
from loopwire.system.progress import Progress
from loopwire.system.workers import Here, Workers
from loopwire.text.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBERS = re.compile(r"(\d+)(?:-(\d+))?")
INTEGERS, FRACTIONS = (4, 6, 8), tuple(range(2, 13))
"""Widths that are tried where none are given."""
PANEL_INCHES = (3.6, 4.2)
LOWEST_DRAWN = 0.5
METRIC_NAMES = {
    "auc": "AUC, fixed / float",
    "mean_auc": "mean AUC, fixed / float",
    "top1": "same class, fixed and float",
    "mae": "mean absolute difference",
}


@dataclass(frozen=True)
class ScanPoint:
    """What fixed<integer + fraction, integer> for every tensor keeps."""

    integer: int
    fraction: int
    measures: tuple[Measure, ...]


@dataclass(frozen=True, repr=False)
class Scan:
    """Points of one metric, integer widths and then fraction bits rising."""

    metric: str
    points: tuple[ScanPoint, ...]

    def table(self) -> Table:
        """Return a row a type: the metric of each class, with its statistical error."""
        head = ("Type of all tensors", *(measure.name for measure in self.points[0].measures))
        rows = []
        for point in self.points:
            cells = (str(measure).removeprefix(f"{measure.name} ") for measure in point.measures)
            rows.append((f"fixed<{point.integer + point.fraction},{point.integer}>", *cells))
        return Table(METRIC_NAMES[self.metric], head, tuple(rows))

    def plot(self) -> Picture:
        """Return the metric against fraction bits, a panel for each integer width.

        Raises:
            ToolError: the extra `plots` is not installed.
        """
        return Picture.drawn(partial(scan_figure, self))

    def __repr__(self) -> str:
        return f"<Scan of {METRIC_NAMES[self.metric]}: {len(self.points)} types>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_json(self) -> str:
        """Return all points."""
        return json.dumps(asdict(self), indent=2) + "\n"


def numbers(where: str, text: str) -> list[int]:
    """Read '4,6,8' or '2-12'.

    Raises:
        ConfigError: it is neither.
    """
    found: list[int] = []
    for part in text.split(","):
        match = _NUMBERS.fullmatch(part.strip())
        if match is None:
            raise ConfigError(where, f"{text!r} is not a list of numbers", "Write it as '4,6,8' or '2-12'")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


def scan(
    model: Model,
    data: Any,
    integers: Iterable[int] = INTEGERS,
    fractions: Iterable[int] = FRACTIONS,
    metric: str = "auc",
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Scan:
    """Evaluate a model with every tensor, pre-activations too, in each of the types.

    Args:
        model: as `loopwire.load` returns it.
        data: inputs, and labels, as for `find_precision`; without labels the float model's own classes are taken.
        integers: integer bits, the sign included.
        fractions: fraction bits.
        metric: a name in `criterion.METRICS`.
        progress: called with how many types are done, of how many.
        workers: of `system.workers`, which evaluate types side by side; None: this process.

    Raises:
        ConfigError: the metric is unknown, or a type impossible.
        DataError: the data do not fit the model.
    """
    if metric not in METRICS:
        remedy = f"{nearest(metric, METRICS)}Choose from {', '.join(METRICS)}"
        raise ConfigError("metric", f"{metric!r} is not known", remedy)
    instance(Model, "Give what loopwire.load returns")("model", model)
    bits = "Give numbers of bits, such as range(2, 13)"
    integers, fractions = (
        sorted({whole(name, number) for number in instance(Iterable, bits)(name, given)})
        for name, given in (("integers", integers), ("fractions", fractions))
    )
    criteria = criteria_of(Criterion(metric, 0.0), model.outputs)
    data = given_data("data", data, model.inputs, model.outputs)
    probe = Probe(model)
    judge = ModelJudge(criteria, compile_silently(model).predict_float(data.inputs), data)
    pairs = [(i, f) for i in integers for f in fractions]
    for i, f in pairs:
        if i + f < 1:
            raise ConfigError("scan", f"{i} integer and {f} fraction bits are not a type", "Give at least 1 bit in all")
    shared = _Scanned(probe.model, probe.groups, data.inputs, judge)
    found: dict[int, ScanPoint] = {}
    for place, point in (workers or Here()).run(_point, shared, pairs):
        found[place] = point
        if progress is not None:
            progress(len(found), len(pairs))
    return Scan(metric, tuple(found[place] for place in range(len(pairs))))


@dataclass(frozen=True, eq=False)
class _Scanned:
    model: Model
    groups: Sequence[Group]
    x: Inputs
    judge: ModelJudge


def _point(scanned: _Scanned, widths: tuple[int, int]) -> ScanPoint:
    """Evaluate a model with every tensor in one type: what runs on a worker."""
    integer, fraction = widths
    types = dict.fromkeys(scanned.groups, fixed(integer + fraction, integer))
    outputs = compile_silently(scanned.model, configuration(types)).emulate(scanned.x)
    return ScanPoint(integer, fraction, scanned.judge.judge(outputs).measures)


@contextmanager
def scan_figure(scan: Scan) -> Iterator[Figure]:
    """Draw a scan: a panel for each integer width, a curve for each class, error bars of one standard error.

    Raises:
        ToolError: matplotlib or mplhep is not installed.
    """
    integers = sorted({point.integer for point in scan.points})
    with figure((1.0 + PANEL_INCHES[0] * len(integers), PANEL_INCHES[1])) as drawn:
        panels: Sequence = drawn.subplots(1, len(integers), sharey=True, squeeze=False)[0]  # type: ignore[type-arg]
        for integer, axes in zip(integers, panels, strict=True):
            points = [point for point in scan.points if point.integer == integer]
            for index, first in enumerate(points[0].measures):
                measures = [point.measures[index] for point in points]
                axes.errorbar(
                    [point.fraction for point in points],
                    [measure.value for measure in measures],
                    [measure.error or 0.0 for measure in measures],
                    marker="o",
                    markersize=4,
                    color=f"C{index}",
                    label=first.name,
                )
            axes.set_title(f"{integer} integer bits")
            axes.set_xlabel("fraction bits")
            axes.grid(alpha=0.3)
            if scan.metric != "mae":
                axes.axhline(1.0, color="grey", linewidth=0.8)
                lowest = min(measure.value for point in scan.points for measure in point.measures)
                axes.set_ylim(max(lowest - 0.02, LOWEST_DRAWN), 1.02)
        panels[0].set_ylabel(METRIC_NAMES[scan.metric])
        panels[-1].legend(loc="lower right", frameon=True)
        yield drawn
