"""What is sent to a simulated module, what came back, and when.

Cycles are counted by rising clock edges, from 0; a beat moves in the cycle at whose edge TVALID and TREADY
are both high. A sequence has a part at each port: at an input its steps or a vector, at an
output its result, one vector or one for each of some steps; TLAST ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from loopwire.errors import VerificationError
from loopwire.hdl.axi_stream import Beats, Counts, Sequences, StreamPort
from loopwire.ir.fixed_point import Integers

FAULT = "This is a fault of Loopwire: please report it with the model and the configuration"


@dataclass(frozen=True, slots=True)
class Stimulus:
    """How beats are offered and taken. The same stimulus gives the same simulation, cycle for cycle.

    Attributes:
        seed: of the random numbers, including those that registers hold at power-up.
        valid_probability: that an input beat is offered in a cycle in which none is pending (1: no gaps).
        ready_probability: that an output is ready in a cycle (1: no stalls).
        last_probability: that TLAST ends a sequence of as many beats as there can be, which ends without it too.
        still_cycles: eight times in a run, on average, one side, or one of its ports, stops until no other port has
            moved a beat for this many cycles: an output until every place in the module is taken, an input until the
            module is empty. 0: never.
        resets: cycles from the end of each reset to the next one. After each the run starts again from the first
            sequence; after the last it goes on to its end.
        breaks_framing: where a beat holds several vectors, or a vector takes several, the sender breaks the framing in
            ways that change no result; the module must tell of it.
        gaps_cycles: for how long each sequence is not offered after the first cycle in which all inputs could offer it;
            none: each input offers it as soon as it can.
    """

    seed: int
    valid_probability: float = 1.0
    ready_probability: float = 1.0
    last_probability: float = 1.0
    still_cycles: int = 0
    resets: tuple[int, ...] = ()
    breaks_framing: bool = False
    gaps_cycles: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert 0 <= self.seed < 2**63 and self.still_cycles >= 0 and all(cycles > 0 for cycles in self.resets)
        assert 0 < self.valid_probability <= 1 and 0 < self.ready_probability <= 1 and 0 <= self.last_probability <= 1


@dataclass(frozen=True)
class Received:
    """What came out of a port.

    Attributes:
        port: the output.
        beats: lanes, vectors and lengths of the sequences' results.
        valid_cycles: the first cycle in which each beat was valid [n_beats].
        cycles: when each beat was accepted [n_beats].
        lanes_before_resets: of the beats accepted before each reset in mid-run.
    """

    port: StreamPort
    beats: Beats
    valid_cycles: Counts
    cycles: Counts
    lanes_before_resets: tuple[Integers, ...]

    @property
    def sequences(self) -> Sequences:
        """The results."""
        return Sequences(*self.port.format.vectors(self.beats))

    def require_equal(self, where: str, due: Sequences) -> None:
        """Compare every bit, those seen before a reset too, with the results expected.

        Raises:
            VerificationError: something differs; the message shows the first difference.
        """
        expected, ends = self.port.format.beats(due.vectors, due.lengths), np.cumsum(self.beats.lengths)
        if not np.array_equal(self.beats.lengths, expected.lengths):
            sequence = int(np.flatnonzero(self.beats.lengths != expected.lengths)[0])
            got, wanted = int(self.beats.lengths[sequence]), int(expected.lengths[sequence])
            problem = f"the result of sequence {sequence} at {self.port.axis} has {got} beats, not {wanted}"
            raise VerificationError(where, problem, FAULT)
        if not np.array_equal(self.beats.kept, expected.kept):
            beat = int(np.flatnonzero(self.beats.kept != expected.kept)[0])
            sequence = int(np.searchsorted(ends, beat, side="right"))
            problem = f"{self.port.axis}_tkeep is wrong in the result of sequence {sequence}"
            raise VerificationError(where, problem, FAULT)
        interrupted = [(lanes, f" before reset {index + 1}") for index, lanes in enumerate(self.lanes_before_resets)]
        for simulated, when in (*interrupted, (self.beats.lanes, "")):
            different = simulated != expected.lanes[: len(simulated)]
            if not different.any():
                continue
            beat, element = (int(index) for index in np.argwhere(different)[0])
            sequence = int(np.searchsorted(ends, beat, side="right"))
            step = beat - int(np.sum(expected.lengths[:sequence]))
            raise VerificationError(
                where,
                f"{int(different.any(axis=1).sum())} of {len(simulated)} output beats{when} of {self.port.axis} differ;"
                f" the first is beat {step} of sequence {sequence}: element {element} is {simulated[beat, element]}, "
                f"not {expected.lanes[beat, element]}",
                FAULT,
            )


@dataclass(frozen=True)
class SimulationResult:
    """The results of all sequences, in order, with cycle numbers.

    Attributes:
        input_lengths: of each input, the beats of each sequence [n_sequences].
        input_cycles: of each input, when each beat was accepted [n_beats].
        outputs: what came out of each output.
        cycles: all cycles simulated, resets and the wait for surplus beats included.
    """

    input_lengths: tuple[Counts, ...]
    input_cycles: tuple[Counts, ...]
    outputs: tuple[Received, ...]
    cycles: int

    @property
    def first_input_cycle(self) -> Counts:
        """When each sequence's first beat was accepted, at any input."""
        return _across(np.minimum, self._first_input_cycles)

    @property
    def last_input_cycle(self) -> Counts:
        """When each sequence's last beat was accepted, of all inputs."""
        ends = (np.cumsum(lengths) - 1 for lengths in self.input_lengths)
        return _across(np.maximum, [cycles[end] for cycles, end in zip(self.input_cycles, ends, strict=True)])

    @property
    def first_output_cycle(self) -> Counts:
        """The first cycle in which the first beat of each sequence's results was valid, at any output."""
        firsts = [o.valid_cycles[np.cumsum(o.beats.lengths) - o.beats.lengths] for o in self.outputs]
        return _across(np.minimum, firsts)

    @property
    def last_output_cycle(self) -> Counts:
        """The first cycle in which the last beat of each sequence's results was valid, of all outputs."""
        return _across(np.maximum, [o.valid_cycles[np.cumsum(o.beats.lengths) - 1] for o in self.outputs])

    @property
    def latency_cycles(self) -> Counts:
        """Cycles from each sequence's first beat being accepted to its results' last beat being valid."""
        return self.last_output_cycle - self.first_input_cycle

    @property
    def interval_cycles(self) -> Counts:
        """Initiation intervals: cycles from each sequence's first beat, at the last input that takes it, to the next
        one's [n_sequences - 1].

        Buffers in the module make the first ones shorter than it can sustain.
        """
        return np.diff(_across(np.maximum, self._first_input_cycles))

    def require_equal(self, where: str, due: Sequence[Sequences]) -> None:
        """Compare every bit of all outputs with the results expected, those seen before a reset too.

        Raises:
            VerificationError: something differs; the message shows the first difference, and begins with `where`.
        """
        for output, sequences in zip(self.outputs, due, strict=True):
            output.require_equal(where, sequences)

    @property
    def _first_input_cycles(self) -> list[Counts]:
        starts = (np.cumsum(lengths) - lengths for lengths in self.input_lengths)
        return [cycles[start] for cycles, start in zip(self.input_cycles, starts, strict=True)]


def _across(choose: Callable[[Counts, Counts], Counts], ports: Sequence[Counts]) -> Counts:
    return reduce(choose, ports)
