"""Synthesised netlists, gate by gate, give the bits of the emulator: what is counted and routed is the design."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from conformance import Case, at_ports, random_inputs, types, vectors_of
from ensembles import write_files
from loopwire.cmvm.tree_text import APART, COUNTERS
from loopwire.devices import find_part
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ToolError
from loopwire.hdl.testbench import write_testbench
from loopwire.layers.dense import Dense
from loopwire.simulate import verilator
from loopwire.tools.fabrics import fabric_of
from loopwire.tools.yosys import find_yosys
from test_conformance_verilog import dense, gru, lstm

NETLIST = "netlist.v"
CELLS = {"ecp5": "lattice/cells_sim_ecp5.v", "xc7": "xilinx/cells_sim.v"}
"""Models of the cells, in the folder that Yosys brings."""
FACTOR, PRODUCT = range(17, -1, -1), range(35, -1, -1)
MULTIPLIER = f"""\
module MULT18X18D (
  input {", ".join(f"{port}{k}" for port in "ABC" for k in FACTOR)}, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  output {", ".join(f"P{k}" for k in PRODUCT)}
);
  wire signed [18:0] a = {{SIGNEDA & A17, {", ".join(f"A{k}" for k in FACTOR)}}};
  wire signed [18:0] b = {{SIGNEDB & B17, {", ".join(f"B{k}" for k in FACTOR)}}};
  assign {{{", ".join(f"P{k}" for k in PRODUCT)}}} = 36'(a * b);
endmodule
"""
"""The one that is missing there, without its registers, which are not used (Lattice FPGA-TN-02205, sysDSP)."""
SIGNS = Dense("a", np.array([[0.0, -10.0, 56.0], [56.0, -10.0, 23.0]]) / 32, np.array([0.0, 0.25]))
NARROW = types("fixed<5,2,RND,SAT>")
CASES = [
    Case("gates_lstm", (3, 2), [lstm("a", 2, 2), dense("b", 2, 2, "softmax")], NARROW, "fixed<5,2>", "LFE5U-25F", 12.0),
    Case("gates_gru", (3, 2), [gru("a", 2, 2)], part="LFE5U-25F", clock_period_ns=12.0, multipliers="dsp"),
    # A register keeps products, and the sign of one twice, for a wider sum.
    Case("gates_signs", (3,), [SIGNS], types("fixed<8,3,RND,SAT>", 1.0), "fixed<10,4>", "xc7a100t", multipliers="dsp"),
    # Sums of which synthesis reads counters, simulators a sum.
    Case("gates_counted", (3, 2), [lstm("a", 2, 3)], part="xc7a100t", multipliers="shift_add"),
    # Products in cascades of DSP blocks.
    Case("gates_folded", (3, 2), [lstm("a", 2, 4), dense("b", 4, 2)], part="xc7a100t", reuse_factor=4),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_netlists_conform(case: Case, tmp_path: Path) -> None:
    assert_netlist_conforms(case, tmp_path)
    for module, name in ((COUNTERS, "gates_counted"), ("loopwire_dot", "gates_folded")):
        assert any(module in path.name for path in tmp_path.glob("*.sv")) == (case.name == name)


def test_netlists_of_units_apart_conform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a large design, in which a wire from the middle of a tree takes longer than an adder."""
    monkeypatch.setattr(DelayModel, "reach", lambda self, luts: 5.0)
    assert_netlist_conforms(CASES[0], tmp_path)
    apart = [path.name for path in tmp_path.rglob("*.sv") if APART in path.read_text()]
    assert len(apart) == 2 * 2, "W x and U h of two units"


def assert_netlist_conforms(case: Case, tmp_path: Path) -> None:
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(str(error))
    graph = case.graph()
    design = case.firmware(graph)
    sources = write_files(design, tmp_path)
    fabric = fabric_of(find_part(case.part))
    read = f"read_verilog -sv -defer {' '.join(path.name for path in sources if path.suffix == '.sv')}"
    yosys.run((read, *fabric.commands(design.top), "write_verilog -noattr cells.v"), tmp_path, ["cells.v"])
    (tmp_path / "multiplier.sv").write_text(MULTIPLIER)
    models = f"read_verilog -sv -D NO_INCLUDES cells.v multiplier.sv +/{CELLS[fabric.name]}"
    # An input of a DSP48E1 that Yosys leaves open, such as RSTD, is 0 in the part.
    zeros = ("setundef -undriven -zero",) if fabric.name == "xc7" else ()
    as_logic = (models, f"hierarchy -top {design.top}", "proc", "flatten", *zeros, f"write_verilog -noattr {NETLIST}")
    yosys.run(as_logic, tmp_path, [NETLIST])

    source = random.Random(case.name)
    lengths = np.array([source.randint(1, design.length) for _ in range(12)])
    given, due = at_ports(graph, design, random_inputs(graph, len(lengths), source), lengths)
    sent, expected = vectors_of(design, given, due)
    bench, *_ = write_testbench(tmp_path, design.top, sent, expected, case.clock_period_ns, design.latency_cycles)
    printed = verilator.run_testbench(f"{design.top}_tb", [bench, tmp_path / NETLIST])
    assert printed.startswith("PASS: 12 sequences, 0 errors\n")
