"""A self-checking SystemVerilog testbench with its vectors, for any simulator.

The text keeps to what Icarus Verilog 11, Verilator 5 and vendor simulators have in common. Everything random
comes from one 32-bit generator, so every simulator sees the same cycles.
Ref: G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from loopwire.hdl.axi_stream import NO_SIDEBAND, Counts, Sequences, Sideband, StreamPort
from loopwire.hdl.framing import Framed, break_framing, framed_well

_TEMPLATE, _INPUT, _OUTPUT = (
    Template(Path(__file__).with_name(f"{name}.template.sv").read_text())
    for name in ("testbench", "testbench_input", "testbench_output")
)


@dataclass(frozen=True)
class Vectors:
    """What goes through a port.

    Attributes:
        port: the stream.
        sequences: vectors of many sequences.
        last: TLAST of each sequence's last beat [n_sequences]; None: high.
        sideband: which bits of TID and TUSER go from the sequence to its result.
        breaks_framing: whether the sender breaks the framing in ways that change no result.
    """

    port: StreamPort
    sequences: Sequences
    last: npt.NDArray[np.bool_] | None = None
    sideband: Sideband = NO_SIDEBAND
    breaks_framing: bool = False

    @cached_property
    def framed(self) -> Framed:
        """The beats that they make."""
        format = self.port.format
        beats = format.beats(self.sequences.vectors, self.sequences.lengths)
        if not self.breaks_framing:
            return framed_well(format, beats)
        random = np.random.default_rng(format.bits)
        return break_framing(format, beats, self.port.steps, random, self.sideband)

    @property
    def ends(self) -> npt.NDArray[np.bool_]:
        """TLAST of each sequence's last beat; one that lacks beats needs it."""
        cut = self.framed.beats.lengths - self.framed.dropped < self.port.format.beat_counts(self.sequences.lengths)
        return cut | (True if self.last is None else self.last)

    @property
    def first_error(self) -> int:
        """The first beat that breaks the framing; the number of beats if none does."""
        return _first(self.framed.errors)

    @property
    def first_overrun(self) -> int:
        """The first beat that tells of an overrun.

        TKEEP does, and sequences some of which have ended with TLAST and some without.
        """
        ends = np.cumsum(self.framed.beats.lengths) - 1
        without = np.cumsum(~self.ends) > 0
        mixed = np.zeros(len(self.framed.overruns), np.bool_)
        mixed[ends] = without & (np.cumsum(self.ends) > 0)
        return _first(self.framed.overruns | mixed)

    @property
    def labels(self) -> Counts:
        """{TID, TUSER} that go from each sequence to its result [n_sequences]."""
        count = len(self.sequences.lengths)
        return self.sideband.ids(count) << self.sideband.user_bits | self.sideband.users(count)

    @property
    def beat_bits(self) -> int:
        """Bits of {label, TKEEP, TDATA}."""
        return self.port.format.bits + self.port.format.keep_bits + self.sideband.label_bits

    def text(self) -> str:
        """Return the lines of a $readmemh file, a beat a line: {label, TUSER, TLAST, TKEEP, TDATA}."""
        beats, format, fresh = self.framed.beats, self.port.format, self.sequences.fresh
        ends = np.cumsum(beats.lengths)
        starts, dropped = ends - beats.lengths, self.framed.dropped
        flags = np.zeros(len(beats.lanes), np.int64)
        if fresh is not None:
            # No module may look at TUSER but with a sequence's first beat.
            flags[1::2] = 2
            flags[starts + dropped] = 2 * fresh
        flags[ends - 1] += self.ends
        flags[(starts + dropped - 1)[dropped > 0]] += 1
        labels = np.repeat(self.labels, beats.lengths)
        labels[starts[dropped > 0]] ^= 1 << self.sideband.user_bits  # another TID
        if self.breaks_framing:  # no module may look at a label but with a sequence's first beat
            later = np.arange(len(labels)) % 2 == 1
            later[starts] = later[starts + dropped] = False
            labels[later] ^= (1 << self.sideband.label_bits) - 1
        flags += labels << 2
        digits = (self.beat_bits + 5) // 4
        lines = []
        for data, keep, flag in zip(format.pack(beats.lanes), self.framed.keep, flags, strict=True):
            kept = int.from_bytes(keep.tobytes(), "little") | int(flag) << format.keep_bits
            lines.append(f"{kept << format.bits | int.from_bytes(data.tobytes(), 'little'):0{digits}x}\n")
        return "".join(lines)


@dataclass(frozen=True)
class Pace:
    """Cycles that are predicted: of a lone full sequence, and of `period_sequences` of many at full rate."""

    latency_cycles: int
    settled_sequences: int
    period_sequences: int
    period_cycles: int

    @property
    def counted_sequences(self) -> int:
        """Sequences up to the end of a period."""
        return self.settled_sequences + self.period_sequences + 1


NOT_PREDICTED = Pace(0, 0, 1, 0)


