"""What a report's page shows that its facts do not give again: pictures and plots, drawn once and kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from loopwire.errors import ToolError
from loopwire.report.figures import svg
from loopwire.report.profile import profile_figure
from loopwire.report.roc import ClassRoc, confusion_figure, roc_figure
from loopwire.report.summary import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Evidence:
    """What plots of an output are drawn from, beside the report's facts: ROC curves, and the classes' names."""

    rocs: tuple[ClassRoc, ...] = ()
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A plot as SVG."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Drawings:
    """Of one design.

    Attributes:
        schedule: pictures of it as SVG; none where only a tool knows it.
        physics: ROC curves and confusion matrix.
        profiles: the range of every tensor.
        missing: why there are no plots, if there are none.
    """

    schedule: tuple[str, ...] = ()
    physics: tuple[Plot, ...] = ()
    profiles: tuple[Plot, ...] = ()
    missing: str = ""

    def to_json(self) -> str:
        """Return them as JSON, which `stored.drawings_from_json` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"


NO_DRAWINGS = Drawings()


def draw(report: Report, pictures: Sequence[str] = (), evidence: Sequence[Evidence] = ()) -> Drawings:
    """Draw what a report's page shows; no plots where the extra `plots` is not installed.

    Args:
        report: all facts.
        pictures: of the schedule, as SVG.
        evidence: for the ROC curves, of each output that was judged.
    """
    try:
        physics = _physics(report, evidence or [Evidence()] * len(report.judged))
        return Drawings(tuple(pictures), physics, _profiles(report))
    except ToolError as error:
        return Drawings(tuple(pictures), missing=f"Without figures: {error}")


def _physics(report: Report, evidence: Sequence[Evidence]) -> tuple[Plot, ...]:
    plots = []
    for output, shown in zip(report.judged, evidence, strict=True):
        if shown.rocs:
            caption = (
                "Background against signal efficiency of each class against all others; solid: float, dash-dot: fixed."
            )
            plots.append(_drawn(roc_figure(shown.rocs), output.named(caption)))
        if output.confusion:
            caption = "Confusion matrix in fixed point: share of each true class by the predicted class."
            plots.append(_drawn(confusion_figure(output.confusion, shown.class_names), output.named(caption)))
    return tuple(plots)


def _profiles(report: Report) -> tuple[Plot, ...]:
    caption = (
        f"|value| of every tensor over the first {report.profiled_sequences} sequences; boxes: 25 % to 75 %, "
        "lines: 1 % to 99 %, dots: largest; grey: from the type's step to its largest value."
    )
    return (_drawn(profile_figure(report.profile), caption),) if report.profile else ()


def _drawn(figure: AbstractContextManager[Figure], caption: str) -> Plot:
    with figure as drawn:
        return Plot(svg(drawn), caption)
