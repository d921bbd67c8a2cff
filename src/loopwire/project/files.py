"""What a written project consists of, each file's text by its path."""

from __future__ import annotations

import json
from importlib.metadata import version
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from loopwire.data import Batch, Inputs, check_batch
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.hdl.testbench import Vectors, testbench_text
from loopwire.ir.text import print_graph
from loopwire.project.hls_files import hls_facts, hls_project_files
from loopwire.text.escapes import markdown, markdown_code

if TYPE_CHECKING:
    from loopwire.design import Design
    from loopwire.targets.verilog import Firmware

GRAPH = "graph.txt"
"""The lowered graph: what the emulator runs."""
TESTBENCH_SEQUENCES = 32
"""Enough for every slot of the loop, and vectors of some 100 kB."""
TESTBENCH_SEQUENCES_A_CHANNEL = 3
"""At least, where something of a channel lasts."""

STATES = Template("""\
| `s_axis_tuser` | 1 | with a sequence's first beat: high to start afresh from the initial states, low to go on from \
the states that its channel's last sequence left; after a reset each channel starts afresh. The $channels channel(s) \
take turns, a sequence each, always in the same order; the first one after a reset is channel 0's |
""")
WINDOW = Template("""\
| `s_axis_tuser` | 1 | with a sample: high to begin its channel anew, whose earlier samples then count as 0, as after \
a reset. Each sample gives the result of its channel's last $steps samples; the $channels channel(s) take turns, a \
sample each, always in the same order; the first one after a reset is channel 0's |
""")
README = Template("""\
# $name

Firmware of the network $network, made by Loopwire $version from $source.

| | |
|---|---|
| Part | $part |
| Clock | $clock_period_ns ns |
| Latency, predicted | $latency_cycles cycles: first beat of a lone full sequence accepted to its result valid |
| Latency at random times, predicted | $latency_range: of full sequences that come at any times, at up to full rate |
| Initiation interval, predicted | $interval_cycles cycles: sequence to sequence at full rate |
| Sequences in the loop | $interleave |
| Copies of the recurrent layers | $copies |

## Ports of `$top`

| Port | Bits | |
|---|---|---|
| `aclk` | 1 | clock; everything happens at its rising edge |
| `aresetn` | 1 | synchronous reset, active low; what is on its way is dropped |
| `s_axis_tdata` | $in_bits | $in_beat |
${in_keep}| `s_axis_tlast` | 1 | $last |
$user| `s_axis_tvalid`, `s_axis_tready` | 1 | AXI4-Stream handshake |
| `m_axis_tdata` | $out_bits | $out_beat |
${out_keep}| `m_axis_tlast` | 1 | ends a result, of $out_length |
${out_labels}| `m_axis_tvalid`, `m_axis_tready` | 1 | AXI4-Stream handshake |
| `status_framing_error` | 1 | rises when `s_axis_tlast` comes within a time step, or a TKEEP has holes or is not full \
before a sequence's last beat; falls with a reset |
| `status_overrun` | 1 | rises when $overrun; falls with a reset |

`s_axis_tready` is low in the reset and in the cycle after it. No input leads to an output through gates alone.

An element's lane is its width in whole bytes, element 0 lowest, signed numbers sign-extended; what no lane fills is 0.
An element stands for its integer times the step of its type: $input_type has steps of 2^$input_exponent, $output_type
of 2^$output_exponent.

## Files

* `rtl/`: SystemVerilog and the memory files that it reads. Module `$top` is the top.
* `testbench/`: a self-checking testbench of $vectors sequences, with vectors. It ends with `PASS` or `FAIL`:

      cd testbench
      iverilog -g2012 -o simulate *.sv ../rtl/*.sv && vvp simulate

* `graph.txt`: the network as operations on fixed-point numbers, with all weights: what the emulator runs.
* `design.json`: these facts and the type of every tensor, for scripts.
""")