def write_testbench(
    directory: Path,
    top: str,
    inputs: Sequence[Vectors],
    outputs: Sequence[Vectors],
    clock_period_ns: float,
    still_cycles: int,
    timeout_cycles: int = 100_000,
    pace: Pace = NOT_PREDICTED,
) -> list[Path]:
    """Write what `testbench_files` returns; return the paths."""
    files = testbench_files(top, inputs, outputs, clock_period_ns, still_cycles, timeout_cycles, pace=pace)
    for name, text in files.items():
        (directory / name).write_text(text)
    return [directory / name for name in files]


def testbench_files(
    top: str,
    inputs: Sequence[Vectors],
    outputs: Sequence[Vectors],
    clock_period_ns: float,
    still_cycles: int,
    timeout_cycles: int = 100_000,
    seed: int = 1,
    pace: Pace = NOT_PREDICTED,
) -> dict[str, str]:
    """Return the texts of `<top>_tb.sv`, first, and of its vectors, by name.

    The testbench sends the sequences with random gaps and stalls, resets the module a few times meanwhile, and then
    sends them from the first to the last. Sometimes some ports stop until the others have moved no beat for
    `still_cycles`: at least as many as a sequence can wait for others, so that the module is then full or empty. At
    last it counts cycles, where `pace` predicts them, from the first beat at any input to the last one of all results,
    and from sequence to sequence at the last input that takes them. It ends with `PASS: <n> sequences, 0 errors`, or
    with $fatal after `FAIL: ...`, as it does after `timeout_cycles` without a beat. It must be run in the folder of its
    vectors.
    """
    assert 0 < seed < 2**32, "the generator never leaves 0"
    assert len({len(vectors.sequences.lengths) for vectors in (*inputs, *outputs)}) == 1
    only = len(inputs) == len(outputs) == 1
    ends = ["input", "expected"] if only else [vectors.port.axis for vectors in (*inputs, *outputs)]
    files = [f"{top}_{end}.hex" for end in ends]
    ports = [_Port("s", index, vectors, file) for index, (vectors, file) in enumerate(zip(inputs, files, strict=False))]
    ports += [
        _Port("m", len(inputs) + index, vectors, file)
        for index, (vectors, file) in enumerate(zip(outputs, files[len(inputs) :], strict=True))
    ]
    sent, due = ports[: len(inputs)], ports[len(inputs) :]

    def all_of(side: Sequence[_Port], line: Callable[[_Port], str]) -> str:
        return " && ".join(line(port) for port in side)

    def flag(first: Callable[[Vectors], int]) -> str:
        return f"1'b{int(any(first(vectors) < len(vectors.framed.beats.lanes) for vectors in inputs))}"

    text = _TEMPLATE.substitute(
        top=top,
        latency_cycles=pace.latency_cycles,
        period_sequences=pace.period_sequences,
        period_cycles=pace.period_cycles,
        counted_sequences=pace.counted_sequences,
        counts="".join(f"    count_{port.axis};\n" for port in sent),
        least_begun=_least([f"{port.axis}_begun" for port in sent]),
        any_begun=" || ".join(f"{port.axis}_begun != 0" for port in sent),
        least_full=_least([f"{port.axis}_full" for port in sent]),
        lasts=", ".join(f"{port.axis}_tvalid === 1'b1 && {port.axis}_tlast === 1'b1" for port in reversed(due)),
        recounts="".join(port.recount() for port in sent),
        n_sequences=len(inputs[0].sequences.lengths),
        n_inputs=len(inputs),
        n_outputs=len(outputs),
        n_sent=sum(port.beats for port in sent),
        n_due=sum(port.beats for port in due),
        still_cycles=still_cycles,
        timeout_cycles=timeout_cycles,
        signals="".join(port.signals() for port in ports),
        connections="".join(port.connections() for port in ports),
        half_period_ns=f"{clock_period_ns / 2:.3f}",
        seed=f"{seed:08x}",
        ports="".join(port.tasks() for port in ports),
        handshakes=", ".join([*(f"{p.axis}_tready" for p in sent), *(f"{p.axis}_tvalid" for p in due)]),
        readies=", ".join(f"{port.axis}_tready" for port in reversed(sent)),
        no_error=all_of(sent, lambda port: f"{port.axis}_accepted <= {port.vectors.first_error}"),
        no_overrun=all_of(sent, lambda port: f"{port.axis}_accepted <= {port.vectors.first_overrun}"),
        status=f"{{{flag(lambda vectors: vectors.first_error)}, {flag(lambda vectors: vectors.first_overrun)}}}",
        ready="".join(port.ready() for port in due),
        steps="".join(f"      step_{port.axis};\n" for port in (*due, *sent)),
        resets="".join(port.reset() for port in ports),
    )
    return {f"{top}_tb.sv": text, **{port.file: port.vectors.text() for port in ports}}


