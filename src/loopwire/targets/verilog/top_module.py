"""The top module of a design: AXI4-Stream ports, and between them the engines, once or in several copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopwire.hdl.axi_stream import BeatFormat
from loopwire.hdl.expressions import resized
from loopwire.hdl.library import LibraryModules
from loopwire.hdl.module_port import CLOCK, RESET, STATUS
from loopwire.hdl.module_port import declarations as port_lines
from loopwire.schedule.plan import Plan
from loopwire.targets.verilog.copies import Copies
from loopwire.targets.verilog.port_signals import (
    Port,
    Ports,
    declarations,
    hold_lines,
    label_lines,
    signals_of,
    slice_lines,
)
from loopwire.targets.verilog.streams import Stream, declared, each, fresh_of_first, join, part_bits, split
from loopwire.targets.verilog.wiring import Wiring
from loopwire.text.identifiers import Identifier

FRESH = (
    "// tuser with a sequence's first beat starts it afresh, from the initial states; else it goes on from those that",
    "// its channel's last sequence left.",
)
WINDOW = (
    "// Each beat gives the result of its channel's last {steps} samples; {channels} channel(s) take turns.",
    "// tuser begins a channel anew: its earlier samples count as 0. tlast means nothing.",
)


def top_module(
    name: Identifier,
    modules: Sequence[Identifier],
    copy: Identifier,
    plan: Plan,
    ports: Ports,
    library: LibraryModules,
) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        modules: names of the engines' modules.
        copy: name of a copy's module; not used where there is a single one.
        plan: the engines.
        ports: inputs and outputs.
        library: where modules come from that are the same in every design.
    """
    wiring, copies = Wiring(plan, modules, library), Copies(plan, ports, library)
    taken = []
    for port in ports.inputs:
        stream, lines = _input(plan, port, library)
        wiring.lines += lines
        taken.append(stream)
    if len(ports.inputs) > 1:
        for status in ("framing_error", "overrun"):
            any_inside = " || ".join(port.inside(status) for port in ports.inputs)
            wiring.lines.append(f"  assign status_{status} = {any_inside};")
    given = copies.core(wiring, taken) if plan.copies == 1 else copies.instances(wiring, copy, taken)
    wiring.engines(range(plan.copied, len(modules)))
    for port in ports.outputs:
        end = given.get(port.index) or _end(plan, wiring, port)
        wiring.lines += _output(plan, ports.inputs[0], port, end, library)
    return "\n".join([*_header(name, plan, ports), *wiring.lines, f"endmodule : {name}", ""])


def _end(plan: Plan, wiring: Wiring, port: Port) -> Stream:
    return wiring.streams[plan.timing.to_output(port.index)]


def describe(beats: BeatFormat, element: str, vector: str) -> str:
    """Say in a line what a beat holds."""
    if beats.beats_per_vector > 1:
        held = f"{beats.lanes} of the {beats.count} elements of {vector}, which takes {beats.beats_per_vector} beats"
    elif beats.vectors_per_beat > 1:
        held = f"up to {beats.vectors_per_beat} vectors, each {vector} of {beats.count} elements"
    else:
        held = f"{vector}, {beats.count} elements"
    return f"{held}, {element}, {beats.lane_bits} bits apart"


def _header(name: Identifier, plan: Plan, ports: Ports) -> list[str]:
    lines = [*_about(name, plan, ports), f"module {name} (", *(port.declaration() for port in (CLOCK, RESET))]
    for port in ports.inputs:
        beats = port.format
        padded = beats.lane_bits != beats.width or beats.bits != beats.lanes * beats.lane_bits
        unread = padded or beats.keep_bits or plan.slides(port.index) or (plan.sideband.fresh and len(ports.inputs) > 1)
        # Where a slice takes all of a beat it is the slice's result that is not read.
        read = plan.port_registers or not unread
        *beat, valid, ready = (signal.declaration() for signal in signals_of(port))
        lines += [
            *([] if read else ["    /* verilator lint_off UNUSEDSIGNAL */  // padding, or of no meaning"]),
            *beat,
            *([] if read else ["    /* verilator lint_on UNUSEDSIGNAL */"]),
            valid,
            ready,
        ]
    results = (signal for port in ports.outputs for signal in signals_of(port))
    return [*lines, *port_lines((*results, *STATUS)), ");"]


