"""The module of one engine: feeder, pipeline and collector, and the control bits that accompany each step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loopwire.datapath.sharing import Sharing
from loopwire.datapath.signals import Signal
from loopwire.hdl.library import LibraryModules
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.targets.verilog.layer_module import INSTANCE, LayerModule, array
from loopwire.text.identifiers import Identifier
from loopwire.timing import step_controls
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.sequencers import served_stages

FROM_FEEDER = ("step_valid", "step_clears", "step_first", "step_fresh", "step_last", "step_index", "slot", "ticket")
FROM_SEQUENCER = {"word": "word", "chunk": "chunk", "pass_index": "pass"}
"""Controls that count within a step, and the sequencer's ports."""
RESET = {"step_valid": " && aresetn", "step_clears": " || !aresetn"}
"""What a reset does to a control. The one that clears states is high when it does: flip-flops have no other reset, and
an inverter would be in the middle of a wire to all of them."""

SPREAD = "(* max_fanout = 64, maxfan = 64 *) "
"""Of controls that select or clear all bits that cross a stage: Vivado (UG901) and Quartus copy their registers."""


@dataclass(frozen=True)
class _Control:
    """A number that accompanies each step down to stage `last`: `name` in stage `first`, `name_q[s]` in stage s."""

    name: str
    first: int
    last: int
    bits: int

    def in_stage(self, stage: int) -> str:
        assert self.first <= stage <= self.last
        return f"{self.name}_q[{stage}]" if stage > self.first else self.name

    def declarations(self) -> list[str]:
        lines = [f"  logic {_bus(self.bits)}{self.name};"]
        if self.last > self.first:
            spread = SPREAD if self.name.startswith(tuple(RESET)) else ""
            lines.append(f"  {spread}logic [{self.last}:{self.first + 1}]{_bus(self.bits).strip()} {self.name}_q;")
        return lines

    def registers(self) -> list[str]:
        reset, second = next((reset for name, reset in RESET.items() if self.name.startswith(name)), ""), self.first + 1
        first = f"    {self.name}_q[{second}] <= {self.name}{reset};"
        loop = f"    for (int s = {second + 1}; s <= {self.last}; s++) "
        further = f"{loop}{self.name}_q[s] <= {self.name}_q[s - 1]{reset};"
        return [first, further][: min(self.last - self.first, 2)]


class _Controls:
    """What accompanies each step, in stretches of stages, each from one of `starts` on."""

    def __init__(self, needed: Mapping[str, Collection[int]], starts: Sequence[int], bits: Mapping[str, int]) -> None:
        self.stretches: list[dict[str, _Control]] = []
        self._starts = starts
        for start, end in pairwise([*starts, 1 << 30]):
            stretch = {}
            for control, stages in needed.items():
                here = [stage for stage in stages if start <= stage < end]
                handed_on = control not in ("chunk", "pass_index") and max(stages) >= end
                if here or handed_on:
                    name = f"{control}_{start}" if start else control
                    stretch[control] = _Control(name, start, max(here, default=start), bits[control])
            self.stretches.append(stretch)

    def __iter__(self) -> Iterator[_Control]:
        for stretch in self.stretches:
            yield from stretch.values()

    def in_stage(self, control: str, stage: int) -> str:
        """Return the name of a control of the step in a stage."""
        return self.stretches[bisect_right(self._starts, stage) - 1][control].in_stage(stage)


@dataclass(frozen=True)
class Fresh:
    """Whether an engine takes, and whether it hands on, a bit with each sequence that says if it starts afresh.

    It comes with the first step; with `kept` it leaves with all of them, since what is handed on may be the last.
    """

    taken: bool
    handed_on: bool
    kept: bool


def control_bits(timing: EngineTiming, sharing: Sharing) -> dict[str, int]:
    """Return the width of every control of an engine; one with a single value has a wire too."""
    return {control: max(bits, 1) for control, bits in step_controls.bits_of(timing, sharing).items()}


