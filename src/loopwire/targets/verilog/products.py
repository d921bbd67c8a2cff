"""The SystemVerilog statements of products: with constants as shift-add trees, of variables in DSP blocks or LUTs."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.cmvm.tree_text import output_interval
from loopwire.datapath.datapath import Operation
from loopwire.datapath.ops import Products
from loopwire.datapath.signals import Signal
from loopwire.hdl.expressions import literal, resized
from loopwire.hdl.layout import element_of, loop, nested
from loopwire.targets.verilog.parts import Library, Text, each_element, index_of
from loopwire.text.identifiers import Name
from loopwire.timing.pipeline import Placement


def tree_statements(
    tree: AdderTree, operation: Operation, placement: Placement, result: Name, text: Text, library: Library
) -> list[str]:
    """Instantiate a shift-add tree, or one for each group of rows that shares no adders with others."""
    (x,), out, staged = operation.operands, operation.result, placement.staged
    assert staged is not None
    clock = ".aclk, " if staged.latency_stages else ""
    what = out.note or out.name
    if not tree.groups:
        module = library.tree(str(result), staged, f"{what}: {len(tree.nodes)} adders", apart=False)
        y = output_interval(tree)
        if y.width == out.width:
            return [f"{module} {result.own('tree')} ({clock}.x({text(x)}), .y({result}));"]
        return [
            f"logic [{out.count - 1}:0][{y.width - 1}:0] {result.own('y')};",
            f"{module} {result.own('tree')} ({clock}.x({text(x)}), .y({result.own('y')}));",
            *each_element(out, result, resized(f"{result.own('y')}[{index_of(out)}]", y.width, y.signed, out.width)),
        ]
    lines = []
    for number, rows in enumerate(tree.groups):
        part, instance, y_name = staged.part(rows), result.own(f"{number}_tree"), result.own(f"{number}_y")
        module = library.tree(f"{result}_{number}", part, f"{what}: {len(part.tree.nodes)} adders", apart=True)
        y = output_interval(part.tree)
        lines += [
            f"logic [{len(rows) - 1}:0][{y.width - 1}:0] {y_name};",
            f"{module} {instance} ({clock}.x({text(x)}), .y({y_name}));",
        ]
        for k, row in enumerate(rows):
            lines.append(f"assign {result}[{row}] = {resized(f'{y_name}[{k}]', y.width, y.signed, out.width)};")
    return lines


def matrix_statements(
    kind: Products, operation: Operation, result: Name, text: Text, registered: bool, library: Library
) -> list[str]:
    """Multiply all elements of a matrix with those of a vector: the last rows in look-up tables.

    With `registered` registers are behind the products, all of which DSP blocks make.
    """
    (matrix, x), out = operation.operands, operation.result
    if kind.cascaded > 1:
        return _dot_products(kind.cascaded, operation, result, text, registered, library)
    n = x.count
    rows, (col, cols) = matrix.count // n, loop("col", n)
    in_dsps, in_luts = (rows - kind.lut_rows) * n, kind.lut_rows * n
    lines, parts = [], []
    if in_luts:
        part = result.own("in_luts") if in_dsps else result
        weight = f"{text(matrix)}[{f'k + {in_dsps}' if in_dsps else 'k'}]"
        factors = (weight, f"{text(x)}[{'0' if n == 1 else f'k % {n}'}]")
        instance = lut_product(operation, factors, part, 0, library)
        lines += [f"for (genvar k = 0; k < {in_luts}; k++) begin : {part.block()}", *instance, "end"]
        parts.append((part, in_luts))
    if in_dsps:
        part = result.own("in_dsps") if in_luts else result
        if kind.added and not registered:
            factors = f"{text(matrix)}[k]", f"{text(x)}[{'0' if n == 1 else f'k % {n}'}]"
            instance = product_instance(ROUNDED_PRODUCT, operation, factors, result, kind.added, library)
            return [f"for (genvar k = 0; k < {in_dsps}; k++) begin : {result.block()}", *instance, "end"]
        if kind.added:
            part = result.own("multiplied")
            lines.append(f"logic [{in_dsps - 1}:0][{out.width - 1}:0] {part};")
        row, outer = loop("row", rows - kind.lut_rows)
        place = element_of(row, n, col)
        weight = signed_factor(matrix, f"{text(matrix)}[{place}]", out.width)
        factor = signed_factor(x, f"{text(x)}[{col}]", out.width)
        if registered or cols:
            process, becomes = ("always_ff @(posedge aclk)", "<=") if registered else ("always_comb", "=")
            lines += [process, *nested([*outer, *cols], f"{part}[{place}] {becomes} {weight} * {factor};")]
        else:  # Icarus 11 warns of a select of element 0 in always_comb
            assigned = f"assign {part}[{place}] = {weight} * {factor};"
            count = rows - kind.lut_rows
            head = f"for (genvar row = 0; row < {count}; row++) begin : {part.block()}"
            lines += [head, f"  {assigned}", "end"] if outer else [assigned]
        if kind.added:
            return [*lines, *each_element(out, result, f"{part}[{index_of(out)}] + {literal(kind.added, out.width)}")]
        parts.append((part, in_dsps))
    if len(parts) == 1:
        return lines
    declared = [f"logic [{count - 1}:0][{out.width - 1}:0] {part};" for part, count in parts]
    return [*declared, *lines, f"assign {result} = {{{', '.join(str(part) for part, _ in parts)}}};"]


def _dot_products(
    cascaded: int, operation: Operation, result: Name, text: Text, registered: bool, library: Library
) -> list[str]:
    """Instantiate a cascade of DSP blocks for each group of neighbours of a row; the last of a row may be shorter."""
    (matrix, x), out = operation.operands, operation.result
    groups, left = -(-x.count // cascaded), x.count % cascaded
    group = "0" if groups == 1 else f"k % {groups}"
    terms = str(min(cascaded, x.count))
    if left and groups > 1:
        terms = f"{group} == {groups - 1} ? {left} : {terms}"
    clock = "aclk" if registered else "1'b0"
    weights, factors = result.own("weights"), result.own("factors")  # Icarus 11 selects no elements of an array at once
    return [
        f"wire [{matrix.bits - 1}:0] {weights} = {text(matrix)};",
        f"wire [{x.bits - 1}:0] {factors} = {text(x)};",
        f"for (genvar k = 0; k < {out.count}; k++) begin : {result.block()}",
        f"  localparam int TERMS = {terms}, FIRST = {group} * {cascaded};",
        f"  {library.module('loopwire_dot')} #(.TERMS(TERMS), {_widths(matrix, x)}, .Y_WIDTH({out.width}),",
        f"      .REGISTERED({int(registered)})) {result.own('dot')} (.aclk({clock}),",
        f"      .a({weights}[{matrix.width} * (k / {groups} * {x.count} + FIRST) +: {matrix.width} * TERMS]),",
        f"      .b({factors}[{x.width} * FIRST +: {x.width} * TERMS]), .y({result}[k]));",
        "end",
    ]


LUT_PRODUCT, ROUNDED_PRODUCT = "loopwire_product", "loopwire_rounded_product"
"""Modules of a product plus a constant: of look-up tables, and in a DSP block."""


def lut_product(operation: Operation, factors: Sequence[str], result: Name, added: int, library: Library) -> list[str]:
    """Instantiate a product of look-up tables, element k of a result."""
    return product_instance(LUT_PRODUCT, operation, factors, result, added, library)


def product_instance(
    module: str, operation: Operation, factors: Sequence[str], result: Name, added: int, library: Library
) -> list[str]:
    """Instantiate a module that multiplies and adds a constant, for element k of a result."""
    (a, b), width = operation.operands, operation.result.width
    instance = result.own("product")
    return [
        f"  {library.module(module)} #({_widths(a, b)}, .Y_WIDTH({width}), .ADDED({added})) {instance} (",
        f"      .a({factors[0]}), .b({factors[1]}), .y({result}[k]));",
    ]


def _widths(a: Signal, b: Signal) -> str:
    """Return the parameters of a module that say what its factors are."""
    return f".A_WIDTH({a.width}), .B_WIDTH({b.width}), .A_SIGNED({int(a.signed)}), .B_SIGNED({int(b.signed)})"


def signed_factor(operand: Signal, expression: str, width: int) -> str:
    """Return a factor as a signed number, so that a synthesiser finds the true widths of both."""
    if operand.signed:
        return f"{width}'($signed({expression}))"
    return f"{width}'($signed({{1'b0, {expression}}}))"
