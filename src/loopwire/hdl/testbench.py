"""A self-checking SystemVerilog testbench with its vectors, for any simulator.

The text keeps to what Icarus Verilog 11, Verilator 5 and vendor simulators have in common. Everything random
comes from one 32-bit generator, so every simulator sees the same cycles.
Ref: G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.fixed_point import Integers

_TEMPLATE = Template(Path(__file__).with_name("testbench.template.sv").read_text())


@dataclass(frozen=True, slots=True)
class Vectors:
    """Beats of many sequences, one sequence after the other.

    Attributes:
        format: how a beat's integers lie in TDATA.
        beats: integers [n_beats, count].
        lengths: beats of each sequence [n_sequences].
        fresh: TUSER of each sequence's first beat, for a module that has it [n_sequences].
    """

    format: BeatFormat
    beats: Integers
    lengths: npt.NDArray[np.int64]
    fresh: npt.NDArray[np.bool_] | None = None

    def text(self) -> str:
        """Return the lines of a $readmemh file: a beat a line, TLAST and TUSER in the bits above TDATA."""
        data = self.format.pack(self.beats)[:, ::-1]
        ends = np.cumsum(self.lengths)
        flags = np.zeros(len(data), np.int64)
        flags[ends - 1] = 1
        if self.fresh is not None:
            flags[ends - self.lengths] += 2 * self.fresh
        return "".join(f"{flag}{row.tobytes().hex()}\n" for flag, row in zip(flags, data, strict=True))


def write_testbench(
    directory: Path, top: str, input: Vectors, expected: Vectors, clock_period_ns: float, seed: int = 1
) -> list[Path]:
    """Write `<top>_tb.sv` and its vectors, `<top>_input.hex` and `<top>_expected.hex`; return the three paths.

    The testbench sends the sequences once through a reset in their middle and then, with random gaps and stalls,
    from the first to the last. It ends with `PASS: <n> sequences, 0 errors`, or with $fatal after `FAIL: ...`.
    It must be run in `directory`.
    """
    assert len(input.lengths) == len(expected.lengths)
    bench, sent, due = (directory / f"{top}_{end}" for end in ("tb.sv", "input.hex", "expected.hex"))
    bench.write_text(testbench_text(top, input, expected, sent.name, due.name, clock_period_ns, seed))
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
    seed: int,
) -> str:
    """Return the SystemVerilog of the testbench, module `<top>_tb`."""
    assert 0 < seed < 2**32, "the generator never leaves 0"
    return _TEMPLATE.substitute(
        top=top,
        in_bits=input.format.bits,
        out_bits=expected.format.bits,
        user_port="" if input.fresh is None else "      .s_axis_tuser(s_axis_tuser),\n",
        n_sequences=len(input.lengths),
        n_inputs=len(input.beats),
        n_outputs=len(expected.beats),
        reset_after=_inside_a_sequence(input.lengths),
        input_file=input_file,
        expected_file=expected_file,
        half_period_ns=f"{clock_period_ns / 2:.3f}",
        seed=f"{seed:08x}",
    )


def _inside_a_sequence(lengths: npt.NDArray[np.int64]) -> int:
    """Return a number of beats that ends inside the longest sequence, if it is longer than one beat."""
    longest = int(np.argmax(lengths))
    return int(np.sum(lengths[:longest])) + (int(lengths[longest]) + 1) // 2
