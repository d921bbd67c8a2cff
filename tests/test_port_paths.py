"""No port of a design leads to another one through gates alone, so that every design can be closed in by registers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembles import write_files
from port_paths import netlists, port_paths
from test_conformance_verilog import GROUPS

KINDS = [group for group in GROUPS if group not in ("types", "bounds", "activations", "knobs")]
"""Groups of cases whose ports, or what stands behind these, differ."""


@pytest.mark.parametrize("group", KINDS)
def test_no_input_reaches_an_output_without_a_register(group: str, tmp_path: Path) -> None:
    designs = [case.firmware(case.graph()) for case in GROUPS[group]()]
    for design in designs:
        write_files(design, tmp_path)
    found = netlists([design.top for design in designs], tmp_path)
    assert {top: paths for top, module in found.items() if (paths := port_paths(module))} == {}


def test_paths_through_gates_and_memories_are_found(tmp_path: Path) -> None:
    text = """
module some (input logic clk, input logic [1:0] a, input logic b, output logic [1:0] x, output logic y, output logic z);
  logic [1:0] memory [0:3];
  logic q;
  wire [2:0] sum = a + 2'(b);
  always_ff @(posedge clk) {q, memory[a]} <= sum;
  assign {x, y, z} = {memory[{q, b}], q, sum[1]};
endmodule
"""
    (tmp_path / "some.sv").write_text(text)
    found = port_paths(netlists(["some"], tmp_path)["some"])
    assert found == [("a", "z"), ("b", "x"), ("b", "z")]
