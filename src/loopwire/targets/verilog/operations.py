"""The SystemVerilog statements of one datapath operation.

Arrays are packed, element 0 lowest. All arithmetic is modulo two to the result's width, which holds the exact result.
One process drives all elements of an array: as a continuous assignment each, they take an event-driven simulator a time
that grows with the square of their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from loopwire.datapath.ops import (
    Accumulate,
    AddSub,
    Bound,
    Columns,
    Compare,
    Constant,
    Extreme,
    Gather,
    Hold,
    IndexedRom,
    Join,
    MatVec,
    Multiply,
    Operation,
    Pack,
    Pairs,
    Products,
    Round,
    Select,
    Sharing,
    ShiftAdd,
    Signal,
    StepRom,
    TableBeyond,
    TableEnds,
    TableIndex,
    TableLookup,
    Transpose,
    Unpack,
    View,
    WordRom,
)
from loopwire.hdl.expressions import as_signed, concatenation, literal, resized
from loopwire.hdl.layout import element_of, loop, nested, wrapped
from loopwire.ir.tables import TableForm
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.targets.verilog.parts import Library, Text, each_element
from loopwire.targets.verilog.products import lut_product, matrix_statements, signed_factor, tree_statements
from loopwire.targets.verilog.table_module import cell_bits, result_type
from loopwire.timing.pipeline import Placement


def statements(
    operation: Operation,
    placement: Placement,
    result: str,
    text: Text,
    library: Library,
    sharing: Sharing,
) -> list[str]:
    """Return the lines that drive the array `result`, which the caller declares.

    Args:
        operation: what to write.
        placement: its place in the pipeline.
        result: identifier of the result.
        text: expression of each operand.
        library: where modules come from.
        sharing: how the datapath's hardware takes turns.
    """
    kind, out = operation.kind, operation.result
    width, place = out.width, placement.first_stage

    def element(operand: Signal, index: str, to_width: int) -> str:
        single = "0" if operand.count == 1 else index
        return resized(f"{text(operand)}[{single}]", operand.width, operand.signed, to_width)

    def each(expression: str) -> list[str]:
        return each_element(out, result, expression)

    def only(operand: Signal) -> str:
        return f"{text(operand)}[{'0' if operand.count == 1 else 'k'}]"

    match kind:
        case Constant():
            values = concatenation((int(v) for v in kind.integers), width, "      ")
            return [f"assign {result} = {values};"]
        case StepRom():
            rows = [_packed(row, width) for row in kind.rows]
            name = library.rom(result, rows, out.bits)
            return [
                f"logic [{out.bits - 1}:0] {result}_rom [0:{len(rows) - 1}];",
                f'initial $readmemh("{name}", {result}_rom);',
                f"assign {result} = {result}_rom[step_index_{place}];",
            ]
        case Hold():
            (x,) = operation.operands
            return [f"always_ff @(posedge aclk) if (step_valid_{place} && word_{place} == '0) {result} <= {text(x)};"]
        case WordRom():
            return _word_rom(kind, out, result, place, library, sharing)
        case Columns():
            return _columns(kind, operation.operands[0], out, result, text, place, sharing)
        case Accumulate():
            return _accumulate(operation.operands[0], out, result, text, place, sharing)
        case Gather():
            return _gather(operation.operands[0], out, result, text, place, sharing)
        case Unpack():
            return [f"assign {result} = {text(operation.operands[0])}[{kind.start + out.bits - 1}:{kind.start}];"]
        case Pack():
            return [f"assign {result} = {{{', '.join(text(part) for part in reversed(operation.operands))}}};"]
        case Select():
            choice, before, entering = operation.operands
            return each(f"{only(choice)}[0] ? {element(entering, 'k', width)} : {element(before, 'k', width)}")
        case Compare():
            shifted = tuple(zip(operation.operands, (kind.left_shift, kind.right_shift), strict=True))
            wide = max(v.width + shift + (not v.signed) for v, shift in shifted)
            left, right = (f"$signed({_shifted(element(v, 'k', wide), shift)})" for v, shift in shifted)
            return each(f"{width}'({left} > {right})")
        case IndexedRom():
            return _indexed_rom(kind, operation.operands[0], out, result, text, library)
        case View():
            return _view(kind, operation.operands[0], out, result, text)
        case Join():
            parts = ", ".join(_resized_array(part, text(part), width) for part in reversed(operation.operands))
            return [f"assign {result} = {{{parts}}};"]
        case Transpose():
            return _transposed(kind.rows, operation.operands[0], out, result, text)
        case MatVec():
            raise AssertionError("what multiplies a matrix is chosen by now")
        case ShiftAdd():
            return tree_statements(kind.tree, operation, placement, result, text, library)
        case Products():
            return matrix_statements(kind, operation, result, text)
        case Multiply(in_luts=True):
            indices = ("0" if v.count == 1 else "k" for v in operation.operands)
            factors = [f"{text(v)}[{index}]" for v, index in zip(operation.operands, indices, strict=True)]
            instance = lut_product(operation, factors, result, kind.added)
            return [f"for (genvar k = 0; k < {out.count}; k++) begin : gen_{result}", *instance, "end"]
        case Multiply():
            a, b = (signed_factor(v, f"{text(v)}[{'0' if v.count == 1 else 'k'}]", width) for v in operation.operands)
            added = f" + {literal(kind.added, width)}" if kind.added else ""
            return each(f"{a} * {b}{added}")
        case AddSub():
            left, right = (
                _shifted(element(v, "k", width), shift)
                for v, shift in zip(operation.operands, (kind.left_shift, kind.right_shift), strict=True)
            )
            return each(f"{left} {'-' if kind.subtract else '+'} {right}")
        case Extreme():
            shifted = tuple(zip(operation.operands, (kind.left_shift, kind.right_shift), strict=True))
            wide = max(v.width + shift + (not v.signed) for v, shift in shifted)
            left, right = (f"$signed({_shifted(element(v, 'k', wide), shift)})" for v, shift in shifted)
            relation = ">" if kind.largest else "<"
            return each(f"{width}'({left} {relation} {right} ? {left} : {right})")
        case Pairs():
            return _pairs(kind, operation, result, text)
        case Round():
            (operand,) = operation.operands
            return each(_rounded(kind, operand, only(operand), width))
        case Bound():
            (operand,) = operation.operands
            return each(_bounded(kind, operand, only(operand), width))
        case TableIndex():
            (operand,) = operation.operands
            return each(_cell(kind, operand, only(operand), width))
        case TableBeyond():
            (operand,) = operation.operands
            return each(_beyond_table(kind.form, operand, only(operand)))
        case TableEnds():
            found, beyond = (f"{text(operand)}[k]" for operand in operation.operands)
            kept = resized(found, operation.operands[0].width, operation.operands[0].signed, width)
            ends = f"{_bit(beyond, 0)} ? {literal(kind.first, width)} : {_bit(beyond, 1)} ? {literal(kind.last, width)}"
            return each(f"{ends} : {kept}")
        case TableLookup():
            (cell,) = operation.operands
            module, y = library.table(kind.form), result_type(kind.form)
            index = resized(f"{text(cell)}[k]", cell.width, False, cell_bits(kind.form))
            # A table holds results for all of its operand's type, whose ends the operand may never reach.
            unused = [f"  wire unused = &{{1'b0, y[{y.width - 1}:{width}]}};"] if y.width > width else []
            return [
                f"for (genvar k = 0; k < {out.count}; k++) begin : gen_{result}",
                f"  logic [{y.width - 1}:0] y;",
                f"  {module} lookup (.cell_index({index}), .y(y));",
                *unused,
                f"  assign {result}[k] = {resized('y', y.width, y.signed, width)};",
                "end",
            ]
        case _:
            assert_never(kind)


def _indexed_rom(kind: IndexedRom, index: Signal, out: Signal, result: str, text: Text, library: Library) -> list[str]:
    bits = max((len(kind.rows) - 1).bit_length(), 1)
    rows = [_packed(row, out.width) for row in kind.rows] + [0] * ((1 << bits) - len(kind.rows))
    name = library.rom(result, rows, out.bits)
    found = f"{result}_rom[{resized(f'{text(index)}[0]', index.width, False, bits)}]"
    if index.high >= len(rows):
        found = f"{text(index)}[0] < {index.width}'d{len(rows)} ? {found} : {out.bits}'d0"
    return [
        f"logic [{out.bits - 1}:0] {result}_rom [0:{len(rows) - 1}];",
        f'initial $readmemh("{name}", {result}_rom);',
        f"assign {result} = {found};",
    ]


def _word_rom(kind: WordRom, out: Signal, result: str, place: int, library: Library, sharing: Sharing) -> list[str]:
    rows = [_packed(row, out.width) for row in kind.rows]
    name = library.rom(result, rows, out.bits)
    depth = len(rows)
    bits = max((depth - 1).bit_length(), 1)
    index = f"word_{place}" if kind.cycles == 1 else f"chunk_{place}"
    count = sharing.cycles if kind.cycles == 1 else sharing.chunks
    address = f"{bits}'({index})" if count > 1 else f"{bits}'d0"
    if kind.by_step:
        address = f"{bits}'(step_index_{place}) * {bits}'d{count} + {address}"
    if depth == 1:
        address = "1'b0"
    style = '(* rom_style = "block" *) ' if kind.in_block_ram else ""
    return [
        f"{style}logic [{out.bits - 1}:0] {result}_rom [0:{depth - 1}];",
        f'initial $readmemh("{name}", {result}_rom);',
        f"logic [{bits - 1}:0] {result}_address;",
        f"assign {result}_address = {address};",
        f"always_ff @(posedge aclk) {result} <= {result}_rom[{result}_address];",
    ]


def _columns(kind: Columns, x: Signal, out: Signal, result: str, text: Text, place: int, sharing: Sharing) -> list[str]:
    padded = sharing.passes * kind.count
    source = text(x)
    filled = source if padded == x.count else f"{{{(padded - x.count) * x.width}'b0, {source}}}"
    return [
        f"logic [{sharing.passes - 1}:0][{kind.count - 1}:0][{x.width - 1}:0] {result}_passes;",
        f"assign {result}_passes = {filled};",
        f"assign {result} = {result}_passes[pass_index_{place}];",
    ]


def _accumulate(a: Signal, out: Signal, result: str, text: Text, place: int, sharing: Sharing) -> list[str]:
    array = f"[{out.count - 1}:0][{out.width - 1}:0]"
    term = resized(f"{text(a)}[k]", a.width, a.signed, out.width)
    last = f"{(sharing.passes - 1).bit_length()}'d{sharing.passes - 1}"
    return [
        f"logic {array} {result}_partial, {result}_total;",
        f"for (genvar k = 0; k < {out.count}; k++) begin : gen_{result}",
        f"  assign {result}_total[k] = (pass_index_{place} == '0 ? {out.width}'h0 : {result}_partial[k]) + {term};",
        "end",
        "always_ff @(posedge aclk) begin",
        f"  {result}_partial <= {result}_total;",
        f"  if (pass_index_{place} == {last}) {result} <= {result}_total;",
        "end",
    ]


def _gather(a: Signal, out: Signal, result: str, text: Text, place: int, sharing: Sharing) -> list[str]:
    now = f"step_valid_{place} && pass_index_{place} == '0"
    if sharing.chunks == 1:
        return [f"always_ff @(posedge aclk) if ({now}) {result} <= {text(a)};"]
    bits = (sharing.chunks - 1).bit_length()
    whole = resized(f"{{{text(a)}, {result}_earlier}}", sharing.chunks * a.bits, False, out.bits)
    return [
        f"logic [{sharing.chunks - 2}:0][{a.bits - 1}:0] {result}_earlier;",
        "always_ff @(posedge aclk) begin",
        f"  for (int k = 0; k < {sharing.chunks - 1}; k++) begin",
        f"    if ({now} && chunk_{place} == {bits}'(k)) {result}_earlier[k] <= {text(a)};",
        "  end",
        f"  if ({now} && chunk_{place} == {bits}'d{sharing.chunks - 1}) {result} <= {whole};",
        "end",
    ]


def _view(kind: View, a: Signal, out: Signal, result: str, text: Text) -> list[str]:
    if a.width == out.width:
        return [f"assign {result} = {text(a)}[{kind.stop - 1}:{kind.start}];"]
    source = resized(f"{text(a)}[k + {kind.start}]", a.width, a.signed, out.width)
    return each_element(out, result, source)


def _transposed(rows: int, a: Signal, out: Signal, result: str, text: Text) -> list[str]:
    columns = out.count // rows
    (row, row_loop), (col, col_loop) = loop("row", rows), loop("col", columns)
    moved = resized(f"{text(a)}[{element_of(row, columns, col)}]", a.width, a.signed, out.width)
    assignment = f"{result}[{element_of(col, rows, row)}] = {moved};"
    if not row_loop and not col_loop:
        return [f"assign {assignment}"]
    return ["always_comb", *nested([*row_loop, *col_loop], assignment)]


def _resized_array(part: Signal, array: str, width: int) -> str:
    if part.width == width:
        return array
    elements = (resized(f"{array}[{k}]", part.width, part.signed, width) for k in reversed(range(part.count)))
    return f"{{{', '.join(elements)}}}"


def _shifted(expression: str, shift: int) -> str:
    return f"({expression} << {shift})" if shift else expression


def _pairs(kind: Pairs, operation: Operation, result: str, text: Text) -> list[str]:
    (a,), out = operation.operands, operation.result
    members, pairs = a.count // kind.groups, out.count // kind.groups
    group, groups = loop("group", kind.groups)
    pair, inner = loop("pair", members // 2)

    def member(index: str) -> str:
        return f"{text(a)}[{element_of(group, members, index)}]"

    left, right = ("0", "1") if pair == "0" else ("2 * pair", "2 * pair + 1")
    first, second = (resized(member(index), a.width, a.signed, out.width) for index in (left, right))
    joined = f"{first} + {second}"
    if kind.largest:
        wide = a.width + (not a.signed)
        compared = " > ".join(as_signed(member(index), a.width, a.signed, wide) for index in (left, right))
        joined = f"{compared} ? {first} : {second}"
    assignment = f"{result}[{element_of(group, pairs, pair)}] = {joined};"
    single = members - 1  # without a partner
    # Constant indices only: a continuous assignment. Icarus Verilog 11 warns of one in a process that reads it.
    index = "last" if inner and not groups else str(single)
    alone = resized(member(index), a.width, a.signed, out.width)
    left_over = [f"{result}[{element_of(group, pairs, str(pairs - 1))}] = {alone};"] if members % 2 else []
    if not groups and not inner:
        return [line for statement in (assignment, *left_over) for line in _continued(f"assign {statement}")]
    if not left_over and not (groups and inner):
        return ["always_comb", *nested([*groups, *inner], assignment)]
    head = f"for (int last = {single}; last < {members}; last++) " if index == "last" else ""
    body = [*nested(inner, assignment), *(f"  {head}{statement}" for statement in left_over)]
    return [f"always_comb {' '.join([*groups, 'begin'])}", *body, "end"]


def _rounded(kind: Round, a: Signal, expression: str, width: int) -> str:
    dropped = kind.dropped
    if dropped < 0:
        return _shifted(resized(expression, a.width, a.signed, width), -dropped)
    # A bit more than the number, for what is added; where that is nothing, none.
    wide = max(a.width, dropped + 1) + (kind.mode is not Rounding.TRN or not a.signed)
    value = resized(expression, a.width, a.signed, wide)
    half, sign = 1 << (dropped - 1), _bit(expression, a.width - 1) if a.signed else "1'b0"
    match kind.mode:
        case Rounding.TRN:
            added = ""
        case Rounding.RND:
            added = literal(half, wide)
        case Rounding.RND_MIN_INF:
            added = literal(half - 1, wide)
        case Rounding.RND_INF:
            added = f"{literal(half, wide)} - {wide}'({sign})"
        case Rounding.RND_ZERO:
            added = f"{literal(half - 1, wide)} + {wide}'({sign})"
        case Rounding.RND_CONV:
            # The lowest bit kept breaks a tie.
            kept = _bit(expression, dropped) if dropped < a.width else sign
            added = f"{literal(half - 1, wide)} + {wide}'({kept})"
        case Rounding.TRN_ZERO:
            added = f"({sign} ? {literal(2 * half - 1, wide)} : {literal(0, wide)})"
        case _:
            assert_never(kind.mode)
    total = f"{value} + {added}" if added else value
    return f"{width}'($signed({total}) >>> {dropped})"


def _continued(statement: str) -> list[str]:
    first, *further = wrapped(statement)
    return [first, *(f"    {part}" for part in further)]


def _bit(expression: str, place: int) -> str:
    """Return a bit of a vector's element; Icarus 11 takes no second index behind a variable one."""
    return f"1'({expression} >> {place})"


