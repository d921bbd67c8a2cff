"""The SystemVerilog statements of one datapath operation.

Arrays are packed, element 0 lowest. All arithmetic is modulo two to the result's width, which holds the exact result.
One process drives all elements of an array: as a continuous assignment each, they take an event-driven simulator a time
that grows with the square of their number.
"""

from __future__ import annotations

from typing import assert_never

from loopwire.cmvm.tree_text import TERNARY
from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Operation
from loopwire.datapath.limits import limited_to_zero
from loopwire.datapath.sharing import Sharing
from loopwire.datapath.signals import Signal
from loopwire.hdl.expressions import as_signed, concatenation, literal, resized
from loopwire.hdl.layout import element_of, loop, nested, wrapped
from loopwire.targets.verilog.numbers import beyond_table, bit, bounded, rounded, shifted, table_cell
from loopwire.targets.verilog.parts import Library, Text, each_element, each_registered, index_of, packed
from loopwire.targets.verilog.products import (
    LUT_PRODUCT,
    ROUNDED_PRODUCT,
    matrix_statements,
    product_instance,
    signed_factor,
    tree_statements,
)
from loopwire.targets.verilog.table_module import cell_bits, result_type
from loopwire.targets.verilog.turns import accumulate, chunk, columns, gather, tile, word_rom
from loopwire.text.identifiers import Name
from loopwire.timing.pipeline import Placement


