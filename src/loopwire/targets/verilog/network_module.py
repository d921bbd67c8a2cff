"""The top module of a network: a framed AXI4-Stream for each input, the engines, what joins them, and the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loopwire.hdl.axi_stream import BeatFormat
from loopwire.hdl.expressions import resized
from loopwire.hdl.module_port import CLOCK, RESET, STATUS, Direction, ModulePort, declarations
from loopwire.hdl.names import KEYWORDS, library_words
from loopwire.schedule.network_cycles import Channel
from loopwire.schedule.network_plan import NetworkPlan, Wires
from loopwire.targets.verilog.layer_module import INSTANCE
from loopwire.targets.verilog.reshaping import reshaped
from loopwire.targets.verilog.streams import Stream, declared, each, join, part_bits, queue, split
from loopwire.targets.verilog.top_module import describe
from loopwire.text.identifiers import Identifier, Names


@dataclass(frozen=True)
class Port:
    """An AXI4-Stream of the top module: `axis` begins the names of its signals, `name` those inside."""

    axis: str
    name: str
    format: BeatFormat
    steps: int
    element: str


def ports(plan: NetworkPlan, inputs: Sequence[str], outputs: Sequence[str]) -> tuple[list[Port], list[Port]]:
    """Return the ports, named after the model's inputs and outputs; an only one is s_axis, or m_axis."""
    found = []
    sides = (
        ("s_axis", inputs, plan.inputs, plan.input_steps, plan.graph.inputs),
        ("m_axis", outputs, plan.outputs, plan.output_steps, plan.graph.outputs),
    )
    inside = Names(KEYWORDS, library_words())
    for axis, given, formats, steps, values in sides:
        names = Names(frozenset())
        side = []
        for index, (format, count, value) in enumerate(zip(formats, steps, values, strict=True)):
            name = names.unique(given[index] if given else value.name)
            full = f"{axis}_{name}" if len(formats) > 1 else axis
            side.append(Port(full, inside.unique(f"{axis[0]}_{name}"), format, count, str(value.type.element)))
        found.append(side)
    return found[0], found[1]


def module_ports(sides: tuple[list[Port], list[Port]]) -> tuple[ModulePort, ...]:
    """Return the ports of the top module."""
    inputs, outputs = sides
    streams = (
        *(p for port in inputs for p in _input_ports(port)),
        *(p for port in outputs for p in _output_ports(port)),
    )
    return (CLOCK, RESET, *streams, *STATUS)


def _input_ports(port: Port) -> tuple[ModulePort, ...]:
    """Return TDATA, and TKEEP where there is one, then the handshake."""
    return (
        ModulePort("input", f"{port.axis}_tdata", port.format.bits),
        *([ModulePort("input", f"{port.axis}_tkeep", port.format.keep_bits)] if port.format.keep_bits else []),
        ModulePort("input", f"{port.axis}_tvalid"),
        ModulePort("output", f"{port.axis}_tready"),
        ModulePort("input", f"{port.axis}_tlast"),
    )


def _output_ports(port: Port) -> tuple[ModulePort, ...]:
    turned: dict[Direction, Direction] = {"input": "output", "output": "input"}
    return tuple(replace(signal, direction=turned[signal.direction]) for signal in _input_ports(port))


def network_module(
    name: Identifier, modules: Sequence[Identifier], plan: NetworkPlan, sides: tuple[list[Port], list[Port]]
) -> str:
    """Return the module's text.

    Args:
        name: of the module.
        modules: names of the engines' modules.
        plan: the network.
        sides: its inputs and outputs.
    """
    return _Writer(name, modules, plan, *sides).text()


