"""What is around an engine's pipeline: its feeder, its collector, and what accompanies each step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from loopwire.area.cells import Cells, Resources
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.sequencers import served_stages
from loopwire.timing.step_controls import bits_of, of_pipeline


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
        self._sharing = pipeline.datapath.sharing
        self._carried = any(feedback.carried for feedback in pipeline.datapath.feedbacks)
        self._bits = bits_of(timing, self._sharing)
        self._needed = of_pipeline(pipeline, timing)

    def total(self) -> Resources:
        return self._feeder() + self._collector() + self._accompanying()

    def _feeder(self) -> Resources:
        timing, x = self._timing, self._pipeline.datapath.x
        steps, ticket, slot = timing.steps.bit_length(), _bits(timing.tickets), max(_bits(timing.slots), 1)
        a_slot = 2 + 2 * steps + ticket + self._carried
        filling = slot + 1 + steps + 2 * ticket + 1 + self._carried
        turn = max(_bits(timing.round_cycles), 1) + timing.slots
        # A vector that is read a cycle later waits for its address, and what comes in that cycle is kept as well.
        later = self._pipeline.input_stage * (x.bits + _bits(timing.slots * timing.steps) + 1)
        step = later + x.bits + sum(self._bits[control] for control in self._needed if control not in _COUNTED)
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
        places, bits = timing.result_places, self._pipeline.datapath.output.bits
        if timing.results_in_block_ram:
            memory = Resources(bram18s=self._cells.device.block_rams(places, bits), ffs=2)
        else:
            memory = self._cells.memory(places, bits)
        return memory + Resources(luts=round(luts), ffs=ffs)

    def _accompanying(self) -> Resources:
        """Return what carries the controls to the last stage that needs them, and the sequencers on the way."""
        total = Resources()
        starts = [stages.start for stages in served_stages(self._pipeline)]
        for start, end in pairwise([*starts, self._pipeline.depth + 1]):
            for control, stages in self._needed.items():
                here = [stage for stage in stages if start <= stage < end]
                if here or (max(stages) >= end and control not in ("chunk", "pass_index")):
                    total += self._stretch(control, max(here, default=start) - start)
        return total

    def _stretch(self, control: str, stages: int) -> Resources:
        """Return what carries a control for some stages, and what a sequencer in front of these has of it.

        A sequencer keeps a step's bits for all of its cycles, or counts them. What a reset clears is no shift register.
        """
        bits = self._bits[control]
        cleared = control in ("step_valid", "step_clears")
        carried = Resources(ffs=stages) if cleared else self._cells.delay(bits, stages)
        return carried if self._sharing.is_parallel else carried + Resources(luts=bits, ffs=bits)


_COUNTED = ("word", "chunk", "pass_index")
"""Controls that the sequencer makes."""


def _bits(count: int) -> int:
    """Return the bits of a number below `count`."""
    return (count - 1).bit_length()
