"""The top module of a design: AXI4-Stream ports, and between them the engines, once or in several copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopwire.hdl.axi_stream import BeatFormat
from loopwire.hdl.expressions import resized
from loopwire.hdl.module_port import CLOCK, RESET, STATUS
from loopwire.hdl.module_port import declarations as port_lines
from loopwire.schedule.plan import Plan
from loopwire.targets.verilog.port_signals import (
    declarations,
    hold_lines,
    input_ports,
    input_signals,
    label_lines,
    output_ports,
    output_signals,
    slice_lines,
)
from loopwire.targets.verilog.streams import (
    Stream,
    declared,
    each,
    engine,
    join,
    part_bits,
    queue,
    register_slice,
    split,
)
from loopwire.text.identifiers import Identifier

FRESH = (
    "// tuser with a sequence's first beat starts it afresh, from the initial states; else it goes on from those that",
    "// its channel's last sequence left.",
)
WINDOW = (
    "// Each beat gives the result of its channel's last {steps} samples; {channels} channel(s) take turns.",
    "// tuser begins a channel anew: its earlier samples count as 0. tlast means nothing.",
)


def top_module(name: Identifier, modules: Sequence[Identifier], copy: Identifier, plan: Plan) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        modules: names of the engines' modules.
        copy: name of a copy's module; not used where there is a single one.
        plan: the engines.
    """
    stream, lines = _input(plan)
    if plan.copies == 1:
        stream, more = _core(modules, plan, stream)
    else:
        stream, more = _copies(copy, plan, stream)
    lines += more
    stream, more = _engines(modules, plan, range(plan.copied, len(modules)), stream)
    return "\n".join([*_header(name, plan), *lines, *more, *_output(plan, stream), f"endmodule : {name}", ""])


def copy_module(name: Identifier, modules: Sequence[Identifier], plan: Plan) -> str:
    """Return the text of the module that stands `plan.copies` times.

    Args:
        name: of the module.
        modules: names of the engines' modules.
        plan: the engines.
    """
    first, last = plan.pipelines[0].datapath.x, plan.pipelines[plan.copied - 1].datapath.output
    per_beat_in, per_beat_out = plan.steps_at_once, plan.output.vectors_per_beat
    source, result = _copy_streams(plan)
    stream, lines = _core(modules, plan, source)
    parts_in = [f"    input  logic [{part_bits(per_beat_in) - 1}:0] s_parts,   // steps of the beat"]
    parts_out = [f"    output logic [{part_bits(per_beat_out) - 1}:0] m_parts,"]
    assigned = ((result.data, stream.data), (result.valid, stream.valid), (result.last, stream.last))
    return "\n".join(
        [
            f"// One of {plan.copies} copies: whole sequences in, their results out.",
            f"module {name} (",
            "    input  logic aclk,",
            "    input  logic aresetn,",
            f"    input  logic [{source.bits - 1}:0] s_data,   // {source.count} elements {first.type}",
            *(parts_in if source.parts else []),
            "    input  logic s_valid,",
            "    output logic s_ready,",
            "    input  logic s_last,",
            f"    output logic [{result.bits - 1}:0] m_data,   // {result.count} elements {last.type}",
            *(parts_out if result.parts else []),
            "    output logic m_valid,",
            "    input  logic m_ready,",
            "    output logic m_last",
            ");",
            *lines,
            *(f"  assign {target} = {source};" for target, source in assigned),
            *([f"  assign {result.parts} = {stream.parts};"] if result.parts else []),
            f"  assign {stream.ready} = {result.ready};",
            f"endmodule : {name}",
            "",
        ]
    )


def describe(beats: BeatFormat, element: str, vector: str) -> str:
    """Say in a line what a beat holds."""
    if beats.beats_per_vector > 1:
        held = f"{beats.lanes} of the {beats.count} elements of {vector}, which takes {beats.beats_per_vector} beats"
    elif beats.vectors_per_beat > 1:
        held = f"up to {beats.vectors_per_beat} vectors, each {vector} of {beats.count} elements"
    else:
        held = f"{vector}, {beats.count} elements"
    return f"{held}, {element}, {beats.lane_bits} bits apart"


