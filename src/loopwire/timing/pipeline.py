"""A datapath with registers: in which stage of an engine's pipeline each operation works.

A stage is the time between two clock edges. A step enters stage 0 and moves on by a stage each cycle, never held back.
States leave the pipeline where they are computed and enter it again `loop_latency` cycles later, with the sequence's
next step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loopwire.cmvm.adder_tree import StagedTree
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.ops import Constant
from loopwire.datapath.signals import Signal

Time = tuple[int, float]
"""A stage, and nanoseconds after the clock edge that begins it."""


@dataclass(frozen=True)
class Placement:
    """Where an operation works: operands are read in `first_stage`, the result is there in `time`.

    A shift-add tree spans several stages, and `staged` holds its registers; a product and a table of two ROMs may span
    two, with registers inside.
    """

    first_stage: int
    time: Time
    staged: StagedTree | None = None

    @property
    def registered(self) -> bool:
        """Whether registers are inside."""
        return self.first_stage < self.time[0]


@dataclass(frozen=True)
class Cut:
    """Where a loop keeps what it holds while its sequence waits for a step.

    At the end of `stage` every signal that a later stage of the loop needs is replaced, when no step is there, by what
    it was `loop_latency` cycles before. The later stages then compute the same following states as then.
    """

    stage: int
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Pipeline:
    """A scheduled datapath.

    `loop_latency` is the number of cycles from a step to the next one of the same sequence, `input_stage` the stage in
    which x is there, `entry` that in which each state is read, `cuts` where it is held, `write` that at whose end each
    following state is stored; the output is there in stage `depth`, which a register ends.
    """

    datapath: Datapath
    loop_latency: int
    input_stage: int
    entry: Mapping[Feedback, int]
    cuts: Mapping[Feedback, Cut]
    write: Mapping[Feedback, int]
    placements: Mapping[Operation, Placement]
    depth: int

    def stage_of(self) -> dict[Signal, int]:
        """Return the stage in which each signal is first there; constants, which are always there, are left out."""
        places = {self.datapath.x: self.input_stage}
        places.update({feedback.read: entry for feedback, entry in self.entry.items()})
        for operation, placement in self.placements.items():
            if not isinstance(operation.kind, Constant):
                places[operation.result] = placement.time[0]
        return places

    def reads(self) -> Iterable[tuple[Signal, int]]:
        """Yield every signal with each stage in which something reads it."""
        for operation, placement in self.placements.items():
            for operand in operation.operands:
                yield operand, placement.first_stage
        for feedback in self.entry:
            yield feedback.following, self.write[feedback]
        for cut in self.cuts.values():
            for signal in cut.signals:
                yield signal, cut.stage
        yield self.datapath.output, self.depth

    def register_bits(self) -> int:
        """Return the bits of all registers between stages, those inside shift-add trees left out."""
        last: dict[Signal, int] = {}
        for signal, place in self.reads():
            last[signal] = max(last.get(signal, place), place)
        return sum((last[signal] - place) * signal.bits for signal, place in self.stage_of().items() if signal in last)
