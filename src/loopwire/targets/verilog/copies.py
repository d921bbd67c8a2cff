"""What is between the ports: engines and channels, written in place, or in a module that is instanced several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopwire.hdl.library import LibraryModules
from loopwire.schedule.plan import Plan
from loopwire.targets.verilog.port_signals import Ports
from loopwire.targets.verilog.streams import Stream, declared, join, part_bits, queue, split
from loopwire.targets.verilog.wiring import Wiring
from loopwire.text.identifiers import Identifier

MOST_SIGNALS = 6
"""In a line of declarations."""


class Copies:
    """Writes the engines that are in each copy, with what hands them the steps of beats and gathers their results."""

    def __init__(self, plan: Plan, ports: Ports, library: LibraryModules) -> None:
        self._plan = plan
        self._ports = ports
        self._library = library
        timing = plan.timing
        self._at_once = [pace.vectors_per_beat for pace in timing.inputs]
        self._crossing = next((channel for channel in timing.channels if timing.crosses(channel)), None)

    def core(self, wiring: Wiring, taken: Sequence[Stream]) -> Mapping[int, Stream]:
        """Write them between beats of the inputs and of the outputs, and return those of the outputs that they make."""
        timing, lines = self._plan.timing, wiring.lines
        steps = []
        for port, stream, at_once in zip(self._ports.inputs, taken, self._at_once, strict=True):
            if depth := timing.input_queue(port.index):
                stream, more = queue(stream, depth, at_once, port.inside("kept"), self._library)
                lines += more
            if at_once > 1:
                stream, more = split(stream, at_once, port.inside("step"), self._library)
                lines += more
            steps.append(stream)
        wiring.inputs(steps)
        wiring.engines(range(self._plan.copied))
        given = {}
        for port in self._ports.outputs:
            if self._crossing is not None or not timing.is_copied(timing.to_output(port.index)):
                continue
            stream, at_once = wiring.streams[timing.to_output(port.index)], port.format.vectors_per_beat
            if at_once > 1:
                stream, more = join(stream, at_once, port.inside("results"), self._library)
                lines += more
            if depth := timing.output_queue(port.index):
                stream, more = queue(stream, depth, at_once, port.inside("waiting"), self._library)
                lines += more
            given[port.index] = stream
        return given

    # --- the module of a copy ---

    def module(self, name: Identifier, modules: Sequence[Identifier]) -> str:
        """Return the text of the module that there are several of.

        Args:
            name: of the module.
            modules: names of the engines' modules.
        """
        plan, wiring = self._plan, Wiring(self._plan, modules, self._library)
        sources, results = self._sources(), self._results()
        given = self.core(wiring, sources)
        made = [wiring.streams[self._crossing]] if self._crossing is not None else list(given.values())
        head = [f"// One of {plan.copies} copies: whole sequences in, their results out.", f"module {name} ("]
        signals = ["    input  logic aclk", "    input  logic aresetn"]
        for port, source, at_once in zip(self._ports.inputs, sources, self._at_once, strict=True):
            about = f"   // {source.count} elements {plan.entering_inputs[port.index].type}"
            signals.append(f"    input  logic [{source.bits - 1}:0] {source.data}@{about}")
            if source.parts:
                signals.append(f"    input  logic [{part_bits(at_once) - 1}:0] {source.parts}@   // steps of the beat")
            signals += [f"    input  logic {source.valid}", f"    output logic {source.ready}"]
            signals.append(f"    input  logic {source.last}")
        assigned = []
        for (result, at_once, about), stream in zip(results, made, strict=True):
            comment = f"   // {result.count} elements {about}"
            signals.append(f"    output logic [{result.bits - 1}:0] {result.data}@{comment}")
            if result.parts:
                signals.append(f"    output logic [{part_bits(at_once) - 1}:0] {result.parts}")
            signals += [f"    output logic {result.valid}", f"    input  logic {result.ready}"]
            signals.append(f"    output logic {result.last}")
            pairs = ((result.data, stream.data), (result.valid, stream.valid), (result.last, stream.last))
            assigned += [f"  assign {target} = {source};" for target, source in pairs]
            assigned += [f"  assign {result.parts} = {stream.parts};"] if result.parts else []
            assigned.append(f"  assign {stream.ready} = {result.ready};")
        listed = [signal.replace("@", ",") if "@" in signal else f"{signal}," for signal in signals[:-1]]
        body = [*listed, signals[-1], ");", *wiring.lines, *assigned, f"endmodule : {name}", ""]
        return "\n".join([*head, *body])

    def _sources(self) -> list[Stream]:
        """Return the streams at the inputs of a copy."""
        found = []
        for port, signal, at_once in zip(self._ports.inputs, self._plan.entering_inputs, self._at_once, strict=True):
            found.append(_stream(port.name or "s", signal.count * at_once, signal.width, signal.signed, at_once))
        return found

    def _results(self) -> list[tuple[Stream, int, str]]:
        """Return the streams at the outputs of a copy, the vectors in a transfer of each, and its elements' type."""
        plan, found = self._plan, []
        for port in self._ports.outputs:
            channel, at_once = self._crossing or plan.timing.to_output(port.index), port.format.vectors_per_beat
            wires = plan.stream(channel)
            name = port.name if port.name and self._crossing is None else "m"
            stream = _stream(name, wires.count * at_once, wires.width, wires.signed, at_once)
            found.append((stream, at_once, str(wires.type)))
        return found[:1] if self._crossing is not None else found

    # --- its instances ---

    def instances(self, wiring: Wiring, module: Identifier, taken: Sequence[Stream]) -> Mapping[int, Stream]:
        """Write the copies between what deals them their sequences and what takes their results.

        Args:
            wiring: to which what leads on from them is added.
            module: the name of a copy's.
            taken: beats of the inputs.

        Returns:
            The beats of the outputs that they make.
        """
        plan, inputs, results = self._plan, self._ports.inputs, self._results()
        ends = ["copy"] if len(results) == 1 else [f"copy_{port.name}" for port in self._ports.outputs]
        merges = ["merged"] if len(results) == 1 else [port.inside("merged") for port in self._ports.outputs]
        made: list[Stream] = []
        lines, library = wiring.lines, self._library
        for (result, at_once, _), merge in zip(results, merges, strict=True):
            bits = part_bits(at_once) if result.parts else 0
            stream, more = declared(merge, result.count, result.width, result.signed, bits)
            made.append(stream)
            lines += more
        dealt = [port.inside("dealt") for port in inputs]
        signals = [f"{name}_{what}" for name in dealt for what in ("valid", "ready")]
        signals += [f"{name}_{what}" for name in ends for what in ("valid", "ready", "last")]
        lines.append(f"  localparam int COPIES = {plan.copies};")
        for start in range(0, len(signals), MOST_SIGNALS):
            lines.append(f"  logic [COPIES-1:0] {', '.join(signals[start : start + MOST_SIGNALS])};")
        widths = [r.bits + (part_bits(at_once) if r.parts else 0) for r, at_once, _ in results]
        for name, width in zip(ends, widths, strict=True):
            lines.append(f"  logic [COPIES-1:0][{width - 1}:0] {name}_result;")
        for port, name, stream in zip(inputs, dealt, taken, strict=True):
            lines += [
                f"  {library.module('loopwire_distributor')} #(.COPIES(COPIES)) {port.inside('distributor')} (",
                f"      .aclk, .aresetn, .s_valid({stream.valid}), .s_ready({stream.ready}), .s_last({stream.last}),",
                f"      .m_valid({name}_valid), .m_ready({name}_ready)",
                "  );",
            ]
        lines += ["  for (genvar k = 0; k < COPIES; k++) begin : gen_copy", f"    {module} copy ("]
        lines += self._connections(dealt, taken, ends)
        lines += ["    );", "  end"]
        for (result, _, _), stream, name, merge, width in zip(results, made, ends, merges, widths, strict=True):
            joined = f"{{{stream.parts}, {stream.data}}}" if result.parts else stream.data
            merger, instance = library.module("loopwire_merger"), f"{merge.removesuffix('merged')}merger"
            lines += [
                f"  {merger} #(.COPIES(COPIES), .BITS({width})) {instance} (",
                f"      .aclk, .aresetn, .s_data({name}_result), .s_valid({name}_valid), .s_ready({name}_ready), "
                f".s_last({name}_last),",
                f"      {stream.ports('m', joined)}",
                "  );",
                "",
            ]
        if self._crossing is not None:
            wiring.streams[self._crossing] = made[0]
            return {}
        return {port.index: stream for port, stream in zip(self._ports.outputs, made, strict=True)}

    def _connections(self, dealt: Sequence[str], taken: Sequence[Stream], ends: Sequence[str]) -> list[str]:
        """Return the connections of an instance's ports."""
        lines = []
        for source, name, stream in zip(self._sources(), dealt, taken, strict=True):
            parts = f".{source.parts}({stream.parts}), " if source.parts else ""
            lines.append(f".{source.data}({stream.data}), {parts}.{source.valid}({name}_valid[k]),")
            lines.append(f".{source.ready}({name}_ready[k]), .{source.last}({stream.last}),")
        lines[0] = f".aclk, .aresetn, {lines[0]}"
        for number, ((result, at_once, _), name) in enumerate(zip(self._results(), ends, strict=True)):
            data = f".{result.data}({name}_result[k][{result.bits - 1}:0]),"
            lines += [f"{lines.pop()} {data}"] if number == 0 else [data]
            if result.parts:
                lines.append(f".{result.parts}({name}_result[k][{result.bits} +: {part_bits(at_once)}]),")
            lines.append(
                f".{result.valid}({name}_valid[k]), .{result.ready}({name}_ready[k]), .{result.last}({name}_last[k])"
                + "," * (number < len(ends) - 1)
            )
        return [f"        {line}" for line in lines]


def _stream(side: str, count: int, width: int, signed: bool, at_once: int) -> Stream:
    data, valid, ready, last = (f"{side}_{end}" for end in ("data", "valid", "ready", "last"))
    return Stream(data, valid, ready, last, count, width, signed, f"{side}_parts" if at_once > 1 else "")
