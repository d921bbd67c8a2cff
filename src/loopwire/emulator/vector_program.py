"""From a graph to a program for the vector machine of fast_emulator.cpp.

Each value becomes rows of int32 or, where its interval does not fit, of int64; a graph with numbers beyond int64 has no
program. Slices, reshapes and the steps of a sequence are views of other values. A product with a constant matrix takes
the narrowest kernel that is exact; a product that only enters a sum becomes one instruction with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any, assert_never

import numpy as np

from loopwire.emulator.vector_assembler import Assembler, Constant, Opcode, Program, Rows, Stored, View
from loopwire.emulator.vector_casts import cast_parameters
from loopwire.emulator.vector_words import (
    UnsuitableError,
    fits,
    is_wide,
    largest_shift,
    magnitude,
    packed_tiles,
    shifted,
    table_cells,
)
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import Range, ranges, table_form
from loopwire.ir.lengths import short_values
from loopwire.ir.types import FixedType

FLOAT64_LIMIT = 1 << 51
"""Below it every number and sum of the float64 kernel is exact."""

_BINARY: dict[type[ops.Op], Opcode] = {
    ops.Add: Opcode.ADD,
    ops.Sub: Opcode.SUBTRACT,
    ops.Mul: Opcode.MULTIPLY,
    ops.Max: Opcode.MAX,
    ops.Min: Opcode.MIN,
    ops.Greater: Opcode.GREATER,
}


def build_program(graph: Graph) -> Program:
    """Translate a graph; of several inputs or outputs, one follows another in the numbers of a sequence.

    Raises:
        UnsuitableError: the graph is outside the machine's limits.
    """
    return _Translator(graph).program


def _offsets(values: Sequence[Value]) -> Iterator[tuple[Value, int]]:
    """Yield values, each with the elements of those before it."""
    offset = 0
    for value in values:
        yield value, offset
        offset += value.type.size


class _Translator:
    def __init__(self, graph: Graph) -> None:
        self._ranges = ranges(graph)
        self._short = short_values(graph)
        self._views: dict[Value, View] = {}
        self._converted: dict[Value, Rows] = {}
        self._delayed: dict[Value, Node] = {}
        """Products that wait for the only sum that they enter."""
        self._assembler = Assembler()
        self._emit = self._assembler.emit

        for source, offset in _offsets(graph.inputs):
            element, rows = source.type.element, self._define(source)
            self._emit(Opcode.LOAD, rows, wide=rows.wide, parameters=[element.min_integer, element.max_integer, offset])
        self._translate(graph)
        for result, offset in _offsets(graph.outputs):
            wide, size = self._wide(result), result.type.size
            self._emit(Opcode.STORE, None, self._read(result, wide), wide=wide, count=size, parameters=[offset])
        self.program = self._assembler.program()

    # --- values ---

    def _wide(self, *values: Value) -> bool:
        return is_wide(*(self._ranges[value] for value in values))

    def _define(self, value: Value) -> Rows:
        """Give a value rows of the width that its range needs."""
        rows = self._assembler.rows(value.type.size, self._wide(value))
        self._views[value] = rows
        return rows

    def _read(self, value: Value, wide: bool) -> View:
        """Return a value that fits rows of this width in such rows, converting it if need be."""
        if value in self._delayed:
            self._node(self._delayed.pop(value))
        view = self._views[value]
        if isinstance(view, Constant) or view.wide == wide:
            return view
        if value not in self._converted:
            self._converted[value] = self._assembler.rows(view.size, wide)
            self._emit(Opcode.CAST, self._converted[value], view, wide=view.wide)
        return self._converted[value]

    def _compute(self, value: Value, opcode: Opcode, *operands: View | Stored | None, wide: bool, **more: Any) -> None:
        """Append an instruction whose result has the width that it computes in."""
        rows = self._assembler.rows(value.type.size, wide)
        self._views[value] = rows
        self._emit(opcode, rows, *operands, wide=wide, **more)

    def _copy(self, value: Value) -> Rows:
        """Return a copy of a value in a slot of its own."""
        wide = self._wide(value)
        rows = self._assembler.rows(value.type.size, wide)
        self._emit(Opcode.COPY, rows, self._read(value, wide), wide=wide)
        return rows

    # --- ops ---

    def _translate(self, graph: Graph) -> None:
        users = graph.users()
        needed = set(graph.outputs)
        for node in reversed(graph.nodes):
            if needed.intersection(node.results):
                needed.update(node.operands)
        for node in graph.nodes:
            if not needed.intersection(node.results):
                continue
            if isinstance(node.op, ops.Scan):
                self._scan(node, node.op, needed)
            elif node.results[0] not in graph.outputs and self._may_join_sum(node, users[node.results[0]]):
                self._delayed[node.results[0]] = node
            else:
                self._node(node)

    def _may_join_sum(self, node: Node, users: Sequence[Node]) -> bool:
        is_product = isinstance(node.op, ops.Mul) or (
            isinstance(node.op, ops.MatVec) and isinstance(self._views[node.operands[0]], Constant)
        )
        return is_product and [type(user.op) for user in users] == [ops.Add] and len(set(users[0].operands)) == 2

    def _node(self, node: Node) -> None:
        match node.op:
            case ops.Const():
                self._views[node.result] = Constant(node.op.integers)
            case ops.MatVec():
                view = self._views[node.operands[0]]
                if isinstance(view, Constant):
                    self._matvec(node, view)
                else:
                    self._computed_matvec(node)
            case ops.Add():
                self._add(node)
            case ops.Sub() | ops.Mul() | ops.Max() | ops.Min() | ops.Greater():
                self._binary(node)
            case ops.Where():
                self._where(node)
            case ops.Lookup():
                self._lookup(node)
            case ops.ReduceSum() | ops.ReduceMax():
                (vector,) = node.operands
                wide = self._wide(vector, node.result)
                opcode = Opcode.SUM if isinstance(node.op, ops.ReduceSum) else Opcode.LARGEST
                view = self._read(vector, wide)
                self._compute(node.result, opcode, view, wide=wide, parameters=[vector.type.size])
            case ops.Cast():
                self._cast(node, node.op.to)
            case ops.Table():
                self._table(node, node.op)
            case ops.Slice() | ops.Reshape():
                self._views[node.result] = self._viewed(node, self._views[node.operands[0]])
            case ops.Reverse():
                view = self._views[node.operands[0]]
                rows = view if isinstance(view, Rows) else self._copy(node.operands[0])
                steps = node.result.type.shape[0]
                parameters = [steps, node.result.type.size // steps, node.result not in self._short]
                self._compute(node.result, Opcode.REVERSE, rows, wide=rows.wide, parameters=parameters)
            case ops.Transpose():
                (operand,) = node.operands
                wide = self._wide(operand)
                view = self._read(operand, wide)
                self._compute(node.result, Opcode.TRANSPOSE, view, wide=wide, parameters=[node.op.rows])
            case ops.Concat():
                self._concat(node)
            case ops.Scan():
                raise AssertionError("a scan is translated with what its graph needs of it")
            case _:
                assert_never(node.op)

    def _aligned(self, node: Node) -> tuple[bool, dict[Value, int]]:
        """Return the width that a node needs, and how far each operand is shifted to the finest fraction of them."""
        fraction = max(value.type.element.fraction for value in node.operands)
        shifts = {value: fraction - value.type.element.fraction for value in node.operands}
        aligned = [shifted(self._ranges[value], shift) for value, shift in shifts.items()]
        wide = is_wide(self._ranges[node.result], *aligned)
        return wide, {value: min(shift, largest_shift(wide)) for value, shift in shifts.items()}

    def _binary(self, node: Node) -> None:
        if isinstance(node.op, ops.Mul):
            wide, shifts = self._wide(node.result, *node.operands), []
        else:
            wide, shift_of = self._aligned(node)
            shifts = [shift_of[value] for value in node.operands]
        operands = [self._read(value, wide) for value in node.operands]
        self._compute(node.result, _BINARY[type(node.op)], *operands, wide=wide, parameters=shifts)

    def _where(self, node: Node) -> None:
        """Choose between operands as fine as the result."""
        condition, *given = node.operands
        shifts = [node.result.type.element.fraction - value.type.element.fraction for value in given]
        wide = self._wide(node.result, condition, *given)
        operands = [self._read(value, wide) for value in node.operands]
        shifts = [min(shift, largest_shift(wide)) for shift in shifts]
        self._compute(node.result, Opcode.WHERE, *operands, wide=wide, parameters=shifts)

    def _lookup(self, node: Node) -> None:
        table, index = node.operands
        rows, columns = table.type.shape
        wide = self._wide(table, index, node.result)
        view = self._views[table]
        if not isinstance(view, Constant):
            raise UnsuitableError("a table that is computed")
        stored = self._assembler.store(view.integers.astype(np.int64 if wide else np.int32))
        self._compute(node.result, Opcode.ROW, self._read(index, wide), stored, wide=wide, parameters=[rows, columns])

    def _add(self, node: Node) -> None:
        """Add, joined with a product that computes in the same width."""
        wide, shifts = self._aligned(node)
        for product, addend in (node.operands, node.operands[::-1]):
            maker = self._delayed.get(product)
            if maker is None:
                continue
            parameters = [shifts[product], shifts[addend]]
            matrix = self._views.get(maker.operands[0])
            if isinstance(maker.op, ops.MatVec):
                assert isinstance(matrix, Constant), "only such a product waits for a sum"
                if product.type.shape == node.result.type.shape and self._kernel(maker, matrix)[1] == wide:
                    del self._delayed[product]
                    self._matvec(maker, matrix, node.result, addend, parameters)
                    return
            elif isinstance(maker.op, ops.Mul) and self._wide(*maker.operands, product) <= wide:
                del self._delayed[product]
                operands = [self._read(value, wide) for value in (*maker.operands, addend)]
                self._compute(node.result, Opcode.MULTIPLY_ADD, *operands, wide=wide, parameters=parameters)
                return
        self._binary(node)

    def _computed_matvec(self, node: Node) -> None:
        """Multiply with a matrix that differs from sequence to sequence."""
        wide = self._wide(node.result, *node.operands)
        matrix, vector = (self._read(value, wide) for value in node.operands)
        columns = node.operands[1].type.size
        self._compute(node.result, Opcode.MATVEC_COMPUTED, matrix, vector, wide=wide, parameters=[columns])

    def _kernel(self, node: Node, view: Constant) -> tuple[Opcode, bool]:
        """Return the narrowest kernel in which a product with a constant is exact, and whether its rows are wide."""
        matrix, vector = node.operands
        w, x, result = self._ranges[matrix], self._ranges[vector], self._ranges[node.result]
        wide = is_wide(w, x, result)
        if not wide:
            return (Opcode.MATVEC_INT16 if fits(w, 16) and fits(x, 16) else Opcode.MATVEC_INT32), wide
        largest_sum = int(np.abs(view.integers.astype(object)).sum(axis=-1).max()) * magnitude(x)
        if max(largest_sum, magnitude(w), magnitude(x)) < FLOAT64_LIMIT:
            return Opcode.MATVEC_FLOAT64, wide
        return Opcode.MATVEC_INT64, wide

    def _matvec(
        self,
        node: Node,
        view: Constant,
        result: Value | None = None,
        addend: Value | None = None,
        shifts: Sequence[int] = (0, 0),
    ) -> None:
        """Multiply a constant matrix with a vector; with `addend`, add it and call the sum `result`."""
        kernel, wide = self._kernel(node, view)
        vector = node.operands[1]
        x = self._read(vector, wide)
        columns = vector.type.size
        packed = packed_tiles(view.integers, kernel)
        weights = self._assembler.store(packed, len(packed) if view.stepped else 0)
        added = None if addend is None else self._read(addend, wide)
        self._compute(
            result or node.result,
            kernel,
            weights,
            x,
            added,
            wide=wide,
            parameters=[columns, *shifts, int(added is not None)],
            scratch=self._assembler.rows(columns, wide),
        )

    def _cast(self, node: Node, to: FixedType) -> None:
        (operand,) = node.operands
        wide, parameters = cast_parameters(self._ranges[operand], operand.type.element.fraction, to)
        self._emit(Opcode.CAST, self._define(node.result), self._read(operand, wide), wide=wide, parameters=parameters)

    def _table(self, node: Node, op: ops.Table) -> None:
        (operand,) = node.operands
        form = table_form(op, operand.type.element)
        low, dropped, results = table_cells(form)
        high = form.domain_high
        wide = is_wide(self._ranges[operand], Range(low, high), Range(0, high - low))
        rows = self._define(node.result)
        table = self._assembler.store(results.astype(np.int64 if rows.wide else np.int32))
        view = self._read(operand, wide)
        self._emit(Opcode.LOOKUP, rows, view, table, wide=wide, parameters=[low, high, dropped])

    def _viewed(self, node: Node, view: View) -> View:
        """Return the view of a slice or of a reshape."""
        result = node.result.type
        axis = int(isinstance(view, Constant) and view.stepped)
        match node.op, view:
            case ops.Slice(start, stop), Constant():
                kept = view.integers[:, start:stop] if axis else view.integers[start:stop]
                return Constant(kept, view.stepped)
            case ops.Slice(start, _), Rows():
                return replace(view, start=view.start + start * prod(result.shape[1:]), size=result.size)
            case _, Constant():
                return Constant(view.integers.reshape((*view.integers.shape[:axis], *result.shape)), view.stepped)
            case _, Rows():
                return view

    def _concat(self, node: Node) -> None:
        views = [self._views[value] for value in node.operands]
        constants = [view.integers for view in views if isinstance(view, Constant) and not view.stepped]
        if len(constants) == len(views):
            self._views[node.result] = Constant(np.concatenate(constants))
            return
        rows = self._define(node.result)
        start = 0
        for value in node.operands:
            part = replace(rows, start=start, size=value.type.size)
            self._emit(Opcode.COPY, part, self._read(value, rows.wide), wide=rows.wide)
            start += value.type.size

    # --- scans ---

    def _scan(self, node: Node, scan: ops.Scan, needed: set[Value]) -> None:
        body = scan.body
        states = []
        for inner, initial, final in zip(body.inputs[: scan.states], node.operands, node.results, strict=False):
            rows = self._assembler.rows(inner.type.size, self._wide(inner, final))
            self._views[inner] = self._views[final] = rows
            states.append(rows)
            self._emit(Opcode.COPY, rows, self._read(initial, rows.wide), wide=rows.wide)
        for inner, sequence in zip(body.inputs[scan.states :], node.operands[scan.states :], strict=True):
            self._views[inner] = self._one_step(sequence, inner)
        stacked = [
            (output, self._define(result))
            for result, output in zip(node.results[scan.states :], body.outputs[scan.states :], strict=True)
            if result in needed
        ]
        whole = self._short.isdisjoint(node.operands[scan.states :])
        begin = self._assembler.begin_scan(scan.length, whole)
        self._translate(body)
        for output, rows in stacked:
            place = replace(rows, step=output.type.size, size=output.type.size)
            self._emit(Opcode.STACK, place, self._read(output, rows.wide), wide=rows.wide)
        self._carry(states, body.outputs[: scan.states])
        self._assembler.end_scan(begin)

    def _one_step(self, sequence: Value, inner: Value) -> View:
        """Return the view of the current step of a sequence."""
        view = self._views[sequence]
        if isinstance(view, Constant) and not view.stepped:
            return Constant(view.integers, stepped=True)
        # The step of an outer scan is copied: an address moves with one scan only.
        rows = view if isinstance(view, Rows) and not view.step else self._copy(sequence)
        return replace(rows, step=inner.type.size, size=inner.type.size)

    def _carry(self, states: Sequence[Rows], following: Sequence[Value]) -> None:
        """Replace all states at once: one that becomes another's old value is copied first."""
        views = []
        for rows, value in zip(states, following, strict=True):
            view = self._read(value, rows.wide)
            is_old = isinstance(view, Rows) and any(view.slot is state.slot for state in states)
            views.append(self._copy(value) if is_old else view)
        for rows, view in zip(states, views, strict=True):
            self._emit(Opcode.CARRY, rows, view, wide=rows.wide)
