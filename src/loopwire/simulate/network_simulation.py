"""Simulation of modules with several AXI4-Streams: what is sent to each port, what came back, and when."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ToolError, VerificationError
from loopwire.hdl.axi_stream import BeatFormat, Beats, Counts
from loopwire.ir.fixed_point import Integers
from loopwire.simulate import verilator
from loopwire.simulate.simulation import Stimulus
from loopwire.system.folders import new_folder, release, temporary_folder
from loopwire.system.programs import run_tool

_DRIVER = Path(__file__).with_name("network_driver.cpp")
_STATUS = (
    "done",
    "no beat moved for {timeout} cycles",
    "an output's tvalid fell before its tready rose",
    "an output's beat changed before its tready rose",
    "an output beat belongs to no sequence",
    "an input is ready in the reset",
)
DRAIN_CYCLES = 300


@dataclass(frozen=True)
class PortFormat:
    """A port of the module: what its signals' names begin with, how vectors lie in its beats, and how many a full
    sequence has."""

    axis: str
    format: BeatFormat
    steps: int

    @property
    def bytes(self) -> int:
        """Bytes of a beat's TDATA and TKEEP."""
        return self.format.bits // 8 + self.format.keep_bytes


@dataclass(frozen=True)
class Sequences:
    """Vectors [n_vectors, count] of sequences, one after the other, and the vectors of each."""

    vectors: Integers
    lengths: Counts


@dataclass(frozen=True)
class NetworkResult:
    """What came back.

    Attributes:
        input_cycles: of each input, when each beat was accepted.
        valid_cycles: of each output, the first cycle in which each beat was valid.
        input_beats, output_beats: of each port, the beats of each sequence.
        outputs: of each output, the bytes of each beat, TLAST the last one.
    """

    input_cycles: tuple[Counts, ...]
    valid_cycles: tuple[Counts, ...]
    input_beats: tuple[Counts, ...]
    output_beats: tuple[Counts, ...]
    outputs: tuple[npt.NDArray[np.uint8], ...]

    @property
    def first_input_cycle(self) -> Counts:
        """When each sequence's first beat was accepted, at any input."""
        firsts = [c[np.cumsum(n) - n] for c, n in zip(self.input_cycles, self.input_beats, strict=True)]
        found: Counts = np.min(firsts, axis=0)
        return found

    @property
    def last_output_cycle(self) -> Counts:
        """The first cycle in which the last beat of each sequence's results was valid, of all outputs."""
        lasts = [c[np.cumsum(n) - 1] for c, n in zip(self.valid_cycles, self.output_beats, strict=True)]
        found: Counts = np.max(lasts, axis=0)
        return found

    @property
    def latency_cycles(self) -> Counts:
        """Cycles from each sequence's first beat to its results' last one."""
        return self.last_output_cycle - self.first_input_cycle

    @property
    def interval_cycles(self) -> Counts:
        """Cycles from each sequence's first beat at the last input that takes it to the next one's."""
        firsts = [c[np.cumsum(n) - n] for c, n in zip(self.input_cycles, self.input_beats, strict=True)]
        found: Counts = np.diff(np.max(firsts, axis=0))
        return found


