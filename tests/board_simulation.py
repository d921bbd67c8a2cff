"""A design on a simulated ULX3S: the whole top module, with a serial line before its pins, behind a pseudo-terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import loopwire
from loopwire.boards.link import Port, open_port
from loopwire.boards.project import write_board
from loopwire.boards.simulated import build_model, simulated_board
from loopwire.targets.verilog import hardware
from pass_through import firmware_of, pass_through

CLOCK_MHZ = 25.0
BAUD = 3_000_000
CYCLES_PER_BYTE = 90
"""A byte takes ten bits of 8.33 cycles each."""

FAST_RATE = round(1.02 * 2**20 * BAUD / (CLOCK_MHZ * 1e6))
"""Of the host's bridge, 2 % faster than it should be: bits are read in their middle."""

# A stand-in for the PLL, which divides nothing, and a host's bridge before the pins.
BENCH = f"""
module EHXPLLL #(
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0,
    parameter CLKOP_ENABLE = "", FEEDBK_PATH = "", OUTDIVIDER_MUXA = "", PLLRST_ENA = "", INTFB_WAKE = "",
    parameter STDBY_ENABLE = "", DPHASE_SOURCE = ""
) (
    input  CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP,
    output CLKOP, LOCK
);
  assign CLKOP = CLKI;
  assign LOCK = 1'b1;
endmodule

module bench (
    input  logic aclk, aresetn, rx_valid, rx_broken, tx_ready,
    input  logic [7:0] rx_data,
    output logic [7:0] tx_data,
    output logic tx_valid
);
  logic to_board, from_board;
  loopwire_uart_tx #(.RATE({FAST_RATE})) to_board_i (
      .aclk, .aresetn, .data(rx_data), .valid(rx_valid), .ready(), .txd(to_board)
  );
  loopwire_uart_rx #(.RATE({FAST_RATE})) from_board_i (
      .aclk, .aresetn, .rxd(from_board), .data(tx_data), .valid(tx_valid), .broken()
  );
  pass_through_ulx3s board_i (
      .clk_25mhz(aclk), .ftdi_txd(to_board), .ftdi_rxd(from_board), .btn(1'b0), .led(), .wifi_gpio0()
  );
endmodule
"""


def write_pass_through(folder: Path) -> Path:
    """Write the project of the hand-written pass-through design."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "generate", firmware_of)
        return loopwire.compile(pass_through()).write(folder)


def build_board(project: Path, folder: Path) -> Path:
    """Compile a project's board and the bench around it; return the program."""
    write_board(project, "ulx3s-85f", folder, CLOCK_MHZ, BAUD)
    (folder / "bench.sv").write_text(BENCH)
    return build_model("bench", sorted(folder.glob("*.sv")), folder / "simulation")


@contextmanager
def running(program: Path) -> Iterator[Port]:
    """Run a built board and open its terminal."""
    with simulated_board(program, program.parents[1], CYCLES_PER_BYTE) as (_, name), open_port(name, BAUD) as port:
        yield port
