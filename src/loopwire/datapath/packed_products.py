"""Two products with one factor alike in one DSP block: x · (v · 2**k + w) = x · v · 2**k + x · w.

Two rows of a matrix of weights are multiplied as one whose elements hold a weight of each, k bits apart. Their products
are summed together, and the sums are taken apart at the end: the lower one is k bits with its sign, the upper one what
is left, and 1 more where the lower one is negative. Where 2**(k - 1) can be added to the lower one at no cost, it is
not negative any more, and both are bits of the sum. Where w is negative, v is stored less 1: the element is then the
bits of v and those of w, with as many copies of its sign as fill k bits.

Ref: AMD WP486, "Deep Learning with INT8 Optimization on Xilinx Devices".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.ops import (
    Accumulate,
    Kind,
    PackRows,
    Pairs,
    Products,
    StepRom,
    Triples,
    UnpackPairs,
    UnpackRows,
    View,
    WordRom,
)
from loopwire.datapath.rewrite import expanded
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel
from loopwire.ir.fixed_point import Integers


@dataclass(frozen=True)
class _Matrix:
    """A matrix of weights from a ROM, its products, and the sums that bring each row to one number."""

    rom: Operation
    products: Operation
    sums: tuple[Operation, ...]

    @property
    def result(self) -> Signal:
        """The number of each row."""
        return (self.products, *self.sums)[-1].result


def with_packed_products(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath with half as many DSP blocks for the matrices whose weights are narrow enough."""
    packed: dict[Operation, list[Operation]] = {}
    for operation in datapath.operations:
        rom = datapath.producers.get(operation.operands[0]) if isinstance(operation.kind, Products) else None
        if rom and isinstance(rom.kind, StepRom | WordRom) and dsp_blocks(operation, delays) == 1:
            matrix = _Matrix(rom, operation, _sums(datapath, operation))
            if made := _packed(datapath, matrix, delays):
                packed |= {rom: made[:1], operation: made[1:3], **{each: [] for each in matrix.sums}}
                packed[(operation, *matrix.sums)[-1]] = made[1:] if not matrix.sums else made[3:]
    return expanded(datapath, packed)


def _sums(datapath: Datapath, products: Operation) -> tuple[Operation, ...]:
    """Return the operations that sum products, each the only reader of what it sums."""
    found: list[Operation] = []
    matrix, x = products.operands
    result, rows = products.result, matrix.count // x.count
    while True:
        reader, *others = datapath.readers[result]
        if others or reader is None or not _is_sum(reader, rows):
            return tuple(found)
        found.append(reader)
        result = reader.result


def _is_sum(operation: Operation, rows: int) -> bool:
    match operation.kind:
        case Accumulate():
            return True
        case Pairs(groups=groups, largest=largest):
            return groups == rows and not largest
        case Triples(groups=groups):
            return groups == rows and len(operation.operands) == 1
        case _:
            return False


def _packed(datapath: Datapath, matrix: _Matrix, delays: DelayModel) -> list[Operation]:
    """Return the ROM, what packs its elements, and all up to the result; nothing where that cannot be."""
    rom, products, result = matrix.rom, matrix.products, matrix.result
    words, x = products.operands
    rows = words.count // x.count
    lut_rows = isinstance(products.kind, Products) and products.kind.lut_rows
    if rows < 2 or result.count != rows or lut_rows or len(datapath.readers[words]) > 1:
        return []
    assert isinstance(rom.kind, StepRom | WordRom)
    bits = result.width + (not result.signed)
    stored = _less_borrowed(rom.kind.rows.reshape(len(rom.kind.rows), rows, x.count))
    low, high = int(stored.min()), int(stored.max())
    elements = replace(words, count=stored[0].size, low=low, high=high)
    pairs = stored.shape[1] // 2
    factor = replace(
        words,
        name=f"{words.name}_packed",
        count=pairs * x.count,
        low=low << bits,
        high=(high << bits) + (1 << bits) - 1,
    )

    def of_two(signal: Signal) -> Signal:
        scale = (1 << bits) + 1
        count = signal.count // rows * pairs
        name = f"{signal.name}_packed"
        return replace(signal, name=name, count=count, low=signal.low * scale, high=signal.high * scale)

    multiplied = replace(products, operands=(factor, x), result=of_two(products.result))
    if dsp_blocks(multiplied, delays) != 1:
        return []
    made = [
        replace(rom, kind=replace(rom.kind, rows=stored.reshape(len(stored), -1)), result=elements),
        Operation(PackRows(2, x.count, bits), (elements,), factor),
        multiplied,
    ]
    raised = _where_to_raise(matrix.sums)
    half = 0
    for operation in matrix.sums:
        half = half or (1 << bits - 1) * (operation is raised)
        kind = _of_pairs(operation, pairs, half if operation is raised else 0)
        made.append(Operation(kind, (made[-1].result,), _more(of_two(operation.result), half)))
    apart = result if 2 * pairs == rows else replace(result, name=f"{result.name}_unpacked", count=2 * pairs)
    unpack = UnpackPairs(bits) if raised is None else UnpackRows(2, 1, bits)
    made.append(Operation(unpack, (made[-1].result,), apart))
    if apart is not result:
        made.append(Operation(View(0, rows), (apart,), result))
    return made


def _where_to_raise(sums: Sequence[Operation]) -> Operation | None:
    """Return a sum to which a constant is added at no cost: one that begins with 0, or of fewer than three."""
    accumulated = (op for op in sums if isinstance(op.kind, Accumulate))
    fewer = (op for op in sums if isinstance(op.kind, Triples) and op.operands[0].count // op.kind.groups % 3)
    return next(chain(accumulated, fewer), None)


def _of_pairs(operation: Operation, pairs: int, added: int) -> Kind:
    match operation.kind:
        case Accumulate():
            return Accumulate(added)
        case Pairs():
            return Pairs(pairs, largest=False)
        case Triples():
            return Triples(pairs, added)
        case _:
            raise AssertionError("another operation sums nothing")


def _more(signal: Signal, added: int) -> Signal:
    return replace(signal, low=signal.low + added, high=signal.high + added)


def _less_borrowed(weights: Integers) -> Integers:
    """Return matrices (words, rows, columns) with rows to an even number, the odd ones less 1 beside a negative."""
    stored = np.pad(weights, ((0, 0), (0, weights.shape[1] % 2), (0, 0)))
    stored[:, 1::2] -= stored[:, 0::2] < 0
    return stored
