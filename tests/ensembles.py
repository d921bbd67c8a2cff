"""Many small designs in one simulation: compiling each one by itself would take most of a test's time.

An ensemble is a module with the ports of one design, wide enough for all, that passes beats to the design whose number
stands in selected.hex; the clocks of the others stand still. TKEEP, where a design has it, is what follows its TDATA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loopwire.hdl.axi_stream import BeatFormat, Beats, Counts, Sideband
from loopwire.ir.fixed_point import Integers
from loopwire.simulate import verilator
from loopwire.simulate.simulation import SimulationResult, Simulator, Stimulus
from loopwire.targets.verilog import Firmware


def write_files(firmware: Firmware, folder: Path) -> list[Path]:
    """Write a design's files; return those that are SystemVerilog."""
    for name, text in firmware.files.items():
        (folder / name).write_text(text)
    return [folder / name for name in firmware.files if name.endswith(".sv")]


class Ensemble:
    """Designs, whose names differ, compiled to one simulation in `folder`."""

    def __init__(self, designs: Sequence[Firmware], folder: Path, optimise: bool = True) -> None:
        assert len({design.top for design in designs}) == len(designs), "designs of one name"
        self._designs = designs
        self._in_bytes = max(_bytes(design.input) for design in designs)
        self._out_bytes = max(_bytes(design.output) for design in designs)
        sources = list(dict.fromkeys(path for design in designs for path in write_files(design, folder)))
        top = folder / "ensemble.sv"
        top.write_text(self._text())
        self._simulator: Simulator = verilator.build(
            "ensemble",
            [top, *sources],
            BeatFormat(self._in_bytes, 8, signed=False),
            BeatFormat(self._out_bytes, 8, signed=False),
            max_steps=1,
            directory=folder / "simulation",
            sideband=Sideband(fresh=True),
            optimise=optimise,
        )

    def run(
        self,
        index: int,
        vectors: Integers,
        lengths: Counts,
        stimulus: Stimulus,
        fresh: npt.NDArray[np.bool_] | None = None,
    ) -> SimulationResult:
        """Stream sequences through one of the designs, as `Simulator.run` does."""
        design = self._designs[index]
        (self._simulator.directory / "selected.hex").write_text(f"{index:x}\n")
        beats = design.input.beats(vectors, lengths)
        sent = np.concatenate((design.input.pack(beats.lanes), design.input.pack_keep(beats.kept)), axis=1)
        data = np.zeros((len(sent), self._in_bytes), np.int64)
        data[:, : sent.shape[1]] = sent
        most_beats = int(design.input.beat_counts(design.length))
        simulator = replace(self._simulator, max_steps=max(most_beats, design.length * design.output.beats_per_vector))
        result = simulator.run(data, beats.lengths, stimulus, timeout_cycles=5_000, fresh=fresh)

        def unpacked(received: Integers) -> tuple[Integers, Counts]:
            bytes_out, end = received.astype(np.uint8), design.output.bits // 8
            keep = bytes_out[:, end : end + design.output.keep_bytes]
            return design.output.unpack(bytes_out[:, :end]), design.output.unpack_keep(keep)

        final = Beats(*unpacked(result.beats.lanes), result.beats.lengths)
        before = tuple(unpacked(lanes)[0] for lanes in result.lanes_before_resets)
        return replace(result, output=design.output, beats=final, lanes_before_resets=before)

    def _text(self) -> str:
        count = len(self._designs)
        lines = [
            "module ensemble (",
            "    input  logic aclk, aresetn, s_axis_tvalid, s_axis_tlast, s_axis_tuser,",
            "    input  logic m_axis_tready,",
            "    output logic s_axis_tready, m_axis_tvalid, m_axis_tlast,",
            f"    input  logic [{8 * self._in_bytes - 1}:0] s_axis_tdata,",
            f"    output logic [{8 * self._out_bytes - 1}:0] m_axis_tdata",
            ");",
            "  logic [7:0] selected [0:0];",
            '  initial $readmemh("selected.hex", selected);',
            f"  logic [{count - 1}:0] ready, valid, last;",
            f"  logic [{count - 1}:0][{8 * self._out_bytes - 1}:0] data;",
            "  assign s_axis_tready = ready[selected[0]];",
            "  assign m_axis_tvalid = valid[selected[0]];",
            "  assign m_axis_tlast = last[selected[0]];",
            "  assign m_axis_tdata = data[selected[0]];",
        ]
        for k, design in enumerate(self._designs):
            taken, given = design.input, design.output
            keep_in = f".s_axis_tkeep(s_axis_tdata[{taken.bits} +: {taken.keep_bits}]), " if taken.keep_bits else ""
            keep_out = f".m_axis_tkeep(data_{k}[{given.bits} +: {given.keep_bits}]), " if given.keep_bits else ""
            lines += [
                f"  logic [{given.bits + given.keep_bits - 1}:0] data_{k};",
                f"  assign data[{k}] = {8 * self._out_bytes}'(data_{k});",
                f"  {design.top} design_{k} (",
                f"      .aclk(aclk & selected[0] == {k}), .aresetn, .s_axis_tvalid, .s_axis_tlast, .m_axis_tready,",
                f"      {keep_in}{keep_out}",
                f"      .s_axis_tdata(s_axis_tdata[{taken.bits - 1}:0]), .s_axis_tready(ready[{k}]),",
                *(["      .s_axis_tuser,"] if design.remembers else []),
                f"      .m_axis_tdata(data_{k}[{given.bits - 1}:0]), .m_axis_tvalid(valid[{k}]),",
                f"      .m_axis_tlast(last[{k}]), .status_framing_error(), .status_overrun()",
                "  );",
            ]
        return "\n".join([*lines, "endmodule", ""])


def _bytes(format: BeatFormat) -> int:
    return format.bits // 8 + format.keep_bytes
