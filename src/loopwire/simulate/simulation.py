"""What is sent to a simulated module, what came back, and when.

Cycles are counted by rising clock edges, from 0; a beat moves in the cycle at whose edge TVALID and TREADY
are both high. Every sequence of vectors gives one result: one vector, or one for each of its own; TLAST ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ToolError, VerificationError
from loopwire.hdl.axi_stream import NO_SIDEBAND, BeatFormat, Beats, Counts, Sideband
from loopwire.hdl.framing import break_framing, framed_well
from loopwire.ir.fixed_point import Integers
from loopwire.system.folders import keep, temporary_folder
from loopwire.system.programs import require_output, run_tool

(_DONE, _NO_PROGRESS, _RETRACTED, _CHANGED, _NO_LAST, _UNSOLICITED, _READY_IN_RESET, _STATUS, _WRONG_LABEL) = range(9)


@dataclass(frozen=True, slots=True)
class Stimulus:
    """How beats are offered and taken. The same stimulus gives the same simulation, cycle for cycle.

    Attributes:
        seed: of the random numbers, including those that registers hold at power-up.
        valid_probability: that an input beat is offered in a cycle in which none is pending (1: no gaps).
        ready_probability: that the output is ready in a cycle (1: no stalls).
        last_probability: that TLAST ends a sequence of as many beats as there can be, which ends without it too.
        still_cycles: eight times in a run, on average, one side stops until the other has moved no beat for so many
            cycles: the output until every place in the module is taken, the input until the module is empty. 0: never.
        resets: cycles from the end of each reset to the next one. After each the run starts again from the first
            sequence; after the last it goes on to its end.
        breaks_framing: where a beat holds several vectors, or a vector takes several, the sender breaks the framing in
            ways that change no result; the module must tell of it.
        gaps_cycles: for how long each sequence is not offered after the first cycle in which it could be; none: 0.
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
class SimulationResult:
    """The results of all sequences, in order, with cycle numbers.

    Attributes:
        output: how results lie in beats.
        beats: the results' lanes, vectors and lengths.
        input_lengths: beats of each sequence [n_sequences].
        input_cycles: when each input beat was accepted [n_input_beats].
        valid_cycles: the first cycle in which each output beat was valid [n_output_beats].
        output_cycles: when each output beat was accepted [n_output_beats].
        lanes_before_resets: of the output beats accepted before each reset in mid-run.
        cycles: all cycles simulated, resets and the wait for surplus beats included.
    """

    output: BeatFormat
    beats: Beats
    input_lengths: Counts
    input_cycles: Counts
    valid_cycles: Counts
    output_cycles: Counts
    lanes_before_resets: tuple[Integers, ...]
    cycles: int

    @property
    def outputs(self) -> list[Integers]:
        """The result of each sequence: integers [n_vectors, count]."""
        vectors, lengths = self.output.vectors(self.beats)
        return np.split(vectors, np.cumsum(lengths)[:-1])

    @property
    def first_input_cycle(self) -> Counts:
        """When each sequence's first beat was accepted."""
        return _at(self.input_cycles, np.cumsum(self.input_lengths) - self.input_lengths)

    @property
    def last_input_cycle(self) -> Counts:
        """When each sequence's last beat was accepted."""
        return _at(self.input_cycles, np.cumsum(self.input_lengths) - 1)

    @property
    def first_output_cycle(self) -> Counts:
        """The first cycle in which the first beat of each sequence's result was valid."""
        return _at(self.valid_cycles, np.cumsum(self.beats.lengths) - self.beats.lengths)

    @property
    def last_output_cycle(self) -> Counts:
        """The first cycle in which the last beat of each sequence's result was valid."""
        return _at(self.valid_cycles, np.cumsum(self.beats.lengths) - 1)

    @property
    def latency_cycles(self) -> Counts:
        """Cycles from each sequence's first beat being accepted to its result's last beat being valid."""
        return self.last_output_cycle - self.first_input_cycle

    @property
    def interval_cycles(self) -> Counts:
        """Initiation intervals: cycles from each sequence's first beat to the next one's [n_sequences - 1].

        Buffers in the module make the first ones shorter than it can sustain.
        """
        return np.diff(self.first_input_cycle)

    def require_equal(self, where: str, vectors: Integers, lengths: Counts) -> None:
        """Compare every bit, those seen before a reset too, with the results expected.

        Args:
            where: told in the error.
            vectors: integers [n_vectors, count], one result after the other.
            lengths: vectors of each sequence's result [n_sequences].

        Raises:
            VerificationError: something differs; the message shows the first difference.
        """
        remedy = "This is a fault of Loopwire: please report it with the model and the configuration"
        due, ends = self.output.beats(vectors, lengths), np.cumsum(self.beats.lengths)
        if not np.array_equal(self.beats.lengths, due.lengths):
            sequence = int(np.flatnonzero(self.beats.lengths != due.lengths)[0])
            got, expected = int(self.beats.lengths[sequence]), int(due.lengths[sequence])
            raise VerificationError(where, f"the result of sequence {sequence} has {got} beats, not {expected}", remedy)
        if not np.array_equal(self.beats.kept, due.kept):
            beat = int(np.flatnonzero(self.beats.kept != due.kept)[0])
            sequence = int(np.searchsorted(ends, beat, side="right"))
            raise VerificationError(where, f"m_axis_tkeep is wrong in the result of sequence {sequence}", remedy)
        interrupted = [(lanes, f" before reset {index + 1}") for index, lanes in enumerate(self.lanes_before_resets)]
        for simulated, when in (*interrupted, (self.beats.lanes, "")):
            different = simulated != due.lanes[: len(simulated)]
            if not different.any():
                continue
            beat, element = (int(index) for index in np.argwhere(different)[0])
            sequence = int(np.searchsorted(ends, beat, side="right"))
            step = beat - int(np.sum(due.lengths[:sequence]))
            raise VerificationError(
                where,
                f"{int(different.any(axis=1).sum())} of {len(simulated)} output beats{when} differ; "
                f"the first is beat {step} of sequence {sequence}: element {element} is {simulated[beat, element]}, "
                f"not {due.lanes[beat, element]}",
                remedy,
            )