NETWORK_README = Template("""\
# $name

Firmware of the network $network, made by Loopwire $version from $source.

| | |
|---|---|
| Part | $part |
| Clock | $clock_period_ns ns |
| Latency, predicted | $latency_cycles cycles: first beat of a lone full sequence accepted to its last result valid |
| Initiation interval, predicted | $interval_cycles cycles: sequence to sequence at full rate |

## Ports of `$top`

`aclk` is the clock, `aresetn` a synchronous reset, active low. Each input and each output is an AXI4-Stream with TDATA,
TVALID, TREADY and TLAST, and TKEEP where a beat holds several time steps.

| Signals | | Tensor | Beat | Element |
|---|---|---|---|---|
$ports

All inputs give as many sequences. TLAST ends a sequence of time steps, as does its last possible one; inputs of time
steps that meet end with the shortest. `status_framing_error` and `status_overrun` rise when an input breaks the
framing, and fall with a reset. An element's lane is its width in whole bytes, element 0 lowest, signed numbers
sign-extended.

## Files

* `rtl/`: SystemVerilog and the memory files that it reads. Module `$top` is the top.
* `graph.txt`: the network as operations on fixed-point numbers, with all weights: what the emulator runs.
* `design.json`: these facts and the type of every tensor, for scripts.
""")


def project_files(design: Design, x: Inputs | None) -> dict[str, str]:
    """Return the files of a design; its testbench's vectors are the first of `x`, or random if None."""
    count = TESTBENCH_SEQUENCES
    if design.config.remembers:
        count = max(count, TESTBENCH_SEQUENCES_A_CHANNEL * design.config.channels)
    vectors = check_batch("x", design.random_inputs(count) if x is None else x, design.ports)[:count]
    if design.config.target == "vitis_hls":
        files, hardware = hls_project_files(design, vectors), hls_facts(design)
    else:
        files, hardware = _verilog_files(design, vectors), _verilog_facts(design)
    files[GRAPH] = print_graph(design.graph)
    return {**files, "design.json": json.dumps({**_facts(design), **hardware}, indent=2) + "\n"}


def _verilog_files(design: Design, x: Batch) -> dict[str, str]:
    firmware = design.firmware
    files = {f"rtl/{name}": text for name, text in firmware.files.items()}
    # Simulators look for memory files where they run: beside the vectors.
    if firmware.has_streams_apart:
        return {**files, "README.md": _network_readme(design)}
    files |= {f"testbench/{name}": text for name, text in firmware.files.items() if not name.endswith(".sv")}
    return {**files, **_testbench(design, x), "README.md": _readme(design, len(x))}


def _testbench(design: Design, x: Batch) -> dict[str, str]:
    firmware = design.firmware
    integers, lengths = design.input_integers(x, None)
    lengths = lengths.copy()
    lengths[1::2] = np.random.default_rng(1).integers(1, design.steps, len(lengths[1::2]), endpoint=True)
    fresh = np.zeros(len(lengths), np.bool_)
    fresh[3::5] = design.config.remembers
    last, longest = None, None
    if not design.config.sliding_window:  # where TLAST has a meaning
        integers = design.ending_in_zeros(integers, lengths, np.random.default_rng(2))
        longest, last = firmware.length, lengths < design.steps
        last[::4] = True
        last |= design.config.require_tlast
    told = fresh if design.config.remembers else None
    (given,), (results,) = design.sent(integers, lengths, fresh), design.due(integers, lengths, fresh)
    sent = Vectors(firmware.input, given.vectors, lengths, told, last, longest, firmware.sideband)
    due = Vectors(firmware.output, results.vectors, results.lengths, sideband=firmware.sideband)
    sent_file, due_file = f"{firmware.top}_input.hex", f"{firmware.top}_expected.hex"
    period_ns, still_cycles, timeout_cycles = (
        design.config.clock_period_ns,
        firmware.latency_cycles,
        firmware.timeout_cycles,
    )
    text = testbench_text(firmware.top, sent, due, sent_file, due_file, period_ns, still_cycles, timeout_cycles, seed=1)
    return {
        f"testbench/{firmware.top}_tb.sv": text,
        f"testbench/{sent_file}": sent.text(),
        f"testbench/{due_file}": due.text(),
    }


