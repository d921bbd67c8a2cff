"""The channels of a network, and the engines that they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loopwire.hdl.expressions import resized
from loopwire.hdl.library import LibraryModules
from loopwire.schedule.network import Source
from loopwire.schedule.network_timing import Channel
from loopwire.schedule.plan import Plan
from loopwire.targets.verilog.reshaping import reshaped
from loopwire.targets.verilog.streams import Stream, declared, each, engine, queue, register_slice
from loopwire.text.identifiers import Identifier


class Wiring:
    """Writes engines and what joins them, into `lines`; `streams` are what each channel brings its reader."""

    def __init__(self, plan: Plan, modules: Sequence[Identifier], library: LibraryModules) -> None:
        self.lines: list[str] = []
        self.streams: dict[Channel, Stream] = {}
        self._plan = plan
        self._modules = modules
        self._library = library
        self._numbers = {channel: number for number, channel in enumerate(plan.timing.channels)}

    def inputs(self, streams: Iterable[Stream]) -> None:
        """Begin the channels from the inputs with these streams."""
        for index, stream in enumerate(streams):
            self._begin(Source(None, index), stream)

    def engines(self, chosen: Iterable[int]) -> None:
        """Write engines, each after those that it reads of, and the channels from each."""
        for index in chosen:
            self._begin(Source(index, 0), self._engine(index))

    def _begin(self, source: Source, stream: Stream) -> None:
        """Let all channels from a source take each of its beats in the same cycle."""
        channels = self._plan.timing.of_source(source)
        if len(channels) == 1:
            self.streams[channels[0]] = self._channel(channels[0], stream, stream.valid, stream.ready)
            return
        takes = [f"{self._name(channel)}_takes" for channel in channels]
        self.lines.append(f"  logic {', '.join(takes)};")
        self.lines.append(f"  assign {stream.ready} = {' && '.join(takes)};")
        for channel, take in zip(channels, takes, strict=True):
            others = " && ".join(other for other in takes if other is not take)
            self.streams[channel] = self._channel(channel, stream, f"{stream.valid} && {others}", take)

    def _name(self, channel: Channel) -> str:
        return f"channel_{self._numbers[channel]}"

    def _channel(self, channel: Channel, source: Stream, valid: str, ready: str) -> Stream:
        """Write one channel up to its reader; `ready` is to be driven."""
        name, feed, (given, taken) = self._name(channel), channel.feed, self._plan.wires(channel)
        library = self._library
        source = replace(source, fresh=source.fresh if self._plan.carries_fresh(channel) else "")
        if self._plan.is_direct(channel):
            return source
        result, lines = declared(name, given.count, taken.width, taken.signed)
        result = replace(result, fresh=source.fresh)
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
        if channel.registered:
            result, more = register_slice(result, f"{name}_in", library)
            lines += more
        if feed.reshaping is not None:
            result, more = reshaped(result, feed.reshaping, name, library)
            lines += more
        if feed.reverse:
            turned, more = declared(f"{name}_turned", result.count, result.width, result.signed)
            reverse = library.module("loopwire_reverse")
            lines += [
                *more,
                f"  {reverse} #(.STEPS({channel.beats}), .BITS({result.bits})) {name}_reverse (",
                "      .aclk, .aresetn,",
                f"      {result.ports('s')},",
                f"      {turned.ports('m')}",
                "  );",
            ]
            result = turned
        if channel.depth:
            kept, more = queue(replace(result, parts="1'b1"), channel.depth, 1, f"{name}_kept", library)
            lines += [*more[:-1], f"  wire unused_{name} = &{{1'b0, {kept.parts}}};", ""]
            result = replace(kept, parts="")
        self.lines += [*lines, ""]
        return result

    def _engine(self, index: int) -> Stream:
        """Write an engine, with what puts its steps together."""
        plan, module = self._plan, self._modules[index]
        x, y = plan.pipelines[index].datapath.x, plan.pipelines[index].datapath.output
        channels = plan.timing.of_reader(index)
        source = self.streams[channels[0]]
        if plan.timing.meets(index):
            source = self._meeting(index, channels)
        elif channels[0].registered and plan.is_direct(channels[0]):
            source, more = register_slice(source, f"{module}_in", self._library)
            self.lines += more
        given, taken = (x.count, x.width), (y.count, y.width, y.signed)
        result, lines = engine(module, source, given, taken, plan.hands_on_fresh(index))
        self.lines += lines
        return result

    def _meeting(self, index: int, channels: Sequence[Channel]) -> Stream:
        module, streams, count = self._modules[index], [self.streams[c] for c in channels], len(channels)
        x, length = self._plan.pipelines[index].datapath.x, self._plan.engines[index].length
        met, lines = declared(f"{module}_met", x.count, x.width, x.signed)
        meet = self._library.module("loopwire_meet")
        held = "".join("1" if channel.feed.held else "0" for channel in reversed(channels))

        def joined(what: Sequence[str]) -> str:
            return what[0] if count == 1 else f"{{{', '.join(reversed(what))}}}"

        self.lines += [
            *lines,
            f"  assign {met.data} = {joined([stream.data for stream in streams])};",
            f"  {meet} #(.STREAMS({count}), .HELD({count}'b{held}), .STEPS({length})) {module}_meet (",
            f"      .aclk, .aresetn, .s_valid({joined([stream.valid for stream in streams])}),",
            f"      .s_ready({joined([stream.ready for stream in streams])}),",
            f"      .s_last({joined([stream.last for stream in streams])}),",
            f"      .m_valid({met.valid}), .m_ready({met.ready}), .m_last({met.last})",
            "  );",
            "",
        ]
        fresh = next((stream.fresh for stream in streams if stream.fresh), "")
        return replace(met, fresh=fresh)
