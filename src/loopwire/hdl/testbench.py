"""A self-checking SystemVerilog testbench with its vectors, for any simulator.

The text keeps to what Icarus Verilog 11, Verilator 5 and vendor simulators have in common. Everything random
comes from one 32-bit generator, so every simulator sees the same cycles.
Ref: G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from loopwire.hdl.axi_stream import NO_SIDEBAND, BeatFormat, Counts, Sideband
from loopwire.hdl.framing import Framed, break_framing, framed_well
from loopwire.ir.fixed_point import Integers

_TEMPLATE = Template(Path(__file__).with_name("testbench.template.sv").read_text())


@dataclass(frozen=True)
class Vectors:
    """Vectors of many sequences, one sequence after the other.

    Attributes:
        format: how they lie in beats.
        integers: [n_vectors, count].
        lengths: vectors of each sequence [n_sequences].
        fresh: TUSER of each sequence's first beat, for a module that has it [n_sequences].
        last: TLAST of each sequence's last beat [n_sequences]; None: high.
        sideband: which bits of TID and TUSER go from the sequence to its result.
        longest: vectors of the longest sequence, for a sender that breaks the framing; None: it does not.
    """

    format: BeatFormat
    integers: Integers
    lengths: Counts
    fresh: npt.NDArray[np.bool_] | None = None
    last: npt.NDArray[np.bool_] | None = None
    longest: int | None = None
    sideband: Sideband = NO_SIDEBAND

    @cached_property
    def framed(self) -> Framed:
        """The beats that they make."""
        beats = self.format.beats(self.integers, self.lengths)
        if self.longest is None:
            return framed_well(self.format, beats)
        random = np.random.default_rng(self.format.bits)
        return break_framing(self.format, beats, self.longest, random, self.sideband)

    @property
    def ends(self) -> npt.NDArray[np.bool_]:
        """TLAST of each sequence's last beat; one that lacks beats needs it."""
        cut = self.framed.beats.lengths - self.framed.dropped < self.format.beat_counts(self.lengths)
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
        count = len(self.lengths)
        return self.sideband.ids(count) << self.sideband.user_bits | self.sideband.users(count)

    @property
    def beat_bits(self) -> int:
        """Bits of {label, TKEEP, TDATA}."""
        return self.format.bits + self.format.keep_bits + self.sideband.label_bits

    def text(self) -> str:
        """Return the lines of a $readmemh file, a beat a line: {label, TUSER, TLAST, TKEEP, TDATA}."""
        beats, format = self.framed.beats, self.format
        ends = np.cumsum(beats.lengths)
        starts, dropped = ends - beats.lengths, self.framed.dropped
        flags = np.zeros(len(beats.lanes), np.int64)
        if self.fresh is not None:
            # No module may look at TUSER but with a sequence's first beat.
            flags[1::2] = 2
            flags[starts + dropped] = 2 * self.fresh
        flags[ends - 1] += self.ends
        flags[(starts + dropped - 1)[dropped > 0]] += 1
        labels = np.repeat(self.labels, beats.lengths)
        labels[starts[dropped > 0]] ^= 1 << self.sideband.user_bits  # another TID
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
    full_vectors: int


def write_testbench(
    directory: Path,
    top: str,
    input: Vectors,
    expected: Vectors,
    clock_period_ns: float,
    still_cycles: int,
    timeout_cycles: int = 100_000,
    seed: int = 1,
    pace: Pace | None = None,
) -> list[Path]:
    """Write `<top>_tb.sv` and its vectors, `<top>_input.hex` and `<top>_expected.hex`; return the three paths.

    The testbench sends the sequences with random gaps and stalls, resets the module a few times meanwhile, and then
    sends them from the first to the last. Sometimes one side stops until the other has moved no beat for
    `still_cycles`: at least as many as a sequence can wait for others, so that the module is then full or empty. At
    last it counts cycles, where `pace` predicts them.
    It ends with `PASS: <n> sequences, 0 errors`, or with $fatal after `FAIL: ...`. It must be run in `directory`.
    """
    assert len(input.lengths) == len(expected.lengths)
    bench, sent, due = (directory / f"{top}_{end}" for end in ("tb.sv", "input.hex", "expected.hex"))
    files = sent.name, due.name
    text = testbench_text(top, input, expected, *files, clock_period_ns, still_cycles, timeout_cycles, seed, pace)
    bench.write_text(text)
    sent.write_text(input.text())
    due.write_text(expected.text())
    return [bench, sent, due]


