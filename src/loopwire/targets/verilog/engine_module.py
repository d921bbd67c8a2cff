"""The module of one engine: feeder, pipeline and collector, and the control bits that accompany each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopwire.schedule.cycles import EngineTiming
from loopwire.schedule.datapath import Folding, Signal
from loopwire.schedule.pipeline import Pipeline
from loopwire.targets.verilog.layer_module import LayerModule, array, port_name

FROM_FEEDER = ("step_valid", "step_active", "step_first", "step_fresh", "step_last", "step_index", "slot", "ticket")
FROM_SEQUENCER = {"word": "word", "chunk": "chunk", "pass_index": "pass"}
"""Controls that count within a step, and the sequencer's ports."""
RESET = ("step_valid", "step_active")


@dataclass(frozen=True)
class _Control:
    """A number that accompanies each step down to stage `depth`: `name` in stage 0, `name_q[s]` in stage s."""

    name: str
    depth: int
    bits: int

    def in_stage(self, stage: int) -> str:
        assert stage <= self.depth
        return f"{self.name}_q[{stage}]" if stage else self.name

    def declarations(self) -> list[str]:
        lines = [f"  logic {_bus(self.bits)}{self.name};"]
        return lines + ([f"  logic [{self.depth}:1]{_bus(self.bits).strip()} {self.name}_q;"] if self.depth else [])

    def registers(self) -> list[str]:
        kept = " && aresetn" if self.name in RESET else ""
        first = f"    {self.name}_q[1] <= {self.name}{kept};"
        further = f"    for (int s = 2; s <= {self.depth}; s++) {self.name}_q[s] <= {self.name}_q[s - 1]{kept};"
        return [first, further][: min(self.depth, 2)]


@dataclass(frozen=True)
class Fresh:
    """Whether an engine takes, and whether it hands on, a bit with each sequence that says if it starts afresh."""

    taken: bool
    handed_on: bool


def control_bits(timing: EngineTiming, folding: Folding | None) -> dict[str, int]:
    """Return the width of every control of an engine."""

    def bits(count: int) -> int:
        return max((count - 1).bit_length(), 1)

    widths = dict.fromkeys(("step_valid", "step_active", "step_first", "step_fresh", "step_last"), 1)
    widths |= {"step_index": bits(timing.steps), "slot": bits(timing.slots), "ticket": bits(timing.tickets)}
    if folding is not None:
        widths |= {"word": bits(folding.cycles), "chunk": bits(folding.chunks), "pass_index": bits(folding.passes)}
    return widths


