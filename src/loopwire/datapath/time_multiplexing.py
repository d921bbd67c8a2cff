"""Time multiplexing: multipliers, tables and all else serve one chunk of units after another.

Vectors are whole or in chunks. A matrix product takes a whole vector and gives chunks: in each cycle, the rows of one
chunk times the columns of one pass. What follows element by element works on chunks, the same hardware for each. Where
a whole vector is needed again, chunks are gathered. A vector of several blocks of units, such as an LSTM's gates, has
the same units of every block in a chunk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.ops import Kind
from loopwire.datapath.pairs import levels_of_pairs
from loopwire.datapath.sharing import Sharing
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers


def time_multiplexed(datapath: Datapath, sharing: Sharing) -> Datapath:
    """Return the datapath with its hardware shared; matrices of weights have a multiple of `sharing.units` rows."""
    return datapath if sharing.is_parallel else _Multiplexing(datapath, sharing).datapath()


class _Multiplexing:
    """Goes through the operations; `_whole` and `_chunks` hold what each signal becomes, once it is needed."""

    def __init__(self, datapath: Datapath, sharing: Sharing) -> None:
        self._parallel = datapath
        self._sharing = sharing
        self._states = {feedback.read: feedback for feedback in datapath.feedbacks}
        self._roms = {op.result: op.kind for op in datapath.operations if isinstance(op.kind, dp.Constant | dp.StepRom)}
        self._unchanging = {signal for signal, kind in self._roms.items() if isinstance(kind, dp.Constant)}
        """Constants, and numbers that follow from the input alone, which is held: those of all chunks of a step."""
        self._held = {datapath.x}
        """What follows from the input alone."""
        self._attends = any(
            isinstance(op.kind, dp.MatVec) and op.operands[0] not in self._roms for op in datapath.operations
        )
        self._chunked = {read for read in self._states if read.count == sharing.units}
        self._starts: dict[Signal, Operation] = {}
        """What chooses between a state and the value that it starts with, whole or in chunks."""
        self._whole: dict[Signal, Signal] = {}
        self._chunks: dict[Signal, Signal] = {}
        self._operations: list[Operation] = []
        self._reads: list[tuple[Feedback, Signal, Integers, bool]] = []

    def datapath(self) -> Datapath:
        x = self._parallel.x
        self._whole[x] = self._add(dp.Hold(), (x,), replace(x, name=f"{x.name}_step"))
        for operation in self._parallel.operations:
            self._multiplex(operation)
        output = self._as_whole(self._parallel.output)
        feedbacks = tuple(
            Feedback(read, self._as_chunk(feedback.following), initial, feedback.carried, gathered)
            for feedback, read, initial, gathered in self._reads
        )
        return Datapath(x, tuple(self._operations), feedbacks, output, self._sharing)

    def _add(self, kind: Kind, operands: tuple[Signal, ...], result: Signal) -> Signal:
        self._operations.append(Operation(kind, operands, result))
        return result

    def _multiplex(self, operation: Operation) -> None:
        kind, operands, result = operation.kind, operation.operands, operation.result
        if result in self._roms:
            return
        if isinstance(kind, dp.Select) and operands[1] in self._states:
            self._starts[result] = operation
            self._chunked.update({result} if operands[1] in self._chunked else ())
            return
        if isinstance(kind, dp.MatVec) and result.count % self._sharing.units == 0:
            self._product(operation)
            return
        if self._is_unit_by_unit(operation):
            if isinstance(kind, dp.View):
                kind = dp.View(*(end // self._sharing.units * self._sharing.lanes for end in (kind.start, kind.stop)))
            self._chunked.add(result)
            given = tuple(self._as_chunk(operand) for operand in operands)
            self._chunks[result] = self._add(kind, given, self._of_chunk(result))
        else:
            given = tuple(self._as_whole(operand) for operand in operands)
            self._whole[result] = self._add(kind, given, result)
            if all(operand in self._unchanging | self._held for operand in operands):
                self._held.add(result)
                if result.count == 1:
                    self._unchanging.add(result)

    def _is_unit_by_unit(self, operation: Operation) -> bool:
        """Say whether an operation works on chunks."""
        operands = operation.operands
        match operation.kind:
            case dp.Pairs() | dp.Triples() | dp.MatVec() | dp.Transpose() | dp.IndexedRom():
                return False
            case dp.Unpack() | dp.Pack() | dp.PackRows() | dp.UnpackRows() | dp.UnpackPairs():
                return False
            case dp.Differences() | dp.ToLargest():
                return False
            case dp.View() as view:
                aligned = view.start % self._sharing.units == 0 and view.stop % self._sharing.units == 0
                return operands[0] in self._chunked and aligned
            case dp.Timed() | dp.Multiplication() | dp.Logic() | dp.Constant() | dp.Join():
                whole = any(operand not in self._chunked and not self._serves_chunks(operand) for operand in operands)
                return not whole and any(operand in self._chunked for operand in operands)
            case _:
                assert_never(operation.kind)

    def _serves_chunks(self, signal: Signal) -> bool:
        """Say whether what is no chunk is computed with chunks: an unchanging number.

        Beside what is whole already, as behind a softmax's sum, chunks would only wait for it. Those of an attention do
        wait for a number: of its softmaxes there are as many tables as heads times steps.
        """
        return signal in self._unchanging or (self._attends and signal.count == 1)

    def _of_chunk(self, signal: Signal) -> Signal:
        return replace(signal, count=signal.count // self._sharing.units * self._sharing.lanes)

    def _as_chunk(self, signal: Signal) -> Signal:
        """Return a vector in chunks, or a number that serves all of them."""
        if signal not in self._chunks:
            if signal not in self._chunked and signal.count == 1 and self._serves_chunks(signal):
                return self._as_whole(signal)
            if signal in self._states:
                self._chunks[signal] = self._read(signal, gathered=False)
            elif signal in self._starts:
                choice, *values = self._starts[signal].operands
                given = (self._as_whole(choice), *(self._as_chunk(value) for value in values))
                self._chunks[signal] = self._add(dp.Select(), given, self._of_chunk(signal))
            elif signal in self._roms:
                rows = self._in_chunks(self._rows(signal)).reshape(-1, self._of_chunk(signal).count)
                rom = dp.WordRom(rows, self._sharing.passes, isinstance(self._roms[signal], dp.StepRom))
                self._chunks[signal] = self._add(rom, (), self._of_chunk(signal))
            else:
                self._chunks[signal] = self._chunk_of_whole(signal)
        return self._chunks[signal]

    def _as_whole(self, signal: Signal) -> Signal:
        if signal not in self._whole:
            if signal in self._states:
                self._whole[signal] = self._read(signal, gathered=True)
            elif signal in self._starts:
                given = tuple(self._as_whole(operand) for operand in self._starts[signal].operands)
                self._whole[signal] = self._add(dp.Select(), given, replace(signal, name=f"{signal.name}_whole"))
            elif signal in self._roms:
                self._whole[signal] = self._add(self._roms[signal], (), signal)
            else:
                self._whole[signal] = self._gather(signal)
        return self._whole[signal]

    def _read(self, state: Signal, gathered: bool) -> Signal:
        feedback = self._states[state]
        if gathered:
            read, initial = replace(state, name=f"{state.name}_whole"), feedback.initial
        else:
            read, initial = self._of_chunk(state), self._in_chunks(feedback.initial[np.newaxis]).reshape(-1)
        self._reads.append((feedback, read, initial, gathered))
        return read

    def _chunk_of_whole(self, signal: Signal) -> Signal:
        """Return the chunks of what is not computed alike for every unit, as where each element has another type."""
        whole = self._as_whole(signal)
        if self._sharing.chunks == 1:
            return whole
        return self._add(dp.Chunk(), (whole,), replace(self._of_chunk(signal), name=f"{signal.name}_chunk"))

    def _gather(self, signal: Signal) -> Signal:
        """Return a whole vector from its chunks; one of several blocks block by block."""
        chunk, lanes, units = self._as_chunk(signal), self._sharing.lanes, self._sharing.units
        whole = replace(signal, name=f"{signal.name}_whole")
        if signal.count == units:
            return self._add(dp.Gather(), (chunk,), whole)
        gathered = []
        for block in range(signal.count // units):
            name = f"{signal.name}_block_{block + 1}"
            of_block = dp.View(block * lanes, (block + 1) * lanes)
            lane = self._add(of_block, (chunk,), replace(signal, name=name, count=lanes))
            gathered.append(self._add(dp.Gather(), (lane,), replace(signal, name=f"{name}_whole", count=units)))
        return self._add(dp.Join(), tuple(gathered), whole)

    def _rows(self, signal: Signal) -> Integers:
        """Return the elements of a constant (1, count), or of what each step brings (steps, count)."""
        match self._roms[signal]:
            case dp.Constant(integers=integers):
                return integers[np.newaxis]
            case dp.StepRom(rows=rows):
                return rows

    def _in_chunks(self, rows: Integers) -> Integers:
        """Return elements (steps, blocks · units) by chunk (steps, chunks, blocks · lanes), padded with zeros."""
        sharing = self._sharing
        blocks = rows.reshape(len(rows), -1, sharing.units)
        padding = sharing.chunks * sharing.lanes - sharing.units
        padded = np.pad(blocks, ((0, 0), (0, 0), (0, padding))).reshape(len(rows), -1, sharing.chunks, sharing.lanes)
        return padded.transpose(0, 2, 1, 3).reshape(len(rows), sharing.chunks, -1)

    def _product(self, operation: Operation) -> None:
        (matrix, vector), result = operation.operands, operation.result
        passes, columns = self._sharing.passes, -(-vector.count // self._sharing.passes)
        self._chunked.add(result)
        x = self._as_whole(vector)
        lanes = self._of_chunk(result).count
        # Padded units and columns are zero, and a partial sum may lie between zero and the whole one.
        words = replace(_with_zero(matrix), count=lanes * columns)
        if matrix in self._roms:
            weights = self._rows(matrix).reshape(-1, result.count, vector.count)
            self._add(
                dp.WordRom(self._words(weights, columns), 1, isinstance(self._roms[matrix], dp.StepRom)), (), words
            )
        else:
            words = replace(words, name=f"{result.name}_tile")
            self._add(dp.Tile(result.count, columns), (self._as_whole(matrix),), words)
        selected = x
        if passes > 1:
            named = replace(vector, name=f"{vector.name}_columns", count=columns)
            selected = self._add(dp.Columns(columns), (x,), named)
        corners = [a * b for a in (words.low, words.high) for b in (min(x.low, 0), max(x.high, 0))]
        products = replace(
            result, name=f"{result.name}_products", count=lanes * columns, low=min(corners), high=max(corners)
        )
        self._add(dp.Products(), (words, selected), products)
        levels = levels_of_pairs(products, lanes, False, result, lambda _, members: f"{result.name}_sum{members}")
        if levels and passes == 1:
            levels[-1] = replace(levels[-1], result=_with_range_of(_with_zero(result), levels[-1].result))
        self._operations += levels
        partial = levels[-1].result if levels else products
        if passes > 1:
            partial = self._add(dp.Accumulate(), (partial,), self._of_chunk(_with_zero(result)))
        self._chunks[result] = partial

    def _words(self, weights: Integers, columns: int) -> Integers:
        """Return what is read in each cycle (steps · chunks · passes, lanes · columns) of matrices (steps, m, n)."""
        sharing = self._sharing
        steps, rows, width = weights.shape
        blocks = rows // sharing.units
        padded = np.zeros((steps, blocks, sharing.chunks * sharing.lanes, sharing.passes * columns), weights.dtype)
        padded[:, :, : sharing.units, :width] = weights.reshape(steps, blocks, sharing.units, width)
        split = padded.reshape(steps, blocks, sharing.chunks, sharing.lanes, sharing.passes, columns)
        ordered = split.transpose(0, 2, 4, 1, 3, 5)
        return ordered.reshape(steps * sharing.cycles, -1)


def _with_range_of(signal: Signal, named: Signal) -> Signal:
    return replace(named, low=signal.low, high=signal.high)


def _with_zero(signal: Signal) -> Signal:
    return replace(signal, low=min(signal.low, 0), high=max(signal.high, 0))
