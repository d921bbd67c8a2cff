"""Paths from port to port through gates alone are found; `test_conformance_verilog` looks for them in its designs."""

from __future__ import annotations

from pathlib import Path

from port_paths import netlists, port_paths


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