def engine_module(
    name: str,
    pipeline: Pipeline,
    timing: EngineTiming,
    modules: Sequence[LayerModule],
    names: Mapping[str, str],
    fresh: Fresh,
) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        pipeline: what it runs.
        timing: steps, ring, slots, tickets and what else decides its cycles.
        modules: the layers.
        names: name of each layer's module.
        fresh: where the bit comes from and goes to that starts a sequence afresh.
    """
    x, y, folding = pipeline.datapath.x, pipeline.datapath.output, pipeline.datapath.folding
    depth = pipeline.depth
    assert pipeline.stage_of().get(y, depth) == depth, f"%{y.name} leaves in a later stage"
    bits = control_bits(timing, folding)
    controls = {c: _Control(c, last, bits[c]) for c, last in _last_stages(pipeline, timing, modules, fresh).items()}
    registers = [line for control in controls.values() for line in control.registers()]
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
        *(["    input  logic s_fresh,"] if fresh.taken else []),
        f"    output logic [{y.bits - 1}:0] m_data,   // {y.count} elements {y.type}, element 0 lowest",
        "    output logic m_valid,",
        "    input  logic m_ready,",
        f"    output logic m_last{',' * fresh.handed_on}",
        *(["    output logic m_fresh"] if fresh.handed_on else []),
        ");",
        "  // What accompanies a step: name_q[s] belongs to the step in stage s.",
        *(line for control in controls.values() for line in control.declarations()),
        f"  logic {array(x)} {port_name(x)};",
        "  logic ticket_returned;",
        "",
        *_feeder(timing, controls, bits, x, "" if folding is None else "issued_", fresh),
        *([] if folding is None else _sequencer(folding, controls, bits)),
        *(["  always_ff @(posedge aclk) begin", *registers, "  end", ""] if registers else []),
    ]
    for module in modules:
        lines += _instance(module, names[module.layer], controls)
    done = [controls["step_valid"].in_stage(depth)]
    if not timing.per_step:
        done.append(controls["step_last"].in_stage(depth))
    if folding is not None:
        done.append(f"{controls['word'].in_stage(depth)} == '0")
    last = controls["step_last"].in_stage(depth) if timing.per_step else "1'b1"
    beat = controls["step_index"].in_stage(depth) if timing.per_step else "1'b0"
    given, taken = port_name(y), "m_data"
    if fresh.handed_on:
        given, taken = f"{{{controls['step_fresh'].in_stage(depth)}, {given}}}", "{m_fresh, m_data}"
    lines += [
        "  loopwire_collector #(",
        f"      .TICKETS({timing.tickets}), .BEATS({timing.steps if timing.per_step else 1}),",
        f"      .Y_BITS({y.bits + fresh.handed_on})",
        "  ) collector (",
        f"      .aclk, .aresetn, .y_valid({' && '.join(done)}), .y_last({last}),",
        f"      .y_ticket({controls['ticket'].in_stage(depth)}), .y_beat({beat}), .y({given}),",
        f"      .m_data({taken}), .m_valid, .m_ready, .m_last, .ticket_returned",
        "  );",
        f"endmodule : {name}",
        "",
    ]
    return "\n".join(lines)


def _last_stages(
    pipeline: Pipeline, timing: EngineTiming, modules: Sequence[LayerModule], fresh: Fresh
) -> dict[str, int]:
    """Return the last stage in which each control is needed."""
    needed = dict.fromkeys(("step_valid", "step_last", "ticket"), pipeline.depth)
    if timing.per_step:
        needed["step_index"] = pipeline.depth
    if pipeline.datapath.folding is not None:
        needed["word"] = pipeline.depth
    if fresh.handed_on:
        needed["step_fresh"] = pipeline.depth
    for module in modules:
        for control, places in module.controls.items():
            needed[control] = max(needed.get(control, 0), *places)
    return needed


def _feeder(
    timing: EngineTiming,
    controls: Mapping[str, _Control],
    bits: Mapping[str, int],
    x: Signal,
    prefix: str,
    fresh: Fresh,
) -> list[str]:
    """Write the feeder, whose controls are those of stage 0, or get `prefix` and go to the sequencer."""
    loose = [control for control in FROM_FEEDER if prefix or control not in controls]
    unread = [f"{prefix}{control}" for control in FROM_FEEDER if control not in controls]
    one = "1'b1"
    step = [f".{_feeder_port(c)}({prefix}{c})" for c in FROM_FEEDER]
    return [
        *(f"  logic {_bus(bits[control])}{prefix}{control};" for control in loose),
        *([f"  wire unused_steps = &{{1'b0, {', '.join(unread)}}};"] if unread else []),
        "  loopwire_feeder #(",
        f"      .STEPS({timing.steps}), .RING({timing.ring}), .SLOTS({timing.slots}), .SPACING({timing.spacing}),",
        f"      .TICKETS({timing.tickets}), .REVERSE(1'b{int(timing.reverse)}), .WAITS(1'b{int(timing.waits)}),",
        f"      .X_BITS({x.bits})",
        "  ) feeder (",
        "      .aclk, .aresetn, .s_data, .s_valid, .s_ready, .s_last,",
        f"      .s_fresh({'s_fresh' if fresh.taken else one}),",
        f"      {', '.join(step[:4])},",
        f"      {', '.join(step[4:])},",
        f"      .step_x({port_name(x)}), .ticket_returned",
        "  );",
        "",
    ]


def _feeder_port(control: str) -> str:
    return control if control.startswith("step_") else f"step_{control}"


def _sequencer(folding: Folding, controls: Mapping[str, _Control], bits: Mapping[str, int]) -> list[str]:
    carried = [control for control in FROM_FEEDER if control in controls and control != "step_valid"]
    unread = [control for control in FROM_SEQUENCER if control not in controls]
    counters = ", ".join(f".{port}({control})" for control, port in FROM_SEQUENCER.items())
    return [
        *(f"  logic {_bus(bits[control])}{control};" for control in unread),
        *([f"  wire unused_counters = &{{1'b0, {', '.join(unread)}}};"] if unread else []),
        "  loopwire_sequencer #(",
        f"      .CHUNKS({folding.chunks}), .PASSES({folding.passes}), .BITS({sum(bits[c] for c in carried)})",
        "  ) sequencer (",
        "      .aclk, .aresetn, .start(issued_step_valid),",
        f"      .start_with({{{', '.join(f'issued_{control}' for control in carried)}}}),",
        f"      .valid(step_valid), .accompanying({{{', '.join(carried)}}}),",
        f"      {counters}",
        "  );",
        "",
    ]


def _bus(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _instance(module: LayerModule, name: str, controls: Mapping[str, _Control]) -> list[str]:
    ports = [".aclk"] if module.clocked else []
    for control, places in module.controls.items():
        ports += [f".{control}_{s}({controls[control].in_stage(s)})" for s in sorted(places)]
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
