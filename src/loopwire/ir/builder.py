"""Building graphs: each method adds one op, with the exact type of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

import numpy as np
import numpy.typing as npt

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import Range, range_of
from loopwire.ir.types import FixedType, TensorType

BodyResult = tuple[Sequence[Value], Sequence[Value]]
"""Next states, and one step of each result."""


class ShapeError(AssertionError):
    """Operands whose shapes no op takes: a fault of who builds the graph, which may be a layer's arrays."""


def _require(fits: bool, problem: str) -> None:
    if not fits:
        raise ShapeError(problem)


def _broadcast(operands: Sequence[Value]) -> tuple[int, ...]:
    shapes = {operand.type.shape for operand in operands} - {()}
    _require(len(shapes) <= 1, f"shapes differ: {', '.join(map(repr, operands))}")
    return shapes.pop() if shapes else ()


def _result_shape(op: ops.Op, operands: Sequence[Value]) -> tuple[int, ...]:
    match op:
        case ops.Const():
            return op.reals.shape
        case ops.MatVec():
            matrix, factor = (operand.type.shape for operand in operands)
            _require(len(matrix) == 2 and factor == matrix[1:], f"matrix {matrix} times vector {factor}")
            return matrix[:1]
        case ops.Add() | ops.Sub() | ops.Mul() | ops.Max() | ops.Min() | ops.Greater() | ops.Where():
            return _broadcast(operands)
        case ops.Lookup():
            table, index = (operand.type.shape for operand in operands)
            _require(len(table) == 2 and index == (), f"lookup of {index} in {table}")
            return table[1:]
        case ops.ReduceSum() | ops.ReduceMax():
            (vector,) = operands
            _require(len(vector.type.shape) == 1, f"reduction of {vector!r}")
            return ()
        case ops.Cast() | ops.Table() | ops.Reverse():
            return operands[0].type.shape
        case ops.Slice():
            shape = operands[0].type.shape
            fits = bool(shape) and 0 <= op.start < op.stop <= shape[0]
            _require(fits, f"slice {op.start}:{op.stop} of {operands[0]!r}")
            return (op.stop - op.start, *shape[1:])
        case ops.Concat():
            rests = list({operand.type.shape[1:] for operand in operands})
            _require(len(rests) == 1 and all(operand.type.shape for operand in operands), f"shapes differ: {operands}")
            return (sum(operand.type.shape[0] for operand in operands), *rests[0])
        case ops.Reshape():
            result = TensorType(op.shape, operands[0].type.element)
            _require(result.size == operands[0].type.size, f"reshape of {operands[0]!r} to {op.shape}")
            return op.shape
        case ops.Transpose():
            fits = len(operands[0].type.shape) == 1 and operands[0].type.size % op.rows == 0
            _require(fits, f"a matrix of {op.rows} rows in {operands[0]!r}")
            return operands[0].type.shape
        case ops.Scan():
            raise AssertionError("a Scan has several results")
        case _:
            assert_never(op)


def _result_element(op: ops.Op, operands: tuple[Value, ...], constants: Mapping[Value, Range]) -> FixedType:
    elements = [operand.type.element for operand in operands]
    match op:
        case ops.Const():
            return op.type
        case ops.Cast() | ops.Table():
            return op.to
        case ops.Slice() | ops.Reshape() | ops.Transpose() | ops.Reverse():
            return elements[0]
        case ops.Concat():
            assert len(set(elements)) == 1, f"types differ: {operands}"
            return elements[0]
        case ops.Greater():
            fraction = 0
        case ops.Where():
            fraction = max(element.fraction for element in elements[1:])
        case ops.Lookup():
            fraction = elements[0].fraction
        case ops.MatVec() | ops.Mul():
            fraction = sum(element.fraction for element in elements)
        case ops.Add() | ops.Sub() | ops.Max() | ops.Min() | ops.ReduceSum() | ops.ReduceMax():
            fraction = max(element.fraction for element in elements)
        case ops.Scan():
            raise AssertionError("a Scan has several results")
        case _:
            assert_never(op)
    given = tuple(constants.get(operand) or Range.of_type(operand.type.element) for operand in operands)
    result = range_of(op, operands, given)
    return FixedType.holding(result.low, result.high, fraction)


def result_type(op: ops.Op, operands: tuple[Value, ...], constants: Mapping[Value, Range]) -> TensorType:
    """Return the exact type of the only result of `op` (not a Scan).

    Args:
        op: the operation.
        operands: what it reads.
        constants: the ranges of those operands that are Consts of the same graph: knowing them narrows the type.
    """
    return TensorType(_result_shape(op, operands), _result_element(op, operands, constants))


