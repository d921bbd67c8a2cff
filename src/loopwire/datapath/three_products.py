"""Three products with one factor alike in one DSP block: x · (u · 2**2k + v · 2**k + w) = x · u · 2**2k + …

Three rows of a matrix of weights are multiplied as one, where the products of the lower two are so narrow that three
weights, k bits apart, fit into a factor of a block. Its adder adds 2**(k - 1) to each of the two, so that neither
borrows from the product above: all three are then bits of the result, and are summed as products of three blocks would
be. Rows that are too wide for that are the upper ones, and what remains shares blocks two by two in the same way. As in
`packed_products`, what a ROM holds of a weight is 1 less where the one below it is negative, so the factor is wires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.ops import Join, PackRows, Products, StepRom, UnpackRows, View
from loopwire.datapath.rewrite import expanded
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel
from loopwire.ir.fixed_point import Integers

ROWS = 3
ENDS = {3: "_in_threes", 2: "_in_twos", 1: "_alone"}
"""Of the names of what so many rows a block are."""


def with_three_products(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath with three products a DSP block where weights by step are narrow, and fewer blocks so."""
    packed: dict[Operation, list[Operation]] = {}
    for operation in datapath.operations:
        rom = datapath.producers.get(operation.operands[0]) if isinstance(operation.kind, Products) else None
        if rom is None or not isinstance(rom.kind, StepRom) or len(datapath.readers[rom.result]) > 1:
            continue
        if delays.device.dsp_has_adder and operation.kind == Products() and dsp_blocks(operation, delays) == 1:
            matrix = _Matrix(rom, rom.kind.rows, operation, delays)
            if made := matrix.packed():
                packed |= {rom: [], operation: made}
    return expanded(datapath, packed)


class _Matrix:
    def __init__(self, rom: Operation, weights: Integers, products: Operation, delays: DelayModel) -> None:
        self._rom, self._products, self._delays = rom, products, delays
        self._words, self._x = products.operands
        self._columns = self._x.count
        self._weights = weights.reshape(len(weights), -1, self._columns)
        corners = np.stack([self._weights * limit for limit in (self._x.low, self._x.high)])
        self._low, self._high = corners.min(axis=(0, 1, 3)), corners.max(axis=(0, 1, 3))

    def packed(self) -> list[Operation]:
        """Return the ROMs and all up to the products; nothing where three rows a block need no fewer blocks."""
        rows = self._weights.shape[1]
        order = sorted(range(rows), key=self._bits)
        for threes in range(rows // ROWS, 0, -1):
            rest = order[2 * threes : rows - threes]
            if threes + -(-len(rest) // 2) >= -(-rows // 2):
                return []
            half = len(rest) // 2
            members: list[list[tuple[int, ...]]] = [
                [*zip(order[:threes], order[threes : 2 * threes], order[rows - threes :], strict=True)],
                [*zip(rest[:half], rest[len(rest) - half :], strict=True)],
                [(row,) for row in rest[half : len(rest) - half]],
            ]
            if made := self._multiplied([group for group in members if group]):
                return made
        return []

    def _bits(self, row: int) -> int:
        """Return the bits of a signed number that hold every product of a row."""
        return int(max(self._high[row], -1 - self._low[row])).bit_length() + 1

    def _multiplied(self, groups: Sequence[Sequence[tuple[int, ...]]]) -> list[Operation]:
        """Return all operations, of groups of rows that share blocks; nothing where one does not fit."""
        made: list[Operation] = []
        found: dict[int, tuple[Signal, int]] = {}
        for blocks in groups:
            made += self._of_blocks(blocks)
            if any(isinstance(op.kind, Products) and dsp_blocks(op, self._delays) != 1 for op in made):
                return []
            rows = (row for block in blocks for row in block)
            found |= {row: (made[-1].result, place * self._columns) for place, row in enumerate(rows)}
        result = self._products.result
        views = []
        for row in range(len(found)):
            source, start = found[row]
            view = replace(result, name=f"{result.name}_of_row_{row}", count=self._columns)
            views.append(Operation(View(start, start + self._columns), (source,), view))
        return [*made, *views, Operation(Join(), tuple(view.result for view in views), result)]

    def _stored(self, blocks: Sequence[tuple[int, ...]]) -> Integers:
        """Return the weights of rows that share blocks, 1 less where the one below in the block is negative."""
        stored = self._weights[:, [row for block in blocks for row in block]].copy()
        size = len(blocks[0])
        for place in range(1, size):
            stored[:, place::size] -= stored[:, place - 1 :: size] < 0
        return stored

    def _of_blocks(self, blocks: Sequence[tuple[int, ...]]) -> list[Operation]:
        """Return the ROM and the products of blocks with equally many rows."""
        size, stored, words = len(blocks[0]), self._stored(blocks), self._words
        name, count = f"{words.name}{ENDS[size]}", len(blocks) * size * self._columns
        part = replace(words, name=name, count=count, low=int(stored.min()), high=int(stored.max()))
        rom = Operation(StepRom(stored.reshape(len(stored), -1)), (), part)
        apart = replace(self._products.result, name=f"{self._products.result.name}{ENDS[size]}", count=count)
        if size == 1:
            return [rom, Operation(Products(), (part, self._x), apart)]
        bits = max(self._bits(row) for block in blocks for row in block[:-1])
        above = (size - 1) * bits
        upper = stored[:, size - 1 :: size]
        factor = replace(
            part,
            name=f"{part.name}_packed",
            count=part.count // size,
            low=int(upper.min()) << above,
            high=(int(upper.max()) + 1 << above) - 1,
        )
        added = sum(1 << place * bits + bits - 1 for place in range(size - 1))
        low, high = (
            sum(int(extreme(limits[block[place]] for block in blocks)) << place * bits for place in range(size))
            for extreme, limits in ((min, self._low), (max, self._high))
        )
        product = replace(apart, name=f"{apart.name}_packed", count=factor.count, low=low + added, high=high + added)
        return [
            rom,
            Operation(PackRows(size, self._columns, bits), (part,), factor),
            Operation(Products(added=added), (factor, self._x), product),
            Operation(UnpackRows(size, self._columns, bits), (product,), apart),
        ]
