"""Runs of a compiled simulation: sequences as files of beats for its driver, and what the driver saw of all ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ToolError, VerificationError
from loopwire.hdl.axi_stream import NO_SIDEBAND, Beats, Counts, Sequences, Sideband, StreamPort
from loopwire.hdl.framing import Framed, break_framing, framed_well
from loopwire.simulate.simulation import FAULT, Received, SimulationResult, Stimulus
from loopwire.system.folders import keep, temporary_folder
from loopwire.system.programs import require_output, run_tool

(_DONE, _NO_PROGRESS, _RETRACTED, _CHANGED, _NO_LAST, _UNSOLICITED, _READY_IN_RESET, _STATUS) = range(8)
_LAST, _ENDS = 1, 2
"""Flags of a beat: TLAST, and whether it is an input sequence's last one."""


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
        status = any(one.framing_error for one in sent) | 2 * any(one.overrun for one in sent)
        header = [stimulus.seed, *odds, stimulus.still_cycles, timeout_cycles, status * self.has_status, count]
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
