"""What a precision must keep: 'auc>=0.995' and its like, judged with the statistical error of the events at hand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from loopwire.errors import ConfigError, DataError, nearest
from loopwire.report.auc import Placements, area_error, placements, ratio_influence

Reals = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Metric = Callable[[Any, Reals], float]
"""metric(y_true, y_fixed): of labels (N,), or the float outputs where there are none, and fixed-point outputs."""

METRICS = {
    "auc": "area under the ROC curve of each class, fixed over float",
    "mean_auc": "the mean of the classes' areas, fixed over float",
    "top1": "share of events whose largest output is the same, fixed and float",
    "mae": "mean absolute difference of the outputs, fixed to float",
}
_KEEP = re.compile(r"^\s*(?:(.+?)\s*:)?\s*(\w+)\s*(>=|<=)\s*([-+.\deE]+)\s*$")
EXAMPLE = "Write it as 'auc>=0.995', 'mean_auc>=0.99', 'top1>=0.99' or 'mae<=0.01'"


@dataclass(frozen=True)
class Criterion:
    """A metric and its bound: at least so much, or at most if not `at_least`; of one output of several, or of each."""

    name: str
    bound: float
    at_least: bool = True
    metric: Metric | None = None
    output: str | None = None

    @classmethod
    def parse(cls, text: str) -> Criterion:
        """Read 'auc>=0.995', or 'kind:auc>=0.995' of the output 'kind'.

        Raises:
            ConfigError: it is not a metric with a bound, or the bound is none of that metric.
        """
        where = f"keep {text!r}"
        match = _KEEP.match(text)
        try:
            name, sign, bound = (match[2], match[3], float(match[4])) if match else ("", "", 0.0)
        except ValueError:
            match = None
        if match is None:
            raise ConfigError(where, "it is not a metric with a bound", EXAMPLE)
        if name not in METRICS:
            raise ConfigError(
                where,
                f"{name!r} is not a known metric",
                f"{nearest(name, METRICS)}Choose from {', '.join(METRICS)}. "
                "From Python, any function metric(y_true, y_fixed) will do",
            )
        if (sign == ">=") != (name != "mae"):
            raise ConfigError(
                where, f"{name} needs {'an upper bound, <=' if name == 'mae' else 'a lower bound, >='}", EXAMPLE
            )
        if not math.isfinite(bound) or bound <= 0 or (name != "mae" and bound > 1):
            raise ConfigError(where, f"{bound:g} is out of range", EXAMPLE)
        if name != "mae" and bound == 1:
            raise ConfigError(where, "it allows no loss at all, which no number of events can measure", EXAMPLE)
        return cls(name, bound, name != "mae", output=match[1])

    @property
    def needs_classes(self) -> bool:
        """Whether it is judged with a class for every event."""
        return self.name in ("auc", "mean_auc") and self.metric is None

    @property
    def allowed_loss(self) -> float:
        """How far from perfect it lets values be: by this, criteria of unlike metrics are compared."""
        allowed = 1.0 - self.bound if self.at_least else self.bound
        return allowed if allowed > 0 else 1.0

    def __str__(self) -> str:
        return f"{self.of_output}{self.name}{'>=' if self.at_least else '<='}{self.bound:g}"

    @property
    def of_output(self) -> str:
        """What its text begins with."""
        return "" if self.output is None else f"{self.output}:"


@dataclass(frozen=True)
class Measure:
    """A metric's value, of one class or of all, with its statistical error (None where unknown)."""

    name: str
    value: float
    error: float | None

    def __str__(self) -> str:
        return f"{self.name} {_figures(self.value)}" + ("" if self.error is None else f" ± {_figures(self.error)}")


@dataclass(frozen=True)
class Judgement:
    """What a criterion says of some outputs.

    Attributes:
        measures: one, or one a class.
        margin: how far the worst of them is inside the bound; negative outside.
        safe_margin: the same, each value one standard error worse.
        score: mean of all values; larger is better.
        worst: the measure that is nearest to its bound, or farthest beyond it.
    """

    measures: tuple[Measure, ...]
    margin: float
    safe_margin: float
    score: float
    worst: Measure

    @property
    def holds(self) -> bool:
        """Whether the values themselves keep the bound."""
        return self.margin >= 0

    @property
    def is_safe(self) -> bool:
        """Whether they keep it by their statistical error at least."""
        return self.safe_margin >= 0


