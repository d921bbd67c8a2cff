"""The report page: one HTML file that needs nothing else, for a screen, a phone or paper."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from loopwire.report.bits_picture import bits_picture
from loopwire.report.drawings import NO_DRAWINGS, Drawings
from loopwire.report.layers import layer_table
from loopwire.report.model_picture import model_picture
from loopwire.report.resources import resource_tables, stage_table
from loopwire.report.summary import AUCS, CLIPPING, FACTS, Report, Rows, clipping_rows
from loopwire.report.tensor_rows import TensorRows
from loopwire.report.trace import DRIFT
from loopwire.text.table import grouped, unbroken

INPUT = "(input)"


def page(report: Report, drawings: Drawings = NO_DRAWINGS) -> str:
    """Return the page of a report, with what was drawn when it was made."""
    from markupsafe import Markup

    stages = stage_table(report.estimated, report.shown_built)
    return rendered(
        "page.html.j2",
        report=report,
        key=_key_figures(report),
        verdicts=report.verdicts,
        contents=_contents(report, drawings.schedule),
        stages=stages,
        facts=_facts(report),
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
        resource_tables=resource_tables(report.shown_built),
        aucs_head=AUCS,
        clipping_head=CLIPPING,
        clipping=clipping_rows(report.clipping),
        timeline=[Markup(text) for text in drawings.schedule],
        physics=[(Markup(plot.svg), plot.caption) for plot in drawings.physics],
        profiles=[(Markup(plot.svg), plot.caption) for plot in drawings.profiles],
        working_points=_working_points(report),
        profile=TensorRows(report.profile),
        trace=TensorRows(report.trace),
        drift=DRIFT,
        missing_figures=drawings.missing,
    )


def _facts(report: Report) -> Rows:
    """Return all facts but those that the page shows elsewhere: the verification, and the resources."""
    uses = [*report.estimated, *(use for built in report.built for use in built.resources)]
    elsewhere = {"Verification", *(use.name for use in uses)}
    return [row for row in report.rows() if row[0] not in elsewhere]


def rendered(template: str, package: str = "loopwire.report", **values: Any) -> str:
    """Return a template of a package with all texts escaped, and its numbers unbroken."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = resources.files(package)
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


def _key_figures(report: Report) -> list[tuple[str, str]]:
    key = []
    if report.predicted is not None:
        latency, interval = report.predicted.latency_cycles, report.predicted.initiation_interval_cycles
        clock_period_ns, which = report.clock_period_ns, ""
        if (routed := report.routed_clock_period_ns) is not None:
            clock_period_ns, which = routed, f" at the routed clock of {routed:.4g} ns"
        rate = 1e9 / (interval * clock_period_ns)
        rate_text = f"{rate / 1e6:.3g} million" if rate >= 1e6 else grouped(float(f"{rate:.3g}"))
        key += [
            (f"{latency * clock_period_ns / 1e3:.3g} µs", f"latency{which}, {report.predicted.latency_range}"),
            (f"{grouped(interval)} cycles", f"initiation interval, {rate_text} sequences a second{which}"),
        ]
    for output in report.judged:
        if output.agreement.top1 is not None:
            key.append((f"{output.agreement.top1:.2%}", output.named("same class, float and fixed")))
        ratios = [auc.fixed / auc.real for auc in output.aucs if auc.real and auc.fixed is not None]
        if ratios:
            key.append((f"{min(ratios):.4f}", output.named("AUC fixed / float, worst class")))
    if report.verification is not None:
        key.append((grouped(report.verification.sequences), "sequences simulated, 0 bits differ"))
    return key


def _agreement(report: Report) -> list[tuple[str, str]]:
    if report.agreement is None:
        return []
    rows = [("Sequences", grouped(report.agreement.sequences))]
    for output in report.judged:
        found = output.agreement
        if found.top1 is not None:
            rows.append((output.named("Same class, float and fixed"), f"{found.top1:.2%}"))
        rows.append((output.named("Largest difference of outputs"), f"{found.max_difference:.4g}"))
        rows.append((output.named("Mean difference of outputs"), f"{found.mean_difference:.4g}"))
    return rows


def _working_points(report: Report) -> list[tuple[str, str, str, str]]:
    return [
        (
            output.named(point.name),
            f"{point.background_efficiency:.0%}",
            f"{point.real_signal_efficiency:.4f}",
            f"{point.fixed_signal_efficiency:.4f}",
        )
        for output in report.judged
        for point in output.working_points
    ]