def statements(
    operation: Operation,
    placement: Placement,
    result: Name,
    text: Text,
    library: Library,
    sharing: Sharing,
) -> list[str]:
    """Return the lines that drive the array `result`, which the caller declares.

    Args:
        operation: what to write.
        placement: its place in the pipeline.
        result: name of the result.
        text: expression of each operand.
        library: where modules come from.
        sharing: how the datapath's hardware takes turns.
    """
    kind, out = operation.kind, operation.result
    width, place, registered = out.width, placement.first_stage, placement.registered
    k = index_of(out)

    def element(operand: Signal, index: str, to_width: int) -> str:
        single = "0" if operand.count == 1 else index
        return resized(f"{text(operand)}[{single}]", operand.width, operand.signed, to_width)

    def each(expression: str) -> list[str]:
        return each_element(out, result, expression)

    def only(operand: Signal) -> str:
        return f"{text(operand)}[{'0' if operand.count == 1 else 'k'}]"

    def before_loop(name: Name, operand: Signal, expression: str, dimension: str = "") -> tuple[list[str], str]:
        """Return what goes before a loop that reads an operand: Icarus takes no constant select inside."""
        if not operand.count == 1 < out.count:
            return [], expression
        return [f"wire {dimension}{name} = {expression};"], str(name)

    def behind_register(end: str, expression: str) -> tuple[list[str], str]:
        """Return what registers an expression of every element, and how to read them."""
        name = result.own(end)
        declared = f"logic [{out.count - 1}:0][{width - 1}:0] {name};"
        return [declared, *each_registered(out, name, expression)], f"{name}[{k}]"

    def comparable(*shifts: int) -> list[str]:
        """Return the operands as signed numbers of one width, which holds them all."""
        terms = tuple(zip(operation.operands, shifts, strict=True))
        wide = max(v.width + shift + (not v.signed) for v, shift in terms)
        return [f"$signed({shifted(element(v, k, wide), shift)})" for v, shift in terms]

    match kind:
        case dp.Constant():
            values = concatenation((int(v) for v in kind.integers), width, "      ")
            return [f"assign {result} = {values};"]
        case dp.StepRom():
            rows = [packed(row, width) for row in kind.rows]
            name = library.rom(str(result), rows, out.bits)
            rom = result.own("rom")
            return [
                f"logic [{out.bits - 1}:0] {rom} [0:{len(rows) - 1}];",
                f'initial $readmemh("{name}", {rom});',
                f"assign {result} = {rom}[step_index_{place}];",
            ]
        case dp.Hold():
            (x,) = operation.operands
            return [f"always_ff @(posedge aclk) if (step_valid_{place} && word_{place} == '0) {result} <= {text(x)};"]
        case dp.WordRom():
            return word_rom(kind, out, result, place, library, sharing)
        case dp.Columns():
            return columns(operation.operands[0], out, result, text, place, sharing)
        case dp.Chunk():
            return chunk(operation.operands[0], out, result, text, place, sharing)
        case dp.Tile():
            return tile(kind, operation.operands[0], out, result, text, place, sharing)
        case dp.Accumulate():
            return accumulate(kind, operation.operands, out, result, text, place, sharing)
        case dp.Gather():
            return gather(operation.operands[0], out, result, text, place, sharing)
        case dp.Unpack():
            return [f"assign {result} = {text(operation.operands[0])}[{kind.start + out.bits - 1}:{kind.start}];"]
        case dp.Pack():
            return [f"assign {result} = {{{', '.join(text(part) for part in reversed(operation.operands))}}};"]
        case dp.Select():
            choice, before, entering = operation.operands
            first = f"{only(choice)}[0]" if choice.count == 1 else only(choice)  # Icarus takes no [k][0]
            lines, first = before_loop(result.own("is_entering"), choice, first)
            return [*lines, *each(f"{first} ? {element(entering, k, width)} : {element(before, k, width)}")]
        case dp.Compare():
            left, right = comparable(kind.left_shift, kind.right_shift)
            return each(f"{width}'({left} > {right})")
        case dp.IndexedRom():
            return _indexed_rom(kind, operation.operands[0], out, result, text, library)
        case dp.View():
            return _view(kind, operation.operands[0], out, result, text)
        case dp.Join():
            parts = ", ".join(_resized_array(part, text(part), width) for part in reversed(operation.operands))
            return [f"assign {result} = {{{parts}}};"]
        case dp.Transpose():
            return _transposed(kind.rows, operation.operands[0], out, result, text)
        case dp.PackRows():
            return _packed_rows(kind, operation.operands[0], out, result, text)
        case dp.UnpackRows():
            return _unpacked_rows(kind, operation.operands[0], out, result, text)
        case dp.UnpackPairs(bits=bits):
            return _unpacked_pairs(bits, operation.operands[0], out, result, text)
        case dp.MatVec():
            raise AssertionError("what multiplies a matrix is chosen by now")
        case dp.ShiftAdd():
            return tree_statements(kind.tree, operation, placement, result, text, library)
        case dp.Products():
            return matrix_statements(kind, operation, result, text, registered, library)
        case dp.Multiply() if kind.in_luts or (0 < kind.added < 1 << 31 and not registered):  # a parameter's bits
            module, factors = LUT_PRODUCT if kind.in_luts else ROUNDED_PRODUCT, [only(v) for v in operation.operands]
            instance = product_instance(module, operation, factors, result, kind.added, library)
            return [f"for (genvar k = 0; k < {out.count}; k++) begin : {result.block()}", *instance, "end"]
        case dp.Multiply() | dp.MultiplyAdd():
            lines, signed = list[str](), list[str]()
            for v in operation.operands[:2]:
                factor = only(v)
                if not v.signed:
                    more, factor = before_loop(result.own("factor"), v, factor, f"[{v.width - 1}:0] ")
                    lines += more
                signed.append(signed_factor(v, factor, width))
            product, added = f"{signed[0]} * {signed[1]}", ""
            if isinstance(kind, dp.MultiplyAdd):
                added = shifted(element(operation.operands[2], k, width), kind.shift)
            elif kind.added:
                added = literal(kind.added, width)
            if not added:
                return [*lines, *(each_registered if registered else each_element)(out, result, product)]
            if registered:
                more, product = behind_register("multiplied", product)
                lines += more
                if isinstance(kind, dp.MultiplyAdd):
                    more, added = behind_register("added", added)
                    lines += more
            return [*lines, *each(f"{product} + {added}")]
        case dp.AddSub():
            left, right = (
                shifted(element(v, k, width), shift)
                for v, shift in zip(operation.operands, (kind.left_shift, kind.right_shift), strict=True)
            )
            return each(f"{left} {'-' if kind.subtract else '+'} {right}")
        case dp.Extreme() if (a := limited_to_zero(operation)) and a.signed:
            terms = zip(operation.operands, (kind.left_shift, kind.right_shift), strict=True)
            zero, value = sorted(terms, key=lambda term: term[0] is a)
            by_sign = [shifted(element(v, k, width), shift) for v, shift in (zero, value)]
            negative, positive = by_sign if kind.largest else reversed(by_sign)
            return each(f"{bit(element(a, k, a.width), a.width - 1)} ? {negative} : {positive}")
        case dp.Extreme():
            left, right = comparable(kind.left_shift, kind.right_shift)
            relation = ">" if kind.largest else "<"
            return each(f"{width}'({left} {relation} {right} ? {left} : {right})")
        case dp.Pairs():
            return _pairs(kind, operation, result, text)
        case dp.Triples():
            return _triples(kind, operation, result, text, library)
        case dp.Differences():
            return _differences(operation.operands[0], out, result, text)
        case dp.ToLargest():
            return _to_largest(operation.operands[0], out, result, text)
        case dp.Round():
            (operand,) = operation.operands
            return each(rounded(kind, operand, only(operand), width))
        case dp.Bound():
            (operand,) = operation.operands
            return each(bounded(kind, operand, only(operand), width))
        case dp.TableIndex():
            (operand,) = operation.operands
            return each(table_cell(kind, operand, only(operand), width))
        case dp.TableBeyond():
            (operand,) = operation.operands
            return each(beyond_table(kind.form, operand, only(operand)))
        case dp.TableEnds():
            found, beyond = (f"{text(operand)}[{k}]" for operand in operation.operands)
            kept = resized(found, operation.operands[0].width, operation.operands[0].signed, width)
            ends = f"{bit(beyond, 0)} ? {literal(kind.first, width)} : {bit(beyond, 1)} ? {literal(kind.last, width)}"
            return each(f"{ends} : {kept}")
        case dp.TableLookup():
            (cell,) = operation.operands
            module, y = library.table(kind, registered), result_type(kind.form)
            clock = ".aclk, " if registered else ""
            index = resized(f"{text(cell)}[k]", cell.width, False, cell_bits(kind.form))
            # A table holds results for all of its operand's type, whose ends the operand may never reach.
            unused = [f"  wire unused = &{{1'b0, y[{y.width - 1}:{width}]}};"] if y.width > width else []
            return [
                f"for (genvar k = 0; k < {out.count}; k++) begin : {result.block()}",
                f"  logic [{y.width - 1}:0] y;",
                f"  {module} lookup ({clock}.cell_index({index}), .y(y));",
                *unused,
                f"  assign {result}[k] = {resized('y', y.width, y.signed, width)};",
                "end",
            ]
        case _:
            assert_never(kind)