class Builder:
    """Adds nodes to a graph under construction. A name that is taken gets the next free number."""

    def __init__(self, names: set[str] | None = None) -> None:
        self._names = set() if names is None else names
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._constants: dict[Value, Range] = {}
        self.layer = ""
        """Layer that values belong to from here on."""

    def _new(self, full_name: str, type: TensorType, layer: str, note: str, role: str) -> Value:
        unique, count = full_name, 2
        while unique in self._names:
            unique, count = f"{full_name}_{count}", count + 1
        self._names.add(unique)
        return Value(unique, type, layer, note, role)

    def _value(self, name: str, type: TensorType, note: str, role: str) -> Value:
        return self._new(f"{self.layer}.{name}" if self.layer else name, type, self.layer, note, role)

    def nested(self) -> Builder:
        """Return a builder of a scan's body, whose names are taken from the same pool."""
        inner = Builder(self._names)
        inner.layer = self.layer
        return inner

    def input_like(self, value: Value) -> Value:
        """Add an input with the name, type, layer, note and role of `value`."""
        like = self._new(value.name, value.type, value.layer, value.note, value.role)
        self._inputs.append(like)
        return like

    def copy(self, node: Node, operands: Sequence[Value]) -> tuple[Value, ...]:
        """Add a node like `node`, reading `operands`; its results keep all but their types, worked out anew."""
        if isinstance(node.op, ops.Scan):
            inner = self.nested()
            inputs = [inner.input_like(value) for value in node.op.body.inputs]
            body = inner.graph(inner.inline(node.op.body, inputs))
            return self.add_scan(body, operands, node.op.states, node.op.length, node.results, node.op.carried)
        operands = tuple(operands)
        type = result_type(node.op, operands, self._constants)
        result = self._new(node.result.name, type, node.result.layer, node.result.note, node.result.role)
        return self._append(node.op, operands, result)

    def inline(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Copy all nodes of `graph`, reading `inputs` for its inputs; return its outputs."""
        new = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            new.update(zip(node.results, self.copy(node, [new[v] for v in node.operands]), strict=True))
        return [new[value] for value in graph.outputs]

    def _append(self, op: ops.Op, operands: tuple[Value, ...], *results: Value) -> tuple[Value, ...]:
        self._nodes.append(Node(op, operands, results))
        if isinstance(op, ops.Const):
            self._constants[results[0]] = range_of(op, (), ())
        return results

    def input(self, name: str, type: TensorType, note: str = "", role: str = "") -> Value:
        """Add an input of the graph."""
        value = self._value(name, type, note, role)
        self._inputs.append(value)
        return value

    def add_node(self, op: ops.Op, operands: Sequence[Value], name: str, note: str = "", role: str = "") -> Value:
        """Add any op but a Scan; return its result."""
        operands = tuple(operands)
        type = result_type(op, operands, self._constants)
        (result,) = self._append(op, operands, self._value(name, type, note, role))
        return result

    def const(
        self, reals: npt.ArrayLike, type: FixedType, name: str = "const", note: str = "", role: str = ""
    ) -> Value:
        """Add a constant of shape ``reals.shape``."""
        return self.add_node(ops.Const(np.asarray(reals, np.float64), type), (), name, note, role)

    def matvec(self, matrix: Value, vector: Value, name: str = "product", note: str = "") -> Value:
        """(m, n) times (n,) gives (m,)."""
        return self.add_node(ops.MatVec(), (matrix, vector), name, note)

    def add(self, a: Value, b: Value, name: str = "sum", note: str = "") -> Value:
        """a + b."""
        return self.add_node(ops.Add(), (a, b), name, note)

    def sub(self, a: Value, b: Value, name: str = "difference", note: str = "") -> Value:
        """a - b."""
        return self.add_node(ops.Sub(), (a, b), name, note)

    def mul(self, a: Value, b: Value, name: str = "product", note: str = "") -> Value:
        """a · b."""
        return self.add_node(ops.Mul(), (a, b), name, note)

    def max(self, a: Value, b: Value, name: str = "max", note: str = "") -> Value:
        """The larger of a and b."""
        return self.add_node(ops.Max(), (a, b), name, note)

    def min(self, a: Value, b: Value, name: str = "min", note: str = "") -> Value:
        """The smaller of a and b."""
        return self.add_node(ops.Min(), (a, b), name, note)

    def greater(self, a: Value, b: Value, name: str = "is_greater", note: str = "") -> Value:
        """1 where a > b, else 0."""
        return self.add_node(ops.Greater(), (a, b), name, note)

    def where(self, condition: Value, a: Value, b: Value, name: str = "chosen", note: str = "") -> Value:
        """`a` where the condition is 1, `b` where it is 0."""
        return self.add_node(ops.Where(), (condition, a, b), name, note)

    def lookup(self, table: Value, index: Value, name: str = "row", note: str = "") -> Value:
        """Row `index` (a scalar) of a table (n, m); zeros where it has none."""
        return self.add_node(ops.Lookup(), (table, index), name, note)

    def reduce_sum(self, vector: Value, name: str = "total", note: str = "") -> Value:
        """Sum of a vector's elements, a scalar."""
        return self.add_node(ops.ReduceSum(), (vector,), name, note)

    def reduce_max(self, vector: Value, name: str = "largest", note: str = "") -> Value:
        """Largest of a vector's elements, a scalar."""
        return self.add_node(ops.ReduceMax(), (vector,), name, note)

    def cast(
        self,
        a: Value,
        to: FixedType,
        name: str = "cast",
        note: str = "",
        *,
        in_reals: bool = False,
        role: str = "",
    ) -> Value:
        """`a` in another type; `in_reals`, if that is part of the model (`ops.Cast`)."""
        return self.add_node(ops.Cast(to, in_reals), (a,), name, note, role)

    def table(
        self,
        function: str,
        a: Value,
        to: FixedType,
        *,
        max_error_steps: float = 1.0,
        max_entries: int | None = None,
        name: str = "",
        note: str = "",
        role: str = "",
    ) -> Value:
        """function(a) in type `to`; see `ops.Table`."""
        return self.add_node(ops.Table(function, to, max_error_steps, max_entries), (a,), name or function, note, role)

    def slice(self, a: Value, start: int, stop: int, name: str = "slice", note: str = "") -> Value:
        """Elements start…stop-1 of the first axis."""
        return self.add_node(ops.Slice(start, stop), (a,), name, note)

    def concat(self, parts: Sequence[Value], name: str = "concat", note: str = "") -> Value:
        """The parts one after another along the first axis."""
        return self.add_node(ops.Concat(), parts, name, note)

    def reshape(self, a: Value, shape: tuple[int, ...], name: str = "reshape", note: str = "") -> Value:
        """The same elements under another shape."""
        return self.add_node(ops.Reshape(shape), (a,), name, note)

    def transpose(self, a: Value, rows: int, name: str = "transpose", note: str = "") -> Value:
        """The transpose of a matrix of a given number of rows, both as vectors in row-major order."""
        return self.add_node(ops.Transpose(rows), (a,), name, note)

    def reverse(self, sequence: Value, name: str = "reverse", note: str = "") -> Value:
        """The steps in reverse order."""
        return self.add_node(ops.Reverse(), (sequence,), name, note)

    def scan(
        self,
        states: Sequence[Value],
        sequences: Sequence[Value],
        body: Callable[[Builder, Sequence[Value], Sequence[Value]], BodyResult],
        *,
        names: Sequence[str],
        note: str = "",
        length: int | None = None,
    ) -> tuple[Value, ...]:
        """Run `body` once a step; return the final states, then the stacked results.

        Args:
            states: initial states.
            sequences: tensors (T, …) of one length T.
            body: called once with a builder of the step's graph, the states and one step of each sequence; returns
                the next states (of the states' own types) and one step of each result.
            names: a name for each final state and each stacked result.
            note: equation.
            length: T, where there is no sequence.
        """
        lengths = {sequence.type.shape[0] for sequence in sequences} | ({length} if length is not None else set())
        _require(len(lengths) == 1, f"steps differ: {', '.join(map(repr, sequences))}")
        (count,) = lengths
        inner = self.nested()
        step_states = [inner.input(f"{_base(v)}_prev", v.type, role=v.role) for v in states]
        steps = [inner.input(f"{_base(v)}_t", TensorType(v.type.shape[1:], v.type.element)) for v in sequences]
        next_states, results = body(inner, step_states, steps)
        graph = inner.graph((*next_states, *results))
        like = [
            Value(f"{self.layer}.{name}" if self.layer else name, value.type, self.layer, note, value.role)
            for name, value in zip(names, graph.outputs, strict=True)
        ]
        return self.add_scan(graph, (*states, *sequences), len(states), count, like)

    def add_scan(
        self,
        body: Graph,
        operands: Sequence[Value],
        states: int,
        length: int,
        like: Sequence[Value],
        carried: frozenset[int] = frozenset(),
    ) -> tuple[Value, ...]:
        """Add a Scan whose body is built already; return the final states, then the stacked results.

        The results get the names, layers, notes and roles of the values `like`; their types follow from the body.
        """
        types = [value.type for value in body.outputs[:states]]
        types += [TensorType((length, *v.type.shape), v.type.element) for v in body.outputs[states:]]
        results = [self._new(v.name, type, v.layer, v.note, v.role) for v, type in zip(like, types, strict=True)]
        return self._append(ops.Scan(body, states, length, carried), tuple(operands), *results)

    def graph(self, outputs: Sequence[Value]) -> Graph:
        """Finish the graph."""
        return Graph(tuple(self._inputs), tuple(self._nodes), tuple(outputs))


def _base(value: Value) -> str:
    return value.name.rsplit(".", 1)[-1]
