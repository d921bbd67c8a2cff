"""A model that hands on its input, and hardware for it written by hand: what surrounds the generator, without it."""

from __future__ import annotations

from typing import Any

from chains import chain_timing
from loopwire.hdl.axi_stream import BeatFormat, Sideband, StreamPort
from loopwire.ir.graph import Graph
from loopwire.layers.activation import LINEAR, Activation
from loopwire.layers.model import Model, chain
from loopwire.schedule.engine_cycles import EngineTiming, SteadyState
from loopwire.targets.verilog import Firmware

STEPS, FEATURES = 4, 2

HARDWARE = """
module pass_through #(parameter int STEPS = 4) (
    input  logic aclk,
    input  logic aresetn,
    input  logic [31:0] s_axis_tdata,
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
  logic by_last_q, by_count_q;
  assign status_framing_error = 1'b0;
  logic [15:0] count_q;
  logic open_q;
  wire ends = s_axis_tlast || count_q == 16'(STEPS - 1);
  assign s_axis_tready = open_q && (!m_axis_tvalid || m_axis_tready);
  always_ff @(posedge aclk) begin
    open_q <= aresetn;
    if (m_axis_tready) m_axis_tvalid <= 1'b0;
    if (s_axis_tvalid && s_axis_tready) begin
      count_q <= ends ? 16'd0 : count_q + 16'd1;
      m_axis_tvalid <= 1'b1;
      m_axis_tdata <= s_axis_tdata;
      m_axis_tlast <= ends;
      if (s_axis_tlast) by_last_q <= 1'b1;
      else if (ends) by_count_q <= 1'b1;
    end
    status_overrun <= by_last_q && by_count_q;
    if (!aresetn) begin
      {by_last_q, by_count_q, status_overrun} <= 3'b000;
      m_axis_tvalid <= 1'b0;
      count_q <= 16'd0;
    end
  end
endmodule
"""


def pass_through(steps: int = STEPS) -> Model:
    """Return y = x for sequences of `FEATURES` features, or for one vector of them where `steps` is 1."""
    shape = (steps, FEATURES) if steps > 1 else (FEATURES,)
    return chain("pass through", shape, (Activation("same", LINEAR),), "folder/same.keras")


def firmware_of(graph: Graph, device: Any, clock_period_ns: float, name: str, knobs: Any, ports: Any) -> Firmware:
    """Return hand-written hardware, in place of the generator's."""
    shape = graph.inputs[0].type.shape
    steps = shape[0] if len(shape) == 2 else 1
    beat = BeatFormat(FEATURES, 16, signed=True)
    text = HARDWARE.replace("STEPS = 4", f"STEPS = {steps}")
    steady = SteadyState(0, 1, steps)
    # Its results come a cycle before any engine's could.
    timing = chain_timing((EngineTiming(steps, 1, 1, 1, 2, -1, False, True, False),))
    return Firmware(
        {"pass_through.sv": text},
        "pass_through",
        per_step=True,
        latency_cycles=steps,
        initiation_interval_cycles=steps,
        loop_latency_cycles=1,
        interleave=1,
        copies=1,
        sideband=Sideband(),
        latency_range_cycles=(steps, steps),
        steady=steady,
        inputs=(StreamPort("s_axis", beat, steps, steps > 1),),
        outputs=(StreamPort("m_axis", beat, steps, steps > 1),),
        timing=timing,
        engines=(),
        pipelines=(),
        areas=(),
        layer_modules={},
        ports=(),
    )
