"""What a user wants to know of a design first: is the physics kept, is the clock met, does it fit, is it verified?

Each answer is `good`, `doubtful` (not proven, or near its bound) or `bad`, with the number that decides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loopwire.report.doubts import AUC_LOSS, LEAST_TOP1
from loopwire.text.table import grouped

if TYPE_CHECKING:
    from loopwire.report.summary import Report

State = Literal["good", "doubtful", "bad"]
FULL_PERCENT = 80.0
"""Of a part's resource: above, tools rarely route a design at its clock."""


@dataclass(frozen=True)
class Verdict:
    """One answer: what was asked, the state of it, and why."""

    name: str
    state: State
    why: str


def verdicts(report: Report) -> tuple[Verdict, ...]:
    """Return the answers, in the order in which a user asks."""
    return _physics(report), _clock(report), _fit(report), _verified(report)


def _physics(report: Report) -> Verdict:
    name = "Physics kept"
    if report.agreement is None:
        return Verdict(name, "doubtful", "not judged: no data were given")
    falls = [auc.real - auc.fixed for auc in report.aucs if auc.real is not None and auc.fixed is not None]
    top1 = report.agreement.top1
    same = [] if top1 is None else [f"same class as in float: {top1:.2%}"]
    lost = [f"largest loss of AUC: {max(max(falls), 0.0):.4f}"] if falls else []
    largest = [] if lost or same else [f"largest difference to float: {report.agreement.max_difference:.3g}"]
    why = "; ".join([*lost, *same, *largest])
    if (falls and max(falls) > AUC_LOSS) or (top1 is not None and top1 < LEAST_TOP1):
        return Verdict(name, "bad", why)
    if report.doubts:
        return Verdict(name, "doubtful", f"{why}; {report.doubts[0]}")
    if report.clipping:
        return Verdict(name, "doubtful", f"{why}; {len(report.clipping)} tensors clip on the data")
    return Verdict(name, "good", why)


def _clock(report: Report) -> Verdict:
    name, asked = "Clock met", f"{report.clock_period_ns:g} ns"
    routed = report.routed_clock_period_ns
    if routed is not None:
        state: State = "good" if routed <= report.clock_period_ns else "bad"
        return Verdict(name, state, f"{routed:.4g} ns of {asked}, routed")
    told = [built for built in report.built if built.clock_period_ns is not None]
    if told:
        period = told[-1].clock_period_ns or 0.0
        state = "doubtful" if period <= report.clock_period_ns else "bad"
        return Verdict(name, state, f"{period:.4g} ns of {asked}, as {told[-1].tool} estimates; not routed")
    return Verdict(name, "doubtful", f"not routed: {asked} by the delay model only")


def _fit(report: Report) -> Verdict:
    name = "Fits"
    # What was routed decides, then what was synthesised, then the estimate; a family without a part has no shares.
    stages = {built.stage: built.resources for built in report.built if any(use.available for use in built.resources)}
    stage = next((stage for stage in ("routed", "synthesised") if stage in stages), "estimated")
    uses = [(use.share, use) for use in stages.get(stage, report.estimated) if use.share is not None]
    if not uses:
        return Verdict(name, "doubtful", "not known before a tool has synthesised it")
    share, worst = max(uses, key=lambda pair: pair[0])
    state: State = "good" if share <= FULL_PERCENT else "doubtful" if share <= 100 else "bad"
    return Verdict(name, state, f"{grouped(worst.used)} {worst.name}, {worst.percent} of {report.part}, {stage}")


def _verified(report: Report) -> Verdict:
    name, found = "Verified", report.verification
    if found is None:
        return Verdict(name, "doubtful", "not simulated")
    cycles = "" if found.simulated is None else ", all cycles as predicted"
    return Verdict(name, "good", f"{grouped(found.sequences)} sequences simulated, 0 bits differ{cycles}")