def engine_module(
    name: Identifier,
    pipeline: Pipeline,
    timing: EngineTiming,
    modules: Sequence[LayerModule],
    names: Mapping[str, Identifier],
    ports: Mapping[Signal, Identifier],
    fresh: Fresh,
    library: LibraryModules,
) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        pipeline: what it runs.
        timing: steps, cycles of a round, slots, tickets and what else decides its cycles.
        modules: the layers.
        names: name of each layer's module.
        ports: name of each signal between them.
        fresh: where the bit comes from and goes to that starts a sequence afresh.
        library: where modules come from that are the same in every design.
    """
    x, y, sharing = pipeline.datapath.x, pipeline.datapath.output, pipeline.datapath.sharing
    depth = pipeline.depth
    assert pipeline.stage_of().get(y, depth) == depth, f"%{y.name} leaves in a later stage"
    bits = control_bits(timing, sharing)
    starts = [stages.start for stages in served_stages(pipeline)]
    needed = step_controls.of_pipeline(pipeline, timing)
    if fresh.handed_on:
        needed.setdefault("step_fresh", set()).add(depth)
    if fresh.kept:
        needed.setdefault("step_first", set()).add(depth)
    controls = _Controls(needed, starts, bits)
    registers = [line for control in controls for line in control.registers()]
    issued = "" if sharing.is_parallel else "issued_"
    lines = [
        f"// {timing.steps} steps a sequence, {timing.slots} sequences in flight, a step of each every "
        f"{timing.round_cycles} cycles;",
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
        *(line for control in controls for line in control.declarations()),
        f"  logic {array(x)} {ports[x]};",
        *(f"  logic {array(signal)} {ports[signal]};" for module in modules for signal in module.outputs),
        "  logic ticket_returned;",
        "",
        *_feeder(timing, controls.stretches[0], bits, x, ports[x], pipeline.input_stage, issued, fresh, library),
        *([] if sharing.is_parallel else _sequencers(sharing, controls, bits, library)),
        *(["  always_ff @(posedge aclk) begin", *registers, "  end", ""] if registers else []),
    ]
    for module in modules:
        lines += _instance(module, names[module.layer], ports, controls)
    done = [controls.in_stage("step_valid", depth)]
    if not timing.per_step:
        done.append(controls.in_stage("step_last", depth))
    if not sharing.is_parallel:
        done.append(f"{controls.in_stage('word', depth)} == '0")
    last = controls.in_stage("step_last", depth) if timing.per_step else "1'b1"
    beat = controls.in_stage("step_index", depth) if timing.per_step else "1'b0"
    given, taken = str(ports[y]), "m_data"
    if fresh.handed_on:
        begins = controls.in_stage("step_fresh", depth)
        if fresh.kept:
            lines += _kept_fresh(controls, depth, timing)
            begins = "step_starts_fresh"
        given, taken = f"{{{begins}, {given}}}", "{m_fresh, m_data}"
    lines += [
        f"  {library.module('loopwire_collector')} #(",
        f"      .TICKETS({timing.tickets}), .BEATS({timing.steps if timing.per_step else 1}),",
        f"      .Y_BITS({y.bits + fresh.handed_on}), .BLOCK_RAM(1'b{int(timing.results_in_block_ram)})",
        "  ) collector (",
        f"      .aclk, .aresetn, .y_valid({' && '.join(done)}), .y_last({last}),",
        f"      .y_ticket({controls.in_stage('ticket', depth)}), .y_beat({beat}), .y({given}),",
        f"      .m_data({taken}), .m_valid, .m_ready, .m_last, .ticket_returned",
        "  );",
        f"endmodule : {name}",
        "",
    ]
    return "\n".join(lines)


def _kept_fresh(controls: _Controls, depth: int, timing: EngineTiming) -> list[str]:
    """Write the bit that says in each step whether its sequence starts afresh: it comes with the first step only."""
    valid, first, fresh, ticket = (
        controls.in_stage(control, depth) for control in ("step_valid", "step_first", "step_fresh", "ticket")
    )
    return [
        f"  logic [{timing.tickets - 1}:0] step_started_fresh;",
        f"  wire step_starts_fresh = {first} ? {fresh} : step_started_fresh[{ticket}];",
        f"  always_ff @(posedge aclk) if ({valid}) step_started_fresh[{ticket}] <= step_starts_fresh;",
        "",
    ]


def _feeder(
    timing: EngineTiming,
    controls: Mapping[str, _Control],
    bits: Mapping[str, int],
    x: Signal,
    x_name: Identifier,
    x_stage: int,
    prefix: str,
    fresh: Fresh,
    library: LibraryModules,
) -> list[str]:
    """Write the feeder, whose controls are those of stage 0, or get `prefix` and go to the sequencer."""
    loose = [control for control in FROM_FEEDER if prefix or control not in controls]
    unread = [f"{prefix}{control}" for control in FROM_FEEDER if control not in controls]
    one = "1'b1"
    step = [f".{_feeder_port(c)}({prefix}{c})" for c in FROM_FEEDER]
    return [
        *(f"  logic {_bus(bits[control])}{prefix}{control};" for control in loose),
        *([f"  wire unused_steps = &{{1'b0, {', '.join(unread)}}};"] if unread else []),
        f"  {library.module('loopwire_feeder')} #(",
        f"      .STEPS({timing.steps}), .RING({timing.round_cycles}), "
        f".SLOTS({timing.slots}), .SPACING({timing.spacing}),",
        f"      .TICKETS({timing.tickets}), .REVERSE(1'b{int(timing.reverse)}), .WAITS(1'b{int(timing.waits)}),",
        f"      .X_BITS({x.bits}), .X_STAGE({x_stage})",
        "  ) feeder (",
        "      .aclk, .aresetn, .s_data, .s_valid, .s_ready, .s_last,",
        f"      .s_fresh({'s_fresh' if fresh.taken else one}),",
        f"      {', '.join(step[:4])},",
        f"      {', '.join(step[4:])},",
        f"      .step_x({x_name}), .ticket_returned",
        "  );",
        "",
    ]


def _feeder_port(control: str) -> str:
    return control if control.startswith("step_") else f"step_{control}"


def _sequencers(sharing: Sharing, controls: _Controls, bits: Mapping[str, int], library: LibraryModules) -> list[str]:
    """Write the sequencers, the first of which the feeder starts, each other one the one before it."""
    first = controls.stretches[0]
    given = {control: f"issued_{control}" for control in first}
    lines = _sequencer("sequencer", sharing, first, bits, "issued_step_valid", given, library)
    for before, stretch in pairwise(controls.stretches):
        valid, word = before["step_valid"], before["word"]
        start = stretch["step_valid"].first
        count = f"{word.bits}'d{start - word.first}"
        names = {control: before[control].name for control in stretch if control in before}
        begins = f"{valid.name} && {word.name} == {count}"
        lines += _sequencer(f"sequencer_{start}", sharing, stretch, bits, begins, names, library)
    return lines


def _sequencer(
    name: str,
    sharing: Sharing,
    controls: Mapping[str, _Control],
    bits: Mapping[str, int],
    start: str,
    given: Mapping[str, str],
    library: LibraryModules,
) -> list[str]:
    """Write one sequencer, which drives the first stage of `controls` and repeats what is `given` of a step."""
    carried = [control for control in FROM_FEEDER if control in controls and control != "step_valid"]
    unread = {control: f"{name}_{port}" for control, port in FROM_SEQUENCER.items() if control not in controls}
    counters = {port: unread.get(control) or controls[control].name for control, port in FROM_SEQUENCER.items()}
    return [
        *(f"  logic {_bus(bits[control])}{wire};" for control, wire in unread.items()),
        *([f"  wire unused_{name} = &{{1'b0, {', '.join(unread.values())}}};"] if unread else []),
        f"  {library.module('loopwire_sequencer')} #(",
        f"      .CHUNKS({sharing.chunks}), .PASSES({sharing.passes}), .BITS({sum(bits[c] for c in carried)})",
        f"  ) {name} (",
        f"      .aclk, .aresetn, .start({start}),",
        f"      .start_with({{{', '.join(given[control] for control in carried)}}}),",
        f"      .valid({controls['step_valid'].name}),",
        f"      .accompanying({{{', '.join(controls[control].name for control in carried)}}}),",
        f"      {', '.join(f'.{port}({wire})' for port, wire in counters.items())}",
        "  );",
        "",
    ]


def _bus(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _instance(
    module: LayerModule, name: Identifier, ports: Mapping[Signal, Identifier], controls: _Controls
) -> list[str]:
    connected = [".aclk"] if module.clocked else []
    for control, places in module.controls.items():
        connected += [f".{control}_{s}({controls.in_stage(control, s)})" for s in sorted(places)]
    connected += [f".{ports[signal]}" for signal in (*module.inputs, *module.outputs)]
    lines, line = [], "     "
    for port in connected:
        text = f" {port}{',' if port != connected[-1] else ''}"
        if len(line) + len(text) > 116:
            lines.append(line)
            line = "     "
        line += text
    return [f"  {name} {name}{INSTANCE} (", *lines, line, "  );", ""]
