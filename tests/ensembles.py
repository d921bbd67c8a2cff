"""Many small designs in one simulation: compiling each one by itself would take most of a test's time.

An ensemble is a module with as many ports as the design of most, each wide enough for all, that passes beats to the
design whose number stands in selected.hex; the clocks of the others stand still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from loopwire.hdl.axi_stream import Sequences
from loopwire.simulate import verilator
from loopwire.simulate.port_wrapper import beat_bytes, header, port_wrapper
from loopwire.simulate.simulation import SimulationResult, Stimulus
from loopwire.simulate.simulator import Simulator
from loopwire.targets.verilog import Firmware

Widths = tuple[tuple[int, ...], tuple[int, ...]]


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
        own = [_widths(design) for design in designs]
        inputs, outputs = ([max(w) for w in zip_longest(*(o[k] for o in own), fillvalue=0)] for k in (0, 1))
        widths = tuple(inputs), tuple(outputs)
        sources = list(dict.fromkeys(path for design in designs for path in write_files(design, folder)))
        top = folder / "ensemble.sv"
        top.write_text("\n".join([self._text(widths), *map(_wrapper, designs)]))
        program = verilator.build_driven(
            "ensemble", [top, *sources], widths, (folder / "simulation").resolve(), optimise=optimise
        )
        self._simulator = Simulator("ensemble", program, folder.resolve(), (), (), widths)

    def run(self, index: int, given: Sequence[Sequences], stimulus: Stimulus) -> SimulationResult:
        """Stream sequences through one of the designs, as `Simulator.run` does."""
        design = self._designs[index]
        (self._simulator.directory / "selected.hex").write_text(f"{index:x}\n")
        own = {"inputs": design.inputs, "outputs": design.outputs, "sideband": design.sideband}
        simulator = replace(self._simulator, **own, has_status=_has_status(design))
        return simulator.run(given, stimulus, timeout_cycles=5_000)

    def _text(self, widths: Widths) -> str:
        count = len(self._designs)
        inputs, outputs = (len(side) for side in widths)
        lines = [
            *header("ensemble", inputs, outputs, *(8 * sum(side) for side in widths)),
            "  logic [7:0] selected [0:0];",
            '  initial $readmemh("selected.hex", selected);',
            f"  logic [{count - 1}:0][{inputs - 1}:0] ready;",
            f"  logic [{count - 1}:0][{outputs - 1}:0] valid, last;",
            f"  logic [{count - 1}:0][{8 * sum(widths[1]) - 1}:0] data;",
            f"  logic [{count - 1}:0][1:0] told;",
            "  assign s_ready = ready[selected[0]];",
            "  assign {m_valid, m_last} = {valid[selected[0]], last[selected[0]]};",
            "  assign m_data = data[selected[0]];",
            "  assign status = told[selected[0]];",
        ]
        for k, design in enumerate(self._designs):
            own = _widths(design)
            taken = _parts("s_data", own[0], widths[0])
            given = _parts(f"data[{k}]", own[1], widths[1])
            lines += [
                f"  logic [{8 * sum(own[1]) - 1}:0] data_{k};",
                f"  logic [{len(own[0]) - 1}:0] ready_{k};",
                f"  logic [{len(own[1]) - 1}:0] valid_{k}, last_{k};",
                f"  all_ports_{design.top} design_{k} (",
                f"      .aclk(aclk & selected[0] == {k}), .aresetn, .s_data({{{', '.join(taken)}}}),",
                f"      .s_valid(s_valid[{len(own[0]) - 1}:0]), .s_last(s_last[{len(own[0]) - 1}:0]),",
                f"      .s_ready(ready_{k}), .m_data(data_{k}), .m_valid(valid_{k}), .m_last(last_{k}),",
                f"      .m_ready(m_ready[{len(own[1]) - 1}:0]), .status(told[{k}])",
                "  );",
                f"  assign ready[{k}] = {inputs}'(ready_{k});",
                f"  assign valid[{k}] = {outputs}'(valid_{k});",
                f"  assign last[{k}] = {outputs}'(last_{k});",
                "  always_comb begin",
                f"    data[{k}] = '0;",
                f"    {{{', '.join(given)}}} = data_{k};",
                "  end",
            ]
        return "\n".join([*lines, "endmodule", ""])


def _widths(design: Firmware) -> Widths:
    return beat_bytes(design.inputs, design.outputs, design.sideband)


def _has_status(design: Firmware) -> bool:
    return not design.remembers


def _wrapper(design: Firmware) -> str:
    name = f"all_ports_{design.top}"
    return port_wrapper(name, design.top, design.inputs, design.outputs, design.sideband, _has_status(design))


def _parts(name: str, own: Sequence[int], widths: Sequence[int]) -> list[str]:
    """Return where a design's ports lie in those of the ensemble, the highest first."""
    starts = [8 * sum(widths[:k]) for k in range(len(own))]
    return [f"{name}[{start} +: {8 * width}]" for start, width in zip(starts, own, strict=True)][::-1]