def testbench_text(
    top: str,
    input: Vectors,
    expected: Vectors,
    input_file: str,
    expected_file: str,
    clock_period_ns: float,
    still_cycles: int,
    timeout_cycles: int,
    seed: int,
    pace: Pace | None = None,
) -> str:
    """Return the SystemVerilog of the testbench, module `<top>_tb`; it fails after `timeout_cycles` without a beat."""
    assert 0 < seed < 2**32, "the generator never leaves 0"
    sent, due = input.framed.beats, expected.framed.beats
    return _TEMPLATE.substitute(
        top=top,
        in_bits=input.format.bits,
        out_bits=expected.format.bits,
        in_beat_bits=input.beat_bits,
        out_beat_bits=expected.beat_bits,
        label_signals=_label_signals(input.sideband),
        label_ports=_label_ports(input.sideband),
        keep_signals=_lines(
            f"  logic [{format.keep_bits - 1}:0] {side}_axis_tkeep{start};"
            for side, format, start in (("s", input.format, " = '0"), ("m", expected.format, ""))
            if format.keep_bits
        ),
        keep_ports=_lines(
            f"      .{side}_axis_tkeep({side}_axis_tkeep),"
            for side, format in (("s", input.format), ("m", expected.format))
            if format.keep_bits
        ),
        **_counted(input, pace),
        sent=_beat("s", input, "s_axis_tuser"),
        got=_beat("m", expected, "1'b0"),
        n_sequences=len(input.lengths),
        n_inputs=len(sent.lanes),
        n_outputs=len(due.lanes),
        still_cycles=still_cycles,
        first_error=input.first_error,
        first_overrun=input.first_overrun,
        input_file=input_file,
        expected_file=expected_file,
        half_period_ns=f"{clock_period_ns / 2:.3f}",
        timeout_cycles=timeout_cycles,
        seed=f"{seed:08x}",
    )


def _beat(side: str, vectors: Vectors, user: str) -> str:
    """Return the signals of a port in the order of `Vectors.text`; `user` stands where TUSER does."""
    label = f"{side}_label, " if vectors.sideband.label_bits else ""
    keep = f" {side}_axis_tkeep," if vectors.format.keep_bits else ""
    return f"{{{label}{user}, {side}_axis_tlast,{keep} {side}_axis_tdata}}"


def _counted(input: Vectors, pace: Pace | None) -> dict[str, object]:
    """Return what tells of the sequences whose cycles are counted."""
    pace = pace or Pace(0, 0, 1, 0, 1)
    format, labels = input.format, input.sideband.label_bits
    full_beats = int(format.beat_counts(pace.full_vectors))
    keep = format.pack_keep(np.array([format.vectors_per_beat, (pace.full_vectors - 1) % format.vectors_per_beat + 1]))
    usual, last = (f"{format.keep_bits}'h{int.from_bytes(row.tobytes(), 'little'):x}" for row in keep)
    parts = [*(["full_label"] if labels else []), "1'b0", "full_last"]
    parts += [*([f"full_last ? {last} : {usual}"] if format.keep_bits else []), f"{{{format.bits} {{random[5]}}}}"]
    label = f"    full_label = (full_number % CHANNELS) << {input.sideband.user_bits};\n"
    return {
        "latency_cycles": pace.latency_cycles,
        "period_sequences": pace.period_sequences,
        "period_cycles": pace.period_cycles,
        "counted_sequences": pace.settled_sequences + pace.period_sequences + 1,
        "full_beats": full_beats,
        "channels": input.sideband.channels if input.sideband.channels > 1 else 1 << input.sideband.id_bits,
        "full_signals": f"  logic [{labels - 1}:0] full_label;\n" if labels else "",
        "full_values": label if labels else "",
        "full_beat": f"{{{', '.join(parts)}}}",
    }


def _label_signals(sideband: Sideband) -> str:
    if not sideband.label_bits:
        return ""
    return _lines(f"  logic [{sideband.label_bits - 1}:0] {name};" for name in ("s_label = '0", "m_label"))


def _label_ports(sideband: Sideband) -> str:
    """Connect TID and TUSER of both ports."""
    users, lines = sideband.user_bits, []
    given = [*([f"s_label[{users - 1}:0]"] if users else []), *(["s_axis_tuser"] if sideband.fresh else [])]
    if given:
        lines.append(f"      .s_axis_tuser({{{', '.join(given)}}}),")
    if users:
        lines.append(f"      .m_axis_tuser(m_label[{users - 1}:0]),")
    if sideband.id_bits:
        last = sideband.label_bits - 1
        lines += [f"      .{side}_axis_tid({side}_label[{last}:{users}])," for side in "sm"]
    return _lines(lines)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _first(flags: npt.NDArray[np.bool_]) -> int:
    return int(np.argmax(flags)) if flags.any() else len(flags)