def _header(name: Identifier, plan: Plan) -> list[str]:
    x, y, beats_in, beats_out = plan.graph.inputs[0], plan.graph.outputs[0], plan.input, plan.output
    several = ["// The last beat of a sequence tells by tkeep which steps it holds."] if beats_in.keep_bits else []
    copies = [f"// Sequences are dealt to {plan.copies} copies in turn."] if plan.copies > 1 else []
    padded = beats_in.lane_bits != x.type.element.width or beats_in.bits != beats_in.lanes * beats_in.lane_bits
    *signals, valid, ready = input_ports(plan)
    # Where a slice takes all of a beat it is the slice's result that is not read.
    read = plan.port_registers or not (padded or beats_in.keep_bits or plan.window_channels is not None)
    meaning = [
        "// tlast ends a sequence, as does its last possible step.",
        *several,
        *(FRESH if plan.told_fresh else []),
    ]
    if plan.window_channels is not None:
        meaning = [line.format(steps=plan.length, channels=plan.window_channels) for line in WINDOW]
    return [
        f"// {name}: AXI4-Stream in and out.",
        f"// Input beat: {describe(beats_in, str(x.type.element), 'a step')}, element 0 lowest;",
        *meaning,
        f"// Output beat: {describe(beats_out, str(y.type.element), 'a result')}.",
        *copies,
        f"module {name} (",
        *(port.declaration() for port in (CLOCK, RESET)),
        *([] if read else ["    /* verilator lint_off UNUSEDSIGNAL */  // padding, or of no meaning"]),
        *(port.declaration() for port in signals),
        *([] if read else ["    /* verilator lint_on UNUSEDSIGNAL */"]),
        *port_lines((valid, ready, *output_ports(plan), *STATUS)),
        ");",
    ]


def _input(plan: Plan) -> tuple[Stream, list[str]]:
    """Write what turns the input's beats into steps, or, where a beat holds several, into beats without padding."""
    signals, side = input_signals(plan), _sides(plan)[0]
    lines = []
    if plan.port_registers:
        lines = [*declarations(side, signals), *slice_lines("input", signals, "s_axis", side)]
    stream, more = _framed(plan, side)
    lines += more
    if plan.input.beats_per_vector > 1:
        stream, more = _joined(plan, stream)
        lines += more
    if plan.window_channels is not None:
        stream, more = _windowed(plan.length, plan.window_channels, stream)
        lines += more
    return stream, lines


def _windowed(steps: int, channels: int, sample: Stream) -> tuple[Stream, list[str]]:
    """Write what makes of each sample the window that it ends."""
    window, lines = declared("window", steps * sample.count, sample.width, sample.signed)
    return replace(window, parts=f"{part_bits(steps)}'d{steps}"), [
        *lines,
        f"  loopwire_window #(.STEPS({steps}), .CHANNELS({channels}), .BITS({sample.bits})) sliding_window (",
        f"      .aclk, .aresetn, .s_fresh({sample.fresh}),",
        f"      {sample.ports('s')},",
        f"      {window.ports('m')}",
        "  );",
        "",
    ]


def _sides(plan: Plan) -> tuple[str, str]:
    """Return how the signals of the ports are called inside of their slices."""
    return ("taken", "given") if plan.port_registers else ("s_axis", "m_axis")


def _framed(plan: Plan, side: str) -> tuple[Stream, list[str]]:
    """Write what finds the end of a sequence and how many steps each beat holds, and tells of broken framing."""
    beats, x = plan.input, plan.pipelines[0].datapath.x
    per_beat, parts, bits = beats.vectors_per_beat, beats.beats_per_vector, part_bits(beats.vectors_per_beat)
    stream, lines = declared("beat", beats.lanes, x.width, x.signed, bits)
    lane = f"{side}_tdata[k * {beats.lane_bits} +: {x.width}]"
    keep, last, steps = "1'b1", f"{side}_tlast", plan.length
    if plan.window_channels is not None:
        last, steps = "1'b1", 1
    lines.append("  logic beat_padding, sequence_begins;")
    lines += each(beats.lanes, "beat", "beat_data[k]", f"beat_padding ? '0 : {lane}" if parts > 1 else lane)
    if per_beat > 1:
        keep = "step_keep"
        lines.append(f"  logic [{per_beat - 1}:0] step_keep;")
        lines += each(per_beat, "step_keep", "step_keep[k]", f"{side}_tkeep[k * {beats.vector_bits // 8}]")
    unread = [*([] if per_beat > 1 else [stream.parts]), *([] if parts > 1 else ["beat_padding"])]
    sideband = plan.sideband
    if not (sideband.label_bits or plan.timing.held_cycles):
        unread.append("sequence_begins")
    if sideband.fresh:
        stream = replace(stream, fresh=f"{side}_tuser" + "[0]" * (sideband.user_bits > 0))
    checked = f", .CHANNELS({sideband.channels}), .ID_BITS({sideband.id_bits})" if sideband.channels > 1 else ""
    number = f"{side}_tid" if sideband.channels > 1 else "1'b0"
    strict = ", .STRICT(1'b1)" * plan.require_tlast
    return replace(stream, parts=stream.parts if per_beat > 1 else ""), [
        *lines,
        f"  loopwire_framer #(.STEPS({steps}), .PER_BEAT({per_beat}), .PARTS({parts}){strict}{checked}) framer (",
        f"      .aclk, .aresetn, .s_valid({side}_tvalid), .s_ready({side}_tready),",
        f"      .s_last({last}), .s_id({number}), .s_keep({keep}), .m_valid({stream.valid}), .m_ready({stream.ready}),",
        f"      .m_last({stream.last}), .m_steps({stream.parts}), .m_padding(beat_padding),",
        "      .begins(sequence_begins), .framing_error(status_framing_error), .overrun(status_overrun)",
        "  );",
        *_unused("beat", unread),
    ]


