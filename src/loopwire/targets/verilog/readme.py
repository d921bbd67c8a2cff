"""The README of a written project of SystemVerilog."""

from __future__ import annotations

from importlib.metadata import version
from string import Template

from loopwire.hdl.axi_stream import BeatFormat, Sideband
from loopwire.quantised_model import QuantisedModel
from loopwire.targets.verilog.firmware import Firmware
from loopwire.targets.verilog.hardware import VerilogHardware
from loopwire.text.escapes import markdown, markdown_code

STATES = Template("""\
| `$signal` | 1 | with a sequence's first beat: high to start afresh from the initial states, low to go on from \
the states that its channel's last sequence left; after a reset each channel starts afresh. The $channels channel(s) \
take turns, a sequence each, always in the same order; the first one after a reset is channel 0's |
""")
WINDOW = Template("""\
| `$signal` | 1 | with a sample: high to begin its channel anew, whose earlier samples then count as 0, as after \
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

![Blocks](doc/blocks.svg)

## Ports of `$top`

![A lone sequence: beats in, cycles, result](doc/timing.svg)

| Port | Bits | |
|---|---|---|
| `aclk` | 1 | clock, rising edge |
| `aresetn` | 1 | synchronous reset, active low; drops all sequences in flight |
| `s_axis_tdata` | $in_bits | $in_beat |
${in_keep}| `s_axis_tlast` | 1 | $last |
$user| `s_axis_tvalid`, `s_axis_tready` | 1 | AXI4-Stream handshake |
| `m_axis_tdata` | $out_bits | $out_beat |
${out_keep}| `m_axis_tlast` | 1 | ends a result, of $out_length |
${out_labels}| `m_axis_tvalid`, `m_axis_tready` | 1 | AXI4-Stream handshake |
| `status_framing_error` | 1 | rises when `s_axis_tlast` comes within a time step, or a TKEEP has holes or is not full \
before a sequence's last beat; a reset clears it |
| `status_overrun` | 1 | rises when $overrun; a reset clears it |

`s_axis_tready` is low during reset and in the cycle after it. No combinational path leads from an input to an output.

An element's lane is its width rounded up to whole bytes, element 0 in the lowest one. Signed numbers are sign-extended;
unused bits are 0. An element's value is its integer times the LSB of its type: 2^$input_exponent for $input_type,
2^$output_exponent for $output_type.

## Files

* `rtl/`: SystemVerilog and the memory files that it reads. Module `$top` is the top.
* `testbench/`: a self-checking testbench of $vectors sequences, with vectors. It ends with `PASS` or `FAIL`:
  `make -C testbench`, with `SIMULATOR=verilator` by Verilator, with `WAVES=1` writing `waves.vcd`; or

      cd testbench
      iverilog -g2012 -o simulate *.sv ../rtl/*.sv && vvp simulate

$cocotb* `$top.core`: a FuseSoC core (`fusesoc --cores-root . run --target sim $top`); `$top.f`: the sources for `-f`.
* `doc/${top}_instance.svh`: an instantiation template; the two pictures above.
* `graph.txt`: the network as operations on fixed-point numbers, with all weights: what the emulator runs.
* `design.json`: these facts and the type of every tensor, for scripts.
""")


BESIDE = Template("""
| What comes beside | Bits | |
|---|---|---|
$rows""")
NETWORK_README = Template("""\
# $name

Firmware of the network $network, made by Loopwire $version from $source.

| | |
|---|---|
| Part | $part |
| Clock | $clock_period_ns ns |
| Latency, predicted | $latency_cycles cycles: first beat of a lone full sequence accepted to its last result valid |
| Initiation interval, predicted | $interval_cycles cycles: sequence to sequence at full rate |
| Copies of the recurrent layers | $copies |

![Blocks](doc/blocks.svg)

## Ports of `$top`

![A lone sequence: beats in, cycles, result](doc/timing.svg)

`aclk` is the clock, `aresetn` a synchronous reset, active low. Each input and each output is an AXI4-Stream with TDATA,
TVALID, TREADY and TLAST, and TKEEP where a beat holds several time steps.

| Signals | | Tensor | Beat | Element |
|---|---|---|---|---|
$ports
$beside
All inputs carry the same number of sequences. TLAST ends a sequence of time steps, and so does its last possible step;
where such inputs meet, the shortest ends the sequence. `status_framing_error` and `status_overrun` rise when an input
breaks the framing; a reset clears them. An element's lane is its width rounded up to whole bytes, element 0 in the
lowest one; signed numbers are sign-extended.

## Files

* `rtl/`: SystemVerilog and the memory files that it reads. Module `$top` is the top.
* `testbench/`: a self-checking testbench of $vectors sequences, with vectors. It ends with `PASS` or `FAIL`:
  `make -C testbench`, with `SIMULATOR=verilator` by Verilator, with `WAVES=1` writing `waves.vcd`; or

      cd testbench
      iverilog -g2012 -o simulate *.sv ../rtl/*.sv && vvp simulate

$cocotb* `$top.core`: a FuseSoC core (`fusesoc --cores-root . run --target sim $top`); `$top.f`: the sources for `-f`.
* `doc/${top}_instance.svh`: an instantiation template; the two pictures above.
* `graph.txt`: the network as operations on fixed-point numbers, with all weights: what the emulator runs.
* `design.json`: these facts and the type of every tensor, for scripts.
""")


COCOTB = "* `testbench/cocotb.mk`: the same vectors by cocotb and cocotbext-axi: `make -C testbench -f cocotb.mk`.\n"


