"""The report page: one HTML file that needs nothing else, for a screen, a phone or paper."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from loopwire.errors import ToolError
from loopwire.report.bits_picture import bits_picture
from loopwire.report.figures import svg
from loopwire.report.layers import layer_table
from loopwire.report.model_picture import model_picture
from loopwire.report.profile import profile_figure
from loopwire.report.resources import resource_tables, stage_table
from loopwire.report.roc import ClassRoc, confusion_figure, roc_figure
from loopwire.report.summary import AUCS, CLIPPING, FACTS, Report, clipping_rows
from loopwire.report.tensor_rows import TensorRows
from loopwire.report.trace import DRIFT
from loopwire.text.table import grouped, unbroken

if TYPE_CHECKING:
    import numpy as np
    from markupsafe import Markup
    from matplotlib.figure import Figure

INPUT = "(input)"
FACTS_BEGIN, FACTS_END = "<!-- facts -->", "<!-- end of facts -->"
"""Around what tools that run later add to."""


@dataclass(frozen=True)
class Evidence:
    """What figures are drawn from, beside the report's facts: ROC curves, and the classes' names."""

    rocs: tuple[ClassRoc, ...] = ()
    class_names: tuple[str, ...] = ()


def page(report: Report, pictures: Sequence[str] = (), evidence: Evidence | None = None) -> str:
    """Return the page.

    Figures are left out, and the page says so, where the extra `plots` is not installed.

    Args:
        report: all facts.
        pictures: of the schedule, as SVG; none where only a tool knows it.
        evidence: for the ROC curves.
    """
    from markupsafe import Markup

    missing = ""
    stages = stage_table(report.estimated, report.built)
    physics: list[tuple[Markup, str]] = []
    profiles: list[tuple[Markup, str]] = []
    try:
        physics = _physics(report, evidence or Evidence())
        profiles = _profiles(report)
    except ToolError as error:
        missing = f"Without figures: {error}"
    return rendered(
        "page.html.j2",
        report=report,
        key=_key_figures(report),
        verdicts=report.verdicts,
        contents=_contents(report, pictures),
        stages=stages,
        facts=[row for row in report.rows() if row[0] not in {name for name, *_ in stages.rows}],
        layers=layer_table("", report.layers, report.range_proofs, report.engines, report.stages),
        weights=grouped(sum({row.name: row.weights for row in report.layers}.values())),
        model_picture=Markup(
            model_picture(report.inputs, report.layers, report.range_proofs, report.engines, report.stages)
        ),
        bits_picture=Markup(bits_picture(report.range_proofs)),
        proofs=[
            (row.layer or INPUT, row.tensor, str(row.type), str(row.built), str(row)) for row in report.range_proofs
        ],
        agreement=_agreement(report),
        facts_head=FACTS,
        resource_tables=resource_tables(report.built),
        aucs_head=AUCS,
        clipping_head=CLIPPING,
        clipping=clipping_rows(report.clipping),
        timeline=[Markup(text) for text in pictures],
        physics=physics,
        profiles=profiles,
        working_points=_working_points(report),
        profile=TensorRows(report.profile),
        trace=TensorRows(report.trace),
        drift=DRIFT,
        missing_figures=missing,
    )


def rendered(template: str, **values: Any) -> str:
    """Return a template of this folder with all texts escaped, and its numbers unbroken."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = resources.files("loopwire.report")
    loader = FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8"))
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    return environment.get_template(template).render(**values)


