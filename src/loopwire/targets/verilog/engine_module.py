"""The module of one engine: feeder, pipeline and collector, and the control bits that accompany each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopwire.schedule.cycles import EngineTiming
from loopwire.schedule.datapath import Signal
from loopwire.schedule.pipeline import Pipeline
from loopwire.targets.verilog.layer_module import LayerModule, array, port_name


def engine_module(
    name: str, pipeline: Pipeline, timing: EngineTiming, modules: Sequence[LayerModule], names: Mapping[str, str]
) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        pipeline: what it runs.
        timing: steps, ring, slots, tickets and what else decides its cycles.
        modules: the layers.
        names: name of each layer's module.
    """
    x, y = pipeline.datapath.x, pipeline.datapath.output
    depth = pipeline.depth
    index_bits = max((timing.steps - 1).bit_length(), 1)
    ticket_bits = max((timing.tickets - 1).bit_length(), 1)
    valid_depth = max([depth, *(s for m in modules for s in m.valid_stages)])
    active_depth = max([0, *(s for m in modules for s in m.active_stages)])
    index_depth = max([depth if timing.per_step else 0, *(s for m in modules for s in m.index_stages)])
    unused = _unused(active=any(m.active_stages for m in modules), index=index_depth > 0)
    lines = [
        f"// {timing.steps} steps a sequence, {timing.slots} sequences in flight, a step of each every "
        f"{timing.ring} cycles;",
        f"// a step takes {depth + 1} cycles from the feeder to the collector.",
        f"module {name} (",
        "    input  logic aclk,",
        "    input  logic aresetn,",
        f"    input  logic [{x.bits - 1}:0] s_data,   // {x.count} elements {x.type}, element 0 lowest",
        "    input  logic s_valid,",
        "    output logic s_ready,",
        "    input  logic s_last,",
        f"    output logic [{y.bits - 1}:0] m_data,   // {y.count} elements {y.type}, element 0 lowest",
        "    output logic m_valid,",
        "    input  logic m_ready,",
        "    output logic m_last",
        ");",
        "  // What accompanies a step: [s] belongs to the step in stage s.",
        f"  logic [{valid_depth}:0] step_valid;",
        f"  logic [{active_depth}:0] step_active;",
        f"  logic [{depth}:0] step_last;",
        f"  logic [{index_depth}:0][{index_bits - 1}:0] step_index;",
        f"  logic [{depth}:0][{ticket_bits - 1}:0] step_ticket;",
        f"  logic {array(x)} {port_name(x)};",
        "  logic ticket_returned;",
        *unused,
        "",
        "  loopwire_feeder #(",
        f"      .STEPS({timing.steps}), .RING({timing.ring}), .SLOTS({timing.slots}), .TICKETS({timing.tickets}),",
        f"      .REVERSE(1'b{int(timing.reverse)}), .X_BITS({x.bits})",
        "  ) feeder (",
        "      .aclk, .aresetn, .s_data, .s_valid, .s_ready, .s_last,",
        "      .step_valid(step_valid[0]), .step_active(step_active[0]), .step_last(step_last[0]),",
        f"      .step_index(step_index[0]), .step_ticket(step_ticket[0]), .step_x({port_name(x)}),",
        "      .ticket_returned",
        "  );",
        "",
        "  always_ff @(posedge aclk) begin",
        *_shift("step_valid", valid_depth, reset=True),
        *_shift("step_active", active_depth, reset=True),
        *_shift("step_last", depth),
        *_shift("step_index", index_depth),
        *_shift("step_ticket", depth),
        "  end",
        "",
    ]
    for module in modules:
        lines += _instance(module, names[module.layer])
    result = port_name(y)
    last = "step_last" if timing.per_step else "step_valid"
    beat = f"step_index[{depth}]" if timing.per_step else "1'b0"
    valid = f"step_valid[{depth}]" if timing.per_step else f"step_valid[{depth}] && step_last[{depth}]"
    lines += [
        "  loopwire_collector #(",
        f"      .TICKETS({timing.tickets}), .BEATS({timing.steps if timing.per_step else 1}), .Y_BITS({y.bits})",
        "  ) collector (",
        f"      .aclk, .aresetn, .y_valid({valid}), .y_last({last}[{depth}]),",
        f"      .y_ticket(step_ticket[{depth}]), .y_beat({beat}), .y({_delayed(y, pipeline, result)}),",
        "      .m_data, .m_valid, .m_ready, .m_last, .ticket_returned",
        "  );",
        f"endmodule : {name}",
        "",
    ]
    return "\n".join(lines)


def _delayed(y: Signal, pipeline: Pipeline, name: str) -> str:
    assert pipeline.stage_of().get(y, pipeline.depth) == pipeline.depth, f"%{y.name} leaves in a later stage"
    return name


def _unused(active: bool, index: bool) -> list[str]:
    """Return what tells a linter that a control bit is not needed by this engine."""
    signals = [name for name, used in (("step_active[0]", active), ("step_index[0]", index)) if not used]
    return [f"  wire unused = &{{1'b0, {', '.join(signals)}}};"] if signals else []


def _shift(name: str, depth: int, reset: bool = False) -> list[str]:
    if depth == 0:
        return []
    kept = f"{name}[s - 1] && aresetn" if reset else f"{name}[s - 1]"
    return [f"    for (int s = 1; s <= {depth}; s++) {name}[s] <= {kept};"]


def _instance(module: LayerModule, name: str) -> list[str]:
    ports = [".aclk"]
    ports += [f".step_valid_{s}(step_valid[{s}])" for s in sorted(set(module.valid_stages))]
    ports += [f".step_active_{s}(step_active[{s}])" for s in sorted(set(module.active_stages))]
    ports += [f".step_index_{s}(step_index[{s}])" for s in sorted(set(module.index_stages))]
    ports += [f".{port_name(signal)}" for signal in (*module.inputs, *module.outputs)]
    declared = [f"  logic {array(signal)} {port_name(signal)};" for signal in module.outputs]
    lines, line = [], "     "
    for port in ports:
        text = f" {port}{',' if port != ports[-1] else ''}"
        if len(line) + len(text) > 116:
            lines.append(line)
            line = "     "
        line += text
    return [*declared, f"  {name} {name}_i (", *lines, line, "  );", ""]
