"""Synthesised netlists, gate by gate, give the bits of the emulator: what is counted and routed is the design."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from conformance import Case, random_beats, types, vectors_of
from ensembles import write_files
from loopwire.devices import find_part
from loopwire.errors import ToolError
from loopwire.hdl.testbench import Vectors, write_testbench
from loopwire.synth import verilator
from loopwire.synth.fabrics import fabric_of
from loopwire.synth.yosys import find_yosys
from test_conformance_verilog import dense, lstm

NETLIST = "netlist.v"
CELLS = {"ecp5": "lattice/cells_sim_ecp5.v", "xc7": "xilinx/cells_sim.v"}
"""Models of the cells, in the folder that Yosys brings; there is none of ECP5's multiplier."""
NARROW = types("fixed<5,2,RND,SAT>")
CASES = [
    Case("gates_lstm", (3, 2), [lstm("a", 2, 2), dense("b", 2, 2, "softmax")], NARROW, "fixed<5,2>", "LFE5U-25F", 12.0),
    Case("gates_folded", (3, 2), [lstm("a", 2, 2), dense("b", 2, 2)], part="xc7a100t", reuse_factor=4),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_netlists_conform(case: Case, tmp_path: Path) -> None:
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(str(error))
    graph = case.graph()
    design = case.firmware(graph)
    sources = write_files(design, tmp_path)
    fabric = fabric_of(find_part(case.part))
    read = f"read_verilog -sv -defer {' '.join(path.name for path in sources if path.suffix == '.sv')}"
    yosys.run((read, *fabric.commands(design.top), "write_verilog -noattr cells.v"), tmp_path)
    as_logic = f"read_verilog -D NO_INCLUDES cells.v +/{CELLS[fabric.name]}; hierarchy -top {design.top}; proc; flatten"
    yosys.run((*as_logic.split("; "), f"write_verilog -noattr {NETLIST}"), tmp_path)

    source = random.Random(case.name)
    lengths = np.array([source.randint(1, design.length) for _ in range(12)])
    x = random_beats(graph.inputs[0].type, len(lengths), source)
    vectors, due, counts = vectors_of(graph, design, x, lengths)
    sent, expected = Vectors(design.input, vectors, lengths), Vectors(design.output, due, counts)
    bench, *_ = write_testbench(tmp_path, design.top, sent, expected, case.clock_period_ns)
    printed = verilator.run_testbench(f"{design.top}_tb", [bench, tmp_path / NETLIST])
    assert printed.startswith("PASS: 12 sequences, 0 errors\n")