class Judge:
    """Judges fixed-point values of one output for the same N events again and again."""

    def __init__(
        self, criterion: Criterion, real: Reals, labels: Labels | None, names: Sequence[str] | None, where: str
    ) -> None:
        """Look at the events.

        Args:
            criterion: what is asked.
            real: the float outputs (N, …).
            labels: class of each event (N,) from 0; None: the float outputs' own classes are taken.
            names: of the classes.
            where: the data, for messages.

        Raises:
            DataError: there are too few events for the tolerance.
        """
        self.criterion = criterion
        self._real, self._where = real, where
        self._labels = labels
        self._classes: list[tuple[str, int, npt.NDArray[np.bool_], Placements]] = []
        if criterion.needs_classes:
            given = own_classes(real) if labels is None else labels
            self._set_classes(given, names)
        if criterion.name == "top1" and criterion.metric is None and real.shape[-1] == 1:
            raise DataError(where, "an output of one number has no class that is largest", "Keep 'mae' instead")
        if criterion.needs_classes or (criterion.name == "top1" and criterion.metric is None):
            self._refuse_too_few()

    @property
    def count(self) -> int:
        """Measures in each judgement."""
        return len(self._classes) if self._classes and self.criterion.name == "auc" else 1

    def judge(self, fixed: Reals) -> Judgement:
        """Judge outputs of the shape of the float ones.

        Raises:
            DataError: the user's metric gives no finite number.
        """
        measures = self._measures(fixed)
        sign = 1.0 if self.criterion.at_least else -1.0
        margins = [sign * (m.value - self.criterion.bound) for m in measures]
        safe = [margin - (m.error or 0.0) for margin, m in zip(margins, measures, strict=True)]
        score = sign * sum(m.value for m in measures) / len(measures)
        worst = measures[margins.index(min(margins))]
        return Judgement(measures, min(margins), min(safe), score, worst)

    def _measures(self, fixed: Reals) -> tuple[Measure, ...]:
        if self.criterion.metric is not None:
            truth = self._real if self._labels is None else self._labels
            returned = self.criterion.metric(truth, fixed)
            try:
                value = float(returned)
            except (TypeError, ValueError):
                self._no_number(repr(returned), len(fixed))
            if not math.isfinite(value):
                self._no_number(f"{value}", len(fixed))
            return (Measure(self.criterion.name, value, None),)
        match self.criterion.name:
            case "top1":
                same = fixed.argmax(axis=-1) == self._real.argmax(axis=-1)
                share = float(same.mean())
                return (Measure("top1", share, math.sqrt(share * (1 - share) / same.size)),)
            case "mae":
                by_event = np.abs(fixed - self._real).reshape(len(fixed), -1).mean(axis=1)
                return (Measure("mae", float(by_event.mean()), float(by_event.std() / math.sqrt(len(fixed)))),)
            case _:
                return self._areas(fixed)

    def _no_number(self, returned: str, events: int) -> NoReturn:
        raise DataError(
            f"metric {self.criterion.name!r}",
            f"it returned {returned} on {events} events of {self._where}",
            "It must return a finite number for any outputs",
        )

    def _areas(self, fixed: Reals) -> tuple[Measure, ...]:
        measures = []
        influences = []
        areas = []
        for name, column, is_class, real in self._classes:
            found = placements(is_class, fixed[:, column])
            influence = ratio_influence(is_class, real, found)
            measures.append(Measure(name, found.area / real.area, float(np.sqrt(np.square(influence).sum()))))
            influences.append(influence * real.area)
            areas.append((found.area, real.area))
        if self.criterion.name == "auc":
            return tuple(measures)
        fixed_sum, real_sum = (sum(column) for column in zip(*areas, strict=True))
        error = float(np.sqrt(np.square(np.sum(influences, axis=0)).sum())) / real_sum
        return (Measure("mean_auc", fixed_sum / real_sum, error),)

    def _set_classes(self, labels: Labels, names: Sequence[str] | None) -> None:
        if self._real.ndim != 2:
            raise DataError(
                self._where, f"outputs of shape {self._real.shape[1:]} are not classes", "Keep 'mae' or 'top1' instead"
            )
        single = self._real.shape[1] == 1
        for column in range(self._real.shape[1]):
            label = 1 if single else column
            is_class = labels == label
            if is_class.any() and not is_class.all():
                name = names[label] if names is not None else f"class {label}"
                self._classes.append((name, column, is_class, placements(is_class, self._real[:, column])))
        if not self._classes:
            other = ", or labels, or keep 'mae' of this output" if self._labels is None else ""
            remedy = f"Give events of two classes at least{other}"
            raise DataError(self._where, "all its events are of one class", remedy)

    def _refuse_too_few(self) -> None:
        """Refuse data of which a single event decides: an area moves by up to 1 / n when one of n events moves."""
        tolerance = 1.0 - self.criterion.bound
        if self.criterion.name == "top1":
            events = int(np.prod(self._real.shape[:-1]))
            if 1.0 / events > tolerance:
                error = math.sqrt(self.criterion.bound * (1 - self.criterion.bound) / events)
                needed = f"at least {math.ceil(1 / tolerance)}"
                self._too_few(f"{events} events", error, tolerance, needed, 1 / events)
            return
        shared = len(self._classes) if self.criterion.name == "mean_auc" else 1
        least: list[float] = []
        """Losses that one event of each class alone can make."""
        for _, _, is_class, real in self._classes:
            fewest = min(int(is_class.sum()), int((~is_class).sum()))
            least.append(1.0 / (fewest * shared * real.area))
        for (name, _, is_class, real), loss in zip(self._classes, least, strict=True):
            if loss > tolerance:
                signal, background = int(is_class.sum()), int((~is_class).sum())
                needed = f"at least {math.ceil(1.0 / (tolerance * shared * real.area))} of each"
                found = f"{signal} events of {name} and {background} of others"
                self._too_few(found, area_error(real.area, signal, background), tolerance, needed, max(least))

    def _too_few(self, events: str, error: float, tolerance: float, needed: str, least_loss: float) -> None:
        raise DataError(
            self._where,
            f"{events} are too few to measure a loss of {tolerance:.3g}: a single one of them can cause it, and the "
            f"statistical error is {error:.2g}",
            f"Give more events, {needed}, or {_instead(self.criterion, 1 - least_loss)}, the smallest loss "
            "that they can measure",
        )


