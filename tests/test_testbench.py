"""The self-checking testbench, run by Verilator and by Icarus Verilog on right and wrong modules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from loopwire.errors import ToolError
from loopwire.hdl.axi_stream import BeatFormat, Sequences, StreamPort
from loopwire.hdl.testbench import Pace, Vectors, write_testbench
from loopwire.simulate import verilator

# Running sums of signed bytes, one beat for each beat. The number in fault.hex chooses what is wrong.
RUNNING_SUM = """
module running_sum (
    input  logic aclk,
    input  logic aresetn,
    input  logic [15:0] s_axis_tdata,
    input  logic s_axis_tvalid,
    output logic s_axis_tready,
    input  logic s_axis_tlast,
    output logic [31:0] m_axis_tdata,
    output logic m_axis_tvalid,
    input  logic m_axis_tready,
    output logic m_axis_tlast,
    output logic status_framing_error,
    output logic status_overrun
);
  logic [3:0] fault_q[0:0];
  logic signed [11:0] a_q, b_q, a, b;
  logic [7:0] count_q;
  logic again_q, even_q;
  wire [3:0] fault = fault_q[0];
  wire free = !m_axis_tvalid || m_axis_tready;
  initial $readmemh("fault.hex", fault_q);
  assign status_framing_error = fault == 7;
  assign status_overrun = 1'b0;

  logic open_q;
  always_ff @(posedge aclk) open_q <= aresetn;
  always_ff @(posedge aclk) even_q <= aresetn && !even_q;
  wire waits = fault == 9 && even_q || fault == 3 && count_q == 8'd9;
  assign s_axis_tready = open_q && !waits && (fault == 2 || free) || fault == 8;
  always_comb begin
    a = a_q + $signed(s_axis_tdata[7:0]);
    b = b_q + $signed(s_axis_tdata[15:8]);
  end

  always_ff @(posedge aclk) begin
    again_q <= fault == 5 && count_q == 8'd95 && m_axis_tvalid && m_axis_tready && !again_q;
    if (m_axis_tready && !(fault == 5 && count_q == 8'd95 && !again_q)) m_axis_tvalid <= 1'b0;
    if (s_axis_tvalid && s_axis_tready && !(fault == 6 && count_q == 8'd9)) begin
      count_q <= count_q + 8'd1;
      a_q <= s_axis_tlast ? 12'sd0 : a;
      b_q <= s_axis_tlast ? 12'sd0 : b;
      m_axis_tvalid <= 1'b1;
      m_axis_tdata <= {{4{b[11]}}, b, {4{a[11]}}, fault == 1 && count_q == 8'd9 ? ~a : a};
      m_axis_tlast <= s_axis_tlast;
    end
    if (!aresetn) begin
      m_axis_tvalid <= 1'b0;
      count_q <= 8'd0;
      again_q <= 1'b0;
      a_q <= 12'sd0;
      if (fault != 4) b_q <= 12'sd0;
    end
  end
endmodule
"""

FAULTS = {
    "wrong bits": (1, "a wrong beat of m_axis, at output beat 9 of 95"),
    "result lost under stall": (2, "a signal of m_axis changed before TREADY rose"),
    "hang": (3, "no beat moved, at output beat 9 of 95"),
    "state not reset": (4, "a wrong beat of m_axis, at output beat 0 of 95"),
    "result repeated": (5, "a beat of m_axis too many, at output beat 95 of 95"),
    "framing error": (7, "the status tells the framing wrong, at output beat 0 of 95"),
    "latency": (9, "the latency is not the predicted one"),
    "interval": (9, "the initiation interval is not the predicted one"),
    "ready in the reset": (8, "TREADY is high in the reset, at output beat 0 of 95"),
    "beat refused for ever": (6, "no beat moved, at output beat 9 of 95"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("running_sum")
    random = np.random.default_rng(3)
    lengths = random.integers(1, 9, 25)
    beats = random.integers(-128, 128, (int(lengths.sum()), 2))
    sums = np.concatenate([np.cumsum(one, axis=0) for one in np.split(beats, np.cumsum(lengths)[:-1])])
    sent = Vectors(StreamPort("s_axis", BeatFormat(2, 8, signed=True), 8, True), Sequences(beats, lengths))
    due = Vectors(StreamPort("m_axis", BeatFormat(2, 12, signed=True), 8, True), Sequences(sums, lengths))
    (folder / "running_sum.sv").write_text(RUNNING_SUM)
    pace = Pace(latency_cycles=8, settled_sequences=1, period_sequences=2, period_cycles=16)
    write_testbench(folder, "running_sum", [sent], [due], clock_period_ns=5, still_cycles=20, pace=pace)
    return folder


def verilated(project: Path) -> list[str]:
    sources = [project / "running_sum_tb.sv", project / "running_sum.sv"]
    printed = verilator.run_testbench("running_sum_tb", sources, project / "verilator")
    assert printed.startswith("PASS: 25 sequences, 0 errors\n")
    return [str(project / "verilator" / "simulate"), "+verilator+rand+reset+2"]


def icarus(project: Path) -> list[str]:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed (apt install iverilog)")
    command = ["iverilog", "-g2012", "-o", "icarus", "running_sum_tb.sv", "running_sum.sv"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return ["vvp", "icarus"]


@pytest.fixture(scope="module", params=[verilated, icarus])
def simulate(project: Path, request: pytest.FixtureRequest) -> list[str]:
    choose_fault(project, 0)
    command: list[str] = request.param(project)
    return command


def choose_fault(project: Path, fault: int) -> None:
    (project / "fault.hex").write_text(f"{fault:x}\n")


def test_a_right_module_passes(project: Path, simulate: list[str]) -> None:
    choose_fault(project, 0)
    done = subprocess.run(simulate, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("PASS: 25 sequences, 0 errors\n")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught(project: Path, simulate: list[str], fault: str) -> None:
    number, message = FAULTS[fault]
    choose_fault(project, number)
    done = subprocess.run(simulate, cwd=project, capture_output=True, text=True)
    assert done.returncode != 0
    assert "FAIL: 25 sequences, " in done.stdout and "PASS" not in done.stdout
    assert message in done.stdout


def test_a_failing_testbench_is_a_tool_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "simulate"
    program.write_text("#!/bin/sh\necho ERROR at 5.0 ns: a wrong beat\necho FAIL: 1 sequences, 1 errors\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(verilator, "_verilate", lambda *_: "")
    monkeypatch.setattr(verilator, "_compile_model", lambda *_: program)
    with pytest.raises(ToolError, match=r"testbench top_tb: it failed: ERROR at 5.0 ns: a wrong beat"):
        verilator.run_testbench("top_tb", [tmp_path / "top_tb.sv"], tmp_path)


def test_vectors_hold_tlast_above_the_data() -> None:
    port = StreamPort("s_axis", BeatFormat(2, 12, signed=True), 2, True)
    vectors = Vectors(port, Sequences(np.array([[1, -2], [3, 4], [-1, 2047]]), np.array([2, 1])))
    assert vectors.text() == "0fffe0001\n100040003\n107ffffff\n"


def test_same_vectors_same_bytes_and_the_paths_are_returned(project: Path, tmp_path: Path) -> None:
    ports = [StreamPort(axis, BeatFormat(1, 8, signed=False), 2, True) for axis in ("s_axis", "m_axis")]
    sent, due = ([Vectors(port, Sequences(np.array([[1], [2]]), np.array([2])))] for port in ports)
    paths = write_testbench(tmp_path, "one", sent, due, clock_period_ns=2.5, still_cycles=20)
    assert [path.name for path in paths] == ["one_tb.sv", "one_input.hex", "one_expected.hex"]
    text = paths[0].read_text()
    assert "always #(1.250) aclk = ~aclk;" in text
    assert str(tmp_path) not in text
    write_testbench(tmp_path, "one", sent, due, clock_period_ns=2.5, still_cycles=20)
    assert paths[0].read_text() == text
