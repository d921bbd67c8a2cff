"""From an engine's nodes to a folded datapath: multipliers, tables and all else serve one chunk of units after another.

Vectors are whole or in chunks. A matrix product takes a whole vector and gives chunks: in each cycle, the rows of one
chunk times the columns of one pass. What follows element by element works on chunks, the same hardware for each. Where
a whole vector is needed again, chunks are gathered. A vector of several blocks of units, such as an LSTM's gates, has
the same units of every block in a chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loopwire.datapath.expand import Expansion, packed_bits
from loopwire.datapath.ops import (
    Accumulate,
    Columns,
    Datapath,
    Folding,
    Gather,
    Hold,
    Join,
    Pairs,
    Products,
    Ring,
    Signal,
    View,
    WordRom,
)
from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Node, Value
from loopwire.ir.interval import Range
from loopwire.schedule.engine import Engine, State


def expand_folded(engine: Engine, found: Mapping[Value, Range], folding: Folding) -> Datapath:
    """Return the folded datapath of one engine; every matrix of it has a multiple of `folding.units` rows."""
    return _FoldedExpansion(engine, found, folding).datapath()


class _FoldedExpansion(Expansion):
    def __init__(self, engine: Engine, found: Mapping[Value, Range], folding: Folding) -> None:
        super().__init__(engine, found, lambda *_: None)
        self._folding = folding
        self._states = {state.read: state for state in engine.states}
        self._step_constants = dict(engine.step_constants)
        self._chunked = {state.read for state in engine.states if state.read.type.size == folding.units}
        self._chunks: dict[Value, Signal] = {}
        self._unchanging = set(self._constants)
        self._rings: list[tuple[Signal, State, Integers, bool]] = []
        self._want_chunks = False

    def datapath(self) -> Datapath:
        engine = self._engine
        x = self._held_inputs(engine.xs)
        for node in (*engine.nodes, *engine.tail):
            self._expand(node)
        output = self._outputs(engine.outputs)
        rings = tuple(
            Ring(read, self._chunk(state.following), initial, state.carried, gathered)
            for read, state, initial, gathered in self._rings
        )
        return Datapath(x, tuple(self._operations), rings, output, self._folding)

    def _held_inputs(self, values: Sequence[Value]) -> Signal:
        """Return what enters, kept for the cycles of a step."""
        if len(values) == 1:
            x = self._signal(values[0])
            self._signals[values[0]] = self._add(Hold(), (x,), self._signal(values[0], suffix="_step"))
            return x
        inputs = [self._entering(value) for value in values]
        x = packed_bits("x_bits", inputs)
        self._unpack(self._add(Hold(), (x,), packed_bits("x_step", inputs)), values, inputs)
        return x

    def _whole_output(self, value: Value) -> Signal:
        return self._whole(self._named(value))

    def _of(self, value: Value) -> Signal:
        value = self._named(value)
        return self._chunk(value) if self._want_chunks else self._whole(value)

    def _count(self, value: Value) -> int:
        blocks = value.type.size // self._folding.units
        return blocks * self._folding.lanes if value in self._chunked else value.type.size

    def _expand(self, node: Node) -> None:
        match node.op:
            case ops.Const():
                return
            case ops.MatVec():
                self._folded_product(node)
                return
            case ops.ReduceSum() | ops.ReduceMax():
                self._want_chunks = False
            case ops.Slice():
                self._want_chunks = node.operands[0] in self._chunked and self._aligned(node.op)
            case _:
                # Beside a vector that is whole already, as behind a softmax's sum, chunks would only wait for it.
                whole = any(v not in self._chunked and v not in self._unchanging for v in node.operands)
                self._want_chunks = not whole and any(v in self._chunked for v in node.operands)
                if node.result.type.size == 1 and all(v in self._unchanging for v in node.operands):
                    self._unchanging.add(node.result)
        if self._want_chunks:
            self._chunked.add(node.result)
        if self._want_chunks and isinstance(node.op, ops.Slice):
            lanes, units = self._folding.lanes, self._folding.units
            view = View(node.op.start // units * lanes, node.op.stop // units * lanes)
            self._emit(view, (self._chunk(node.operands[0]),), node.result)
        else:
            super()._expand(node)
        if self._want_chunks:
            self._chunks[node.result] = self._signals.pop(node.result)

    def _aligned(self, piece: ops.Slice) -> bool:
        return piece.start % self._folding.units == 0 and piece.stop % self._folding.units == 0

    def _chunk(self, value: Value) -> Signal:
        """Return a vector in chunks, or a scalar constant."""
        if value not in self._chunks:
            if value in self._constants:
                constant = self._constants[value]
                if constant.reals.size == 1:
                    return self._whole(value)
                self._chunked.add(value)
                rows = self._in_chunks(constant.integers.reshape(-1))
                rom = WordRom(rows, self._folding.passes, by_step=False)
                self._chunks[value] = self._add(rom, (), self._signal(value))
            elif value in self._unchanging:
                return self._whole(value)
            elif value not in self._states:
                raise UnsupportedError(
                    f"reuse_factor, layer {value.layer!r}",
                    f"%{value.name} is not computed alike for every unit (as with a type for each element), and what "
                    "is not can share no hardware",
                    "Leave it out for this layer",
                )
            else:
                self._chunks[value] = self._read(value, gathered=False)
        return self._chunks[value]

    def _whole(self, value: Value) -> Signal:
        """Return a whole vector."""
        if value not in self._signals:
            if value in self._constants:
                super()._expand(Node(self._constants[value], (), (value,)))
            elif value in self._states:
                self._signals[value] = self._read(value, gathered=True)
            else:
                self._signals[value] = self._gather(value)
        return self._signals[value]

    def _read(self, value: Value, gathered: bool) -> Signal:
        state = self._states[value]
        initial = np.broadcast_to(state.initial.reshape(-1), (value.type.size,))
        if gathered:
            read = self._signal(value, suffix="_whole", count=value.type.size)
        else:
            read = self._signal(value, count=self._folding.lanes)
            initial = self._in_chunks(initial).reshape(-1)
        self._rings.append((read, state, initial, gathered))
        return read

    def _gather(self, value: Value) -> Signal:
        """Return a whole vector from its chunks; one of several blocks block by block."""
        chunk, lanes, units = self._chunk(value), self._folding.lanes, self._folding.units
        whole = self._signal(value, suffix="_whole", count=value.type.size)
        if value.type.size == units:
            return self._add(Gather(), (chunk,), whole)
        gathered = []
        for block in range(value.type.size // units):
            name = f"_block_{block + 1}"
            lane = self._add(
                View(block * lanes, (block + 1) * lanes), (chunk,), self._signal(value, None, name, count=lanes)
            )
            gathered.append(self._add(Gather(), (lane,), self._signal(value, None, f"{name}_whole", count=units)))
        return self._add(Join(), tuple(gathered), whole)

    def _in_chunks(self, integers: Integers) -> Integers:
        """Return the elements (blocks · units,) by chunk (chunks, blocks · lanes), padded with zeros."""
        folding = self._folding
        blocks = integers.reshape(-1, folding.units)
        padded = np.zeros((len(blocks), folding.chunks * folding.lanes), integers.dtype)
        padded[:, : folding.units] = blocks
        by_chunk = padded.reshape(len(blocks), folding.chunks, folding.lanes).transpose(1, 0, 2)
        return by_chunk.reshape(folding.chunks, -1)

    def _folded_product(self, node: Node) -> None:
        matrix, vector = node.operands
        by_step = matrix in self._step_constants
        constant = self._step_constants[matrix] if by_step else self._constants[matrix]
        weights = constant.integers if by_step else constant.integers[np.newaxis]
        folding, columns = self._folding, -(-weights.shape[-1] // self._folding.passes)
        self._chunked.add(node.result)
        self._want_chunks = False
        x = self._whole(vector)
        rows = self._weight_rows(weights, columns)
        lanes = self._count(node.result)
        rom = WordRom(rows, 1, by_step)
        words = self._add(rom, (), self._signal(matrix, self._with_zero(matrix), count=lanes * columns))
        selected = x
        if folding.passes > 1:
            selected = self._add(Columns(columns), (x,), self._signal(vector, suffix="_columns", count=columns))
        corners = [a * b for a in (words.low, words.high) for b in (min(x.low, 0), max(x.high, 0))]
        products = self._signal(node.result, Range(min(corners), max(corners)), "_products", count=lanes * columns)
        partial = self._add(Products(), (words, selected), products)
        while partial.count > lanes:
            members = -(-partial.count // lanes // 2)
            partial_range = Range(min(2 * partial.low, partial.low), max(2 * partial.high, partial.high))
            level = self._signal(node.result, partial_range, f"_sum{members}", count=lanes * members)
            partial = self._add(Pairs(lanes, largest=False), (partial,), level)
        if folding.passes > 1:
            partial = self._add(Accumulate(), (partial,), self._signal(node.result, self._with_zero(node.result)))
        self._chunks[node.result] = partial

    def _with_zero(self, value: Value) -> Range:
        # Padded units and columns are zero, and a partial sum may lie between zero and the whole one.
        given = self._found[value]
        return Range(min(given.low, 0), max(given.high, 0))

    def _weight_rows(self, weights: Integers, columns: int) -> Integers:
        """Return what is read in each cycle (steps · chunks · passes, lanes · columns) of matrices (steps, m, n)."""
        folding = self._folding
        steps, rows, width = weights.shape
        blocks = rows // folding.units
        padded = np.zeros((steps, blocks, folding.chunks * folding.lanes, folding.passes * columns), weights.dtype)
        padded[:, :, : folding.units, :width] = weights.reshape(steps, blocks, folding.units, width)
        split = padded.reshape(steps, blocks, folding.chunks, folding.lanes, folding.passes, columns)
        ordered = split.transpose(0, 2, 4, 1, 3, 5)
        return ordered.reshape(steps * folding.cycles, -1)
