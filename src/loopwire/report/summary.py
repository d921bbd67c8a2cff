"""What is known of a design, each number with the stage that it comes from, as a table, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from loopwire.area.engine_area import EngineArea
from loopwire.knobs import Knobs
from loopwire.report.agreement import Agreement, ClassAuc
from loopwire.report.area import ENGINES, area_rows, engine_rows
from loopwire.report.built import Built, ResourceUse
from loopwire.report.chosen import ChosenKnob, Target
from loopwire.report.clipping import Clipping
from loopwire.report.judged import JudgedOutput
from loopwire.report.layers import InputFacts, LayerFacts, LayerStages
from loopwire.report.plain import plain
from loopwire.report.profile import TensorProfile
from loopwire.report.range_proof import RangeProof
from loopwire.report.resources import resource_tables
from loopwire.report.roc import WorkingPoint
from loopwire.report.trace import TensorTrace
from loopwire.report.verdicts import Verdict, verdicts
from loopwire.text.escapes import markdown
from loopwire.text.table import Table, grouped

Rows = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Cycles:
    """Latency: first input beat of a lone full sequence to its (last) result beat, both sides always ready.

    Initiation interval: first beat to the next sequence's first beat at full rate, the mean over those in flight.
    Least and greatest latency: the same of full sequences that come at any times, at up to full rate.
    """

    latency_cycles: int
    initiation_interval_cycles: float
    least_latency_cycles: int | None = None
    greatest_latency_cycles: int | None = None

    @property
    def latency_range(self) -> str:
        """Least and greatest latency in words."""
        least, greatest = self.least_latency_cycles, self.greatest_latency_cycles
        if least is None or greatest is None:
            return "not known of networks"
        if least == greatest:
            return f"always {grouped(least)} cycles"
        return f"{grouped(least)} to {grouped(greatest)} cycles"


@dataclass(frozen=True)
class Verification:
    """A simulation whose every output bit, and cycle count where these are known, was as predicted.

    Attributes:
        sequences: simulated, of which `short_sequences` ended before their last step, and `stressed_sequences` met
            random gaps or stalls.
        resets: while sequences were under way.
        simulated: the cycles counted; None: only a vendor's tool knows them.
        machine: what was simulated.
        method: what was compared with what, in sentences.
    """

    machine: str
    method: str
    sequences: int
    short_sequences: int = 0
    stressed_sequences: int = 0
    resets: int = 0
    simulated: Cycles | None = None

    def __str__(self) -> str:
        how = f"{self.short_sequences} of them short"
        if self.simulated is not None:
            how = f"{self.stressed_sequences} with random gaps or stalls, {how}, {self.resets} resets"
        return f"{self.machine} equals the emulator on {grouped(self.sequences)} sequences ({how}): 0 bits differ"

    def __repr__(self) -> str:
        return f"<{self}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [("Machine", self.machine), ("Sequences", grouped(self.sequences))]
        rows += [("Short", grouped(self.short_sequences)), ("With gaps or stalls", grouped(self.stressed_sequences))]
        rows += [("Resets", str(self.resets)), ("Bits that differ", "0")]
        if self.simulated is not None:
            rows.append(("Latency, as predicted", f"{self.simulated.latency_cycles} cycles"))
            rows.append(("Initiation interval", f"{self.simulated.initiation_interval_cycles:g} cycles"))
        return Table("Verified by simulation", ("", ""), tuple(rows))._repr_html_()


@dataclass(frozen=True)
class HardwareFacts:
    """What a target tells of a design without a vendor's tool; None and empty where only that knows.

    Attributes:
        interleave: sequences in a loop, or a call, at once.
        loop_latency_cycles: of the longest loop.
        predicted: latency and interval.
        engines: as scheduled, with their resources as estimated.
        estimated: what all of them take of the part.
        stages: in which each layer works, engine by engine.
    """

    interleave: int = 1
    loop_latency_cycles: int | None = None
    predicted: Cycles | None = None
    engines: tuple[EngineArea, ...] = ()
    estimated: tuple[ResourceUse, ...] = ()
    stages: tuple[LayerStages, ...] = ()


@dataclass(frozen=True)
class Report:
    """All facts of one design. `predicted` comes from the schedule, `verification.simulated` from the simulation.

    Of HLS C++ there is no prediction: only its tool knows cycles, and `predicted` and `loop_latency_cycles` are None.
    `engines` are as scheduled; their resources, and those of all in `estimated`, are estimates without synthesis.
    `knobs` are those asked for, `chosen` those found for the `targets`; `interleave` is as scheduled. `delay_factor` is
    what the delay model's delays were multiplied by.
    `command` leads to the same design.
    `doubts` are sentences about what the data show to be lost in fixed point.
    `built` is what tools reported, added when they have run.
    `agreement` is of all outputs; `aucs`, `working_points` and `confusion` are of the only one, `outputs` holds them of
    each where there are several.
    `confusion` counts fixed-point outputs: rows are true classes, columns predicted. `profile` and `trace` are of the
    first `profiled_sequences` of the data.
    """

    model: str
    part: str
    clock_period_ns: float
    interleave: int
    loop_latency_cycles: int | None
    predicted: Cycles | None
    verification: Verification | None = None
    agreement: Agreement | None = None
    aucs: tuple[ClassAuc, ...] = ()
    outputs: tuple[JudgedOutput, ...] = ()
    clipping: tuple[Clipping, ...] = ()
    doubts: tuple[str, ...] = ()
    loopwire_version: str = ""
    source: str = ""
    inputs: tuple[InputFacts, ...] = ()
    layers: tuple[LayerFacts, ...] = ()
    stages: tuple[LayerStages, ...] = ()
    range_proofs: tuple[RangeProof, ...] = ()
    working_points: tuple[WorkingPoint, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    profiled_sequences: int = 0
    profile: tuple[TensorProfile, ...] = ()
    trace: tuple[TensorTrace, ...] = ()
    target: str = "verilog"
    built: tuple[Built, ...] = ()
    knobs: Knobs = field(default_factory=Knobs)
    engines: tuple[EngineArea, ...] = ()
    estimated: tuple[ResourceUse, ...] = ()
    targets: tuple[Target, ...] = ()
    chosen: tuple[ChosenKnob, ...] = ()
    delay_factor: float = 1.0
    command: str = ""

    def rows(self) -> Rows:
        """Return (quantity, value, stage) of each fact but AUCs and clipping."""
        rows: list[tuple[str, ...]] = [target.row() for target in self.targets]
        rows += [*(knob.row() for knob in self.chosen), *self._cycle_rows()]
        rows += area_rows(self.engines, self.estimated)
        for built in self.shown_built:
            rows += built.rows(self.clock_period_ns)
            if built.stage == "routed" and built.clock_period_ns is not None and self.predicted is not None:
                latency_ns = self.predicted.latency_cycles * built.clock_period_ns
                rows.append(("Latency at the routed clock", f"{grouped(float(f'{latency_ns:.4g}'))} ns", built.origin))
        for output in self.judged:
            found, stage = output.agreement, f"emulated, {grouped(output.agreement.sequences)} sequences"
            if found.top1 is not None:
                rows.append((output.named("Same class, float and fixed"), f"{found.top1:.2%}", stage))
            largest = output.named("Largest difference, float to fixed")
            rows.append((largest, f"{found.max_difference:.4g}", stage))
        verified = "not verified" if self.verification is None else str(self.verification)
        rows.append(("Verification", verified, "" if self.verification is None else "simulated"))
        return rows

    @property
    def shown_built(self) -> tuple[Built, ...]:
        """What tools found, the part named only where it is not the design's."""
        return tuple(replace(built, part="") if built.part == self.part else built for built in self.built)

    @property
    def judged(self) -> tuple[JudgedOutput, ...]:
        """What the data show of each output; nothing without data."""
        if self.agreement is None or self.outputs:
            return self.outputs
        return (JudgedOutput("", self.agreement, self.aucs, self.working_points, self.confusion),)

    @property
    def routed_clock_period_ns(self) -> float | None:
        """The clock period of the last route; None where no tool has routed the design."""
        periods = (built.clock_period_ns for built in reversed(self.built) if built.stage == "routed")
        return next((period for period in periods if period is not None), None)

    def _cycle_rows(self) -> list[tuple[str, ...]]:
        clock = f"{self.clock_period_ns:g} ns on {self.part}"
        if self.predicted is None or self.loop_latency_cycles is None:
            unknown = [] if self.built else [("Latency and initiation interval", UNKNOWN, "")]
            return [*unknown, ("Sequences a call", str(self.interleave), "asked for"), ("Clock", clock, "asked for")]
        stage = "predicted" if self.verification is None else "predicted and simulated"
        copies = self.knobs.copies
        return [
            ("Latency", self._time(self.predicted.latency_cycles), stage),
            ("Latency at random times", *self._latency_range()),
            ("Initiation interval", self._time(self.predicted.initiation_interval_cycles), stage),
            ("Latency of the loop", self._time(self.loop_latency_cycles), "predicted"),
            ("Sequences interleaved", str(self.interleave), "scheduled"),
            *([("Copies of the recurrent layers", str(copies), "scheduled")] if copies > 1 else []),
            ("Ports", self._ports(), "scheduled"),
            *self._channel_rows(),
            ("Clock", clock, "delay model" if self.delay_factor == 1 else f"delay model × {self.delay_factor:.3g}"),
        ]

    def _latency_range(self) -> tuple[str, str]:
        """Return the least and the greatest latency, and whether they were met or are bounds."""
        assert self.predicted is not None
        bounds = self.predicted.latency_range
        if self.verification is None or self.verification.simulated is None:
            return bounds, "predicted"
        met = self.verification.simulated.latency_range
        if self.predicted.least_latency_cycles is None:
            return met, "of those tried, each predicted and simulated"
        return bounds, "predicted and simulated" if met == bounds else f"bounds, predicted; simulated: {met}"

    def _ports(self) -> str:
        if self.knobs.io == "parallel":
            return "one whole sequence per beat"
        return "one time step per beat" if self.knobs.bus_bits is None else f"{self.knobs.bus_bits} bits per beat"

    def _channel_rows(self) -> list[tuple[str, ...]]:
        if not self.knobs.stateful and not self.knobs.sliding_window:
            return []
        kept = "with states that last" if self.knobs.stateful else "with a sliding window"
        return [(f"Channels, each {kept}", str(self.knobs.channels), "scheduled")]

    def auc_rows(self) -> Rows:
        """Return (class, float AUC, fixed AUC, fixed / float) of every output."""
        return [row for output in self.judged for row in output.auc_rows()]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Whether the physics is kept, the clock met, the part large enough, and the design verified."""
        return verdicts(self)

    def table(self) -> Table:
        """Return all facts of `rows` as a table."""
        return Table(f"Report of {self.model!r}", FACTS, tuple(self.rows()))

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` of the same facts.

        Raises:
            ToolError: pandas is not installed.
        """
        return self.table().to_dataframe()

    def __repr__(self) -> str:
        return f"<Report of {self.model!r}: {'; '.join(map(str, self.verdicts))}>"

    def _repr_html_(self) -> str:
        colours = {"good": "#1a7f37", "doubtful": "#9a6700", "bad": "#cf222e"}
        cards = "".join(
            f'<p><b style="color:{colours[verdict.state]}">{escape(verdict.answer)}</b> {escape(verdict.why)}</p>'
            for verdict in self.verdicts
        )
        return cards + self.table()._repr_html_()

    def to_json(self) -> str:
        """Return all facts, and the verdicts; types as text."""
        return json.dumps({"verdicts": plain(self.verdicts), **plain(self)}, indent=2) + "\n"

    def to_markdown(self) -> str:
        """Return the tables as Markdown."""
        answers = (f"* **{one.answer}**: {markdown(one.why)}" for one in self.verdicts)
        parts = [f"# {markdown(self.model)}", "\n".join(answers), self.table().to_markdown()]
        if self.engines:
            parts += ["## Engines: multipliers as scheduled, resources as estimated"]
            parts += [_table(ENGINES, engine_rows(self.engines))]
        if self.doubts:
            parts += ["## What is lost in fixed point", "\n".join(f"* {markdown(doubt)}." for doubt in self.doubts)]
        if aucs := self.auc_rows():
            parts += ["## Area under the ROC curve", _table(AUCS, aucs)]
        if self.clipping:
            parts += ["## Tensors that clip", _table(CLIPPING, clipping_rows(self.clipping))]
        for table in resource_tables(self.shown_built):
            parts += [f"## {markdown(table.title)}", _table(table.head, table.rows)]
            parts.append("\n".join(f"* {markdown(note)}." for note in table.notes))
        for built in self.shown_built:
            if built.critical_path:
                points = (f"* {markdown(point)}" for point in built.critical_path)
                parts += [f"## Slowest path, {markdown(built.origin)}", "\n".join(points)]
        return "\n\n".join(parts) + "\n"

    def _time(self, cycles: float) -> str:
        return f"{grouped(cycles)} cycles, {grouped(cycles * self.clock_period_ns)} ns"


UNKNOWN = "not known without Vitis HLS: run loopwire build"
FACTS = ("Quantity", "Value", "Stage")
AUCS = ("Class", "Float", "Fixed", "Fixed / float")
CLIPPING = ("Layer", "Tensor", "Type", "Clipped", "Values met", "Would hold them")


def clipping_rows(clipping: Sequence[Clipping]) -> Rows:
    """Return (layer, tensor, type, share clipped, range met, type that holds it)."""
    return [
        (
            row.layer or "(input)",
            row.tensor,
            str(row.type),
            row.share_told,
            f"{row.low:.4g} to {row.high:.4g}",
            str(row.suggestion),
        )
        for row in clipping
    ]


def _table(head: tuple[str, ...], rows: Rows) -> str:
    return Table("", head, tuple(rows)).to_markdown()