def _bounded(kind: Bound, a: Signal, expression: str, width: int) -> str:
    to = kind.to
    kept = resized(expression, a.width, a.signed, width)
    if to.overflow is Overflow.WRAP or (a.low >= _lowest(to) and a.high <= to.max_integer):
        return kept
    fits = _fits(a, expression, to.width, to.signed)
    low, high = literal(_lowest(to), width), literal(to.max_integer, width)
    if a.low <= to.min_integer < _lowest(to):
        wide = max(width, to.width)  # A result that is never positive may have fewer bits than its type.
        fits = f"{fits} && {resized(expression, a.width, a.signed, wide)} != {literal(to.min_integer, wide)}"
    beyond = f"{_negative(a, expression)} ? {low} : {high}" if a.signed else high
    return f"{fits} ? {kept} : {literal(0, width) if to.overflow is Overflow.SAT_ZERO else beyond}"


def _lowest(to: FixedType) -> int:
    symmetric = to.overflow is Overflow.SAT_SYM and to.width > 1
    return max(to.min_integer, -to.max_integer) if symmetric else to.min_integer


def _fits(a: Signal, expression: str, width: int, signed: bool) -> str:
    """Say whether a number is one of so many bits: by its upper bits, which are cheaper than a comparison."""
    lowest = width - signed
    if a.width <= lowest:  # Only its sign can be too much.
        return f"!({_negative(a, expression)})"
    bits = a.width - lowest
    upper = f"{bits}'({expression} >> {lowest})"
    zeros, ones = (f"{upper} == {literal(value, bits)}" for value in (0, -1))  # Yosys takes '1 for 1.
    return f"({zeros} || {ones})" if a.signed and signed else zeros


