"""From an engine's nodes to a datapath: casts become rounding and bounding, tables index and lookup, sums pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

import numpy as np

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.datapath.ops import (
    AddSub,
    Bound,
    Constant,
    Datapath,
    Extreme,
    Join,
    Kind,
    Multiply,
    Operation,
    Pack,
    Pairs,
    Products,
    Ring,
    Round,
    Select,
    ShiftAdd,
    Signal,
    StepRom,
    TableIndex,
    TableLookup,
    Transpose,
    Unpack,
    View,
)
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers, round_to
from loopwire.ir.graph import Node, Value
from loopwire.ir.interval import Range, table_form
from loopwire.ir.types import FixedType, Overflow
from loopwire.schedule.engine import Engine, State

Solver = Callable[[Value, Integers, Range], AdderTree | None]
"""Given a product's result, its constant matrix (m, n) and the range of its vector: the tree that computes it, or None
where multipliers shall."""


def expand(engine: Engine, found: Mapping[Value, Range], solve: Solver) -> Datapath:
    """Return the datapath of one engine.

    Args:
        engine: what to build.
        found: the range of every value.
        solve: chooses how each constant matrix is multiplied.
    """
    return Expansion(engine, found, solve).datapath()


class Expansion:
    """Expands node by node; `_signals` holds what each value has become."""

    def __init__(self, engine: Engine, found: Mapping[Value, Range], solve: Solver) -> None:
        self._engine = engine
        self._found = found
        self._solve = solve
        self._operations: list[Operation] = []
        self._signals: dict[Value, Signal] = {}
        self._constants = {
            node.result: node.op for node in (*engine.nodes, *engine.tail) if isinstance(node.op, ops.Const)
        }

    def datapath(self) -> Datapath:
        engine = self._engine
        x = self._inputs(engine.xs)
        reads = [self._state(state) for state in engine.states]
        for value, rom in engine.step_constants:
            self._emit(StepRom(rom.integers.reshape(engine.length, -1)), (), value)
        for node in (*engine.nodes, *engine.tail):
            self._expand(node)
        rings = tuple(
            Ring(
                read,
                self._of(state.following),
                np.broadcast_to(state.initial.reshape(-1), (read.count,)),
                state.carried,
            )
            for read, state in zip(reads, engine.states, strict=True)
        )
        output = self._outputs(engine.outputs)
        return Datapath(x, tuple(self._operations), rings, output)

    def _of(self, value: Value) -> Signal:
        return self._signals[self._named(value)]

    def _named(self, value: Value) -> Value:
        """Return the value that another name stands for."""
        while value in self._engine.aliases:
            value = self._engine.aliases[value]
        return value

    def _signal(self, value: Value, given: Range | None = None, suffix: str = "", **changes: int) -> Signal:
        given = given or self._found[value]
        return Signal(
            name=value.name + suffix,
            count=changes.get("count", self._count(value)),
            low=given.low,
            high=given.high,
            fraction=changes.get("fraction", value.type.element.fraction),
            layer=value.layer,
            note=value.note,
        )

    def _count(self, value: Value) -> int:
        return value.type.size

    def _input(self, value: Value) -> Signal:
        self._signals[value] = self._signal(value)
        return self._signals[value]

    def _inputs(self, values: Sequence[Value]) -> Signal:
        """Return what enters: a vector, or the bits of several."""
        if len(values) == 1:
            return self._input(values[0])
        inputs = [self._entering(value) for value in values]
        packed = packed_bits("x_bits", inputs)
        self._unpack(packed, values, inputs)
        return packed

    def _entering(self, value: Value) -> Signal:
        """Return one of several inputs, as the engine's own."""
        return replace(self._signal(value), layer=self._engine.layer)

    def _unpack(self, packed: Signal, values: Sequence[Value], signals: Sequence[Signal]) -> None:
        start = 0
        for value, signal in zip(values, signals, strict=True):
            self._signals[value] = self._add(Unpack(start), (packed,), signal)
            start += signal.bits

    def _outputs(self, values: Sequence[Value]) -> Signal:
        """Return what leaves: a vector, or the bits of several."""
        outputs = [self._whole_output(value) for value in values]
        if len(outputs) == 1:
            return outputs[0]
        return self._add(Pack(), tuple(outputs), packed_bits("y_bits", outputs))

    def _whole_output(self, value: Value) -> Signal:
        return self._of(value)

    def _state(self, state: State) -> Signal:
        """Return what a state is read from; where its initial value enters, the first step takes that instead."""
        if state.initial_value is None:
            return self._input(state.read)
        read = self._signal(state.read, suffix="_kept")
        rows = np.zeros((self._engine.length, 1), np.int64)
        rows[0] = 1
        name = f"{state.read.name}_is_first"
        first = self._add(StepRom(rows), (), Signal(name, 1, 0, 1, 0, state.read.layer, ""))
        given = self._of(state.initial_value)
        self._signals[state.read] = self._add(Select(), (first, read, given), self._signal(state.read))
        return read

    def _add(self, kind: Kind, operands: tuple[Signal, ...], result: Signal) -> Signal:
        self._operations.append(Operation(kind, operands, result))
        return result

    def _emit(self, kind: Kind, operands: tuple[Signal, ...], value: Value) -> None:
        self._signals[value] = self._add(kind, operands, self._signal(value))

    def _expand(self, node: Node) -> None:
        operands = tuple(self._of(v) for v in node.operands)
        match node.op:
            case ops.Const():
                self._emit(Constant(node.op.integers.reshape(-1)), (), node.result)
            case ops.MatVec():
                self._product(node, operands)
            case ops.Add() | ops.Sub():
                a, b = operands
                shifts = self._shifts(node.result, operands)
                self._emit(AddSub(isinstance(node.op, ops.Sub), *shifts), (a, b), node.result)
            case ops.Max() | ops.Min():
                shifts = self._shifts(node.result, operands)
                self._emit(Extreme(isinstance(node.op, ops.Max), *shifts), operands, node.result)
            case ops.Mul():
                self._emit(Multiply(), operands, node.result)
            case ops.ReduceSum() | ops.ReduceMax():
                self._reduce(operands[0], 1, isinstance(node.op, ops.ReduceMax), node.result)
            case ops.Cast():
                self._cast(node.op.to, operands[0], node.result)
            case ops.Table():
                form = table_form(node.op, node.operands[0].type.element)
                cell = self._signal(node.result, Range(0, form.last_cell), "_cell", fraction=0)
                self._add(TableIndex(form), operands, cell)
                self._emit(TableLookup(form), (cell,), node.result)
            case ops.Slice():
                inner = node.result.type.size // node.result.type.shape[0]
                self._emit(View(node.op.start * inner, node.op.stop * inner), operands, node.result)
            case ops.Concat():
                self._emit(Join(), operands, node.result)
            case ops.Reshape():
                self._signals[node.result] = operands[0]
            case ops.Transpose():
                self._emit(Transpose(node.op.rows), operands, node.result)
            case ops.Reverse() | ops.Scan():
                raise AssertionError("an engine holds no scan and reverses nothing inside")
            case _:
                assert_never(node.op)

    def _shifts(self, result: Value, operands: tuple[Signal, ...]) -> tuple[int, int]:
        a, b = (result.type.element.fraction - operand.fraction for operand in operands)
        return a, b

    def _product(self, node: Node, operands: tuple[Signal, ...]) -> None:
        matrix, x = operands
        rows, columns = node.operands[0].type.shape
        constant = self._constants.get(node.operands[0])
        if constant is not None:
            tree = self._solve(node.result, constant.integers, Range(x.low, x.high))
            if tree is not None:
                self._emit(ShiftAdd(tree), (x,), node.result)
                return
        corners = [a * b for a in (matrix.low, matrix.high) for b in (x.low, x.high)]
        given = Range(min(corners), max(corners))
        products = self._signal(node.result, given, "_products", count=rows * columns)
        self._add(Products(), (matrix, x), products)
        self._reduce(products, rows, False, node.result)

    def _reduce(self, values: Signal, groups: int, largest: bool, result: Value) -> None:
        level = 0
        while values.count > groups:
            level += 1
            members = -(-values.count // groups // 2)
            given = Range(values.low, values.high)
            if not largest:
                given = Range(2 * values.low, 2 * values.high).join(given)
            final = members == 1
            partial = self._signal(
                result, None if final else given, "" if final else f"_{level}", count=groups * members
            )
            values = self._add(Pairs(groups, largest), (values,), partial)
        self._signals[result] = values

    def _cast(self, to: FixedType, a: Signal, result: Value) -> None:
        dropped = a.fraction - to.fraction
        if dropped:
            ends = round_to(np.array([a.low, a.high], object), a.fraction, to.fraction, to.rounding)
            given = Range(int(ends[0]), int(ends[1]))
            fits = given.within(Range.of_type(to))
            rounded = self._signal(result, given, "" if fits else "_rounded")
            a = self._add(Round(dropped, to.rounding), (a,), rounded)
        given, full = Range(a.low, a.high), Range.of_type(to)
        symmetric = to.overflow is Overflow.SAT_SYM and to.signed and a.low <= to.min_integer
        if not given.within(full) or symmetric:
            a = self._add(Bound(to), (a,), self._signal(result))
        self._signals[result] = a


def packed_bits(name: str, parts: Sequence[Signal]) -> Signal:
    """Return a signal of all bits of some vectors."""
    return Signal(name, sum(part.bits for part in parts), 0, 1, 0, parts[0].layer, "")