def _about(name: Identifier, plan: Plan, ports: Ports) -> list[str]:
    """Return the comment above the module."""
    copies = [f"// Sequences are dealt to {plan.copies} copies in turn."] if plan.copies > 1 else []
    fresh = list(FRESH) if any(map(plan.takes_fresh, range(len(plan.engines)))) else []
    if len(ports.all) > 2:
        lines = [f"// {name}: {len(ports.inputs)} AXI4-Streams in, {len(ports.outputs)} out."]
        for port in ports.inputs:
            what = describe(port.format, port.element, "a step" if port.steps > 1 else "a vector")
            ends = "tlast ends a sequence, as does its last possible step." if port.steps > 1 else "one a sequence."
            lines.append(f"// {port.axis}: {what}; {ends}")
            lines += _window(plan, port)
        lines += [f"// {p.axis}: {describe(p.format, p.element, 'a result')}." for p in ports.outputs]
        lines.append("// All inputs give as many sequences; those of several steps that meet end together.")
        return [*lines, *fresh, *copies]
    (x,), (y,) = ports.inputs, ports.outputs
    several = ["// The last beat of a sequence tells by tkeep which steps it holds."] if x.format.keep_bits else []
    meaning = _window(plan, x) or ["// tlast ends a sequence, as does its last possible step.", *several, *fresh]
    return [
        f"// {name}: AXI4-Stream in and out.",
        f"// Input beat: {describe(x.format, x.element, 'a step')}, element 0 lowest;",
        *meaning,
        f"// Output beat: {describe(y.format, y.element, 'a result')}.",
        *copies,
    ]


def _window(plan: Plan, port: Port) -> list[str]:
    """Return the comment on an input that brings samples of a window."""
    if not plan.slides(port.index):
        return []
    return [line.format(steps=plan.input_steps[port.index], channels=plan.window_channels) for line in WINDOW]