@dataclass(frozen=True)
class NetworkSimulator:
    """A compiled simulation of a module with several ports."""

    top: str
    program: Path
    directory: Path
    inputs: tuple[PortFormat, ...]
    outputs: tuple[PortFormat, ...]

    def run(
        self, given: Sequence[Sequences], due: Sequence[Sequences], stimulus: Stimulus, timeout_cycles: int
    ) -> NetworkResult:
        """Stream sequences through the module, and compare every bit with what is due, before each reset too.

        Args:
            given: of each input.
            due: of each output.
            stimulus: gaps, stalls and resets; `still_cycles` is not used.
            timeout_cycles: the most cycles that may pass without a beat accepted on any side.

        Raises:
            VerificationError: a bit differs, or the module hangs or breaks a rule of AXI4-Stream.
            ToolError: the simulation stops by itself.
        """
        random = np.random.default_rng(stimulus.seed)
        odds = [round(p * 2**32) for p in (stimulus.valid_probability, stimulus.ready_probability)]
        header = [stimulus.seed, *odds, timeout_cycles, DRAIN_CYCLES, len(stimulus.resets), *stimulus.resets]
        expected = [_packed(port, part) for port, part in zip(self.outputs, due, strict=True)]
        log = self.program.parent / "simulate.log"
        with temporary_folder() as folder:
            sent, received = folder / "stimulus", folder / "result"
            with sent.open("wb") as file:
                file.write(np.array(header, "<i8").tobytes())
                for port, part in zip(self.inputs, given, strict=True):
                    beats = _packed(port, part)
                    ends = np.cumsum(port.format.beat_counts(part.lengths)) - 1
                    told = (part.lengths < port.steps) | (random.random(len(ends)) < stimulus.last_probability)
                    beats[ends, -1] &= told
                    file.write(np.array([port.bytes, len(beats)], "<i8").tobytes() + beats.tobytes())
                for port, beats in zip(self.outputs, expected, strict=True):
                    file.write(np.array([port.bytes, len(beats)], "<i8").tobytes())
            printed = run_tool("simulation", [self.program, sent, received], log, self.directory)
            if "%Warning" in printed:
                line = next(line for line in printed.splitlines() if "%Warning" in line)
                raise ToolError("simulation", f"{self.top} cannot be trusted: {line}", f"Read its log, {log}")
            content = received.read_bytes()
        return self._compared(content, given, due, expected, timeout_cycles)

    def _compared(
        self,
        content: bytes,
        given: Sequence[Sequences],
        due: Sequence[Sequences],
        expected: Sequence[npt.NDArray[np.uint8]],
        timeout_cycles: int,
    ) -> NetworkResult:
        position = 0

        def take(count: int, dtype: str) -> npt.NDArray[Any]:
            nonlocal position
            values: npt.NDArray[Any] = np.frombuffer(content, dtype, count, position)
            position += values.nbytes
            return values

        def integers() -> npt.NDArray[np.int64]:
            return take(int(take(1, "<i8")[0]), "<i8")

        while True:
            status = int(take(1, "<i8")[0])
            input_cycles = tuple(integers() for _ in self.inputs)
            valid, outputs = [], []
            for port, all_due in zip(self.outputs, expected, strict=True):
                valid.append(integers())
                count, size = len(valid[-1]), port.bytes + 1
                outputs.append(take(count * size, "u1").reshape(count, size))
                self._require_equal(port, outputs[-1], all_due)
            if status:
                moved = [len(cycles) for cycles in (*input_cycles, *valid)]
                raise VerificationError(
                    f"simulation of {self.top}",
                    f"{_STATUS[status].format(timeout=timeout_cycles)}; beats that moved at each port: {moved}",
                    "This is a fault of Loopwire: please report it with the model and the configuration",
                )
            if position == len(content):
                break
        beats = [
            [port.format.beat_counts(part.lengths) for port, part in zip(ports, parts, strict=True)]
            for ports, parts in ((self.inputs, given), (self.outputs, due))
        ]
        return NetworkResult(input_cycles, tuple(valid), tuple(beats[0]), tuple(beats[1]), tuple(outputs))

    def _require_equal(self, port: PortFormat, found: npt.NDArray[np.uint8], due: npt.NDArray[np.uint8]) -> None:
        different = np.flatnonzero((found != due[: len(found)]).any(axis=1))
        if len(different):
            beat = int(different[0])
            raise VerificationError(
                f"simulation of {self.top}",
                f"{len(different)} of {len(found)} beats of {port.axis} differ; the first is beat {beat}: "
                f"{bytes(found[beat]).hex()}, not {bytes(due[beat]).hex()} (TDATA, TKEEP, TLAST, byte 0 first)",
                "This is a fault of Loopwire: please report it with the model and the configuration",
            )


def unpacked(port: PortFormat, beats: npt.NDArray[np.uint8]) -> Sequences:
    """Return the sequences that the bytes of all beats of a port hold."""
    end = port.format.bits // 8
    lanes, kept = port.format.unpack(beats[:, :end]), port.format.unpack_keep(beats[:, end:-1])
    lengths = np.diff(np.flatnonzero(beats[:, -1]), prepend=-1).astype(np.int64)
    return Sequences(*port.format.vectors(Beats(lanes, kept, lengths)))


