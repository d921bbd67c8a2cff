"""Beats as a sender might offer them, right or wrong, played to a design; what came of them, and its status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ensembles import write_files
from loopwire.simulate import verilator
from loopwire.targets.verilog import Firmware

QUIET_CYCLES = 400
"""After the last beat, longer than any result takes."""


@dataclass(frozen=True)
class Beat:
    """A beat of the input, signals that a design lacks left at 0."""

    data: int
    last: bool = False
    keep: int = 0
    user: int = 0
    id: int = 0


@dataclass(frozen=True)
class Played:
    """Beats of the output, as (data, last, user, id), and the two status outputs."""

    beats: list[tuple[int, int, int, int]]
    framing_error: bool
    overrun: bool

    @property
    def data(self) -> list[int]:
        return [data for data, *_ in self.beats]


def play(design: Firmware, beats: list[Beat], folder: Path) -> Played:
    """Offer beats without a gap, taking all results."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = write_files(design, folder)
    taken, given, sideband = design.input, design.output, design.sideband
    widths = {"tid": sideband.id_bits, "tuser": sideband.tuser_bits, "tlast": 1, "tkeep": taken.keep_bits}
    inputs = {name: bits for name, bits in [*widths.items(), ("tdata", taken.bits)] if bits}
    outputs = {"tid": sideband.id_bits, "tuser": sideband.user_bits, "tlast": 1, "tdata": given.bits}
    words = []
    for beat in beats:
        word = 0
        values = {"tid": beat.id, "tuser": beat.user, "tlast": beat.last, "tkeep": beat.keep, "tdata": beat.data}
        for name, bits in inputs.items():
            word = word << bits | int(values[name])
        words.append(f"{word:x}\n")
    (folder / "beats.hex").write_text("".join(words))
    declared = [f"  logic [{bits - 1}:0] s_axis_{name};" for name, bits in inputs.items()]
    declared += [f"  logic [{max(bits, 1) - 1}:0] m_axis_{name} = 0;" for name, bits in outputs.items()]
    pins = [f".s_axis_{name}" for name in inputs] + [f".m_axis_{name}" for name, bits in outputs.items() if bits]
    bench = folder / "bench.sv"
    bench.write_text(f"""
module bench;
  logic aclk = 0, aresetn = 0, s_axis_tvalid = 0, s_axis_tready, m_axis_tvalid, m_axis_tready = 1;
  logic status_framing_error, status_overrun;
{chr(10).join(declared)}
  logic [{sum(inputs.values()) - 1}:0] beats [0:{len(beats) - 1}];
  int next = 0, quiet = 0, cycle = 0;
  initial $readmemh("beats.hex", beats);
  {design.top} dut (
      .aclk, .aresetn, .s_axis_tvalid, .s_axis_tready, .m_axis_tvalid, .m_axis_tready, .status_framing_error,
      .status_overrun, {", ".join(pins)}
  );
  always #5 aclk = ~aclk;
  always @(posedge aclk) begin
    cycle <= cycle + 1;
    aresetn <= cycle > 3;
    if (s_axis_tvalid && s_axis_tready) quiet <= 0; else quiet <= quiet + 1;
    if (aresetn && (!s_axis_tvalid || s_axis_tready)) begin
      s_axis_tvalid <= next < {len(beats)};
      if (next < {len(beats)}) {{{", ".join(f"s_axis_{name}" for name in inputs)}}} <= beats[next];
      next <= next + 1;
    end
    if (aresetn && m_axis_tvalid) $display("BEAT %h %h %h %h", m_axis_tdata, m_axis_tlast, m_axis_tuser, m_axis_tid);
    if (quiet > {QUIET_CYCLES}) begin
      $display("STATUS %b %b", status_framing_error, status_overrun);
      $finish;
    end
  end
endmodule
""")
    printed = verilator.run_testbench("bench", [bench, *sources])
    found = re.findall(r"^BEAT (\w+) (\w+) (\w+) (\w+)$", printed, re.M)
    (status,) = re.findall(r"^STATUS (\w) (\w)$", printed, re.M)
    results = [tuple(int(field, 16) for field in fields) for fields in found]
    return Played([(a, b, c, d) for a, b, c, d in results], status[0] == "1", status[1] == "1")
