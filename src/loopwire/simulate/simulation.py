"""What is sent to a simulated module, what came back, and when.

Cycles are counted by rising clock edges, from 0; a beat moves in the cycle at whose edge TVALID and TREADY
are both high. A sequence has a part at each port: at an input its steps or a vector, at an
output its result, one vector or one for each of some steps; TLAST ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ToolError, VerificationError
from loopwire.hdl.axi_stream import NO_SIDEBAND, Beats, Counts, Sequences, Sideband, StreamPort
from loopwire.hdl.framing import Framed, break_framing, framed_well
from loopwire.ir.fixed_point import Integers
from loopwire.system.folders import keep, temporary_folder
from loopwire.system.programs import require_output, run_tool

(_DONE, _NO_PROGRESS, _RETRACTED, _CHANGED, _NO_LAST, _UNSOLICITED, _READY_IN_RESET, _STATUS) = range(8)
_LAST, _ENDS = 1, 2
"""Flags of a beat: TLAST, and whether it is an input sequence's last one."""
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


@dataclass(frozen=True)
class _Output:
    """What the driver saw of an output from one reset to the next; `data` are the bytes of beats without TLAST."""

    sequences: int
    valid_cycles: Counts
    cycles: Counts
    data: npt.NDArray[np.uint8]
    last: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Record:
    """What it saw of all ports; `port` has the `status`."""

    status: int
    port: int
    input_cycles: tuple[Counts, ...]
    outputs: tuple[_Output, ...]


@dataclass(frozen=True)
class _Sent:
    """What goes to an input: the beats, their bytes with the flags, and the status that they bring about."""

    lengths: Counts
    data: npt.NDArray[np.uint8]
    framing_error: bool
    overrun: bool


