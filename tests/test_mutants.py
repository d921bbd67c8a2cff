"""A few faults in the handshake modules, which `verify` and the written testbench find; `make mutants` tries all."""

from __future__ import annotations

import pytest

pytest.importorskip("pyslang", reason="pyslang is not installed (pip install pyslang)")

from bench.mutants import CHECKS, SUBJECTS, Mutated, Suite
from bench.mutation import instrumented

ADMITS = "|(fill_here & (~busy | leaving)) && tickets_out < (TICKET_BITS + 1)'(TICKETS)"
FAULTS = {
    "no ticket is needed": ("feeder", ADMITS, "|(fill_here & (~busy | leaving))"),
    "a ticket too many": (
        "feeder",
        "tickets_out < (TICKET_BITS + 1)'(TICKETS)",
        "tickets_out < ((TICKET_BITS + 1)'(TICKETS)) + 1",
    ),
    "results survive a reset": ("collector", "written <= '0;", ""),
    "the order survives a reset": ("collector", "read_ticket <= '0;", ""),
}


@pytest.fixture(scope="module")
def mutated(tmp_path_factory: pytest.TempPathFactory) -> Mutated:
    return Suite(("feeder", "collector")).build(SUBJECTS[0], tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(mutated: Mutated, check: str, fault: str) -> None:
    (mutant,) = (m for m in mutated.mutants if (m.module, m.before, m.after) == FAULTS[fault])
    assert mutated.fault(check, mutant) != ""


def test_no_mutant_no_fault(mutated: Mutated) -> None:
    assert all(mutated.fault(check, None) == "" for check in CHECKS)


def test_each_rule_has_its_mutants() -> None:
    text = """module m #(parameter int N = 3) (
    input logic aclk, aresetn, input logic [1:0] i, input logic [3:0] a, output logic b
);
  logic [1:0] count;
  wire ends = count == 2'(N - 1) && !a[i];
  for (genvar k = 0; k < N; k++) begin : gen
    wire [1:0] part = a[k +: 2];
  end
  always_ff @(posedge aclk) begin
    if (ends) b <= ends ? a[0] : b;
    count <= count + 2'd1;
    if (!aresetn) begin
      count <= '0;
      b <= 1'b0;
    end
  end
endmodule
"""
    mutated_text, mutants = instrumented("m", text, 7)
    assert [mutant.number for mutant in mutants] == list(range(7, 7 + len(mutants)))
    assert [(mutant.line, mutant.after) for mutant in mutants] == [
        (5, "count == 2'(N - 1)"),
        (5, "!a[i]"),
        (5, "count != 2'(N - 1)"),
        (5, "count == (2'(N - 1)) + 1"),
        (5, "count == (2'(N - 1)) - 1"),
        (5, "N + 1"),
        (5, "a[i]"),
        (5, "(i) + 1"),
        (10, "1'b1"),
        (10, "ends ? b : a[0]"),
        (10, "(0) + 1"),
        (11, "count - 2'd1"),
        (13, ""),
        (14, ""),
    ]
    assert "if (mutant[0] != 20) b <= 1'b0;" in mutated_text