@dataclass(frozen=True)
class _Port:
    """The parts of the testbench's text that belong to a port; `index` is its bit among all, inputs lowest."""

    side: str
    index: int
    vectors: Vectors
    file: str

    @property
    def axis(self) -> str:
        return self.vectors.port.axis

    @property
    def beats(self) -> int:
        return len(self.vectors.framed.beats.lanes)

    def signals(self) -> str:
        format, label = self.vectors.port.format, self.vectors.sideband.label_bits
        start, back = (" = '0", "") if self.side == "s" else ("", " = 1'b0")
        low = start and " = 1'b0"
        lines = [
            f"  logic [{format.bits - 1}:0] {self.axis}_tdata{start};",
            *([f"  logic [{format.keep_bits - 1}:0] {self.axis}_tkeep{start};"] if format.keep_bits else []),
            f"  logic {self.axis}_tvalid{low};",
            f"  logic {self.axis}_tready{back};",
            f"  logic {self.axis}_tlast{low};",
            *([f"  logic {self.axis}_tuser = 1'b0;"] if self.side == "s" else []),
            *([f"  logic [{label - 1}:0] {self.axis}_label{start};"] if label else []),
            *([f"  logic [{label - 1}:0] {self.axis}_full_label;"] if label and self.side == "s" else []),
        ]
        return _lines(lines)

    def connections(self) -> str:
        axis, sideband = self.axis, self.vectors.sideband
        signals = ["tdata", *(["tkeep"] if self.vectors.port.format.keep_bits else []), "tvalid", "tready", "tlast"]
        lines = [f"      .{axis}_{signal}({axis}_{signal})," for signal in signals]
        user = [f"{axis}_label[{sideband.user_bits - 1}:0]"] if sideband.user_bits else []
        if self.side == "s" and sideband.fresh:
            user.append(f"{axis}_tuser")
        if user:
            lines.append(f"      .{axis}_tuser({{{', '.join(user)}}}),")
        if sideband.id_bits:
            lines.append(f"      .{axis}_tid({axis}_label[{sideband.label_bits - 1}:{sideband.user_bits}]),")
        return _lines(lines)

    def tasks(self) -> str:
        label = f"{self.axis}_label, " if self.vectors.sideband.label_bits else ""
        keep = f" {self.axis}_tkeep," if self.vectors.port.format.keep_bits else ""
        user = f"{self.axis}_tuser" if self.side == "s" else "1'b0"
        return (_INPUT if self.side == "s" else _OUTPUT).substitute(
            axis=self.axis,
            port=self.index,
            file=self.file,
            beats=self.beats,
            beat_bits=self.vectors.beat_bits + 2,
            beat=f"{{{label}{user}, {self.axis}_tlast,{keep} {self.axis}_tdata}}",
            going=self._random(0),
            noise=f"random[{(2 * self.index + 2) % 32}]",
            full_beats=int(self.vectors.port.format.beat_counts(self.vectors.port.steps)),
            full_label=self._full_label(),
            full_beat=self._full_beat(),
        )

    def recount(self) -> str:
        return _lines([f"    {self.axis}_{what} = 0;" for what in ("begun", "full", "place")])

    def _full_label(self) -> str:
        """Return what gives a full sequence its TID."""
        sideband = self.vectors.sideband
        if not sideband.label_bits:
            return ""
        channels = sideband.channels if sideband.channels > 1 else 1 << sideband.id_bits
        return f"    {self.axis}_full_label = ({self.axis}_full % {channels}) << {sideband.user_bits};\n"

    def _full_beat(self) -> str:
        """Return a beat of a full sequence, of any data."""
        format, steps, ends = self.vectors.port.format, self.vectors.port.steps, f"{self.axis}_ends"
        parts = [*([f"{self.axis}_full_label"] if self.vectors.sideband.label_bits else []), "1'b0", ends]
        if format.keep_bits:
            kept = np.array([format.vectors_per_beat, (steps - 1) % format.vectors_per_beat + 1])
            usual, last = (int.from_bytes(row.tobytes(), "little") for row in format.pack_keep(kept))
            parts.append(f"{ends} ? {format.keep_bits}'h{last:x} : {format.keep_bits}'h{usual:x}")
        return f"{{{', '.join([*parts, f'{{{format.bits} {{random[5]}}}}'])}}}"

    def ready(self) -> str:
        goes = f"!stopped[{self.index}] && (rushing || {self._random(8)} != 2'd0)"
        return f"    {self.axis}_tready <= counting != 0 || ({goes});\n"

    def reset(self) -> str:
        of_input, of_output = ("offered = 0", "accepted = 0", "tvalid <= 1'b0"), ("received = 0", "stalled = 1'b0")
        return _lines([f"        {self.axis}_{what};" for what in (of_input if self.side == "s" else of_output)])

    def _random(self, first: int) -> str:
        """Return two random bits of the port's own."""
        low = (first + 2 * self.index) % 32
        return f"random[{low + 1}:{low}]"


def _least(names: Sequence[str]) -> str:
    """Return the least of several numbers."""
    *others, least = names
    for name in reversed(others):
        least = f"lesser({name}, {least})"
    return least


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _first(flags: npt.NDArray[np.bool_]) -> int:
    return int(np.argmax(flags)) if flags.any() else len(flags)