def _input(plan: Plan, port: Port, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Write what turns an input's beats into steps, or, where a beat holds several, into beats without padding."""
    lines = []
    if port.registered:
        lines = declarations(port)
        lines += slice_lines(port.inside("input"), port.signals, port.axis, port.side, library)
    stream, more = _framed(plan, port, library)
    lines += more
    if port.format.beats_per_vector > 1:
        stream, more = _joined(port, stream, library)
        lines += more
    if plan.slides(port.index):
        assert plan.window_channels is not None
        stream, more = _windowed(port, plan.input_steps[port.index], plan.window_channels, stream, library)
        lines += more
    return stream, lines


def _windowed(
    port: Port, steps: int, channels: int, sample: Stream, library: LibraryModules
) -> tuple[Stream, list[str]]:
    """Write what makes of each sample the window that it ends."""
    window, lines = declared(port.inside("window"), steps * sample.count, sample.width, sample.signed)
    head = f"{library.module('loopwire_window')} #(.STEPS({steps}), .CHANNELS({channels}), .BITS({sample.bits}))"
    return replace(window, parts=f"{part_bits(steps)}'d{steps}"), [
        *lines,
        f"  {head} {port.inside('sliding_window')} (",
        f"      .aclk, .aresetn, .s_fresh({sample.fresh}),",
        f"      {sample.ports('s')},",
        f"      {window.ports('m')}",
        "  );",
        "",
    ]


def _framed(plan: Plan, port: Port, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Write what finds the end of a sequence and how many steps each beat holds, and tells of broken framing."""
    beats, side = port.format, port.side
    per_beat, parts, bits = beats.vectors_per_beat, beats.beats_per_vector, part_bits(beats.vectors_per_beat)
    beat, padding, begins = (port.inside(what) for what in ("beat", "beat_padding", "sequence_begins"))
    stream, lines = declared(beat, beats.lanes, beats.width, beats.signed, bits)
    lane = f"{side}_tdata[k * {beats.lane_bits} +: {beats.width}]"
    keep, last = "1'b1", f"{side}_tlast"
    if plan.slides(port.index):
        last = "1'b1"
    status = {"framing_error": "status_framing_error", "overrun": "status_overrun"}
    lines.append(f"  logic {padding}, {begins};")
    if port.name:
        status = {what: port.inside(what) for what in status}
        lines.append(f"  logic {', '.join(status.values())};")
    lines += each(beats.lanes, beat, f"{stream.data}[k]", f"{padding} ? '0 : {lane}" if parts > 1 else lane)
    if per_beat > 1:
        keep = port.inside("step_keep")
        lines.append(f"  logic [{per_beat - 1}:0] {keep};")
        lines += each(per_beat, keep, f"{keep}[k]", f"{side}_tkeep[k * {beats.vector_bits // 8}]")
    unread = [*([] if per_beat > 1 else [stream.parts]), *([] if parts > 1 else [padding])]
    sideband = plan.sideband.of_input(port.index)
    if not (sideband.label_bits or plan.timing.held_cycles):
        unread.append(begins)
    if plan.reads_fresh(port.index):
        stream = replace(stream, fresh=f"{side}_tuser" + "[0]" * (sideband.user_bits > 0))
    checked = f", .CHANNELS({sideband.channels}), .ID_BITS({sideband.id_bits})" if sideband.channels > 1 else ""
    number = f"{side}_tid" if sideband.channels > 1 else "1'b0"
    strict = ", .STRICT(1'b1)" * sideband.strict
    framer = library.module("loopwire_framer")
    head = f"{framer} #(.STEPS({port.steps}), .PER_BEAT({per_beat}), .PARTS({parts}){strict}{checked})"
    return replace(stream, parts=stream.parts if per_beat > 1 else ""), [
        *lines,
        f"  {head} {port.inside('framer')} (",
        f"      .aclk, .aresetn, .s_valid({side}_tvalid), .s_ready({side}_tready),",
        f"      .s_last({last}), .s_id({number}), .s_keep({keep}), .m_valid({stream.valid}), .m_ready({stream.ready}),",
        f"      .m_last({stream.last}), .m_steps({stream.parts}), .m_padding({padding}),",
        f"      .begins({begins}), .framing_error({status['framing_error']}), .overrun({status['overrun']})",
        "  );",
        *_unused(beat, unread),
    ]


def _joined(port: Port, beat: Stream, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Write what gathers the beats of a step."""
    count, parts, name = port.format.count, port.format.beats_per_vector, port.inside("step")
    part = replace(beat, last=port.inside("beat_padding"))
    step, lines = join(part, parts, name, library)
    surplus = [f"{step.data}[{step.count - 1}:{count}]"] if step.count > count else []
    lines += _unused(name, [step.parts, step.last, *surplus])
    step, more = fresh_of_first(part, step, parts, port.inside(""))
    return replace(step, data=f"{step.data}[{count - 1}:0]", last=beat.last, count=count, parts=""), [*lines, *more]


def _unused(name: str, signals: Sequence[str]) -> list[str]:
    return [*([f"  wire unused_{name} = &{{1'b0, {', '.join(signals)}}};"] if signals else []), ""]


def _output(plan: Plan, labelled: Port, port: Port, stream: Stream, library: LibraryModules) -> list[str]:
    """Write what lays results into the lanes of an output; labels come with `labelled`."""
    beats, side = port.format, port.side
    lines = declarations(port) if port.registered else []
    if beats.beats_per_vector > 1:
        name, lanes = port.inside("padded"), beats.lanes * beats.beats_per_vector
        padded, more = declared(name, lanes, stream.width, stream.signed)
        lines += [
            *more,
            f"  assign {padded.data} = {padded.bits}'({stream.data});",
            f"  assign {padded.valid} = {stream.valid};",
            f"  assign {stream.ready} = {padded.ready};",
            f"  assign {padded.last} = {stream.last};",
        ]
        stream, more = split(padded, beats.beats_per_vector, port.inside("part"), library)
        lines += more
    lane = resized(f"{stream.data}[k]", stream.width, stream.signed, beats.lane_bits)
    target = f"{side}_tdata[k * {beats.lane_bits} +: {beats.lane_bits}]"
    lines += each(beats.lanes, port.inside("result"), target, lane)
    used = beats.lanes * beats.lane_bits
    if used < beats.bits:
        lines.append(f"  assign {side}_tdata[{beats.bits - 1}:{used}] = '0;")
    if beats.keep_bits:
        lines += _keep(port, stream)
    return [
        *lines,
        f"  assign {side}_tlast = {stream.last};",
        *hold_lines(plan, stream.valid, stream.ready, stream.last, side, library),
        *label_lines(plan, labelled, port, library),
        *(slice_lines(port.inside("output"), port.signals, side, port.axis, library) if port.registered else []),
    ]


def _keep(port: Port, stream: Stream) -> list[str]:
    """Write a 1 for each byte of the vectors that a beat holds."""
    beats, side = port.format, port.side
    vector_bytes, bits = beats.vector_bits // 8, part_bits(beats.vectors_per_beat)
    used = beats.vectors_per_beat * vector_bytes
    held = f"{{{vector_bytes}{{{bits}'(k) < {stream.parts}}}}}"
    target = f"{side}_tkeep[k * {vector_bytes} +: {vector_bytes}]"
    lines = [*each(beats.vectors_per_beat, port.inside("keep"), target, held)]
    return [*lines, f"  assign {side}_tkeep[{beats.keep_bits - 1}:{used}] = '0;"] if used < beats.keep_bits else lines