def _readme(design: Design, vectors: int) -> str:
    firmware = design.firmware
    input_type, output_type = (value.type.element for value in (design.graph.inputs[0], design.graph.outputs[0]))
    most_beats = int(firmware.input.beat_counts(firmware.length))
    return README.substitute(
        name=markdown(design.name),
        network=markdown_code(design.name),
        version=version("loopwire"),
        source=markdown_code(design.source_name),
        part=design.device.name,
        clock_period_ns=f"{design.config.clock_period_ns:g}",
        latency_cycles=firmware.latency_cycles,
        latency_range=design.predicted_cycles.latency_range,
        interval_cycles=f"{firmware.initiation_interval_cycles:g}",
        interleave=firmware.interleave,
        top=firmware.top,
        copies=firmware.copies,
        last="has no meaning: each beat is a sample"
        if design.config.sliding_window
        else f"ends a sequence, of {_beats(most_beats)} at most; {_at_the_end(design)}",
        user=_user(design) + _labels(design),
        overrun=_overrun(design),
        out_labels=_out_labels(design),
        in_bits=firmware.input.bits,
        out_bits=firmware.output.bits,
        in_beat=_beat(firmware.input, "time step" if firmware.length > 1 else "input"),
        out_beat=_beat(firmware.output, "time step of the result" if firmware.per_step else "result"),
        in_keep=_keep(
            "s_axis", firmware.input, "read in a sequence's last beat: the time steps whose first byte has a 1"
        ),
        out_keep=_keep("m_axis", firmware.output, "1 for each byte of the time steps in the beat"),
        out_length=_result_beats(firmware),
        input_type=input_type,
        output_type=output_type,
        input_exponent=-input_type.fraction,
        output_exponent=-output_type.fraction,
        vectors=vectors,
    )


def _network_readme(design: Design) -> str:
    firmware = design.firmware
    rows = []
    sides = (
        ("in", firmware.inputs, design.ports, design.graph.inputs),
        ("out", firmware.outputs, design.model.outputs, design.graph.outputs),
    )
    for side, ports, tensors, values in sides:
        for port, tensor, value in zip(ports, tensors, values, strict=True):
            vector = "time step" if port.steps > 1 else "vector"
            ends = f"{_beats(int(port.format.beat_counts(port.steps)))} a sequence{' at most' if port.short else ''}"
            element = value.type.element
            rows.append(
                f"| `{port.axis}_t*` | {side} | {markdown_code(tensor.name)} | {_beat(port.format, vector)}; {ends} "
                f"| {element}, steps of 2^{-element.fraction} |"
            )
    return NETWORK_README.substitute(
        name=markdown(design.name),
        network=markdown_code(design.name),
        version=version("loopwire"),
        source=markdown_code(design.source_name),
        part=design.device.name,
        clock_period_ns=f"{design.config.clock_period_ns:g}",
        latency_cycles=firmware.latency_cycles,
        interval_cycles=f"{firmware.initiation_interval_cycles:g}",
        top=firmware.top,
        ports="\n".join(rows),
    )


def _user(design: Design) -> str:
    """Return the row of s_axis_tuser, where there is one."""
    config = design.config
    if config.sliding_window:
        return WINDOW.substitute(steps=design.graph.inputs[0].type.shape[0], channels=config.channels)
    return STATES.substitute(channels=config.channels) if config.stateful else ""


def _beat(format: BeatFormat, vector: str) -> str:
    elements = f"{format.count} {'signed' if format.signed else 'unsigned'} elements of {format.width} bits"
    apart = f"{format.lane_bits} bits apart"
    if format.beats_per_vector > 1:
        return f"one {vector} in {format.beats_per_vector} beats, {format.lanes} elements each: {elements}, {apart}"
    if format.vectors_per_beat > 1:
        return f"up to {format.vectors_per_beat} times one {vector}: {elements}, {apart}"
    return f"one {vector}: {elements}, {apart}"


def _labels(design: Design) -> str:
    """Return the rows of what goes from a sequence to its result."""
    sideband, rows = design.firmware.sideband, ""
    if sideband.user_bits:
        low = int(sideband.fresh)
        bits = f"{low + sideband.user_bits - 1}:{low}"
        rows += (
            f"| `s_axis_tuser[{bits}]` | {sideband.user_bits} | handed on with the result; read with the first beat |\n"
        )
    if sideband.id_bits:
        meaning = "handed on with the result; read with the first beat"
        if sideband.channels > 1:
            meaning = (
                "the channel's number, read with the first beat and handed on. A sequence that is not its channel's is "
                "dropped, and all that follow until that channel's: `status_framing_error` rises"
            )
        rows += f"| `s_axis_tid` | {sideband.id_bits} | {meaning} |\n"
    return rows


def _out_labels(design: Design) -> str:
    sideband = design.firmware.sideband
    bits = {"tuser": sideband.user_bits, "tid": sideband.id_bits}
    return "".join(f"| `m_axis_{name}` | {n} | the sequence's |\n" for name, n in bits.items() if n)


def _at_the_end(design: Design) -> str:
    return "must come with its last beat" if design.config.require_tlast else "the last possible beat ends it too"


