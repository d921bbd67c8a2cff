"""Ready/valid streams inside a module, and the instances that lead from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loopwire.hdl.expressions import resized
from loopwire.hdl.layout import LINE_LENGTH
from loopwire.hdl.library import LibraryModules
from loopwire.targets.verilog.layer_module import INSTANCE
from loopwire.text.identifiers import Identifier


@dataclass(frozen=True)
class Stream:
    """The signals of a stream whose transfers are `count` elements of `width` bits, element 0 lowest.

    `parts` tells how many vectors a transfer holds, where that varies, and `fresh` with a sequence's first transfer
    whether it starts from the initial states, where others do not.
    """

    data: str
    valid: str
    ready: str
    last: str
    count: int
    width: int
    signed: bool
    parts: str = ""
    fresh: str = ""

    @property
    def bits(self) -> int:
        """Bits of a transfer."""
        return self.count * self.width

    def ports(self, side: str, data: str = "") -> str:
        """Return the connections of an instance's ports `<side>_data`, _valid, _ready and _last."""
        names = (data or self.data, self.valid, self.ready, self.last)
        ends = ("data", "valid", "ready", "last")
        ports = [f".{side}_{end}({name})" for end, name in zip(ends, names, strict=True)]
        line = ", ".join(ports)
        return line if len(line) < LINE_LENGTH else ", ".join(ports[:2]) + ",\n      " + ", ".join(ports[2:])


def declared(name: str, count: int, width: int, signed: bool, part_bits: int = 0) -> tuple[Stream, list[str]]:
    """Return a stream of new signals and their declarations; with a count of parts where `part_bits` is not 0."""
    stream = Stream(f"{name}_data", f"{name}_valid", f"{name}_ready", f"{name}_last", count, width, signed)
    lines = [f"  logic [{count - 1}:0][{width - 1}:0] {stream.data};"]
    if part_bits:
        stream = replace(stream, parts=f"{name}_parts")
        lines.append(f"  logic [{part_bits - 1}:0] {stream.parts};")
    return stream, [*lines, f"  logic {stream.valid}, {stream.ready}, {stream.last};"]


def part_bits(parts: int) -> int:
    """Return the bits that count up to a given number of parts."""
    return parts.bit_length()