def _joined(plan: Plan, beat: Stream) -> tuple[Stream, list[str]]:
    """Write what gathers the beats of a step."""
    count = plan.pipelines[0].datapath.x.count
    # The framer says which step is the last one; a step of fewer beats ends with padding.
    step, lines = join(replace(beat, last="beat_padding"), plan.input.beats_per_vector, "step")
    surplus = [f"step_data[{step.count - 1}:{count}]"] if step.count > count else []
    lines += _unused("step", [step.parts, step.last, *surplus])
    step = replace(step, data=f"step_data[{count - 1}:0]", last=beat.last, count=count, parts="")
    if not beat.fresh:
        return step, lines
    first = f"{beat.valid} && {beat.ready} && step_parts == {part_bits(plan.input.beats_per_vector)}'d1"
    return replace(step, fresh="fresh_q"), [
        *lines,
        "  logic fresh_q;   // of the step's first beat",
        f"  always_ff @(posedge aclk) if ({first}) fresh_q <= {beat.fresh};",
        "",
    ]


def _core(modules: Sequence[Identifier], plan: Plan, stream: Stream) -> tuple[Stream, list[str]]:
    """Write the engines of a copy, with what hands them the steps of a beat and gathers their results to beats."""
    lines: list[str] = []
    if plan.timing.input_queue:
        stream, lines = queue(stream, plan.timing.input_queue, plan.steps_at_once, "kept")
    if plan.steps_at_once > 1:
        stream, more = split(stream, plan.steps_at_once, "step")
        lines += more
    stream, more = _engines(modules, plan, range(plan.copied), stream)
    lines += more
    if plan.output.vectors_per_beat > 1:
        stream, more = join(stream, plan.output.vectors_per_beat, "results")
        lines += more
    if plan.timing.output_queue:
        stream, more = queue(stream, plan.timing.output_queue, plan.output.vectors_per_beat, "waiting")
        lines += more
    return stream, lines


def _engines(modules: Sequence[Identifier], plan: Plan, chosen: range, stream: Stream) -> tuple[Stream, list[str]]:
    lines: list[str] = []
    for index in chosen:
        x, y = plan.pipelines[index].datapath.x, plan.pipelines[index].datapath.output
        if plan.port_registers and index:
            stream, more = register_slice(stream, f"{modules[index]}_in")
            lines += more
        tells_fresh = index + 1 < plan.told_fresh
        stream, more = engine(modules[index], stream, (x.count, x.width), (y.count, y.width, y.signed), tells_fresh)
        lines += more
    return stream, lines


def _unused(name: str, signals: Sequence[str]) -> list[str]:
    return [*([f"  wire unused_{name} = &{{1'b0, {', '.join(signals)}}};"] if signals else []), ""]


def _copy_streams(plan: Plan) -> tuple[Stream, Stream]:
    """Return the streams at the ports of a copy."""
    x, y = plan.pipelines[0].datapath.x, plan.pipelines[plan.copied - 1].datapath.output
    at_once = plan.steps_at_once, plan.output.vectors_per_beat
    counts = x.count * at_once[0], y.count * at_once[1]
    parts = ["_parts" if vectors > 1 else "" for vectors in at_once]
    source, result = (
        Stream(
            f"{side}_data",
            f"{side}_valid",
            f"{side}_ready",
            f"{side}_last",
            count,
            signal.width,
            signal.signed,
            f"{side}{part}" if part else "",
        )
        for side, count, signal, part in zip("sm", counts, (x, y), parts, strict=True)
    )
    return source, result


