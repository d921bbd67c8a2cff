"""The module of one activation table: a ROM, or two ROMs whose sum is the result (`ir.tables.TableForm`)."""

from __future__ import annotations

from collections.abc import Mapping

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


def table_module(name: Identifier, form: TableForm, registered: bool) -> Mapping[str, str]:
    """Return the module's file and those of its ROMs, by name; with `registered`, y is there a cycle later."""
    assert form.symmetry is None, "folded tables are not written yet"
    assert form.offset or not registered, "a register is between two ROMs and their adder"
    bits, y = cell_bits(form), result_type(form)
    base = FixedType.holding(min(form.base), max(form.base), 0)
    total = FixedType.holding(min(form.base), max(form.base) + max(form.offset, default=0), 0)
    step_in, step_out = 2.0**-form.fraction_in, form.out.step
    lines = [
        f"// {form.function} from {form.clamp_low * step_in:g} to {form.clamp_high * step_in:g} in {form.out},",
        f"// within {form.max_error_steps:.3f} steps of {step_out:g}: {form.entries} entries, {form.rom_bits} bits.",
        KEPT,
        f"module {name} (",
        *(["    input  logic aclk,"] if registered else []),
        f"    input  logic [{bits - 1}:0] cell_index,   // in steps of {step_in * 2**form.dropped_bits:g}",
        f"    output logic [{y.width - 1}:0] y",
        ");",
        f"  logic [{base.width - 1}:0] base [0:{len(form.base) - 1}];",
        f'  initial $readmemh("{name}_base.hex", base);',
    ]
    files = {f"{name}_base.hex": hex_file(form.base, base.width)}
    low, mid = form.low_bits, form.mid_bits
    base_index = "cell_index" if low == 0 else f"cell_index[{bits - 1}:{low}]" if bits > low else "1'b0"
    base_value = resized(f"base[{base_index}]", base.width, base.signed, total.width)
    if form.offset:
        width = form.offset_bits
        files[f"{name}_offset.hex"] = hex_file(form.offset, width)
        top = f"cell_index[{bits - 1}:{low + mid}]" if bits > low + mid else ""
        bottom = f"cell_index[{low - 1}:0]"
        index = f"{{{top}, {bottom}}}" if top else bottom
        lines += [
            f"  logic [{width - 1}:0] offset [0:{len(form.offset) - 1}];",
            f'  initial $readmemh("{name}_offset.hex", offset);',
            f"  logic [{total.width - 1}:0] total;",
        ]
        terms = base_value, resized(f"offset[{index}]", width, False, total.width)
        if registered:
            lines += [
                f"  logic [{total.width - 1}:0] base_q, offset_q;",
                "  always_ff @(posedge aclk) begin",
                *(f"    {q} <= {term};" for q, term in zip(("base_q", "offset_q"), terms, strict=True)),
                "  end",
            ]
            terms = "base_q", "offset_q"
        lines.append(f"  assign total = {' + '.join(terms)};")
    else:
        lines += [f"  logic [{total.width - 1}:0] total;", f"  assign total = {base_value};"]
    shifted = f"$signed(total) >>> {form.guard_bits}" if total.signed else f"total >> {form.guard_bits}"
    value = f"{y.width}'({shifted})" if form.guard_bits else resized("total", total.width, total.signed, y.width)
    lines += [f"  assign y = {value};", f"endmodule : {name}", ""]
    return {f"{name}.sv": "\n".join(lines)} | files