@dataclass(frozen=True)
class Simulator:
    """A compiled simulation of one module.

    Attributes:
        top: name of the module.
        program: the executable.
        directory: where the module's memory files are.
        inputs, outputs: its ports.
        widths: bytes of a beat of each input, and of each output, as they are compiled: those of its signals, or more.
        sideband: what else comes with a sequence and leaves with all its results.
        has_status: whether the module tells of broken framing.
    """

    top: str
    program: Path
    directory: Path
    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    sideband: Sideband = NO_SIDEBAND
    has_status: bool = False

    def run(self, given: Sequence[Sequences], stimulus: Stimulus, timeout_cycles: int = 100_000) -> SimulationResult:
        """Stream sequences through the module until each has given its results, and some cycles longer.

        Args:
            given: of each input, as many sequences, each of 1 to as many vectors as a full one has.
            stimulus: gaps, stalls and resets.
            timeout_cycles: the most cycles that may pass without a beat accepted on any side.

        Raises:
            VerificationError: the module hangs, breaks a rule of AXI4-Stream or gives too many beats.
            ToolError: the simulation stops by itself, for instance because a memory file is missing.
        """
        count = len(given[0].lengths)
        random = np.random.default_rng(stimulus.seed)
        sent = [self._sent(index, sequences, stimulus, random) for index, sequences in enumerate(given)]
        assert count and all(len(one.lengths) == count for one in sent) and len(sent) == len(self.inputs)
        assert len(stimulus.gaps_cycles) in (0, count)
        odds = [round(probability * 2**32) for probability in (stimulus.valid_probability, stimulus.ready_probability)]
        told = any(one.framing_error for one in sent) | 2 * any(one.overrun for one in sent)
        header = [stimulus.seed, *odds, stimulus.still_cycles, timeout_cycles, told * self.has_status, count]
        header += [len(stimulus.gaps_cycles), len(stimulus.resets), len(self.inputs), len(self.outputs)]
        # Not among the temporary files: the log of a failed run is kept.
        log = self.program.parent / "simulate.log"
        with temporary_folder() as folder:
            stimulus_file, received = folder / "stimulus", folder / "result"
            with stimulus_file.open("wb") as file:
                file.write(np.array([*header, *stimulus.gaps_cycles, *stimulus.resets], "<i8").tobytes())
                for one, width in zip(sent, self.widths[0], strict=False):
                    file.write(np.array([width, len(one.data)], "<i8").tobytes() + one.data.tobytes())
                for port, width in zip(self.outputs, self.widths[1], strict=False):
                    file.write(np.array([width, self._most_beats(port)], "<i8").tobytes())
            printed = run_tool("simulation", [self.program, stimulus_file, received], log, self.directory)
            if "%Warning" in printed:
                line = next(line for line in printed.splitlines() if "%Warning" in line)
                raise ToolError("simulation", f"{self.top} cannot be trusted: {line}", f"Read its log, {keep(log)}")
            require_output("simulation", received, log)
            cycles, records = self._read(received.read_bytes())
        self._require_done(records[-1], [one.lengths for one in sent], timeout_cycles)
        outputs = tuple(self._received(index, records) for index in range(len(self.outputs)))
        return SimulationResult(tuple(one.lengths for one in sent), records[-1].input_cycles, outputs, cycles)

    def _sent(self, index: int, given: Sequences, stimulus: Stimulus, random: np.random.Generator) -> _Sent:
        port, lengths = self.inputs[index], np.asarray(given.lengths, np.int64)
        assert lengths.min() >= 1 and lengths.max() <= port.steps
        assert lengths.sum() == len(given.vectors), f"{lengths.sum()} vectors in sequences, {len(given.vectors)} given"
        well = port.format.beats(given.vectors, lengths)
        framed = framed_well(port.format, well)
        if stimulus.breaks_framing:
            framed = break_framing(port.format, well, port.steps, random, self.sideband.of_input(index))
        counts, dropped = framed.beats.lengths, framed.dropped
        ends = np.cumsum(counts) - 1
        last = counts - dropped < port.format.beat_counts(port.steps)
        last |= random.random(len(counts)) < stimulus.last_probability
        flags = np.zeros((len(framed.beats.lanes), 1), np.uint8)
        flags[ends, 0] = _ENDS | last * _LAST
        flags[(ends - counts + dropped)[dropped > 0], 0] = _LAST
        parts = [port.format.pack(framed.beats.lanes), framed.keep]
        parts += _sideband_bytes(self.sideband.of_input(index), framed, given.fresh, random)
        data = np.concatenate(parts, axis=1)
        padding = np.zeros((len(data), self.widths[0][index] - data.shape[1]), np.uint8)
        overrun = bool(framed.overruns.any() or (last.any() and not last.all()))
        return _Sent(counts, np.concatenate((data, padding, flags), axis=1), bool(framed.errors.any()), overrun)

    @staticmethod
    def _most_beats(port: StreamPort) -> int:
        """Return the beats after which no result is without TLAST, whatever its steps are."""
        return port.steps * port.format.beats_per_vector

    def _read(self, content: bytes) -> tuple[int, list[_Record]]:
        position = 0

        def take(count: int, dtype: str) -> npt.NDArray[Any]:
            nonlocal position
            values: npt.NDArray[Any] = np.frombuffer(content, dtype, count, position)
            position += values.nbytes
            return values

        def integers(count: int) -> list[int]:
            return [int(value) for value in take(count, "<i8")]

        def output(width: int) -> _Output:
            sequences, count = integers(2)
            valid, accepted = take(count, "<i8"), take(count, "<i8")
            beats = take(count * (width + 1), "u1").reshape(count, width + 1)
            return _Output(sequences, valid, accepted, beats[:, :-1], beats[:, -1] != 0)

        cycles, n_records = integers(2)
        records = []
        for _ in range(n_records):
            status, port = integers(2)
            inputs = tuple(take(integers(1)[0], "<i8") for _ in self.inputs)
            records.append(_Record(status, port, inputs, tuple(output(w) for w in self.widths[1][: len(self.outputs)])))
        assert position == len(content)
        return cycles, records

    def _received(self, index: int, records: Sequence[_Record]) -> Received:
        port, final = self.outputs[index], records[-1].outputs[index]
        end, keep_end = port.format.bits // 8, port.format.bits // 8 + port.format.keep_bytes
        lengths = np.diff(np.flatnonzero(final.last), prepend=-1).astype(np.int64)
        for record in records:
            self._require_labels(port, record.outputs[index], keep_end, len(lengths))
        lanes = [port.format.unpack(record.outputs[index].data[:, :end]) for record in records]
        kept = port.format.unpack_keep(final.data[:, end:keep_end])
        return Received(port, Beats(lanes[-1], kept, lengths), final.valid_cycles, final.cycles, tuple(lanes[:-1]))

    def _require_labels(self, port: StreamPort, output: _Output, start: int, count: int) -> None:
        """Compare TUSER and TID of each beat with those of its sequence."""
        sideband, sequence = self.sideband, np.cumsum(output.last, dtype=np.int64) - output.last
        labels = (sideband.users(count), sideband.user_bits), (sideband.ids(count), sideband.id_bits)
        due = np.concatenate([_bytes_of(values, bits) for values, bits in labels], axis=1)[sequence]
        if not np.array_equal(output.data[:, start : start + due.shape[1]], due):
            problem = f"{port.axis}_tuser or {port.axis}_tid is not the sequence's"
            raise VerificationError(f"simulation of {self.top}", problem, FAULT)

    def _require_done(self, record: _Record, lengths: Sequence[Counts], timeout_cycles: int) -> None:
        if record.status == _DONE:
            return
        sequence = min(output.sequences for output in record.outputs)
        input = self.inputs[record.port if record.status == _READY_IN_RESET else 0].axis
        output = self.outputs[0 if record.status == _READY_IN_RESET else record.port]
        problem = {
            _NO_PROGRESS: f"no beat moved for {timeout_cycles} cycles",
            _RETRACTED: f"{output.axis}_tvalid fell before {output.axis}_tready rose",
            _CHANGED: f"a signal of {output.axis} changed before {output.axis}_tready rose",
            _NO_LAST: f"after {self._most_beats(output)} beat(s) of a result there is no {output.axis}_tlast",
            _UNSOLICITED: f"a beat of {output.axis} belongs to no sequence",
            _STATUS: "status_framing_error or status_overrun is wrong",
            _READY_IN_RESET: f"{input}_tready is high in the reset or in the cycle after it",
        }[record.status]
        state = "after the last sequence"
        if sequence < len(lengths[0]):
            parts = []
            for port, cycles, beats in zip(self.inputs, record.input_cycles, lengths, strict=True):
                sent = min(max(len(cycles) - int(beats[:sequence].sum()), 0), int(beats[sequence]))
                parts.append(f"{sent} of its {beats[sequence]} beats accepted by {port.axis}")
            state = f"at sequence {sequence}, {', '.join(parts)}"
        received = f"{sequence} of {len(lengths[0])} results were received"
        raise VerificationError(f"simulation of {self.top}", f"{problem}, {state}; {received}", FAULT)


def _bytes_of(values: Counts, bits: int) -> npt.NDArray[np.uint8]:
    """Return integers of a given number of bits as bytes, lowest first [n, bytes]."""
    return values.astype("<i8").view(np.uint8).reshape(-1, 8)[:, : -(-bits // 8)]


def _sideband_bytes(
    sideband: Sideband, framed: Framed, fresh: npt.NDArray[np.bool_] | None, random: np.random.Generator
) -> list[npt.NDArray[np.uint8]]:
    """Return TUSER and TID of each beat: no module may look at them but with a sequence's first one."""
    lengths = framed.beats.lengths
    starts = np.cumsum(lengths) - lengths
    users = sideband.users(len(lengths)) << sideband.fresh | (0 if fresh is None else fresh.astype(np.int64))
    parts = []
    ids = sideband.ids(len(lengths))
    for values, of_dropped, bits in ((users, users, sideband.tuser_bits), (ids, ids ^ 1, sideband.id_bits)):
        beats = random.integers(1 << bits, size=len(framed.beats.lanes))
        beats[starts] = of_dropped  # another channel's TID, where a sequence is dropped
        beats[starts + framed.dropped] = values
        parts.append(_bytes_of(beats, bits))
    return parts
