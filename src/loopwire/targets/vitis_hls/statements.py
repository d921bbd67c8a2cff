"""The equations of one step as C++: element-wise operations of one length share a loop, products have their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Node, Value
from loopwire.ir.interval import table_form
from loopwire.targets.vitis_hls.cxx import (
    LINE,
    Label,
    array_bits,
    indented,
    literal,
    loop,
    partition,
    short_name,
    signed_bits,
)
from loopwire.targets.vitis_hls.knobs import HlsKnobs
from loopwire.targets.vitis_hls.library import Library
from loopwire.targets.vitis_hls.product import Passes, Weights, product_lines
from loopwire.text.escapes import comment
from loopwire.text.identifiers import Names

Elementwise = ops.Add | ops.Sub | ops.Mul | ops.Max | ops.Min | ops.Greater | ops.Where | ops.Cast | ops.Table
Views = ops.Slice | ops.Reshape


@dataclass(frozen=True)
class Place:
    """Where a value is: an array from element `offset` on, or a scalar.

    A constant's integers are made numbers of type `constant_type` where they are read.
    """

    text: str
    offset: int = 0
    scalar: bool = False
    constant_type: str = ""

    def at(self, index: str) -> str:
        """Return the element of this index."""
        if self.scalar:
            return self.text
        where = index if not self.offset else f"{self.offset} + {index}" if index != "0" else str(self.offset)
        read = f"{self.text}[{where}]"
        return f"fixed_of<{self.constant_type}>({read})" if self.constant_type else read

    def from_element(self, offset: int) -> Place:
        """Return the place of a slice that starts at this element."""
        return Place(self.text, self.offset + offset, self.scalar, self.constant_type)


@dataclass(eq=False)
class Statement:
    """Nodes that share a loop over `size` elements; 0: scalars. One node alone where it is not element-wise."""

    size: int
    nodes: list[Node] = field(default_factory=list)
    elementwise: bool = True


def is_elementwise(node: Node) -> bool:
    """Say whether a node's element k depends on its operands' elements k only."""
    return isinstance(node.op, Elementwise)


class Step:
    """The statements of one step.

    `place` says where values from outside are; results are added to it. `outputs` are values read after the step.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        outputs: Iterable[Value],
        place: dict[Value, Place],
        constants: Mapping[Value, Integers],
        step_constants: Mapping[Value, Integers],
        passes: Mapping[Value, Passes],
        names: Names,
        library: Library,
        knobs: HlsKnobs,
    ) -> None:
        self._place = place
        self._constants = constants
        self._step_constants = step_constants
        self._passes = passes
        self._names = names
        self._library = library
        self._knobs = knobs
        self._views: dict[Value, tuple[Value, int]] = {}
        self._statements = self._arrange(nodes)
        self._arrays = self._stored(outputs)

    def lines(self) -> list[list[str]]:
        """Return the text of each statement, the declarations of what outlives it included."""
        return [self._text(statement) for statement in self._statements]

    def where(self, value: Value) -> Place:
        """Return where a value is."""
        if value in self._place:
            return self._place[value]
        root, offset = self._view(value)
        if root is not value:
            place = self.where(root).from_element(offset)
            return place if value.type.shape else Place(place.at("0"), scalar=True)
        element = value.type.element
        if value in self._step_constants:
            name = self._library.array(value, self._step_constants[value].reshape(len(self._step_constants[value]), -1))
            if not value.type.shape:
                return Place(f"fixed_of<{self._library.types.of(value)}>({name}[t][0])", scalar=True)
            return Place(f"{name}[t]", constant_type=self._library.types.of(value))
        integers = self._constants[value]
        if integers.size == 1 and not value.type.shape:
            number = literal(int(integers.reshape(())), max(element.width + 1, 8))
            return Place(f"fixed_of<{self._library.types.of(value)}>({number})", scalar=True)
        name = self._library.array(value, integers.reshape(-1))
        return Place(name, constant_type=self._library.types.of(value))

    def _view(self, value: Value) -> tuple[Value, int]:
        """Return the value whose elements, from an offset on, are this one's."""
        root, offset = value, 0
        while root in self._views:
            root, more = self._views[root]
            offset += more
        return root, offset

    def _arrange(self, nodes: Sequence[Node]) -> list[Statement]:
        statements: list[Statement] = []
        made_in: dict[Value, int] = {}
        for node in nodes:
            if isinstance(node.op, Views):
                start = node.op.start * _inner(node.result) if isinstance(node.op, ops.Slice) else 0
                self._views[node.result] = (node.operands[0], start)
                continue
            size = node.result.type.size if node.result.type.shape else 0
            earliest = 0
            for operand in node.operands:
                root, offset = self._view(operand)
                if root in made_in:
                    source = statements[made_in[root]]
                    alike = source.elementwise and source.size == size and offset == 0
                    alike = alike and operand.type.size == root.type.size and is_elementwise(node)
                    earliest = max(earliest, made_in[root] + (not alike))
            chosen = len(statements)
            if is_elementwise(node):
                fitting = (i for i in range(earliest, len(statements)) if statements[i].elementwise)
                chosen = next((i for i in fitting if statements[i].size == size), chosen)
            if chosen == len(statements):
                statements.append(Statement(size, elementwise=is_elementwise(node)))
            statements[chosen].nodes.append(node)
            made_in[node.result] = chosen
        return statements

    def _stored(self, outputs: Iterable[Value]) -> set[Value]:
        """Return the results that must be arrays: read outside the loop that computes them."""
        made_in = {node.result: statement for statement in self._statements for node in statement.nodes}
        stored = {self._view(value)[0] for value in outputs}
        for statement in self._statements:
            for node in statement.nodes:
                for operand in node.operands:
                    root, _ = self._view(operand)
                    if made_in.get(root) is not statement:
                        stored.add(root)
                if not statement.elementwise:
                    stored.add(node.result)
        return stored

    # --- text ---

    def _text(self, statement: Statement) -> list[str]:
        declared: list[str] = []
        for node in statement.nodes:
            if node.result in self._arrays and not self._is_plain(statement):
                declared += self._declare(node.result)
        if not statement.elementwise:
            (node,) = statement.nodes
            body = self._single(node)
        elif statement.size == 0:
            body = [line for node in statement.nodes for line in self._element(node)]
        else:
            label = self._names.unique(f"{short_name(statement.nodes[-1].result)}_elements")
            body = [line for node in statement.nodes for line in self._element(node)]
            body = loop(label, "k", statement.size, body, *self._unroll(statement.size))
        if self._knobs.lanes_in_statements:
            label = self._names.unique(f"{short_name(statement.nodes[-1].result)}_sequences")
            if isinstance(statement.nodes[0].op, ops.MatVec):
                return [*declared, *body]
            body = loop(label, "s", self._knobs.interleave, body, f"PIPELINE II = {self._knobs.reuse_factor}")
        return [*declared, *body]

    def _is_plain(self, statement: Statement) -> bool:
        """Say whether a statement's results are declared with their values: scalars outside of any loop."""
        return statement.elementwise and statement.size == 0 and not self._knobs.lanes_in_statements

    def _unroll(self, size: int) -> list[str]:
        """Return the directives of a loop over elements: all at once, or in as many passes as products take."""
        if self._knobs.in_passes and not self._knobs.lanes_in_statements:
            factor = -(-size // self._knobs.reuse_factor)
            return ["PIPELINE II = 1", *([f"UNROLL factor = {factor}"] if factor > 1 else [])]
        return ["UNROLL"]

    def _declare(self, value: Value) -> list[str]:
        name = self._names.unique(short_name(value))
        lanes = self._knobs.lanes_in_statements
        self._place[value] = Place(f"{name}[s]" if lanes else name, scalar=not value.type.shape)
        dimensions = (f"[{self._knobs.interleave}]" if lanes else "") + (
            f"[{value.type.size}]" if value.type.shape else ""
        )
        lines = [f"{self._library.types.of(value)} {name}{dimensions};"]
        if value.type.shape:
            lines.append(partition(name, lanes))
        return lines

    def _element(self, node: Node) -> list[str]:
        """Return one result's line, for element k, with its equation and type as a comment."""
        value = node.result
        expression = self._expression(node, [self.where(operand).at("k") for operand in node.operands])
        if value in self._place:
            line = f"{self._place[value].at('k')} = {expression};"
        else:
            name = self._names.unique(short_name(value))
            self._place[value] = Place(name, scalar=True)
            line = f"const {self._library.types.of(value)} {name} = {expression};"
        return commented(line, value)

    def _expression(self, node: Node, operands: Sequence[str]) -> str:
        type_name = self._library.types.of(node.result)
        match node.op:
            case ops.Add():
                return " + ".join(operands)
            case ops.Sub():
                return " - ".join(operands)
            case ops.Mul():
                return " * ".join(operands)
            case ops.Max():
                return f"larger<{type_name}>({', '.join(operands)})"
            case ops.Min():
                return f"smaller<{type_name}>({', '.join(operands)})"
            case ops.Greater():
                return f"{' > '.join(operands)} ? 1 : 0"
            case ops.Where():
                condition, a, b = operands
                return f"{condition} == 1 ? {type_name}({a}) : {type_name}({b})"
            case ops.Cast():
                return operands[0]
            case ops.Table():
                form = table_form(node.op, node.operands[0].type.element)
                return f"{self._library.table(form, node.operands[0], node.result)}({operands[0]})"
            case ops.MatVec() | ops.Lookup() | ops.ReduceSum() | ops.ReduceMax() | ops.Const() | ops.Concat():
                raise AssertionError(f"{node.op} is not element-wise")
            case ops.Slice() | ops.Reshape() | ops.Transpose():
                raise AssertionError(f"{node.op} computes nothing")
            case ops.Reverse() | ops.Scan():
                raise AssertionError("a process reverses and runs steps")
            case _:
                assert_never(node.op)

    def _single(self, node: Node) -> list[str]:
        match node.op:
            case ops.MatVec():
                return self._product(node)
            case ops.Lookup():
                return self._lookup(node)
            case ops.ReduceSum() | ops.ReduceMax():
                return self._reduction(node)
            case ops.Concat():
                lines, position = commented("", node.result), 0
                target = self._place[node.result]
                for part in node.operands:
                    copy = f"{target.from_element(position).at('k')} = {self.where(part).at('k')};"
                    label = self._names.unique(f"{short_name(node.result)}_part")
                    lines += loop(label, "k", part.type.size, [copy], "UNROLL")
                    position += part.type.size
                return lines
            case ops.Transpose():
                return self._transposed(node, node.op.rows)
            case ops.Const() | ops.Scan() | ops.Reverse() | ops.Slice() | ops.Reshape():
                raise AssertionError(f"{node.op} is not a statement")
            case ops.Add() | ops.Sub() | ops.Mul() | ops.Max() | ops.Min() | ops.Greater() | ops.Where():
                raise AssertionError(f"{node.op} is element-wise")
            case ops.Cast() | ops.Table():
                raise AssertionError(f"{node.op} is element-wise")
            case _:
                assert_never(node.op)

    def _transposed(self, node: Node, rows: int) -> list[str]:
        source, target, columns = self.where(node.operands[0]), self._place[node.result], node.result.type.size // rows
        move = f"{target.at(f'column * {rows} + row')} = {source.at(f'row * {columns} + column')};"
        inner = loop(self._names.unique(f"{short_name(node.result)}_columns"), "column", columns, [move], "UNROLL")
        label = self._names.unique(f"{short_name(node.result)}_rows")
        return [*commented("", node.result), *loop(label, "row", rows, inner, "UNROLL")]

    def _lookup(self, node: Node) -> list[str]:
        table, index = node.operands
        integers, type_name = self._constants[table], self._library.types.of(node.result)
        name = self._library.array(table, integers)
        at = f"integer_of({self.where(index).at('0')})"
        found = f"fixed_of<{self._library.types.of(table)}>({name}[{at}][k])"
        if index.type.element.max_integer >= len(integers):
            found = f"{at} < {len(integers)} ? {type_name}({found}) : {type_name}(0)"
        label = self._names.unique(f"{short_name(node.result)}_elements")
        line = f"{self._place[node.result].at('k')} = {found};"
        return loop(label, "k", node.result.type.size, commented(line, node.result), "UNROLL")

    def _reduction(self, node: Node) -> list[str]:
        (operand,) = node.operands
        source, result = self.where(operand), self._place[node.result].text
        type_name = self._library.types.of(node.result)
        following = f"{result} + {source.at('k')}"
        if isinstance(node.op, ops.ReduceMax):
            following = f"larger<{type_name}>({result}, {source.at('k')})"
        first = f"{result} = {source.at('0')};"
        label = self._names.unique(f"{short_name(node.result)}_terms")
        body = [f"{result} = {following};"]
        head = f"for (int k = 1; k < {operand.type.size}; k++) {{"
        return [
            *commented(first, node.result),
            Label(f"{label}:"),
            head,
            "#pragma HLS UNROLL",
            *indented(body),
            "}",
        ]

    def _product(self, node: Node) -> list[str]:
        matrix, vector = node.operands
        cut = self._passes[node.result]
        lines = product_lines(
            node.result,
            self._weights(matrix),
            cut,
            vector,
            self.where(vector).at("column"),
            self._place[node.result].at("row"),
            self._library.types,
            self._names,
            self._knobs,
        )
        equation = f"{short_name(node.result)} = {short_name(matrix)} · {short_name(vector)}"
        passes = f", in {cut.count} passes of {cut.group_rows * cut.block_columns} products" if cut.count > 1 else ""
        return [comment(f"{node.result.note or equation}: {node.result.type.element}{passes}"), *lines]

    def _weights(self, matrix: Value) -> Weights:
        if matrix in self._constants:
            integers = self._constants[matrix]
            name = self._library.array(matrix, integers, columns_first=True)
            return Weights(matrix, f"{name}[column][$row]", array_bits(integers), name, integers)
        if matrix in self._step_constants:
            integers = self._step_constants[matrix]
            name = self._library.array(matrix, integers, columns_first=True)
            return Weights(matrix, f"{name}[t][column][$row]", array_bits(integers), name, integers)
        element, columns = self._library.types.element(matrix), matrix.type.shape[1]
        weight = f"integer_of({self.where(matrix).at(f'($row) * {columns} + column')})"
        return Weights(matrix, weight, signed_bits(element.min_integer, element.max_integer))


def _inner(value: Value) -> int:
    return int(np.prod(value.type.shape[1:], dtype=int))


def commented(line: str, value: Value) -> list[str]:
    """Return a line with its value's equation and type: behind it if both fit, else above it."""
    about = comment(f"{value.note}: {value.type.element}" if value.note else str(value.type.element))
    if line and len(line) + len(about) + 10 <= LINE:
        return [f"{line} {about}"]
    return [about, *([line] if line else [])]