def readme(hardware: VerilogHardware, vectors: int, has_cocotb: bool) -> str:
    """Return the text; `vectors` are the sequences of the test bench."""
    write = _network_readme if hardware.firmware.has_streams_apart else _chain_readme
    return write(hardware, vectors, COCOTB if has_cocotb else "")


def _chain_readme(hardware: VerilogHardware, vectors: int, cocotb: str) -> str:
    firmware, model = hardware.firmware, hardware.model
    input_type, output_type = (value.type.element for value in (model.graph.inputs[0], model.graph.outputs[0]))
    most_beats = int(firmware.input.beat_counts(firmware.length))
    return README.substitute(
        name=markdown(model.name),
        network=markdown_code(model.name),
        version=version("loopwire"),
        source=markdown_code(model.source_name),
        part=hardware.device.name,
        clock_period_ns=f"{model.config.clock_period_ns:g}",
        latency_cycles=firmware.latency_cycles,
        latency_range=hardware.predicted_cycles.latency_range,
        interval_cycles=f"{firmware.initiation_interval_cycles:g}",
        interleave=firmware.interleave,
        top=firmware.top,
        copies=firmware.copies,
        last="has no meaning: each beat is a sample"
        if model.config.sliding_window
        else f"ends a sequence, of {_beats(most_beats)} at most; {_at_the_end(model)}",
        user=_user(model, "s_axis", model.graph.inputs[0].type.shape, model.config.user_bits)
        + _labels("s_axis", firmware.sideband),
        overrun=_overrun(model),
        out_labels=_out_labels("m_axis", firmware.sideband),
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
        cocotb=cocotb,
    )


def _network_readme(hardware: VerilogHardware, vectors: int, cocotb: str) -> str:
    firmware, model = hardware.firmware, hardware.model
    rows = []
    sides = (
        ("in", firmware.inputs, model.ports, model.graph.inputs),
        ("out", firmware.outputs, model.model.outputs, model.graph.outputs),
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
    sides_in = [firmware.sideband.of_input(index) for index in range(len(firmware.inputs))]
    beside = [
        _user(model, port.axis, value.type.shape, side.user_bits) + _labels(port.axis, side)
        for port, value, side in zip(firmware.inputs, model.graph.inputs, sides_in, strict=True)
    ]
    beside += [_out_labels(port.axis, firmware.sideband) for port in firmware.outputs]
    return NETWORK_README.substitute(
        name=markdown(model.name),
        network=markdown_code(model.name),
        version=version("loopwire"),
        source=markdown_code(model.source_name),
        part=hardware.device.name,
        clock_period_ns=f"{model.config.clock_period_ns:g}",
        latency_cycles=firmware.latency_cycles,
        interval_cycles=f"{firmware.initiation_interval_cycles:g}",
        top=firmware.top,
        ports="\n".join(rows),
        beside=BESIDE.substitute(rows="".join(beside)) if any(beside) else "",
        copies=firmware.copies,
        vectors=vectors,
        cocotb=cocotb,
    )


def _user(model: QuantisedModel, axis: str, shape: tuple[int, ...], user_bits: int) -> str:
    """Return the row of bit 0 of an input's TUSER, where that has a meaning: of one that brings such a shape."""
    config = model.config
    signal = f"{axis}_tuser[0]" if user_bits else f"{axis}_tuser"
    if config.sliding_window and len(shape) == 2:
        return WINDOW.substitute(signal=signal, steps=shape[0], channels=config.channels)
    return STATES.substitute(signal=signal, channels=config.channels) if config.stateful else ""


def _beat(format: BeatFormat, vector: str) -> str:
    elements = f"{format.count} {'signed' if format.signed else 'unsigned'} elements of {format.width} bits"
    apart = f"{format.lane_bits} bits apart"
    if format.beats_per_vector > 1:
        return f"one {vector} in {format.beats_per_vector} beats, {format.lanes} elements each: {elements}, {apart}"
    if format.vectors_per_beat > 1:
        return f"up to {format.vectors_per_beat} times one {vector}: {elements}, {apart}"
    return f"one {vector}: {elements}, {apart}"


def _labels(axis: str, sideband: Sideband) -> str:
    """Return the rows of what goes from a sequence to its result."""
    rows = ""
    if sideband.user_bits:
        low = int(sideband.fresh)
        bits = f"{low + sideband.user_bits - 1}:{low}"
        rows += (
            f"| `{axis}_tuser[{bits}]` | {sideband.user_bits} | handed on with the result; read with the first beat |\n"
        )
    if sideband.id_bits:
        meaning = "handed on with the result; read with the first beat"
        if sideband.channels > 1:
            meaning = (
                "the channel's number, read with the first beat and handed on. A sequence that is not its channel's is "
                "dropped, and all that follow until that channel's: `status_framing_error` rises"
            )
        rows += f"| `{axis}_tid` | {sideband.id_bits} | {meaning} |\n"
    return rows


def _out_labels(axis: str, sideband: Sideband) -> str:
    bits = {"tuser": sideband.user_bits, "tid": sideband.id_bits}
    return "".join(f"| `{axis}_{name}` | {n} | the sequence's |\n" for name, n in bits.items() if n)


def _at_the_end(model: QuantisedModel) -> str:
    return "must come with its last beat" if model.config.require_tlast else "the last possible beat ends it too"


def _overrun(model: QuantisedModel) -> str:
    if model.config.require_tlast:
        return "a sequence was too long; its further beats were dropped, up to its TLAST"
    return (
        "some sequences ended with `s_axis_tlast` and some without: a sequence was too long, and its further beats "
        "started another one"
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