def _packed(port: PortFormat, sequences: Sequences) -> npt.NDArray[np.uint8]:
    """Return the bytes of all beats, TLAST the last one."""
    beats = port.format.beats(sequences.vectors, sequences.lengths)
    last = np.zeros((len(beats.lanes), 1), np.uint8)
    last[np.cumsum(beats.lengths) - 1] = 1
    parts = (port.format.pack(beats.lanes), port.format.pack_keep(beats.kept), last)
    return np.concatenate(parts, axis=1).astype(np.uint8)


def build(
    top: str,
    sources: Sequence[Path],
    inputs: Sequence[PortFormat],
    outputs: Sequence[PortFormat],
    directory: Path | None = None,
) -> NetworkSimulator:
    """Compile a module with several AXI4-Streams to a simulation.

    Args:
        top: its name.
        sources: SystemVerilog files; memory files are looked for beside the first.
        inputs, outputs: its ports.
        directory: where to build; a temporary folder, removed with the simulator, if None.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    place = new_folder() if directory is None else directory.resolve()
    place.mkdir(parents=True, exist_ok=True)
    wrapper = place / "all_ports.sv"
    wrapper.write_text(_wrapper(top, inputs, outputs))
    sizes = {
        "INPUTS": len(inputs),
        "OUTPUTS": len(outputs),
        "IN_BYTES": sum(port.bytes for port in inputs),
        "OUT_BYTES": sum(port.bytes for port in outputs),
    }
    program = verilator.build_program("all_ports", [*sources, wrapper], _DRIVER, place, sizes)
    folder = Path(sources[0]).resolve().parent
    simulator = NetworkSimulator(top, program, folder, tuple(inputs), tuple(outputs))
    if directory is None:
        weakref.finalize(simulator, release, place)
    return simulator


def _wrapper(top: str, inputs: Sequence[PortFormat], outputs: Sequence[PortFormat]) -> str:
    """Return a module with the signals of all ports put together."""
    in_bits, out_bits = (8 * sum(port.bytes for port in side) for side in (inputs, outputs))
    lines = [
        "module all_ports (",
        "    input  logic aclk, aresetn,",
        f"    input  logic [{in_bits - 1}:0] s_data,",
        f"    input  logic [{len(inputs) - 1}:0] s_valid, s_last,",
        f"    output logic [{len(inputs) - 1}:0] s_ready,",
        f"    output logic [{out_bits - 1}:0] m_data,",
        f"    output logic [{len(outputs) - 1}:0] m_valid, m_last,",
        f"    input  logic [{len(outputs) - 1}:0] m_ready",
        ");",
        "  logic framing_error, overrun;",
        f"  {top} dut (",
        "      .aclk, .aresetn, .status_framing_error(framing_error), .status_overrun(overrun),",
    ]
    unused: list[str] = ["framing_error", "overrun"]
    connections = []
    after: list[str] = []
    for side, ports, data in (("s", inputs, "s_data"), ("m", outputs, "m_data")):
        offset = 0
        for k, port in enumerate(ports):
            keep = port.format.keep_bits
            connections += [f".{port.axis}_t{what}({side}_{what}[{k}])" for what in ("valid", "ready", "last")]
            connections.append(f".{port.axis}_tdata({data}[{offset} +: {port.format.bits}])")
            if keep:
                connections.append(f".{port.axis}_tkeep({data}[{offset + port.format.bits} +: {keep}])")
            padding = 8 * port.format.keep_bytes - keep
            if padding and side == "m":
                after.append(f"  assign {data}[{offset + port.format.bits + keep} +: {padding}] = '0;")
            offset += 8 * port.bytes
    lines += [f"      {text}{',' if text is not connections[-1] else ''}" for text in connections]
    return "\n".join([*lines, "  );", *after, f"  wire unused = &{{1'b0, {', '.join(unused)}}};", "endmodule", ""])
