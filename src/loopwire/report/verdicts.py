"""What a user wants to know of a design first: is the physics kept, is the clock met, does it fit, is it verified?

Each answer is `good`, `doubtful` (not proven, or near its bound) or `bad`, with the number that decides it. The page,
the terminal, `report.md`, `report.json` and notebooks all show these words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from loopwire.report.doubts import AUC_LOSS, LEAST_TOP1
from loopwire.report.judged import JudgedOutput
from loopwire.text.table import grouped

if TYPE_CHECKING:
    from loopwire.report.summary import Report

State = Literal["good", "doubtful", "bad"]
FULL_PERCENT = 80.0
"""Of a part's resource: above, tools rarely route a design at its clock."""


@dataclass(frozen=True)
class Verdict:
    """One answer.

    Attributes:
        name: what was asked, in a word.
        answer: such as 'Clock missed'.
        state: how good that is.
        why: the number that decides.
    """

    name: str
    answer: str
    state: State
    why: str

    def __str__(self) -> str:
        return f"{self.answer}: {self.why}"


def verdicts(report: Report) -> tuple[Verdict, ...]:
    """Return the answers, in the order in which a user asks."""
    physics = [_physics(report, output) for output in report.judged]
    if not physics:
        physics = [Verdict("Physics", "Physics not judged", "doubtful", "no data were given")]
    return *physics, _clock(report), _fit(report), _verified(report)


def _physics(report: Report, output: JudgedOutput) -> Verdict:
    """Answer for one output; doubts about other outputs, or about any tensor, count for each."""
    verdict = _physics_kept(report, output)
    return replace(verdict, name=output.named(verdict.name), answer=output.named(verdict.answer))


def _physics_kept(report: Report, output: JudgedOutput) -> Verdict:
    name = "Physics"
    falls = [auc.real - auc.fixed for auc in output.aucs if auc.real is not None and auc.fixed is not None]
    top1 = output.agreement.top1
    same = [] if top1 is None else [f"same class as in float: {top1:.2%}"]
    loss = max([0.0, *falls])
    lost = [f"largest loss of AUC: {loss:.4f}"] if falls else []
    largest = [] if lost or same else [f"largest difference to float: {output.agreement.max_difference:.3g}"]
    why = "; ".join([*lost, *same, *largest])
    if loss > AUC_LOSS:
        return Verdict(name, "Physics lost", "bad", f"{why}; at most {AUC_LOSS:g} of AUC may be lost")
    if top1 is not None and top1 < LEAST_TOP1:
        why = f"{why}, less than {LEAST_TOP1:.0%}"
        if not falls:
            return Verdict(name, "Physics lost", "bad", why)
        return Verdict(name, "Physics in doubt", "doubtful", why)
    if report.doubts:
        return Verdict(name, "Physics in doubt", "doubtful", f"{why}; {report.doubts[0]}")
    if report.clipping:
        count = len(report.clipping)
        clipped = f"{count} tensor{'' if count == 1 else 's'} clip{'s' if count == 1 else ''} on the data"
        return Verdict(name, "Physics kept, with clipping", "doubtful", f"{why}; {clipped}")
    return Verdict(name, "Physics kept", "good", why)


def _clock(report: Report) -> Verdict:
    name, asked = "Clock", f"{report.clock_period_ns:g} ns"
    timed = [built for built in report.built if built.clock_period_ns is not None]
    if not timed:
        return Verdict(name, "Clock not proven", "doubtful", f"{asked} by the delay model only; not routed")
    last = next((built for built in reversed(timed) if built.stage == "routed"), timed[-1])
    assert last.clock_period_ns is not None
    is_routed = last.stage == "routed"
    stage = "routed" if is_routed else f"as {last.tool} estimates; not routed"
    why = f"{last.clock_period_ns:.4g} ns of {asked}, {stage}"
    if last.clock_period_ns > report.clock_period_ns:
        return Verdict(name, "Clock missed", "bad", why)
    return Verdict(name, "Clock met", "good", why) if is_routed else Verdict(name, "Clock not proven", "doubtful", why)


def _fit(report: Report) -> Verdict:
    name = "Fit"
    # What was routed decides, then what was synthesised, then the estimate; a family without a part has no shares.
    stages = {built.stage: built.resources for built in report.built if any(use.available for use in built.resources)}
    stage = next((stage for stage in ("routed", "synthesised") if stage in stages), "estimated")
    uses = [(use.share, use) for use in stages.get(stage, report.estimated) if use.share is not None]
    if not uses:
        return Verdict(name, "Size not known", "doubtful", "no tool has synthesised it yet")
    share, worst = max(uses, key=lambda pair: pair[0])
    why = f"{grouped(worst.used)} {worst.name}, {worst.percent} of {report.part}, {stage}"
    if share <= FULL_PERCENT:
        return Verdict(name, "Fits the part", "good", why)
    if share <= 100:
        return Verdict(name, "Nearly fills the part", "doubtful", why)
    return Verdict(name, "Too large for the part", "bad", why)


def _verified(report: Report) -> Verdict:
    name, found = "Verification", report.verification
    if found is None:
        return Verdict(name, "Not verified", "doubtful", "not simulated")
    cycles = "" if found.simulated is None else ", all cycles as predicted"
    return Verdict(name, "Verified", "good", f"{grouped(found.sequences)} sequences simulated, 0 bits differ{cycles}")
