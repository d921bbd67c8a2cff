"""The module of one engine: feeder, pipeline and collector, and the control bits that accompany each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopwire.schedule.cycles import EngineTiming
from loopwire.schedule.datapath import Folding
from loopwire.schedule.pipeline import Pipeline
from loopwire.targets.verilog.layer_module import LayerModule, array, port_name

ISSUED = {
    "step_valid": "valid",
    "step_active": "active",
    "step_first": "first",
    "step_last": "last",
    "step_index": "index",
    "slot": "slot",
    "ticket": "ticket",
}
"""Controls that come from the feeder, and its name for them; the others come from the sequencer."""


def control_bits(timing: EngineTiming, folding: Folding | None) -> dict[str, int]:
    """Return the width of every control of an engine."""

    def bits(count: int) -> int:
        return max((count - 1).bit_length(), 1)

    widths = dict.fromkeys(("step_valid", "step_active", "step_first", "step_last"), 1)
    widths |= {"step_index": bits(timing.steps), "slot": bits(timing.slots), "ticket": bits(timing.tickets)}
    if folding is not None:
        widths |= {"word": bits(folding.cycles), "chunk": bits(folding.chunks), "pass_index": bits(folding.passes)}
    return widths


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
    x, y, folding = pipeline.datapath.x, pipeline.datapath.output, pipeline.datapath.folding
    assert pipeline.stage_of().get(y, pipeline.depth) == pipeline.depth, f"%{y.name} leaves in a later stage"
    bits = control_bits(timing, folding)
    last_stage = _last_stages(pipeline, timing, modules)
    lines = [
        f"// {timing.steps} steps a sequence, {timing.slots} sequences in flight, a step of each every "
        f"{timing.ring} cycles;",
        f"// a step takes {pipeline.depth + 1} cycles from the feeder to the collector.",
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
        "  // The step that the feeder issues.",
        *(f"  logic {_bus(bits[control])}issue_{source};" for control, source in ISSUED.items()),
        f"  logic {array(x)} {port_name(x)};",
        "  logic ticket_returned;",
        "  loopwire_feeder #(",
        f"      .STEPS({timing.steps}), .RING({timing.ring}), .SLOTS({timing.slots}), .SPACING({timing.spacing}),",
        f"      .TICKETS({timing.tickets}), .REVERSE(1'b{int(timing.reverse)}), .WAITS(1'b{int(timing.waits)}), .X_BITS({x.bits})",
        "  ) feeder (",
        "      .aclk, .aresetn, .s_data, .s_valid, .s_ready, .s_last,",
        "      .step_valid(issue_valid), .step_active(issue_active), .step_first(issue_first),",
        "      .step_last(issue_last), .step_index(issue_index), .step_slot(issue_slot),",
        f"      .step_ticket(issue_ticket), .step_x({port_name(x)}), .ticket_returned",
        "  );",
        "",
        "  // What accompanies a step: [s] belongs to the one in stage s.",
        *(f"  logic [{place}:0]{_bus(bits[control])[:-1]} {control};" for control, place in last_stage.items()),
        *(_direct(last_stage) if folding is None else _sequenced(last_stage, folding, bits)),
        "  always_ff @(posedge aclk) begin",
    ]
    for control, place in last_stage.items():
        if place:
            kept = f"{control}[s - 1]" + (" && aresetn" if control in ("step_valid", "step_active") else "")
            lines.append(f"    for (int s = 1; s <= {place}; s++) {control}[s] <= {kept};")
    lines += ["  end", ""]
    for module in modules:
        lines += _instance(module, names[module.layer])
    depth = pipeline.depth
    done = [f"step_valid[{depth}]"]
    done += [] if timing.per_step else [f"step_last[{depth}]"]
    done += [] if folding is None else [f"word[{depth}] == '0"]
    last = f"step_last[{depth}]" if timing.per_step else f"step_valid[{depth}]"
    beat = f"step_index[{depth}]" if timing.per_step else "1'b0"
    lines += [
        "  loopwire_collector #(",
        f"      .TICKETS({timing.tickets}), .BEATS({timing.steps if timing.per_step else 1}), .Y_BITS({y.bits})",
        "  ) collector (",
        f"      .aclk, .aresetn, .y_valid({' && '.join(done)}), .y_last({last}),",
        f"      .y_ticket(ticket[{depth}]), .y_beat({beat}), .y({port_name(y)}),",
        "      .m_data, .m_valid, .m_ready, .m_last, .ticket_returned",
        "  );",
        f"endmodule : {name}",
        "",
    ]
    return "\n".join(lines)


def _last_stages(pipeline: Pipeline, timing: EngineTiming, modules: Sequence[LayerModule]) -> dict[str, int]:
    """Return the last stage in which each control is needed."""
    needed = {"step_valid": pipeline.depth, "ticket": pipeline.depth, "step_last": pipeline.depth}
    if timing.per_step:
        needed["step_index"] = pipeline.depth
    if pipeline.datapath.folding is not None:
        needed["word"] = pipeline.depth
    for module in modules:
        for control, places in module.controls.items():
            needed[control] = max(needed.get(control, 0), *places)
    return needed


def _direct(last_stage: Mapping[str, int]) -> list[str]:
    """Connect a pipeline that takes one cycle a step to the feeder."""
    lines = [f"  assign {control}[0] = issue_{ISSUED[control]};" for control in last_stage]
    return lines + _unused([source for control, source in ISSUED.items() if control not in last_stage])


def _sequenced(last_stage: Mapping[str, int], folding: Folding, bits: Mapping[str, int]) -> list[str]:
    """Connect a folded pipeline to the feeder through a sequencer."""
    carried = [control for control in last_stage if control in ISSUED and control != "step_valid"]
    unused = [
        source for control, source in ISSUED.items() if control not in carried and control != "step_valid"
    ]
    counters = {"word": "word", "chunk": "chunk", "pass_index": "pass"}
    ports = [f".{port}({control}[0])" for control, port in counters.items() if control in last_stage]
    loose = [(control, port) for control, port in counters.items() if control not in last_stage]
    lines = [f"  logic [{bits[control] - 1}:0] unused_{port};" for control, port in loose]
    ports += [f".{port}(unused_{port})" for _, port in loose]
    with_step = ", ".join(f"issue_{ISSUED[control]}" for control in carried)
    repeated = ", ".join(f"{control}[0]" for control in carried)
    lines += [
        "  loopwire_sequencer #(",
        f"      .CHUNKS({folding.chunks}), .PASSES({folding.passes}), .BITS({sum(bits[c] for c in carried)})",
        "  ) sequencer (",
        f"      .aclk, .aresetn, .start(issue_valid), .start_with({{{with_step}}}),",
        f"      .valid(step_valid[0]), .accompanying({{{repeated}}}),",
        f"      {', '.join(ports)}",
        "  );",
    ]
    return lines + _unused(unused, [f"unused_{port}" for _, port in loose])


def _unused(issued: Sequence[str], others: Sequence[str] = ()) -> list[str]:
    """Tell a linter which signals this engine does not need."""
    names = [*(f"issue_{source}" for source in issued), *others]
    return [f"  wire unused = &{{1'b0, {', '.join(names)}}};"] if names else []


def _bus(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _instance(module: LayerModule, name: str) -> list[str]:
    ports = [".aclk"] if module.clocked else []
    for control, places in module.controls.items():
        ports += [f".{control}_{s}({control}[{s}])" for s in sorted(places)]
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
