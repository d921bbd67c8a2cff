"""What stands around an engine's pipeline: its feeder, its collector, and what accompanies each step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from loopwire.schedule.cells import Cells, Resources
from loopwire.schedule.cycles import EngineTiming
from loopwire.schedule.datapath import Accumulate, Columns, Gather, StepRom, WordRom
from loopwire.schedule.pipeline import Pipeline
from loopwire.schedule.sequencers import served_stages


@dataclass(frozen=True, slots=True)
class ControlLuts:
    """Look-up tables of feeder and collector, memories left out."""

    feeder: float
    slot: float
    slot_step_bit: float
    """For each slot and each bit that counts steps."""
    input_bit: float
    """A step that comes in the cycle before its turn passes the memory."""
    ticket: float
    ticket_beat_bit: float


CONTROL_LUTS = {
    4: ControlLuts(feeder=62, slot=0, slot_step_bit=19.4, input_bit=1.8, ticket=0, ticket_beat_bit=11.9),
    6: ControlLuts(feeder=20, slot=15.6, slot_step_bit=5.5, input_bit=0.9, ticket=4.6, ticket_beat_bit=3.3),
}
"""By inputs of a look-up table: least squares over feeders and collectors of 1 to 12 slots, 4 to 16 tickets and 1 to
100 steps, each synthesised by itself with Yosys 0.70."""


def surroundings(pipeline: Pipeline, timing: EngineTiming, cells: Cells) -> Resources:
    """Return what feeder, collector, sequencer and the bits that go with each step take.

    Ref: the modules loopwire_feeder, loopwire_collector and loopwire_sequencer, whose registers are counted here.
    """
    return _Surroundings(pipeline, timing, cells).total()


class _Surroundings:
    def __init__(self, pipeline: Pipeline, timing: EngineTiming, cells: Cells) -> None:
        self._pipeline = pipeline
        self._timing = timing
        self._cells = cells
        self._costs = CONTROL_LUTS[cells.device.lut_inputs]
        self._folding = pipeline.datapath.folding
        self._carried = any(ring.carried for ring in pipeline.datapath.rings)
        self._needed = self._controls()

    def total(self) -> Resources:
        return self._feeder() + self._collector() + self._accompanying()

    def _feeder(self) -> Resources:
        timing, x = self._timing, self._pipeline.datapath.x
        steps, ticket, slot = timing.steps.bit_length(), _bits(timing.tickets), max(_bits(timing.slots), 1)
        a_slot = 2 + 2 * steps + ticket + self._carried
        filling = slot + 1 + steps + 2 * ticket + 1 + self._carried
        turn = max(_bits(timing.ring), 1) + timing.slots
        step = x.bits + sum(self._width(control) for control in self._needed if control not in _COUNTED)
        costs = self._costs
        luts = costs.feeder + timing.slots * (costs.slot + costs.slot_step_bit * steps) + costs.input_bit * x.bits
        memory = self._cells.memory(timing.slots * timing.steps, x.bits)
        return memory + Resources(luts=round(luts), ffs=timing.slots * a_slot + filling + turn + step)

    def _collector(self) -> Resources:
        timing = self._timing
        beats = timing.steps if timing.per_step else 1
        counted = beats.bit_length()
        luts = timing.tickets * (self._costs.ticket + self._costs.ticket_beat_bit * counted)
        ffs = timing.tickets * (counted + 1) + _bits(timing.tickets) + counted
        memory = self._cells.memory(timing.tickets * beats, self._pipeline.datapath.output.bits)
        return memory + Resources(luts=round(luts), ffs=ffs)

    def _accompanying(self) -> Resources:
        """Return what carries the controls to the last stage that needs them, and the sequencers on the way."""
        total = Resources()
        starts = [stages.start for stages in served_stages(self._pipeline)]
        for start, end in pairwise([*starts, self._pipeline.depth + 1]):
            for control, stages in self._needed.items():
                here = [stage for stage in stages if start <= stage < end]
                if here or (max(stages) >= end and control not in ("chunk", "pass")):
                    total += self._stretch(control, max(here, default=start) - start)
        return total

    def _stretch(self, control: str, stages: int) -> Resources:
        """Return what carries a control for some stages, and what a sequencer in front of these has of it.

        A sequencer keeps a step's bits for all of its cycles, or counts them. What a reset clears is no shift register.
        """
        bits = self._width(control)
        cleared = control in ("valid", "clears")
        carried = Resources(ffs=stages) if cleared else self._cells.delay(bits, stages)
        return carried if self._folding is None else carried + Resources(luts=bits, ffs=bits)

    def _controls(self) -> dict[str, set[int]]:
        """Return the stages that need each control."""
        pipeline, timing = self._pipeline, self._timing
        needed = {control: {pipeline.depth} for control in ("valid", "last", "ticket")}

        def need(control: str, stage: int) -> None:
            needed.setdefault(control, set()).add(stage)

        if timing.per_step:
            need("index", pipeline.depth)
        if self._folding is not None:
            need("word", pipeline.depth)
        for operation, placement in pipeline.placements.items():
            match operation.kind:
                case StepRom() | WordRom(by_step=True):
                    need("index", placement.first_stage)
                case WordRom(cycles=cycles):
                    need("chunk" if cycles > 1 else "word", placement.first_stage)
                case Columns() | Accumulate():
                    need("pass", placement.first_stage)
                case Gather():
                    for control in ("valid", "pass", "chunk"):
                        need(control, placement.first_stage)
                case _:
                    pass
        for ring in pipeline.datapath.rings:
            end = pipeline.write_stage(ring)
            need("valid", end)
            if not pipeline.datapath.in_memories:
                need("clears", end)
                continue
            for stage in (pipeline.entry[ring], end):
                need("slot", stage)
            need("first", pipeline.entry[ring])
            need("chunk", end)
            need("pass" if ring.gathered else "chunk", end if ring.gathered else pipeline.entry[ring])
        return {control: stages for control, stages in needed.items() if self._width(control)}

    def _width(self, control: str) -> int:
        timing, folding = self._timing, self._folding
        match control:
            case "ticket":
                return _bits(timing.tickets)
            case "slot":
                return _bits(timing.slots)
            case "index":
                return _bits(timing.steps)
            case "word" | "chunk" | "pass":
                counts = {"word": 1, "chunk": 1, "pass": 1}
                if folding is not None:
                    counts = {"word": folding.cycles, "chunk": folding.chunks, "pass": folding.passes}
                return _bits(counts[control])
            case _:
                return 1


_COUNTED = ("word", "chunk", "pass")
"""Controls that the sequencer makes."""


def _bits(count: int) -> int:
    """Return the bits of a number below `count`."""
    return (count - 1).bit_length()
