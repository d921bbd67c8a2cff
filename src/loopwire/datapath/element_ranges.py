"""What each element of a vector can be, narrower than what all of them can be: from the weights that it is made of.

Synthesis finds the bits of an element that are always alike, and makes neither adders nor registers for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers, overflow, round_to
from loopwire.ir.types import Overflow


@dataclass(frozen=True)
class ElementRanges:
    """The least and the greatest integer of each element, two arrays (count,) of Python integers."""

    low: Integers
    high: Integers

    @classmethod
    def whole(cls, signal: Signal) -> ElementRanges:
        """Return the range of all elements for each."""
        return cls(*(np.full(signal.count, limit, object) for limit in (signal.low, signal.high)))

    @classmethod
    def of_rows(cls, rows: Integers) -> ElementRanges:
        """Return the ranges of the columns of an array (rows, count)."""
        return cls(rows.min(axis=0).astype(object), rows.max(axis=0).astype(object))

    def within(self, signal: Signal) -> ElementRanges:
        """Return the part of it that `signal` holds."""
        return ElementRanges(*(np.clip(limit, signal.low, signal.high) for limit in (self.low, self.high)))

    def widths(self) -> Integers:
        """Return the bits of each element (count,); 0 where it is a constant. Exact up to 53 bits."""
        magnitude = np.maximum(self.high, -1 - self.low).astype(np.float64)
        bits = np.maximum(np.frexp(magnitude)[1] + (self.low < 0), 1)
        return np.where(self.low < self.high, bits, 0)

    def __getitem__(self, places: slice | Integers) -> ElementRanges:
        return ElementRanges(self.low[places], self.high[places])


def element_ranges(datapath: Datapath, is_opaque: Callable[[Operation], bool]) -> dict[Signal, ElementRanges]:
    """Return the ranges of every signal's elements.

    Args:
        datapath: whose signals they are.
        is_opaque: whether synthesis cannot see into an operation, since a DSP block or a block RAM does it.
    """
    found = {
        signal: ElementRanges.whole(signal)
        for signal in (datapath.x, *(feedback.read for feedback in datapath.feedbacks))
    }
    for operation in datapath.operations:
        result = operation.result
        if is_opaque(operation):
            found[result] = ElementRanges.whole(result)
        else:
            found[result] = _result(operation, [found[operand] for operand in operation.operands], datapath).within(
                result
            )
    return found


def _result(operation: Operation, given: list[ElementRanges], datapath: Datapath) -> ElementRanges:
    kind, result = operation.kind, operation.result
    match kind:
        case dp.Constant():
            return ElementRanges.of_rows(kind.integers.reshape(1, -1))
        case dp.StepRom() | dp.WordRom():
            return ElementRanges.of_rows(kind.rows.reshape(len(kind.rows), -1))
        case dp.Columns():
            return _columns(given[0], kind.count, datapath.sharing.passes)
        case dp.Accumulate():
            a, passes = _shifted(given[0], kind.shift), datapath.sharing.passes
            low, high = np.minimum(a.low, 0) * passes, np.maximum(a.high, 0) * passes
            if len(given) == 1:
                return ElementRanges(low + kind.added, high + kind.added)
            first = _shifted(given[1], kind.first_shift)
            return ElementRanges(low + first.low, high + first.high)
        case dp.Gather():
            return given[0][np.arange(result.count) % len(given[0].low)]
        case dp.Hold():
            return given[0]
        case dp.View():
            return given[0][kind.start : kind.stop]
        case dp.Unpack() | dp.Pack() | dp.PackRows() | dp.UnpackRows() | dp.UnpackPairs():
            return ElementRanges.whole(result)
        case dp.Select():
            return ElementRanges(np.minimum(given[1].low, given[2].low), np.maximum(given[1].high, given[2].high))
        case dp.Compare():
            return ElementRanges.whole(result)
        case dp.IndexedRom():
            beyond = np.zeros((int(operation.operands[0].high >= len(kind.rows)), result.count), np.int64)
            return ElementRanges.of_rows(np.concatenate([kind.rows, beyond]))
        case dp.Join():
            return ElementRanges(*(np.concatenate([getattr(v, end) for v in given]) for end in ("low", "high")))
        case dp.Transpose():
            return given[0][np.arange(result.count).reshape(kind.rows, -1).T.reshape(-1)]
        case dp.ShiftAdd():
            rows = [kind.tree.output_interval(row) for row in range(result.count)]
            return ElementRanges(np.array([r.low for r in rows], object), np.array([r.high for r in rows], object))
        case dp.MatVec():
            raise AssertionError("what multiplies a matrix is chosen by now")
        case dp.Products():
            matrix, x = given
            products = _product(matrix, x[np.arange(len(matrix.low)) % len(x.low)])
            ends = (_sums(limit, len(x.low), kind.cascaded) for limit in (products.low, products.high))
            return ElementRanges(*(end + kind.added for end in ends))
        case dp.Multiply():
            product = _product(*given)
            return ElementRanges(product.low + kind.added, product.high + kind.added)
        case dp.MultiplyAdd():
            product, c = _product(*given[:2]), _shifted(given[2], kind.shift)
            return ElementRanges(product.low + c.low, product.high + c.high)
        case dp.AddSub():
            a, b = _shifted(given[0], kind.left_shift), _shifted(given[1], kind.right_shift)
            if kind.subtract:
                return ElementRanges(a.low - b.high, a.high - b.low)
            return ElementRanges(a.low + b.low, a.high + b.high)
        case dp.Extreme():
            a, b = _shifted(given[0], kind.left_shift), _shifted(given[1], kind.right_shift)
            better = np.maximum if kind.largest else np.minimum
            return ElementRanges(better(a.low, b.low), better(a.high, b.high))
        case dp.Pairs():
            return ElementRanges(*(_pairs(limit, kind) for limit in (given[0].low, given[0].high)))
        case dp.Triples():
            lows, highs = [v.low for v in given], [v.high for v in given]
            return ElementRanges(_triples(lows, kind), _triples(highs, kind))
        case dp.Differences():
            (a,) = given
            return ElementRanges(*(np.subtract.outer(*ends).reshape(-1) for ends in ((a.low, a.high), (a.high, a.low))))
        case dp.ToLargest():
            return ElementRanges.whole(result)
        case dp.Round():
            ends = (round_to(limit, kind.dropped, 0, kind.mode) for limit in (given[0].low, given[0].high))
            return ElementRanges(*ends)
        case dp.Bound():
            if kind.to.overflow in (Overflow.SAT, Overflow.SAT_SYM):
                return ElementRanges(*(overflow(limit, kind.to) for limit in (given[0].low, given[0].high)))
            return ElementRanges.whole(result)
        case dp.Chunk():
            return _columns(given[0], result.count, datapath.sharing.chunks)
        case dp.Tile():
            return ElementRanges.whole(result)
        case dp.TableIndex() | dp.TableBeyond() | dp.TableLookup() | dp.TableEnds():
            return ElementRanges.whole(result)
        case _:
            assert_never(kind)


def _columns(x: ElementRanges, count: int, passes: int) -> ElementRanges:
    """Return the hull of the columns that take turns, and of the zeros beyond the last."""
    padding = np.zeros(count * passes - len(x.low), object)
    low, high = (np.concatenate([limit, padding]).reshape(passes, count) for limit in (x.low, x.high))
    return ElementRanges(low.min(axis=0), high.max(axis=0))


def _product(a: ElementRanges, b: ElementRanges) -> ElementRanges:
    corners = [p * q for p in (a.low, a.high) for q in (b.low, b.high)]
    return ElementRanges(np.minimum.reduce(corners), np.maximum.reduce(corners))


def _shifted(given: ElementRanges, shift: int) -> ElementRanges:
    return ElementRanges(given.low << shift, given.high << shift)


def _pairs(limit: Integers, kind: dp.Pairs) -> Integers:
    """Join neighbours of each group; an odd last one passes."""
    members = limit.reshape(kind.groups, -1)
    even = members.shape[1] // 2 * 2
    left, right = members[:, 0:even:2], members[:, 1:even:2]
    joined = np.maximum(left, right) if kind.largest else left + right
    return np.concatenate([joined, members[:, even:]], axis=1).reshape(-1)


def _triples(limits: list[Integers], kind: dp.Triples) -> Integers:
    """Add three neighbours of each group; a last one that adds fewer may add one more."""
    sums = _sums(limits[0], len(limits[0]) // kind.groups, 3).reshape(kind.groups, -1)
    sums[:, -1] += limits[1] if len(limits) > 1 else kind.added
    return sums.reshape(-1)


def _sums(limit: Integers, members: int, terms: int) -> Integers:
    """Add so many neighbours of each group of members; the last ones are fewer where not so many are left."""
    padded = np.pad(limit.reshape(-1, members), ((0, 0), (0, -members % terms)))
    sums: Integers = padded.reshape(-1, terms).sum(axis=1)
    return sums