def _at(values: Counts, indices: Counts) -> Counts:
    chosen: Counts = values[indices]
    return chosen


@dataclass(frozen=True)
class _Record:
    """What the driver saw from one reset to the next."""

    status: int
    sequences: int
    input_cycles: Counts
    valid_cycles: Counts
    output_cycles: Counts
    last: npt.NDArray[np.bool_]
    lanes: Integers
    kept: Counts


@dataclass(frozen=True)
class Simulator:
    """A compiled simulation of one module.

    Attributes:
        top: name of the module.
        program: the executable.
        directory: where the module's memory files are.
        input, output: formats of its beats.
        max_steps: vectors of the longest sequence.
        sideband: what else comes with a sequence and leaves with its result.
    """

    top: str
    program: Path
    directory: Path
    input: BeatFormat
    output: BeatFormat
    max_steps: int
    sideband: Sideband = NO_SIDEBAND

    def run(
        self,
        vectors: Integers,
        lengths: Counts,
        stimulus: Stimulus,
        timeout_cycles: int = 100_000,
        fresh: npt.NDArray[np.bool_] | None = None,
    ) -> SimulationResult:
        """Stream sequences through the module until each has given its result, and some cycles longer.

        Args:
            vectors: integers [n_vectors, input.count], one sequence after the other.
            lengths: vectors of each sequence, from 1 to `max_steps` [n_sequences].
            stimulus: gaps, stalls and resets.
            timeout_cycles: the most cycles that may pass without a beat accepted on either side.
            fresh: bit 0 of TUSER of each sequence's first beat, for a module that has it [n_sequences]; None: low.

        Raises:
            VerificationError: the module hangs, breaks a rule of AXI4-Stream or gives too many beats.
            ToolError: the simulation stops by itself, for instance because a memory file is missing.
        """
        lengths = np.asarray(lengths, np.int64)
        assert lengths.ndim == 1 and len(lengths) and lengths.min() >= 1 and lengths.max() <= self.max_steps
        assert lengths.sum() == len(vectors), f"{lengths.sum()} vectors in the sequences, {len(vectors)} given"
        sent_beats = self.input.beats(vectors, lengths)
        framed = framed_well(self.input, sent_beats)
        if stimulus.breaks_framing:
            framed = break_framing(self.input, sent_beats, self.max_steps, np.random.default_rng(stimulus.seed))
        beats = framed.beats
        n_beats = len(beats.lanes)
        anew = np.zeros(len(lengths), np.int64) if fresh is None else fresh.astype(np.int64)
        users = self.sideband.users(len(lengths)) << self.sideband.fresh | anew
        gaps = stimulus.gaps_cycles or (0,) * len(lengths)
        assert len(gaps) == len(lengths)
        of_sequences = (*beats.lengths, *gaps, *users, *self.sideband.ids(len(lengths)))
        probabilities = (stimulus.valid_probability, stimulus.ready_probability, stimulus.last_probability)
        header = [len(lengths), n_beats, *self._most_beats, stimulus.seed]
        header += [round(probability * 2**32) for probability in probabilities]
        header += [
            stimulus.still_cycles,
            timeout_cycles,
            int(framed.errors.any()),
            int(framed.overruns.any()),
            len(stimulus.resets),
        ]
        # Not among the temporary files: the log of a failed run is kept.
        log = self.program.parent / "simulate.log"
        with temporary_folder() as folder:
            sent, received = folder / "stimulus", folder / "result"
            with sent.open("wb") as file:
                file.write(np.array([*header, *stimulus.resets, *of_sequences], "<i8").tobytes())
                data = (self.input.pack(beats.lanes), framed.keep)
                file.write(np.concatenate(data, axis=1).tobytes())
            printed = run_tool("simulation", [self.program, sent, received], log, self.directory)
            if "%Warning" in printed:
                line = next(line for line in printed.splitlines() if "%Warning" in line)
                raise ToolError("simulation", f"{self.top} cannot be trusted: {line}", f"Read its log, {keep(log)}")
            require_output("simulation", received, log)
            cycles, records = self._read(received.read_bytes())
        self._require_done(records, beats.lengths, timeout_cycles)
        final = records[-1]
        ends = np.flatnonzero(final.last)
        return SimulationResult(
            output=self.output,
            beats=Beats(final.lanes, final.kept, np.diff(ends, prepend=-1).astype(np.int64)),
            input_lengths=beats.lengths,
            input_cycles=final.input_cycles,
            valid_cycles=final.valid_cycles,
            output_cycles=final.output_cycles,
            lanes_before_resets=tuple(record.lanes for record in records[:-1]),
            cycles=cycles,
        )

    @property
    def _most_beats(self) -> tuple[int, int]:
        """Beats of the longest sequence and of the longest result."""
        return int(self.input.beat_counts(self.max_steps)), self.max_steps * self.output.beats_per_vector

    def _read(self, content: bytes) -> tuple[int, list[_Record]]:
        data_bytes, beat_bytes = self.output.bits // 8, self.output.bits // 8 + self.output.keep_bytes
        position = 0

        def take(count: int, dtype: str) -> npt.NDArray[Any]:
            nonlocal position
            values: npt.NDArray[Any] = np.frombuffer(content, dtype, count, position)
            position += values.nbytes
            return values

        cycles, n_records = (int(value) for value in take(2, "<i8"))
        records = []
        for _ in range(n_records):
            status, sequences, n_inputs, n_outputs = (int(value) for value in take(4, "<i8"))
            inputs, valid, outputs = (take(count, "<i8") for count in (n_inputs, n_outputs, n_outputs))
            last = take(n_outputs, "u1") != 0
            beats = take(n_outputs * beat_bytes, "u1").reshape(n_outputs, beat_bytes)
            lanes, kept = self.output.unpack(beats[:, :data_bytes]), self.output.unpack_keep(beats[:, data_bytes:])
            records.append(_Record(status, sequences, inputs, valid, outputs, last, lanes, kept))
        assert position == len(content)
        return cycles, records

    @property
    def _output_signals(self) -> str:
        return "m_axis_tdata or m_axis_tlast" if not self.output.keep_bits else "m_axis_tdata, _tkeep or _tlast"

    def _require_done(self, records: list[_Record], lengths: Counts, timeout_cycles: int) -> None:
        record = records[-1]
        if record.status == _DONE:
            return
        accepted = len(record.input_cycles)
        sequence = record.sequences
        problem = {
            _NO_PROGRESS: f"no beat moved for {timeout_cycles} cycles",
            _RETRACTED: "m_axis_tvalid fell before m_axis_tready rose",
            _CHANGED: f"{self._output_signals} changed before m_axis_tready rose",
            _NO_LAST: f"the result has {self._most_beats[1]} beats and no m_axis_tlast",
            _UNSOLICITED: "an output beat belongs to no sequence",
            _STATUS: "status_framing_error or status_overrun is wrong",
            _WRONG_LABEL: "m_axis_tuser or m_axis_tid is not the sequence's",
            _READY_IN_RESET: "s_axis_tready is high in the reset or in the cycle after it",
        }[record.status]
        if sequence < len(lengths):
            start = int(lengths[:sequence].sum())
            sent = min(max(accepted - start, 0), int(lengths[sequence]))
            state = f"at sequence {sequence}, {sent} of its {lengths[sequence]} beats accepted"
        else:
            state = "after the last sequence"
        raise VerificationError(
            f"simulation of {self.top}",
            f"{problem}, {state}; {sequence} of {len(lengths)} results were received",
            "This is a fault of Loopwire: please report it with the model and the configuration",
        )