def _negative(a: Signal, expression: str) -> str:
    return f"$signed({expression}) < {a.width}'sd0"


def _beyond(a: Signal, expression: str, relation: str, limit: int) -> str:
    both = FixedType.holding(min(a.low, limit), max(a.high, limit), 0)
    value = resized(expression, a.width, a.signed, both.width)
    if not both.signed:
        return f"{value} {relation} {both.width}'d{limit}"
    return f"$signed({value}) {relation} {'-' if limit < 0 else ''}{both.width}'sd{abs(limit)}"


def _beyond_table(form: TableForm, a: Signal, expression: str) -> str:
    """Return two bits, whether a number is below all of a table and whether it is above."""
    assert form.covered is not None
    fits = _fits(a, expression, form.covered.width, form.covered.signed)
    negative = _negative(a, expression) if a.signed else "1'b0"
    return f"{fits} ? 2'd0 : {negative} ? 2'd1 : 2'd2"


def _cell(kind: TableIndex, a: Signal, expression: str, width: int) -> str:
    form = kind.form
    wide = max(a.width, (form.clamp_high - form.clamp_low).bit_length(), width + form.dropped_bits)
    value = resized(expression, a.width, a.signed, wide)
    counted = value if form.clamp_low == 0 else f"({value} - {literal(form.clamp_low, wide)})"
    kept = f"{counted} >> {form.dropped_bits}" if form.dropped_bits else counted
    kept = f"{width}'({kept})"
    if kind.wraps or (a.low >= form.clamp_low and a.high <= form.clamp_high):
        return kept
    first, last = literal(0, width), literal(form.last_cell, width)
    if form.covered:
        beyond = f"{_negative(a, expression)} ? {first} : {last}" if a.signed else last
        return f"{_fits(a, expression, form.covered.width, form.covered.signed)} ? {kept} : {beyond}"
    if a.high > form.clamp_high:
        kept = f"{_beyond(a, expression, '>', form.clamp_high)} ? {last} : {kept}"
    if a.low < form.clamp_low:
        kept = f"{_beyond(a, expression, '<', form.clamp_low)} ? {first} : {kept}"
    return kept


def _packed(row: Sequence[int], width: int) -> int:
    packed = 0
    for k, value in enumerate(row):
        packed |= (int(value) & ((1 << width) - 1)) << (k * width)
    return packed
