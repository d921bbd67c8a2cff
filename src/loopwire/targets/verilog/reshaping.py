"""A sequence's way to other steps, in SystemVerilog."""

from __future__ import annotations

from dataclasses import replace

from loopwire.hdl.library import LibraryModules
from loopwire.schedule.reshaping import Reshaping
from loopwire.targets.verilog.streams import Stream, declared, fresh_of_first, join, split


def reshaped(source: Stream, reshaping: Reshaping, name: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Write what fills, splits, crops and joins the vectors of a stream."""
    stream, text = source, list[str]()
    fills_once = reshaping.pads and not reshaping.crops and reshaping.parts_given == 1
    if reshaping.given_steps > 1 and not fills_once:
        stream, text = _filled(stream, reshaping.given_steps, f"{name}_whole", f"{name}_fill", library)
    if reshaping.parts_given > 1:
        stream, lines = split(stream, reshaping.parts_given, f"{name}_part", library)
        text += lines
    if reshaping.crops:
        stream, lines = _cropped(stream, reshaping.parts_kept, f"{name}_kept_part", library)
        text += lines
    if reshaping.pads:
        stream, lines = _filled(stream, reshaping.parts_left, f"{name}_padded", f"{name}_pad", library)
        text += lines
    if reshaping.parts_taken > 1:
        part = stream
        stream, lines = join(part, reshaping.parts_taken, f"{name}_vector", library)
        stream, more = fresh_of_first(part, stream, reshaping.parts_taken, f"{name}_")
        text += [*lines, *more, f"  wire unused_{name}_vector = &{{1'b0, {stream.parts}}};", ""]
    return replace(stream, parts=""), text


def _filled(source: Stream, steps: int, name: str, instance: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Add vectors of zeros until each sequence has `steps` vectors."""
    result, lines = declared(name, source.count, source.width, source.signed)
    return replace(result, fresh=source.fresh), [
        *lines,
        f"  {library.module('loopwire_fill')} #(.STEPS({steps}), .BITS({source.bits})) {instance} (",
        "      .aclk, .aresetn,",
        f"      {source.ports('s')},",
        f"      {result.ports('m')}",
        "  );",
        "",
    ]


def _cropped(source: Stream, kept: range, name: str, library: LibraryModules) -> tuple[Stream, list[str]]:
    """Hand on those transfers of a sequence whose numbers are in `kept`."""
    result, lines = declared(name, source.count, source.width, source.signed)
    begins, crop = f"{name}_begins", library.module("loopwire_crop")
    lines += [
        f"  logic {begins};",
        f"  {crop} #(.FIRST({kept.start}), .COUNT({len(kept)}), .BITS({source.bits})) {name}_crop (",
        f"      .aclk, .aresetn, .s_begins({begins}),",
        f"      {source.ports('s')},",
        f"      {result.ports('m')}",
        "  );",
    ]
    if source.fresh and kept.start:
        result = replace(result, fresh=f"{name}_fresh_q")
        taken = f"{begins} && {source.valid} && {source.ready}"
        lines += [
            f"  logic {result.fresh};   // of the sequence's first transfer",
            f"  always_ff @(posedge aclk) if ({taken}) {result.fresh} <= {source.fresh};",
        ]
    else:
        result = replace(result, fresh=source.fresh)
        lines.append(f"  wire unused_{begins} = &{{1'b0, {begins}}};")
    return result, [*lines, ""]