def reached(criterion: Criterion, measures: Sequence[Measure]) -> str:
    """Return what to keep instead of a criterion that the best values found do not keep: what these do."""
    if criterion.metric is not None:
        return f"keep a bound that {', '.join(map(str, measures))} is safely within"
    if criterion.at_least:
        return _instead(criterion, min(measure.value - (measure.error or 0.0) for measure in measures))
    return _instead(criterion, max(measure.value + (measure.error or 0.0) for measure in measures))


def _instead(criterion: Criterion, value: float) -> str:
    """Return words that keep a metric at a value, rounded to what is easier to keep."""
    of = criterion.of_output
    if criterion.name == "mae":
        digits = 1 - math.floor(math.log10(value)) if value > 0 else 4
        return f"keep '{of}mae<={math.ceil(value * 10**digits) / 10**digits:g}'"
    if value < 1e-4:
        return f"keep another metric, such as '{of}mae<=0.01'"
    return f"keep '{of}{criterion.name}>={math.floor(value * 1e4) / 1e4:g}'"


def _figures(number: float) -> str:
    """Return four decimals, or two figures of what is smaller."""
    return f"{number:.4f}" if abs(number) >= 1e-4 or not number else f"{number:.1e}"


def own_classes(outputs: Reals) -> Labels:
    """Return the class that each event's outputs (N, classes) tell; for one output (N, 1), whether it is above 0.5."""
    classes = outputs[:, 0] > 0.5 if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
    return np.asarray(classes, np.int64)
