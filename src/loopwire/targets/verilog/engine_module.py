"""The module of one engine: feeder, pipeline and collector, and the control bits that accompany each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopwire.schedule.cycles import EngineTiming
from loopwire.schedule.datapath import Signal
from loopwire.schedule.pipeline import Pipeline
from loopwire.targets.verilog.layer_module import LayerModule, array, port_name


@dataclass(frozen=True)
class _Control:
    """A number that accompanies each step down to stage `depth`: `name` in stage 0, `name_q[s]` in stage s."""

    name: str
    depth: int
    bits: int = 1
    reset: bool = False

    def in_stage(self, stage: int) -> str:
        assert stage <= self.depth
        return f"{self.name}_q[{stage}]" if stage else self.name

    def declaration(self) -> str:
        element = f" [{self.bits - 1}:0]" if self.bits > 1 else ""
        stages = f"\n  logic [{self.depth}:1]{element.strip()} {self.name}_q;" if self.depth else ""
        return f"  logic{element} {self.name};{stages}"

    def registers(self) -> list[str]:
        kept = " && aresetn" if self.reset else ""
        first = f"    {self.name}_q[1] <= {self.name}{kept};"
        further = f"    for (int s = 2; s <= {self.depth}; s++) {self.name}_q[s] <= {self.name}_q[s - 1]{kept};"
        return [first, further][: min(self.depth, 2)]


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
    valid = _Control("step_valid", valid_depth, reset=True)
    active = _Control("step_active", active_depth, reset=True)
    last = _Control("step_last", depth)
    index = _Control("step_index", index_depth, index_bits)
    ticket = _Control("step_ticket", depth, ticket_bits)
    controls = (valid, active, last, index, ticket)
    indexed = timing.per_step or any(m.index_stages for m in modules)
    unused = _unused(active=any(m.active_stages for m in modules), index=indexed)
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
        "  // What accompanies a step: name_q[s] belongs to the step in stage s.",
        *(control.declaration() for control in controls),
        f"  logic {array(x)} {port_name(x)};",
        "  logic ticket_returned;",
        *unused,
        "",
        "  loopwire_feeder #(",
        f"      .STEPS({timing.steps}), .RING({timing.ring}), .SLOTS({timing.slots}), .TICKETS({timing.tickets}),",
        f"      .REVERSE(1'b{int(timing.reverse)}), .X_BITS({x.bits})",
        "  ) feeder (",
        "      .aclk, .aresetn, .s_data, .s_valid, .s_ready, .s_last,",
        "      .step_valid, .step_active, .step_last, .step_index, .step_ticket,",
        f"      .step_x({port_name(x)}), .ticket_returned",
        "  );",
        "",
        "  always_ff @(posedge aclk) begin",
        *(line for control in controls for line in control.registers()),
        "  end",
        "",
    ]
    for module in modules:
        lines += _instance(module, names[module.layer], valid, active, index)
    result = port_name(y)
    done = valid.in_stage(depth)
    if timing.per_step:
        y_valid, y_last, y_beat = done, last.in_stage(depth), index.in_stage(depth)
    else:
        y_valid, y_last, y_beat = f"{done} && {last.in_stage(depth)}", "1'b1", "1'b0"
    lines += [
        "  loopwire_collector #(",
        f"      .TICKETS({timing.tickets}), .BEATS({timing.steps if timing.per_step else 1}), .Y_BITS({y.bits})",
        "  ) collector (",
        f"      .aclk, .aresetn, .y_valid({y_valid}), .y_last({y_last}),",
        f"      .y_ticket({ticket.in_stage(depth)}), .y_beat({y_beat}), .y({_delayed(y, pipeline, result)}),",
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
    signals = [name for name, used in (("step_active", active), ("step_index", index)) if not used]
    return [f"  wire unused = &{{1'b0, {', '.join(signals)}}};"] if signals else []


def _instance(module: LayerModule, name: str, valid: _Control, active: _Control, index: _Control) -> list[str]:
    ports = [".aclk"] if module.clocked else []
    ports += [f".step_valid_{s}({valid.in_stage(s)})" for s in sorted(set(module.valid_stages))]
    ports += [f".step_active_{s}({active.in_stage(s)})" for s in sorted(set(module.active_stages))]
    ports += [f".step_index_{s}({index.in_stage(s)})" for s in sorted(set(module.index_stages))]
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