def _overrun(design: Design) -> str:
    if design.config.require_tlast:
        return "a sequence was longer than it may be; what followed its last possible beat was dropped, up to its TLAST"
    return (
        "some sequences have ended with `s_axis_tlast` and some without: one was longer than it may be, and what "
        "followed its last possible beat began another one"
    )


def _keep(side: str, format: BeatFormat, meaning: str) -> str:
    return f"| `{side}_tkeep` | {format.keep_bits} | {meaning} |\n" if format.keep_bits else ""


def _result_beats(firmware: Firmware) -> str:
    most = int(firmware.output.beat_counts(firmware.length if firmware.per_step else 1))
    if firmware.per_step and firmware.length > 1:
        return f"as many time steps as its sequence, {_beats(most)} at most"
    return _beats(most)


def _beats(count: int) -> str:
    return "one beat" if count == 1 else f"{count} beats"


def _facts(design: Design) -> dict[str, object]:
    """Return what is true of a design on every target."""
    values = [*design.graph.inputs, *(result for node in design.graph.walk() for result in node.results)]
    return {
        "loopwire": {"version": version("loopwire")},
        "target": design.config.target,
        "model": {"name": design.name, "source": design.source_name, **_input_shapes(design)},
        "part": design.device.name,
        "speed_grade": design.device.speed_grade,
        "clock_period_ns": design.config.clock_period_ns,
        "tensors": {value.name: str(value.type) for value in values},
    }


def _input_shapes(design: Design) -> dict[str, object]:
    shapes = {tensor.name: list(tensor.shape) for tensor in design.model.inputs}
    return {"input_shapes": shapes} if len(shapes) > 1 else {"input_shape": next(iter(shapes.values()))}


def _verilog_facts(design: Design) -> dict[str, object]:
    firmware = design.firmware
    return {
        "top": firmware.top,
        "layer_modules": dict(firmware.layer_modules),
        "predicted": {
            "latency_cycles": firmware.latency_cycles,
            **_latency_range(firmware),
            "initiation_interval_cycles": firmware.initiation_interval_cycles,
            "loop_latency_cycles": firmware.loop_latency_cycles,
        },
        "interleave": firmware.interleave,
        "copies": firmware.copies,
        "io": design.config.io,
        "stateful": design.config.stateful,
        "sliding_window": design.config.sliding_window,
        "channels": design.config.channels,
        "require_tlast": design.config.require_tlast,
        "user_bits": design.config.user_bits,
        "id_bits": design.config.id_bits,
        "port_registers": design.config.port_registers,
        "fixed_latency": design.config.fixed_latency,
        **(_network_ports(design) if firmware.has_streams_apart else _ports(design)),
    }


def _latency_range(firmware: Firmware) -> dict[str, int]:
    if firmware.latency_range_cycles is None:
        return {}
    least, greatest = firmware.latency_range_cycles
    return {"least_latency_cycles": least, "greatest_latency_cycles": greatest}


def _network_ports(design: Design) -> dict[str, object]:
    firmware, graph = design.firmware, design.graph
    facts: dict[str, object] = {}
    sides = (
        ("inputs", firmware.inputs, design.ports, graph.inputs),
        ("outputs", firmware.outputs, design.model.outputs, graph.outputs),
    )
    for side, ports, tensors, values in sides:
        facts[side] = {
            tensor.name: {
                "stream": port.axis,
                "type": str(value.type.element),
                "steps": port.steps,
                "may_be_short": port.short,
                **_lanes(port.format),
            }
            for port, tensor, value in zip(ports, tensors, values, strict=True)
        }
    return facts


def _ports(design: Design) -> dict[str, object]:
    firmware = design.firmware
    return {
        "input": {
            "type": str(design.graph.inputs[0].type.element),
            "shape": list(design.input_shape),
            "steps": firmware.length,
            "beats": int(firmware.input.beat_counts(firmware.length)),
            **_lanes(firmware.input),
        },
        "output": {
            "type": str(design.graph.outputs[0].type.element),
            "per_step": firmware.per_step,
            **_lanes(firmware.output),
        },
    }


def _lanes(format: BeatFormat) -> dict[str, int]:
    return {
        "bits": format.bits,
        "lane_bits": format.lane_bits,
        "elements": format.count,
        "vectors_per_beat": format.vectors_per_beat,
        "beats_per_vector": format.beats_per_vector,
    }