def _view(kind: dp.View, a: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    if a.width == out.width:
        return [f"assign {result} = {text(a)}[{kind.stop - 1}:{kind.start}];"]
    source = resized(f"{text(a)}[{index_of(out)} + {kind.start}]", a.width, a.signed, out.width)
    return each_element(out, result, source)


def _transposed(rows: int, a: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    columns = out.count // rows
    (row, row_loop), (col, col_loop) = loop("row", rows), loop("col", columns)
    moved = resized(f"{text(a)}[{element_of(row, columns, col)}]", a.width, a.signed, out.width)
    assignment = f"{result}[{element_of(col, rows, row)}] = {moved};"
    if not row_loop and not col_loop:
        return [f"assign {assignment}"]
    return ["always_comb", *nested([*row_loop, *col_loop], assignment)]


def _packed_rows(kind: dp.PackRows, a: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    k, n, last = index_of(out), kind.columns, kind.rows - 1
    places = [f"{k} / {n} * {kind.rows * n} + {f'{row * n} + ' if row else ''}{k} % {n}" for row in range(kind.rows)]
    lower = [resized(f"{text(a)}[{place}]", a.width, a.signed, kind.bits) for place in places[:last]]
    upper = resized(f"{text(a)}[{places[last]}]", a.width, a.signed, out.width - last * kind.bits)
    return each_element(out, result, f"{{{', '.join([upper, *reversed(lower)])}}}")


def _unpacked_rows(kind: dp.UnpackRows, a: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    n, bits, last = kind.columns, kind.bits, kind.rows - 1
    first = f"{kind.rows} * k" if n == 1 else f"k / {n} * {kind.rows * n} + k % {n}"
    lines = [f"for (genvar k = 0; k < {a.count}; k++) begin : {result.block()}"]
    for row in range(kind.rows):
        place = f"{first} + {row * n}" if row else first
        if row < last:
            sign = (row + 1) * bits - 1
            found = f"{{!{text(a)}[k][{sign}], {text(a)}[k][{sign - 1}:{row * bits}]}}"
            lines.append(f"  assign {result}[{place}] = {resized(found, bits, True, out.width)};")
        else:
            found = f"{text(a)}[k][{a.width - 1}:{last * bits}]"
            lines.append(f"  assign {result}[{place}] = {resized(found, a.width - last * bits, a.signed, out.width)};")
    return [*lines, "end"]


def _unpacked_pairs(bits: int, a: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    lower, sign = f"{text(a)}[k][{bits - 1}:0]", f"{text(a)}[k][{bits - 1}]"
    upper = resized(f"{text(a)}[k][{a.width - 1}:{bits}]", a.width - bits, a.signed, out.width)
    return [
        f"for (genvar k = 0; k < {a.count}; k++) begin : {result.block()}",
        f"  assign {result}[2 * k] = {resized(lower, bits, True, out.width)};",
        f"  assign {result}[2 * k + 1] = {upper} + {out.width}'({sign});",
        "end",
    ]


def _resized_array(part: Signal, array: str, width: int) -> str:
    if part.width == width:
        return array
    elements = (resized(f"{array}[{k}]", part.width, part.signed, width) for k in reversed(range(part.count)))
    return f"{{{', '.join(elements)}}}"


def _pairs(kind: dp.Pairs, operation: Operation, result: Name, text: Text) -> list[str]:
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


def _triples(kind: dp.Triples, operation: Operation, result: Name, text: Text, library: Library) -> list[str]:
    (a, *addends), out = operation.operands, operation.result
    members, sums = a.count // kind.groups, out.count // kind.groups

    def member(index: str) -> str:
        return resized(f"{text(a)}[{element_of('group', members, index)}]", a.width, a.signed, out.width)

    lines = [f"for (genvar group = 0; group < {kind.groups}; group++) begin : {result.block()}"]
    if members >= 3:
        terms = (member(f"3 * k + {place}" if place else "3 * k") for place in range(3))
        lines += [
            f"  for (genvar k = 0; k < {members // 3}; k++) begin : {result.own('threes')}",
            f"    {library.module(TERNARY)} #({out.width}, 0, 0) {result.own('adder')} (",
            *(f"        {term}," for term in terms),
            f"        {result}[{element_of('group', sums, 'k')}]);",
            "  end",
        ]
    left = [member(str(place)) for place in range(members - members % 3, members)]
    if left and kind.added:
        left.append(literal(kind.added, out.width))
    left += [resized(f"{text(addend)}[group]", addend.width, addend.signed, out.width) for addend in addends]
    last = f"{result}[{element_of('group', sums, str(sums - 1))}]"
    if len(left) == 3:
        lines.append(f"  {library.module(TERNARY)} #({out.width}, 0, 0) last (")
        lines += [*(f"      {term}," for term in left), f"      {last});"]
    elif left:
        lines += [f"  {line}" for line in _continued(f"assign {last} = {' + '.join(left)};")]
    return [*lines, "end"]


def _differences(a: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    heads = [f"for (int {index} = 0; {index} < {a.count}; {index}++)" for index in ("row", "col")]
    left, right = (resized(f"{text(a)}[{index}]", a.width, a.signed, out.width) for index in ("row", "col"))
    return ["always_comb", *nested(heads, f"{result}[row * {a.count} + col] = {left} - {right};")]


def _to_largest(differences: Signal, out: Signal, result: Name, text: Text) -> list[str]:
    """Return what joins the columns of all elements that are the largest: they are alike."""
    n, largest = out.count, result.own("is_largest")
    sign = bit(f"{text(differences)}[row * {n} + col]", differences.width - 1)
    column = resized(f"{text(differences)}[row * {n} + col]", differences.width, differences.signed, out.width)
    heads = [f"for (int {index} = 0; {index} < {n}; {index}++)" for index in ("row", "col")]
    return [
        f"logic [{n - 1}:0] {largest};",
        "always_comb begin",
        f"  {largest} = '1;",
        *nested(heads, f"if ({sign}) {largest}[row] = 1'b0;"),
        "end",
        "always_comb begin",
        f"  {result} = '0;",
        *nested(heads, f"if ({largest}[col]) {result}[row] = {result}[row] | {column};"),
        "end",
    ]


def _continued(statement: str) -> list[str]:
    first, *further = wrapped(statement)
    return [first, *(f"    {part}" for part in further)]


def _indexed_rom(
    kind: dp.IndexedRom, index: Signal, out: Signal, result: Name, text: Text, library: Library
) -> list[str]:
    bits = max((len(kind.rows) - 1).bit_length(), 1)
    rows = [packed(row, out.width) for row in kind.rows] + [0] * ((1 << bits) - len(kind.rows))
    name = library.rom(str(result), rows, out.bits)
    rom = result.own("rom")
    found = f"{rom}[{resized(f'{text(index)}[0]', index.width, False, bits)}]"
    if index.high >= len(rows):
        found = f"{text(index)}[0] < {index.width}'d{len(rows)} ? {found} : {out.bits}'d0"
    return [
        f"logic [{out.bits - 1}:0] {rom} [0:{len(rows) - 1}];",
        f'initial $readmemh("{name}", {rom});',
        f"assign {result} = {found};",
    ]