class _Writer:
    def __init__(
        self,
        name: Identifier,
        modules: Sequence[Identifier],
        plan: NetworkPlan,
        inputs: list[Port],
        outputs: list[Port],
    ) -> None:
        self._name = name
        self._modules = modules
        self._plan = plan
        self._inputs, self._outputs = inputs, outputs
        self._lines: list[str] = []
        self._streams: dict[Channel, Stream] = {}
        self._numbers = {channel: number for number, channel in enumerate(plan.timing.channels)}

    def text(self) -> str:
        for index, port in enumerate(self._inputs):
            self._source(None, index, self._input(port, self._plan.input_wires[index]))
        for index, module in enumerate(self._modules):
            self._source(index, None, self._engine(index, module))
        for index, port in enumerate(self._outputs):
            (channel,) = self._plan.timing.of_reader(index, to_port=True)
            self._output(port, self._streams[channel])
        for status in ("framing_error", "overrun"):
            told = " || ".join(f"{port.name}_{status}" for port in self._inputs)
            self._lines.append(f"  assign status_{status} = {told};")
        return "\n".join([*self._header(), *self._lines, f"endmodule : {self._name}", ""])

    def _header(self) -> list[str]:
        lines = [f"// {self._name}: {len(self._inputs)} AXI4-Streams in, {len(self._outputs)} out."]
        for port in self._inputs:
            what = describe(port.format, port.element, "a step" if port.steps > 1 else "a vector")
            ends = "tlast ends a sequence, as does its last possible step." if port.steps > 1 else "one a sequence."
            lines.append(f"// {port.axis}: {what}; {ends}")
        lines += [f"// {p.axis}: {describe(p.format, p.element, 'a result')}." for p in self._outputs]
        lines += [
            "// All inputs give as many sequences; those of several steps that meet end together.",
            f"module {self._name} (",
            *(port.declaration() for port in (CLOCK, RESET)),
        ]
        for port in self._inputs:
            *data, valid, ready, last = (signal.declaration() for signal in _input_ports(port))
            lines += ["    /* verilator lint_off UNUSEDSIGNAL */  // padding", *data]
            lines += ["    /* verilator lint_on UNUSEDSIGNAL */", valid, ready, last]
        results = (signal for port in self._outputs for signal in _output_ports(port))
        return [*lines, *declarations((*results, *STATUS)), ");"]

    # --- inputs ---

    def _input(self, port: Port, wires: Wires) -> Stream:
        """Write what turns an input's beats into steps."""
        beats, name = port.format, port.name
        per_beat, parts = beats.vectors_per_beat, beats.beats_per_vector
        stream, lines = declared(f"{name}_beat", beats.lanes, wires.width, wires.signed, part_bits(per_beat))
        lane = f"{port.axis}_tdata[k * {beats.lane_bits} +: {wires.width}]"
        padding = f"{name}_padding"
        begins = f"{name}_begins"
        lines.append(f"  logic {padding}, {begins}, {name}_framing_error, {name}_overrun;")
        lines += each(
            beats.lanes, f"{name}_beat", f"{stream.data}[k]", f"{padding} ? '0 : {lane}" if parts > 1 else lane
        )
        keep = "1'b1"
        if per_beat > 1:
            keep = f"{name}_keep"
            lines.append(f"  logic [{per_beat - 1}:0] {keep};")
            lines += each(per_beat, keep, f"{keep}[k]", f"{port.axis}_tkeep[k * {beats.vector_bits // 8}]")
        strict = ", .STRICT(1'b1)" * self._plan.require_tlast
        unread = [begins, *([] if per_beat > 1 else [stream.parts]), *([] if parts > 1 else [padding])]
        lines += [
            f"  loopwire_framer #(.STEPS({port.steps}), .PER_BEAT({per_beat}), .PARTS({parts}){strict})"
            f" {name}_framer (",
            f"      .aclk, .aresetn, .s_valid({port.axis}_tvalid), .s_ready({port.axis}_tready),",
            f"      .s_last({port.axis}_tlast), .s_id(1'b0), .s_keep({keep}),",
            f"      .m_valid({stream.valid}), .m_ready({stream.ready}), .begins({begins}),",
            f"      .m_last({stream.last}), .m_steps({stream.parts}), .m_padding({padding}),",
            f"      .framing_error({name}_framing_error), .overrun({name}_overrun)",
            "  );",
            *([f"  wire unused_{name} = &{{1'b0, {', '.join(unread)}}};"] if unread else []),
            "",
        ]
        self._lines += lines
        if per_beat > 1:
            stream, more = split(stream, per_beat, f"{name}_step")
            self._lines += more
        elif parts > 1:
            stream = self._joined(port, replace(stream, parts=""), wires.count)
        return replace(stream, parts="")

    def _joined(self, port: Port, beat: Stream, count: int) -> Stream:
        name = f"{port.name}_step"
        step, lines = join(replace(beat, last=f"{port.name}_padding"), port.format.beats_per_vector, name)
        surplus = [f"{step.data}[{step.count - 1}:{count}]"] if step.count > count else []
        unread = ", ".join([step.parts, step.last, *surplus])
        self._lines += [*lines, f"  wire unused_{name} = &{{1'b0, {unread}}};", ""]
        return replace(step, data=f"{step.data}[{count - 1}:0]", last=beat.last, count=count, parts="")

    # --- channels ---

    def _source(self, engine: int | None, index: int | None, stream: Stream) -> None:
        """Let all channels from a source take each of its beats in the same cycle."""
        channels = self._plan.timing.of_source(engine, index)
        names = [f"channel_{self._numbers[channel]}" for channel in channels]
        if len(channels) == 1:
            self._streams[channels[0]] = self._channel(channels[0], names[0], stream, stream.valid, stream.ready)
            return
        takes = [f"{name}_takes" for name in names]
        self._lines.append(f"  logic {', '.join(takes)};")
        self._lines.append(f"  assign {stream.ready} = {' && '.join(takes)};")
        for channel, name, take in zip(channels, names, takes, strict=True):
            others = " && ".join(other for other in takes if other is not take)
            self._streams[channel] = self._channel(channel, name, stream, f"{stream.valid} && {others}", take)

    def _channel(self, channel: Channel, name: str, source: Stream, valid: str, ready: str) -> Stream:
        """Write one channel up to its reader; `ready` is to be driven."""
        given, taken = self._plan.wires(channel)
        feed = channel.feed
        result, lines = declared(name, given.count, taken.width, taken.signed)
        data = source.data if given.whole else f"{source.data}[{given.start + given.bits - 1}:{given.start}]"
        if given.width == taken.width:
            lines.append(f"  assign {result.data} = {data};")
        else:
            lines += [
                f"  logic [{given.count - 1}:0][{given.width - 1}:0] {name}_given;",
                f"  assign {name}_given = {data};",
                *each(
                    given.count,
                    name,
                    f"{result.data}[k]",
                    resized(f"{name}_given[k]", given.width, given.signed, taken.width),
                ),
            ]
        if feed.last:
            lines += [
                f"  assign {result.valid} = {valid} && {source.last};",
                f"  assign {ready} = !{source.last} || {result.ready};",
                f"  assign {result.last} = 1'b1;",
            ]
        else:
            lines += [
                f"  assign {result.valid} = {valid};",
                f"  assign {ready} = {result.ready};",
                f"  assign {result.last} = {source.last};",
            ]
        if feed.reshaping is not None:
            result, more = reshaped(result, feed.reshaping, name)
            lines += more
        if feed.reverse:
            turned, more = declared(f"{name}_turned", result.count, result.width, result.signed)
            lines += [
                *more,
                f"  loopwire_reverse #(.STEPS({channel.beats}), .BITS({result.bits})) {name}_reverse (",
                "      .aclk, .aresetn,",
                f"      {result.ports('s')},",
                f"      {turned.ports('m')}",
                "  );",
            ]
            result = turned
        if channel.depth:
            kept, more = queue(replace(result, parts="1'b1"), channel.depth, 1, f"{name}_kept")
            lines += [*more[:-1], f"  wire unused_{name} = &{{1'b0, {kept.parts}}};", ""]
            result = replace(kept, parts="")
        self._lines += [*lines, ""]
        return result

    # --- engines ---

    def _engine(self, index: int, module: str) -> Stream:
        """Write an engine, with what puts its steps together."""
        timing = self._plan.timing
        channels = timing.of_reader(index, to_port=False)
        streams = [self._streams[channel] for channel in channels]
        output = self._plan.pipelines[index].datapath.output
        result, lines = declared(module, output.count, output.width, output.signed)
        source = streams[0]
        if timing.meets(index):
            source, more = self._meeting(index, module, channels, streams)
            lines += more
        self._lines += [
            *lines,
            f"  {module} {module}{INSTANCE} (",
            "      .aclk, .aresetn,",
            f"      {source.ports('s')},",
            f"      {result.ports('m')}",
            "  );",
            "",
        ]
        return result

    def _meeting(
        self, index: int, module: str, channels: Sequence[Channel], streams: Sequence[Stream]
    ) -> tuple[Stream, list[str]]:
        count = len(streams)
        bits = sum(stream.bits for stream in streams)
        met, lines = declared(f"{module}_met", bits, 1, False)
        held = "".join("1" if channel.feed.held else "0" for channel in reversed(channels))

        def joined(what: Sequence[str]) -> str:
            return what[0] if count == 1 else f"{{{', '.join(reversed(what))}}}"

        return met, [
            *lines,
            f"  assign {met.data} = {joined([stream.data for stream in streams])};",
            f"  loopwire_meet #(.STREAMS({count}), .HELD({count}'b{held}), .STEPS({self._plan.engines[index].length}))"
            f" {module}_meet (",
            f"      .aclk, .aresetn, .s_valid({joined([stream.valid for stream in streams])}),",
            f"      .s_ready({joined([stream.ready for stream in streams])}),",
            f"      .s_last({joined([stream.last for stream in streams])}),",
            f"      .m_valid({met.valid}), .m_ready({met.ready}), .m_last({met.last})",
            "  );",
            "",
        ]

    # --- outputs ---

    def _output(self, port: Port, stream: Stream) -> None:
        """Write what lays results into the lanes of an output."""
        beats, axis, name = port.format, port.axis, port.name
        lines: list[str] = []
        if beats.vectors_per_beat > 1:
            stream, lines = join(stream, beats.vectors_per_beat, f"{name}_beat")
        if beats.beats_per_vector > 1:
            lanes = beats.lanes * beats.beats_per_vector
            padded, more = declared(f"{name}_padded", lanes, stream.width, stream.signed)
            lines += [
                *more,
                f"  assign {padded.data} = {padded.bits}'({stream.data});",
                f"  assign {padded.valid} = {stream.valid};",
                f"  assign {stream.ready} = {padded.ready};",
                f"  assign {padded.last} = {stream.last};",
            ]
            stream, more = split(padded, beats.beats_per_vector, f"{name}_part")
            lines += more
        lane = resized(f"{stream.data}[k]", stream.width, stream.signed, beats.lane_bits)
        if beats.keep_bits:
            vector = f"{stream.parts} > {part_bits(beats.vectors_per_beat)}'(k / {beats.count})"
            lane = f"{vector} ? {lane} : '0"
            size = beats.vector_bits // 8
            held = f"{stream.parts} > {part_bits(beats.vectors_per_beat)}'(k)"
            keep = f"{axis}_tkeep[k * {size} +: {size}]"
            lines += each(beats.vectors_per_beat, f"{name}_keep", keep, f"{{{size}{{{held}}}}}")
            used = beats.vectors_per_beat * size
            if used < beats.keep_bits:
                lines.append(f"  assign {axis}_tkeep[{beats.keep_bits - 1}:{used}] = '0;")
        lines += each(beats.lanes, name, f"{axis}_tdata[k * {beats.lane_bits} +: {beats.lane_bits}]", lane)
        used = beats.lanes * beats.lane_bits
        if used < beats.bits:
            lines.append(f"  assign {axis}_tdata[{beats.bits - 1}:{used}] = '0;")
        self._lines += [
            *lines,
            f"  assign {axis}_tvalid = {stream.valid};",
            f"  assign {stream.ready} = {axis}_tready;",
            f"  assign {axis}_tlast = {stream.last};",
            "",
        ]