def _copies(module: Identifier, plan: Plan, stream: Stream) -> tuple[Stream, list[str]]:
    """Write the copies between what deals them their sequences and what takes their results."""
    source, result = _copy_streams(plan)
    bits = part_bits(plan.output.vectors_per_beat) if result.parts else 0
    merged, lines = declared("merged", result.count, result.width, result.signed, bits)
    taken = f"{{{merged.parts}, {merged.data}}}" if bits else merged.data
    parts_in = f".s_parts({stream.parts}), " if source.parts else ""
    lines += [
        f"  localparam int COPIES = {plan.copies};",
        "  logic [COPIES-1:0] dealt_valid, dealt_ready, copy_valid, copy_ready, copy_last;",
        f"  logic [COPIES-1:0][{result.bits + bits - 1}:0] copy_result;",
        "  loopwire_distributor #(.COPIES(COPIES)) distributor (",
        f"      .aclk, .aresetn, .s_valid({stream.valid}), .s_ready({stream.ready}), .s_last({stream.last}),",
        "      .m_valid(dealt_valid), .m_ready(dealt_ready)",
        "  );",
        "  for (genvar k = 0; k < COPIES; k++) begin : gen_copy",
        f"    {module} copy (",
        f"        .aclk, .aresetn, .s_data({stream.data}), {parts_in}.s_valid(dealt_valid[k]),",
        f"        .s_ready(dealt_ready[k]), .s_last({stream.last}), .m_data(copy_result[k][{result.bits - 1}:0]),",
        *([f"        .m_parts(copy_result[k][{result.bits} +: {bits}]),"] if bits else []),
        "        .m_valid(copy_valid[k]), .m_ready(copy_ready[k]), .m_last(copy_last[k])",
        "    );",
        "  end",
        f"  loopwire_merger #(.COPIES(COPIES), .BITS({result.bits + bits})) merger (",
        "      .aclk, .aresetn, .s_data(copy_result), .s_valid(copy_valid), .s_ready(copy_ready), .s_last(copy_last),",
        f"      {merged.ports('m', taken)}",
        "  );",
        "",
    ]
    return merged, lines


def _output(plan: Plan, stream: Stream) -> list[str]:
    """Write what lays results into the lanes of the output."""
    beats, side = plan.output, _sides(plan)[1]
    lines = declarations(side, output_signals(plan)) if plan.port_registers else []
    if beats.beats_per_vector > 1:
        lanes = beats.lanes * beats.beats_per_vector
        padded, more = declared("padded", lanes, stream.width, stream.signed)
        lines += [
            *more,
            f"  assign padded_data = {padded.bits}'({stream.data});",
            f"  assign padded_valid = {stream.valid};",
            f"  assign {stream.ready} = padded_ready;",
            f"  assign padded_last = {stream.last};",
        ]
        stream, more = split(padded, beats.beats_per_vector, "part")
        lines += more
    lane = resized(f"{stream.data}[k]", stream.width, stream.signed, beats.lane_bits)
    lines += each(beats.lanes, "result", f"{side}_tdata[k * {beats.lane_bits} +: {beats.lane_bits}]", lane)
    used = beats.lanes * beats.lane_bits
    if used < beats.bits:
        lines.append(f"  assign {side}_tdata[{beats.bits - 1}:{used}] = '0;")
    if beats.keep_bits:
        lines += _keep(beats, stream, side)
    return [
        *lines,
        f"  assign {side}_tlast = {stream.last};",
        *hold_lines(plan, stream.valid, stream.ready, stream.last, side),
        *label_lines(plan, _sides(plan)[0], side),
        *(slice_lines("output", output_signals(plan), side, "m_axis") if plan.port_registers else []),
    ]


def _keep(beats: BeatFormat, stream: Stream, side: str) -> list[str]:
    """Write a 1 for each byte of the vectors that a beat holds."""
    vector_bytes, bits = beats.vector_bits // 8, part_bits(beats.vectors_per_beat)
    used = beats.vectors_per_beat * vector_bytes
    held = f"{{{vector_bytes}{{{bits}'(k) < {stream.parts}}}}}"
    lines = [*each(beats.vectors_per_beat, "keep", f"{side}_tkeep[k * {vector_bytes} +: {vector_bytes}]", held)]
    return [*lines, f"  assign {side}_tkeep[{beats.keep_bits - 1}:{used}] = '0;"] if used < beats.keep_bits else lines