def _unbroken(value: Any) -> Any:
    """Return what a template shows, its numbers unbroken."""
    from markupsafe import Markup

    return unbroken(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _contents(report: Report, pictures: Sequence[str]) -> list[tuple[str, str]]:
    """Return anchor and title of each part of the page."""
    parts = [("verdicts", "Verdicts", True), ("facts", "Facts", True), ("model", "Model", True)]
    parts += [("types", "Types", True), ("schedule", "Schedule", bool(pictures))]
    parts += [("physics", "Physics", report.agreement is not None), ("ranges", "Ranges", bool(report.profile))]
    parts += [("losses", "Where precision is lost", bool(report.trace)), ("repeat", "How to repeat it", True)]
    return [(anchor, title) for anchor, title, is_there in parts if is_there]


def with_facts_of(old: str, report: Report) -> str:
    """Return an older page of a design with the key figures, the verification and the facts of this report."""
    fresh = page(replace(report, profile=(), confusion=()))
    head, begin, rest = old.partition(FACTS_BEGIN)
    _, end, tail = rest.partition(FACTS_END)
    inside, _, _ = fresh.partition(FACTS_BEGIN)[2].partition(FACTS_END)
    return head + begin + inside + end + tail


def _key_figures(report: Report) -> list[tuple[str, str]]:
    key = []
    if report.predicted is not None:
        latency, interval = report.predicted.latency_cycles, report.predicted.initiation_interval_cycles
        clock_period_ns, which = report.clock_period_ns, ""
        if (routed := report.routed_clock_period_ns) is not None:
            clock_period_ns, which = routed, f" at the routed clock of {routed:.4g} ns"
        rate = 1e3 / (interval * clock_period_ns)
        key += [
            (f"{latency * clock_period_ns / 1e3:.3g} µs", f"latency{which}, {report.predicted.latency_range}"),
            (f"{grouped(interval)} cycles", f"initiation interval, {rate:.3g} million sequences a second{which}"),
        ]
    if report.agreement is not None and report.agreement.top1 is not None:
        key.append((f"{report.agreement.top1:.2%}", "same class, float and fixed"))
    ratios = [auc.fixed / auc.real for auc in report.aucs if auc.real and auc.fixed is not None]
    if ratios:
        key.append((f"{min(ratios):.4f}", "AUC fixed / float, worst class"))
    if report.verification is not None:
        key.append((grouped(report.verification.sequences), "sequences simulated, 0 bits differ"))
    return key


def _agreement(report: Report) -> list[tuple[str, str]]:
    if report.agreement is None:
        return []
    rows = [("Sequences", grouped(report.agreement.sequences))]
    if report.agreement.top1 is not None:
        rows.append(("Same class, float and fixed", f"{report.agreement.top1:.2%}"))
    rows.append(("Largest difference of outputs", f"{report.agreement.max_difference:.4g}"))
    rows.append(("Mean difference of outputs", f"{report.agreement.mean_difference:.4g}"))
    return rows


def _physics(report: Report, evidence: Evidence) -> list[tuple[Markup, str]]:
    import numpy as np

    figures = []
    if evidence.rocs:
        caption = (
            "Background against signal efficiency of each class against all others; solid: float, dash-dot: fixed."
        )
        figures.append(_drawn(roc_figure(evidence.rocs), caption))
    if report.confusion:
        names = evidence.class_names or tuple(str(k) for k in range(len(report.confusion)))
        counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]] = np.array(report.confusion)
        caption = "Confusion matrix in fixed point: share of each true class by the predicted class."
        figures.append(_drawn(confusion_figure(counts, names), caption))
    return figures


def _profiles(report: Report) -> list[tuple[Markup, str]]:
    caption = (
        f"|value| of every tensor over the first {report.profiled_sequences} sequences; boxes: 25 % to 75 %, "
        "lines: 1 % to 99 %, dots: largest; grey: from the type's step to its largest value."
    )
    return [_drawn(profile_figure(report.profile), caption)] if report.profile else []


def _drawn(figure: AbstractContextManager[Figure], caption: str) -> tuple[Markup, str]:
    from markupsafe import Markup

    with figure as drawn:
        return Markup(svg(drawn)), caption


def _working_points(report: Report) -> list[tuple[str, str, str, str]]:
    return [
        (
            point.name,
            f"{point.background_efficiency:.0%}",
            f"{point.real_signal_efficiency:.4f}",
            f"{point.fixed_signal_efficiency:.4f}",
        )
        for point in report.working_points
    ]