def split(source: Stream, parts: int, name: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Hand on the parts of each transfer one after another."""
    result, lines = declared(name, source.count // parts, source.width, source.signed)
    held = source.parts or f"{part_bits(parts)}'d{parts}"
    return replace(result, fresh=source.fresh), [
        *lines,
        f"  {library.module('loopwire_split')} #(.PARTS({parts}), .BITS({result.bits})) {name}_split (",
        f"      .aclk, .aresetn, .s_parts({held}),",
        f"      {source.ports('s')},",
        f"      {result.ports('m')}",
        "  );",
        "",
    ]


def join(source: Stream, parts: int, name: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Gather transfers to wider ones of `parts` each."""
    result, lines = declared(name, source.count * parts, source.width, source.signed, part_bits(parts))
    return result, [
        *lines,
        f"  {library.module('loopwire_join')} #(.PARTS({parts}), .BITS({source.bits})) {name}_join (",
        f"      .aclk, .aresetn, .m_parts({result.parts}),",
        f"      {source.ports('s')},",
        f"      {result.ports('m')}",
        "  );",
        "",
    ]


def fresh_of_first(source: Stream, result: Stream, parts: int, name: str) -> tuple[Stream, list[str]]:
    """Let a stream that `join` made carry what its first part carried; `name` begins the register's."""
    if not source.fresh:
        return result, []
    first = f"{source.valid} && {source.ready} && {result.parts} == {part_bits(parts)}'d1"
    return replace(result, fresh=f"{name}fresh_q"), [
        f"  logic {name}fresh_q;   // of the step's first beat",
        f"  always_ff @(posedge aclk) if ({first}) {name}fresh_q <= {source.fresh};",
        "",
    ]


def queue(source: Stream, depth: int, parts: int, name: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Keep up to `depth` transfers of up to a given number of parts."""
    result, lines = declared(name, source.count, source.width, source.signed, part_bits(parts))
    result, more = _with_fresh(source, result, name)
    lines += more
    bits = source.bits + 1 + part_bits(parts) + bool(source.fresh)
    prefixes = [f"{stream.fresh}, " if stream.fresh else "" for stream in (source, result)]
    given, taken = (
        f"{{{fresh}{stream.last}, {stream.parts}, {stream.data}}}"
        for fresh, stream in zip(prefixes, (source, result), strict=True)
    )
    return result, [
        *lines,
        f"  {library.module('loopwire_queue')} #(.DEPTH({depth}), .BITS({bits})) {name}_queue (",
        f"      .aclk, .aresetn, .s_data({given}),",
        f"      .s_valid({source.valid}), .s_ready({source.ready}),",
        f"      .m_data({taken}), .m_valid({result.valid}), .m_ready({result.ready})",
        "  );",
        "",
    ]


def _with_fresh(source: Stream, result: Stream, name: str) -> tuple[Stream, list[str]]:
    """Let a stream tell what its source tells, by a new signal."""
    if not source.fresh:
        return result, []
    result = replace(result, fresh=f"{name}_fresh")
    return result, [f"  logic {result.fresh};"]


def register_slice(source: Stream, name: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Register all signals of a stream between two engines."""
    result, lines = declared(name, source.count, source.width, source.signed)
    result, more = _with_fresh(source, result, name)
    lines += more
    fresh = [(source.fresh, result.fresh)] if source.fresh else []
    pairs = [*fresh, (source.last, result.last), (source.data, result.data)]
    given, taken = (", ".join(pair[end] for pair in pairs) for end in (0, 1))
    return result, [
        *lines,
        f"  {library.module('loopwire_slice')} #(.BITS({source.bits + len(pairs) - 1})) {name}_slice (",
        f"      .aclk, .aresetn, .s_data({{{given}}}),",
        f"      .s_valid({source.valid}), .s_ready({source.ready}),",
        f"      .m_data({{{taken}}}), .m_valid({result.valid}), .m_ready({result.ready})",
        "  );",
        "",
    ]


def engine(
    module: Identifier, source: Stream, x: tuple[int, int], y: tuple[int, int, bool], tells_fresh: bool
) -> tuple[Stream, list[str]]:
    """Run an engine.

    Args:
        module: its name.
        source: what it reads.
        x: elements and their width, as it takes them.
        y: elements, their width and whether they are signed, as it hands them on.
        tells_fresh: whether it hands on which sequences start from the initial states.
    """
    result, lines = declared(module, *y)
    taken = source.data
    if (source.count, source.width) != x:
        taken = f"{module}_x"
        lines.append(f"  logic [{x[0] - 1}:0][{x[1] - 1}:0] {taken};")
        lines += each(x[0], taken, f"{taken}[k]", resized(f"{source.data}[k]", source.width, source.signed, x[1]))
    fresh = [f".s_fresh({source.fresh})"] if source.fresh else []
    if tells_fresh:
        result = replace(result, fresh=f"{module}_fresh")
        lines.append(f"  logic {result.fresh};")
        fresh.append(f".m_fresh({result.fresh})")
    return result, [
        *lines,
        f"  {module} {module}{INSTANCE} (",
        f"      {', '.join(['.aclk', '.aresetn', *fresh])},",
        f"      {source.ports('s', taken)},",
        f"      {result.ports('m')}",
        "  );",
        "",
    ]


def each(count: int, name: str, target: str, source: str) -> Sequence[str]:
    """Assign every element, of index k."""
    return [f"  for (genvar k = 0; k < {count}; k++) begin : gen_{name}", f"    assign {target} = {source};", "  end"]
