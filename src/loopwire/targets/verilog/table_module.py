"""The module of one activation table: a ROM, or two ROMs whose sum is the result (`ir.tables.TableForm`)."""

from __future__ import annotations

from collections.abc import Mapping

from loopwire.datapath.ops import TableLookup
from loopwire.hdl.expressions import hex_file, resized
from loopwire.ir.tables import TableForm
from loopwire.ir.types import FixedType
from loopwire.text.identifiers import Identifier

KEPT = '(* keep_hierarchy = "yes", rom_style = "distributed" *)'
"""Keeps synthesis from taking the register of a table's index for a memory's and moving it behind the table (Yosys,
`help flatten`, `help memory_dff`) and from making a block RAM of both (AMD UG901: ROM_STYLE, which on a module holds
for what is in it). On the array itself, Yosys 0.70 would refuse it: it has no distributed RAM with contents."""


def cell_bits(form: TableForm) -> int:
    """Return the bits of the table's index."""
    return max(form.last_cell.bit_length(), 1)


def result_type(form: TableForm) -> FixedType:
    """Return the type of port y, in steps of the table's output type: what all entries together may sum to."""
    low = min(form.base) >> form.guard_bits
    high = (max(form.base) + max(form.offset, default=0)) >> form.guard_bits
    return FixedType.holding(low, high, form.out.fraction)


def table_module(name: Identifier, lookup: TableLookup, registered: bool) -> Mapping[str, str]:
    """Return the module's file and those of its ROMs, by name; with `registered`, y is there a cycle later."""
    form, in_block_ram = lookup.form, lookup.in_block_ram
    assert form.symmetry is None, "folded tables are not written yet"
    assert form.offset or in_block_ram or not registered, "a register is between two ROMs and their adder"
    bits, y = cell_bits(form), result_type(form)
    total = FixedType.holding(min(form.base), max(form.base) + max(form.offset, default=0), 0)
    step_in, step_out = 2.0**-form.fraction_in, form.out.step
    low, mid = form.low_bits, form.mid_bits
    index = "cell_index" if low == 0 else f"cell_index[{bits - 1}:{low}]" if bits > low else "1'b0"
    roms = [("base", form.base, FixedType.holding(min(form.base), max(form.base), 0), index)]
    if form.offset:
        top = f"cell_index[{bits - 1}:{low + mid}]" if bits > low + mid else ""
        bottom = f"cell_index[{low - 1}:0]"
        index = f"{{{top}, {bottom}}}" if top else bottom
        roms.append(("offset", form.offset, FixedType.holding(0, max(form.offset), 0), index))
    lines = [
        f"// {form.function} from {(form.clamp_low - form.added) * step_in:g} "
        f"to {(form.clamp_high - form.added) * step_in:g} in {form.out},",
        f"// within {form.max_error_steps:.3f} steps of {step_out:g}: {form.entries} entries, {form.rom_bits} bits.",
        *([] if in_block_ram else [KEPT]),
        f"module {name} (",
        *(["    input  logic aclk,"] if registered else []),
        f"    input  logic [{bits - 1}:0] cell_index,   // in steps of {step_in * 2**form.dropped_bits:g}",
        f"    output logic [{y.width - 1}:0] y",
        ");",
    ]
    style = '(* rom_style = "block" *) ' if in_block_ram else ""
    files, terms = dict[str, str](), []
    for rom, entries, held, index in roms:
        files[f"{name}_{rom}.hex"] = hex_file(entries, held.width)
        lines += [
            f"  {style}logic [{held.width - 1}:0] {rom} [0:{len(entries) - 1}];",
            f'  initial $readmemh("{name}_{rom}.hex", {rom});',
        ]
        read = f"{rom}[{index}]"
        if in_block_ram:
            lines += [
                f"  logic [{held.width - 1}:0] {rom}_q;",
                f"  always_ff @(posedge aclk) {rom}_q <= {read};",
            ]
            read = f"{rom}_q"
        terms.append(resized(read, held.width, held.signed, total.width))
    lines.append(f"  logic [{total.width - 1}:0] total;")
    if registered and not in_block_ram:
        lines += [
            f"  logic [{total.width - 1}:0] base_q, offset_q;",
            "  always_ff @(posedge aclk) begin",
            *(f"    {rom}_q <= {term};" for (rom, *_), term in zip(roms, terms, strict=True)),
            "  end",
        ]
        terms = ["base_q", "offset_q"]
    lines.append(f"  assign total = {' + '.join(terms)};")
    shifted = f"$signed(total) >>> {form.guard_bits}" if total.signed else f"total >> {form.guard_bits}"
    value = f"{y.width}'({shifted})" if form.guard_bits else resized("total", total.width, total.signed, y.width)
    lines += [f"  assign y = {value};", f"endmodule : {name}", ""]
    return {f"{name}.sv": "\n".join(lines)} | files
