"""From an engine's nodes to a datapath: casts become rounding and bounding, tables index and lookup, sums pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.ops import Kind
from loopwire.datapath.pairs import reduction
from loopwire.datapath.signals import Signal
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Node, Value
from loopwire.ir.interval import Range, rounded, table_form
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.schedule.engine import Engine, State


def expand(engine: Engine, found: Mapping[Value, Range]) -> Datapath:
    """Return the datapath of one engine.

    Args:
        engine: what to build.
        found: the range of every value.
    """
    return _Expansion(engine, found).datapath()


class _Expansion:
    """Expands node by node; `_signals` holds what each value has become."""

    def __init__(self, engine: Engine, found: Mapping[Value, Range]) -> None:
        self._engine = engine
        self._found = found
        self._operations: list[Operation] = []
        self._signals: dict[Value, Signal] = {}
        self._tables: dict[Value, Integers] = {}
        """The constants so far, in their shapes."""

    def datapath(self) -> Datapath:
        engine = self._engine
        x = self._inputs(engine.xs)
        reads = [self._state(state) for state in engine.states]
        for value, rom in engine.step_constants:
            self._emit(dp.StepRom(rom.integers.reshape(engine.length, -1)), (), value)
        for node in (*engine.nodes, *engine.tail):
            self._expand(node)
        feedbacks = tuple(
            Feedback(
                read,
                self._of(state.following),
                np.broadcast_to(state.initial.reshape(-1), (read.count,)),
                state.carried,
            )
            for read, state in zip(reads, engine.states, strict=True)
        )
        output = self._outputs(engine.outputs)
        return Datapath(x, tuple(self._operations), feedbacks, output)

    def _of(self, value: Value) -> Signal:
        """Return what a value has become, maybe under another name."""
        return self._signals[self._engine.meant(value)]

    def _signal(
        self, value: Value, given: Range | None = None, suffix: str = "", fraction: int | None = None
    ) -> Signal:
        given = given or self._found[value]
        return Signal(
            name=value.name + suffix,
            count=value.type.size,
            low=given.low,
            high=given.high,
            fraction=value.type.element.fraction if fraction is None else fraction,
            layer=value.layer,
            note=value.note,
        )

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
            self._signals[value] = self._add(dp.Unpack(start), (packed,), signal)
            start += signal.bits

    def _outputs(self, values: Sequence[Value]) -> Signal:
        """Return what leaves: a vector, or the bits of several."""
        outputs = [self._of(value) for value in values]
        if len(outputs) == 1:
            return outputs[0]
        return self._add(dp.Pack(), tuple(outputs), packed_bits("y_bits", outputs))

    def _state(self, state: State) -> Signal:
        """Return what a state is read from; where its initial value enters, the first step takes that instead."""
        if state.initial_value is None:
            return self._input(state.read)
        read = self._signal(state.read, suffix="_kept")
        rows = np.zeros((self._engine.length, 1), np.int64)
        rows[0] = 1
        name = f"{state.read.name}_is_first"
        first = self._add(dp.StepRom(rows), (), Signal(name, 1, 0, 1, 0, state.read.layer, ""))
        given = self._of(state.initial_value)
        self._signals[state.read] = self._add(dp.Select(), (first, read, given), self._signal(state.read))
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
                self._tables[node.result] = node.op.integers
                self._emit(dp.Constant(node.op.integers.reshape(-1)), (), node.result)
            case ops.MatVec():
                self._emit(dp.MatVec(), operands, node.result)
            case ops.Add() | ops.Sub():
                a, b = operands
                shifts = self._shifts(node.result, operands)
                self._emit(dp.AddSub(isinstance(node.op, ops.Sub), *shifts), (a, b), node.result)
            case ops.Max() | ops.Min():
                shifts = self._shifts(node.result, operands)
                self._emit(dp.Extreme(isinstance(node.op, ops.Max), *shifts), operands, node.result)
            case ops.Greater():
                finest = max(operand.fraction for operand in operands)
                self._emit(dp.Compare(*(finest - operand.fraction for operand in operands)), operands, node.result)
            case ops.Where():
                condition, a, b = operands
                a, b = (self._as_fine(value, node.result, suffix) for value, suffix in ((a, "_then"), (b, "_else")))
                self._emit(dp.Select(), (condition, b, a), node.result)
            case ops.Lookup():
                _, index = operands
                self._emit(dp.IndexedRom(self._tables[node.operands[0]]), (index,), node.result)
            case ops.Mul():
                self._emit(dp.Multiply(), operands, node.result)
            case ops.ReduceSum() | ops.ReduceMax():
                self._reduce(operands[0], isinstance(node.op, ops.ReduceMax), node.result)
            case ops.Cast():
                self._cast(node.op.to, operands[0], node.result)
            case ops.Table():
                form = table_form(node.op, node.operands[0].type.element)
                cell = self._signal(node.result, Range(0, form.last_cell), "_cell", fraction=0)
                self._add(dp.TableIndex(form), operands, cell)
                self._emit(dp.TableLookup(form), (cell,), node.result)
            case ops.Slice():
                inner = node.result.type.size // node.result.type.shape[0]
                self._emit(dp.View(node.op.start * inner, node.op.stop * inner), operands, node.result)
            case ops.Concat():
                self._emit(dp.Join(), operands, node.result)
            case ops.Reshape():
                self._signals[node.result] = operands[0]
            case ops.Transpose():
                self._emit(dp.Transpose(node.op.rows), operands, node.result)
            case ops.Reverse() | ops.Scan():
                raise AssertionError("an engine holds no scan and reverses nothing inside")
            case _:
                assert_never(node.op)

    def _shifts(self, result: Value, operands: tuple[Signal, ...]) -> tuple[int, int]:
        a, b = (result.type.element.fraction - operand.fraction for operand in operands)
        return a, b

    def _as_fine(self, a: Signal, result: Value, suffix: str) -> Signal:
        """Return a signal counted in the result's steps, which are as fine as its own or finer."""
        more = result.type.element.fraction - a.fraction
        if not more:
            return a
        fine = replace(self._signal(result, Range(a.low << more, a.high << more), suffix), count=a.count)
        return self._add(dp.Round(-more, Rounding.TRN), (a,), fine)

    def _reduce(self, values: Signal, largest: bool, result: Value) -> None:
        self._signals[result] = values
        if values.count > 1:
            self._signals[result] = self._signal(result)
            self._operations += reduction(values, 1, largest, self._signals[result])

    def _cast(self, to: FixedType, a: Signal, result: Value) -> None:
        dropped = a.fraction - to.fraction
        if dropped:
            given = rounded(Range(a.low, a.high), a.fraction, to)
            fits = given.within(Range.of_type(to))
            a = self._add(dp.Round(dropped, to.rounding), (a,), self._signal(result, given, "" if fits else "_rounded"))
        given, full = Range(a.low, a.high), Range.of_type(to)
        symmetric = to.overflow is Overflow.SAT_SYM and to.signed and a.low <= to.min_integer
        if not given.within(full) or symmetric:
            a = self._add(dp.Bound(to), (a,), self._signal(result))
        self._signals[result] = a


def packed_bits(name: str, parts: Sequence[Signal]) -> Signal:
    """Return a signal of all bits of some vectors."""
    return Signal(name, sum(part.bits for part in parts), 0, 1, 0, parts[0].layer, "")
