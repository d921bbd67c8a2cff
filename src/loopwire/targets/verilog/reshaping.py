"""A sequence's way to other steps, in SystemVerilog."""

from __future__ import annotations

from dataclasses import replace

from loopwire.schedule.reshaping import Reshaping
from loopwire.targets.verilog.streams import Stream, declared, fresh_of_first, join, split


def reshaped(source: Stream, reshaping: Reshaping, name: str) -> tuple[Stream, list[str]]:
    """Write what fills, splits and joins the vectors of a stream."""
    stream, text = source, list[str]()
    if reshaping.given_steps > 1:
        stream, lines = declared(f"{name}_whole", source.count, source.width, source.signed)
        stream = replace(stream, fresh=source.fresh)
        text += [
            *lines,
            f"  loopwire_fill #(.STEPS({reshaping.given_steps}), .BITS({stream.bits})) {name}_fill (",
            "      .aclk, .aresetn,",
            f"      {source.ports('s')},",
            f"      {stream.ports('m')}",
            "  );",
            "",
        ]
    if reshaping.parts_given > 1:
        stream, lines = split(stream, reshaping.parts_given, f"{name}_part")
        text += lines
    if reshaping.parts_taken > 1:
        part = stream
        stream, lines = join(part, reshaping.parts_taken, f"{name}_vector")
        stream, more = fresh_of_first(part, stream, reshaping.parts_taken, f"{name}_")
        text += [*lines, *more, f"  wire unused_{name}_vector = &{{1'b0, {stream.parts}}};", ""]
    return replace(stream, parts=""), text
