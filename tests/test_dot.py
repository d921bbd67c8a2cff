"""Sums of products in cascades of DSP blocks equal those of every part, for all inputs."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from loopwire.errors import ToolError
from loopwire.tools.fabrics import FABRICS
from loopwire.tools.yosys import find_yosys
from test_sum3 import LOGIC

DSP48E2 = """\
module DSP48E2 #(
  parameter ACASCREG = 1, ADREG = 1, ALUMODEREG = 1, AREG = 1, BCASCREG = 1, BREG = 1, CARRYINREG = 1,
  parameter CARRYINSELREG = 1, CREG = 1, DREG = 1, INMODEREG = 1, MREG = 1, OPMODEREG = 1, PREG = 1,
  parameter A_INPUT = "", B_INPUT = "", USE_MULT = "", USE_SIMD = "", AMULTSEL = "", BMULTSEL = ""
) (
  input CLK, CEM, RSTM, input [29:0] A, ACIN, input [17:0] B, BCIN, input [47:0] C, PCIN, input [26:0] D,
  input [4:0] INMODE, input [3:0] ALUMODE, input [8:0] OPMODE, input [2:0] CARRYINSEL, input CARRYIN,
  output [47:0] P, PCOUT
);
  localparam REGISTERS = ACASCREG + ADREG + ALUMODEREG + AREG + BCASCREG + BREG + CARRYINREG + CARRYINSELREG + CREG
      + DREG + INMODEREG + OPMODEREG + PREG;
  wire signed [26:0] a = A[26:0];
  wire signed [17:0] b = B;
  reg signed [47:0] m_q;
  always @(posedge CLK) if (RSTM) m_q <= 0; else if (CEM) m_q <= a * b;
  wire [47:0] m = MREG ? m_q : a * b, z = OPMODE[6:4] == 1 ? PCIN : 0;
  wire known = !REGISTERS && OPMODE[8:5] == 0 && OPMODE[3:0] == 5 && !ALUMODE && !INMODE && !CARRYIN;
  assign P = known ? m + z : 48'b0, PCOUT = P;
endmodule
"""
"""The model that is missing in Yosys, of what is used of the block (AMD UG579): a product, added to PCIN or to 0."""
KINDS = [(1, 0, 0, 0), (2, 0, 1, 1), (3, 1, 0, 0), (2, 1, 1, 1)]
"""Terms, whether factors are signed, whether a register is behind the multipliers."""
A_BITS, B_BITS = 3, 2


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_dot_products_are_equal(family: str, tmp_path: Path) -> None:
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(str(error))
    width = A_BITS + B_BITS + 2
    dots = [
        f"loopwire_dot #({terms}, {A_BITS}, {B_BITS}, {a_signed}, {b_signed}, {width}, {registered}) dot_{k} "
        f"(clk, a[{A_BITS * terms - 1}:0], b[{B_BITS * terms - 1}:0], y[{width * k} +: {width}]);"
        for k, (terms, a_signed, b_signed, registered) in enumerate(KINDS)
    ]
    ports = f"input clk, input [{3 * A_BITS - 1}:0] a, input [{3 * B_BITS - 1}:0] b"
    top = [f"module top ({ports}, output [{width * len(KINDS) - 1}:0] y);", *dots, "endmodule"]
    (tmp_path / "top.sv").write_text("\n".join(top))
    (tmp_path / "dot.sv").write_text(resources.files("loopwire.hdl").joinpath("loopwire_dot.sv").read_text())
    (tmp_path / "model.v").write_text(DSP48E2)
    read = "read_verilog -sv -defer top.sv dot.sv"
    blocks = sum(terms for terms, *_ in KINDS)
    yosys.run(
        (
            *(read, "hierarchy -top top", *LOGIC, "design -stash every"),
            *(read, *FABRICS[family].commands("top"), "flatten", f"select -assert-count {blocks} t:DSP48E*"),
            "select -assert-none t:LUT* t:FD* t:CARRY*",
            *("techmap -autoproc -map model.v -map +/xilinx/cells_sim.v", *LOGIC, "setundef -undriven -zero"),
            *("design -stash cells", "design -copy-from every -as every top", "design -copy-from cells -as cells top"),
            "miter -equiv -flatten every cells miter",
            "sat -verify -seq 2 -prove-skip 1 -prove trigger 0 -set-def-inputs miter",
        ),
        tmp_path,
        (),
    )
