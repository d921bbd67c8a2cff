"""The top module of a design: AXI4-Stream ports, and the engines between them."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.hdl.axi_stream import BeatFormat
from loopwire.hdl.expressions import resized
from loopwire.schedule.datapath import Signal
from loopwire.schedule.plan import Plan

FRESH = (
    "// tuser with a sequence's first beat starts it afresh, from the initial states; else it goes on from those that",
    "// its channel's last sequence left.",
)


def top_module(name: str, modules: Sequence[str], plan: Plan, beats_in: BeatFormat, beats_out: BeatFormat) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        modules: names of the engines' modules.
        plan: the engines.
        beats_in, beats_out: how a beat's integers lie in TDATA.
    """
    x, y, pipelines = plan.graph.inputs[0], plan.graph.outputs[0], plan.pipelines
    first, last = pipelines[0].datapath.x, pipelines[-1].datapath.output
    padding = [] if beats_in.lane_bits == first.width else ["    /* verilator lint_off UNUSEDSIGNAL */  // padding"]
    lines = [
        f"// {name}: AXI4-Stream in and out.",
        f"// Input beat, one a step: {first.count} elements {x.type.element}, {beats_in.lane_bits} bits apart,",
        "// element 0 lowest; tlast ends a sequence, as does its last possible step.",
        *(FRESH if plan.told_fresh else []),
        f"// Output beat: {last.count} elements {y.type.element}, {beats_out.lane_bits} bits apart.",
        f"module {name} (",
        "    input  logic aclk,",
        "    input  logic aresetn,",
        *padding,
        f"    input  logic [{beats_in.bits - 1}:0] s_axis_tdata,",
        *(["    /* verilator lint_on UNUSEDSIGNAL */"] if padding else []),
        "    input  logic s_axis_tvalid,",
        "    output logic s_axis_tready,",
        "    input  logic s_axis_tlast,",
        *(["    input  logic s_axis_tuser,"] if plan.told_fresh else []),
        f"    output logic [{beats_out.bits - 1}:0] m_axis_tdata,",
        "    output logic m_axis_tvalid,",
        "    input  logic m_axis_tready,",
        "    output logic m_axis_tlast",
        ");",
    ]
    for index in range(len(modules) + 1):
        before = pipelines[index - 1].datapath.output if index else None
        after = pipelines[index].datapath.x if index < len(modules) else None
        lines += _link(index, before, after, beats_in, beats_out)
    lines += [f"  logic fresh_{index};" for index in range(plan.told_fresh)]
    for index, module in enumerate(modules):
        lines += [
            f"  {module} {module}_i (",
            f"      .aclk, .aresetn, .s_data(data_{index}), .s_valid(valid_{index}), .s_ready(ready_{index}),",
            f"      .s_last(last_{index}), .m_data(result_{index + 1}), .m_valid(valid_{index + 1}),",
            f"      .m_ready(ready_{index + 1}), .m_last(last_{index + 1})"
            + (f", .s_fresh(fresh_{index})" if index < plan.told_fresh else "")
            + (f", .m_fresh(fresh_{index + 1})" if index + 1 < plan.told_fresh else ""),
            "  );",
        ]
    lines += [
        "  assign valid_0 = s_axis_tvalid;",
        "  assign s_axis_tready = ready_0;",
        "  assign last_0 = s_axis_tlast;",
        *(["  assign fresh_0 = s_axis_tuser;"] if plan.told_fresh else []),
        f"  assign m_axis_tvalid = valid_{len(modules)};",
        f"  assign ready_{len(modules)} = m_axis_tready;",
        f"  assign m_axis_tlast = last_{len(modules)};",
        f"endmodule : {name}",
        "",
    ]
    return "\n".join(lines)


def _link(
    index: int, before: Signal | None, after: Signal | None, beats_in: BeatFormat, beats_out: BeatFormat
) -> list[str]:
    """Write the wires between two engines, or between an engine and the top's ports."""
    lines = [f"  logic valid_{index}, ready_{index}, last_{index};"]
    if before is not None:
        lines.append(f"  logic [{before.count - 1}:0][{before.width - 1}:0] result_{index};")
    if after is not None:
        lines.append(f"  logic [{after.count - 1}:0][{after.width - 1}:0] data_{index};")
    if before is None:
        assert after is not None
        source = f"s_axis_tdata[k * {beats_in.lane_bits} +: {after.width}]"
        lines += _each(after.count, f"data_{index}", f"data_{index}[k]", source)
    elif after is None:
        lane = resized(f"result_{index}[k]", before.width, before.signed, beats_out.lane_bits)
        target = f"m_axis_tdata[k * {beats_out.lane_bits} +: {beats_out.lane_bits}]"
        lines += _each(before.count, f"result_{index}", target, lane)
    else:
        source = resized(f"result_{index}[k]", before.width, before.signed, after.width)
        lines += _each(after.count, f"data_{index}", f"data_{index}[k]", source)
    return lines


def _each(count: int, name: str, target: str, source: str) -> list[str]:
    return [f"  for (genvar k = 0; k < {count}; k++) begin : gen_{name}", f"    assign {target} = {source};", "  end"]
