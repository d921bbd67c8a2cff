"""Statements of operations whose hardware serves a word of a step after another."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.datapath.ops import Accumulate, Tile, WordRom
from loopwire.datapath.sharing import Sharing
from loopwire.datapath.signals import Signal
from loopwire.hdl.expressions import literal, resized
from loopwire.targets.verilog.numbers import shifted
from loopwire.targets.verilog.parts import Library, Text, packed
from loopwire.text.identifiers import Name


def word_rom(kind: WordRom, out: Signal, result: Name, place: int, library: Library, sharing: Sharing) -> list[str]:
    """Return a ROM with a register, addressed by word or chunk."""
    rows = [packed(row, out.width) for row in kind.rows]
    name = library.rom(str(result), rows, out.bits)
    depth = len(rows)
    bits = max((depth - 1).bit_length(), 1)
    index = f"word_{place}" if kind.cycles == 1 else f"chunk_{place}"
    count = sharing.cycles if kind.cycles == 1 else sharing.chunks
    address = f"{bits}'({index})" if count > 1 else f"{bits}'d0"
    if kind.by_step:
        address = f"{bits}'(step_index_{place}) * {bits}'d{count} + {address}"
    if depth == 1:
        address = "1'b0"
    rom, at = result.own("rom"), result.own("address")
    style = '(* rom_style = "block" *) ' if kind.in_block_ram else ""
    return [
        f"{style}logic [{out.bits - 1}:0] {rom} [0:{depth - 1}];",
        f'initial $readmemh("{name}", {rom});',
        f"logic [{bits - 1}:0] {at};",
        f"assign {at} = {address};",
        f"always_ff @(posedge aclk) {result} <= {rom}[{at}];",
    ]


def columns(x: Signal, out: Signal, result: Name, text: Text, place: int, sharing: Sharing) -> list[str]:
    """Return the columns of the pass."""
    return _taking_turns(x, out, result, text, result.own("passes"), sharing.passes, f"pass_index_{place}")


def chunk(a: Signal, out: Signal, result: Name, text: Text, place: int, sharing: Sharing) -> list[str]:
    """Return the units of the chunk."""
    return _taking_turns(a, out, result, text, result.own("chunks"), sharing.chunks, f"chunk_{place}")


def _taking_turns(a: Signal, out: Signal, result: Name, text: Text, parts: Name, count: int, turn: str) -> list[str]:
    """Return one of a given number of equal parts of a vector, which zeros fill up."""
    missing = (count * out.count - a.count) * a.width
    filled = f"{{{missing}'b0, {text(a)}}}" if missing else text(a)
    return [
        f"logic [{count - 1}:0][{out.count - 1}:0][{a.width - 1}:0] {parts};",
        f"assign {parts} = {filled};",
        f"assign {result} = {parts}[{turn}];",
    ]


def tile(kind: Tile, a: Signal, out: Signal, result: Name, text: Text, place: int, sharing: Sharing) -> list[str]:
    """Return what of a matrix is multiplied in the cycle."""
    width, units, lanes = a.count // kind.rows, sharing.units, sharing.lanes
    unit = "row" if kind.rows == units else f"row % {units}"
    chunk, lane = (unit, "0") if lanes == 1 else (f"{unit} / {lanes}", f"{unit} % {lanes}")
    if kind.rows > units:
        lane = f"row / {units} * {lanes} + {lane}"
    word = chunk if sharing.passes == 1 else f"({chunk}) * {sharing.passes} + col / {kind.columns}"
    column = "col" if sharing.passes == 1 else f"col % {kind.columns}"
    element = resized(f"{text(a)}[row * {width} + col]", a.width, a.signed, out.width)
    place_in = f"({word}) * {out.count} + ({lane}) * {kind.columns} + {column}"
    ordered, words = result.own("ordered"), result.own("words")
    return [
        f"logic [{sharing.cycles * out.count - 1}:0][{out.width - 1}:0] {ordered};",
        f"logic [{sharing.cycles - 1}:0][{out.count - 1}:0][{out.width - 1}:0] {words};",
        "always_comb begin",
        f"  {ordered} = '0;",
        f"  for (int row = 0; row < {kind.rows}; row++)",
        f"    for (int col = 0; col < {width}; col++)",
        f"      {ordered}[{place_in}] = {element};",
        "end",
        f"assign {words} = {ordered};",
        f"assign {result} = {words}[word_{place}];",
    ]


def accumulate(
    kind: Accumulate, operands: Sequence[Signal], out: Signal, result: Name, text: Text, place: int, sharing: Sharing
) -> list[str]:
    """Return the sum over the passes of a chunk.

    The choice of what a sum begins with is the second operand of the adder: synthesis makes it in the look-up tables of
    the carry chain, which takes the first operand as it is.
    """
    array = f"[{out.count - 1}:0][{out.width - 1}:0]"
    term, *given = (
        shifted(resized(f"{text(v)}[k]", v.width, v.signed, out.width), shift)
        for v, shift in zip(operands, (kind.shift, kind.first_shift), strict=False)
    )
    first = given[0] if given else literal(kind.added, out.width)
    partial, total = result.own("partial"), result.own("total")
    last = f"{(sharing.passes - 1).bit_length()}'d{sharing.passes - 1}"
    return [
        f"logic {array} {partial}, {total};",
        f"for (genvar k = 0; k < {out.count}; k++) begin : {result.block()}",
        f"  assign {total}[k] = {term} + (pass_index_{place} == '0 ? {first} : {partial}[k]);",
        "end",
        "always_ff @(posedge aclk) begin",
        f"  {partial} <= {total};",
        f"  if (pass_index_{place} == {last}) {result} <= {total};",
        "end",
    ]


def gather(a: Signal, out: Signal, result: Name, text: Text, place: int, sharing: Sharing) -> list[str]:
    """Return registers that hold the chunks of a step."""
    now = f"step_valid_{place} && pass_index_{place} == '0"
    if sharing.chunks == 1:
        return [f"always_ff @(posedge aclk) if ({now}) {result} <= {text(a)};"]
    bits, earlier = (sharing.chunks - 1).bit_length(), result.own("earlier")
    whole = resized(f"{{{text(a)}, {earlier}}}", sharing.chunks * a.bits, False, out.bits)
    return [
        f"logic [{sharing.chunks - 2}:0][{a.bits - 1}:0] {earlier};",
        "always_ff @(posedge aclk) begin",
        f"  for (int k = 0; k < {sharing.chunks - 1}; k++) begin",
        f"    if ({now} && chunk_{place} == {bits}'(k)) {earlier}[k] <= {text(a)};",
        "  end",
        f"  if ({now} && chunk_{place} == {bits}'d{sharing.chunks - 1}) {result} <= {whole};",
        "end",
    ]
