"""Which integers each value can take: exact bounds from the constants and the types, without data.

A range is counted in steps of its value's type. The builder asks `range_of` with the full ranges of the operands'
types to find a result's type; `ranges` asks it with the ranges themselves to find how many bits a wire needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers, integer_dtype, overflow, round_to
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.tables import TableForm, design_table
from loopwire.ir.types import FixedType, Overflow, Rounding

MAX_SCAN_ITERATIONS = 256
"""Scans longer than this whose state bounds still grow take the full range of the state's type."""


@dataclass(frozen=True, slots=True)
class RowSums:
    """Sums of the positive and of the negative entries in each row of a known matrix, as Python integers."""

    positive: Integers
    negative: Integers

    @classmethod
    def of(cls, matrix: Integers) -> RowSums:
        """Return the sums of a matrix (m, n), two arrays (m,)."""
        magnitude = max(abs(int(matrix.min())), abs(int(matrix.max())))
        wide = matrix.astype(integer_dtype((magnitude * matrix.shape[1]).bit_length() + 1))
        positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
        return cls(positive.astype(object), negative.astype(object))

    def product(self, vector: Range) -> Range:
        """Return the range of the matrix's product with a vector of elements in a range."""
        low = (self.positive * vector.low + self.negative * vector.high).min()
        high = (self.positive * vector.high + self.negative * vector.low).max()
        return Range(int(low), int(high))


@dataclass(frozen=True, slots=True)
class Range:
    """Integers low…high that a value's elements may take; `row_sums` tells more of a Const that is a matrix."""

    low: int
    high: int
    row_sums: RowSums | None = field(default=None, compare=False)

    @classmethod
    def of_type(cls, element: FixedType) -> Range:
        """Return all integers that a type holds."""
        return cls(element.min_integer, element.max_integer)

    def join(self, other: Range) -> Range:
        """Return the smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def within(self, other: Range) -> bool:
        """Say whether `other` holds all of this range."""
        return other.low <= self.low and self.high <= other.high


def table_form(op: ops.Table, operand: FixedType) -> TableForm:
    """Return the table that carries `op` for all values of the operand's type."""
    return design_table(
        op.function,
        operand.min_integer,
        operand.max_integer,
        operand.fraction,
        op.to,
        max_error_steps=op.max_error_steps,
        max_entries=op.max_entries,
    )


def table_range(form: TableForm, low: int, high: int) -> Range:
    """Return the least and the greatest result of a table for inputs low…high."""
    # Beyond its domain a table is constant, and so it is within a cell: one input of each cell is enough. Where the
    # function is folded, the cell at 0 ends at -1 and may be shorter than the others.
    inside = np.arange(max(low, form.domain_low), min(high, form.domain_high), 1 << form.dropped_bits)
    ends = [low, high, -1] if low <= -1 <= high else [low, high]
    outputs = np.append(form.evaluate(inside), form.evaluate(np.array(ends, object)))
    return Range(int(outputs.min()), int(outputs.max()))


@lru_cache(maxsize=4096)
def _table_op_range(op: ops.Table, operand: FixedType, low: int, high: int) -> Range:
    return table_range(table_form(op, operand), low, high)


def _matvec(matrix: Range, vector: Range, length: int) -> Range:
    if matrix.row_sums is None:
        products = [a * b for a in (matrix.low, matrix.high) for b in (vector.low, vector.high)]
        return Range(length * min(products), length * max(products))
    return matrix.row_sums.product(vector)


def rounded(given: Range, fraction: int, to: FixedType) -> Range:
    """Return the range of numbers in steps of 2**-fraction once they are rounded as a cast to a type rounds them.

    It may lie beyond what the type holds.
    """
    low, high = round_to(np.array([given.low, given.high], object), fraction, to.fraction, to.rounding)
    return Range(int(low), int(high))


def _cast(given: Range, fraction: int, to: FixedType) -> Range:
    found, full = rounded(given, fraction, to), Range.of_type(to)
    if to.overflow in (Overflow.SAT, Overflow.SAT_SYM) or found.within(full):
        low, high = overflow(np.array([found.low, found.high], object), to)
        return Range(int(low), int(high))
    return full


def _aligned(a: Range, a_fraction: int, b: Range, b_fraction: int) -> tuple[Range, Range]:
    fraction = max(a_fraction, b_fraction)
    return (
        Range(a.low << (fraction - a_fraction), a.high << (fraction - a_fraction)),
        Range(b.low << (fraction - b_fraction), b.high << (fraction - b_fraction)),
    )


def range_of(op: ops.Op, operands: tuple[Value, ...], given: tuple[Range, ...]) -> Range:
    """Return the range of the only result of `op` (not a Scan) whose operands have the ranges `given`."""
    fractions = [operand.type.element.fraction for operand in operands]
    match op:
        case ops.Const():
            row_sums = RowSums.of(op.integers) if op.integers.ndim == 2 else None
            return Range(int(op.integers.min()), int(op.integers.max()), row_sums)
        case ops.MatVec():
            return _matvec(given[0], given[1], operands[1].type.size)
        case ops.Add():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(a.low + b.low, a.high + b.high)
        case ops.Sub():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(a.low - b.high, a.high - b.low)
        case ops.Mul() if operands[0] is operands[1]:
            ends = given[0].low ** 2, given[0].high ** 2
            return Range(0 if given[0].low <= 0 <= given[0].high else min(ends), max(ends))
        case ops.Mul():
            a, b = given
            products = [p * q for p in (a.low, a.high) for q in (b.low, b.high)]
            return Range(min(products), max(products))
        case ops.Max():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(max(a.low, b.low), max(a.high, b.high))
        case ops.Min():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(min(a.low, b.low), min(a.high, b.high))
        case ops.Greater():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(int(a.low > b.high), int(a.high > b.low))
        case ops.Where():
            return Range.join(*_aligned(given[1], fractions[1], given[2], fractions[2]))
        case ops.Lookup():
            beyond = given[1].high >= operands[0].type.shape[0]
            table = Range(given[0].low, given[0].high)
            return table.join(Range(0, 0)) if beyond else table
        case ops.ReduceSum():
            size = operands[0].type.size
            return Range(size * given[0].low, size * given[0].high)
        case ops.ReduceMax():
            return Range(given[0].low, given[0].high)
        case ops.Cast():
            return _cast(given[0], fractions[0], op.to)
        case ops.Table():
            return _table_op_range(op, operands[0].type.element, given[0].low, given[0].high)
        # Steps that a short sequence lacks are 0.
        case ops.Reshape() | ops.Slice() if len(operands[0].type.shape) > 1:
            return Range(min(given[0].low, 0), max(given[0].high, 0))
        case ops.Slice() | ops.Reshape() | ops.Transpose() | ops.Reverse():
            return Range(given[0].low, given[0].high)
        case ops.Concat():
            return Range(min(r.low for r in given), max(r.high for r in given))
        case ops.Scan():
            raise AssertionError("a Scan has several results; see ranges()")
        case _:
            assert_never(op)


def _at_most(a: Value, b: Value, producers: Mapping[Value, Node]) -> bool:
    """Say whether a ≤ b, whatever their elements, because b is a maximum over a or a is a minimum over b."""
    above, below = producers.get(b), producers.get(a)
    if above is not None and isinstance(above.op, ops.Max | ops.ReduceMax) and a in above.operands:
        return True
    return below is not None and isinstance(below.op, ops.Min) and b in below.operands


def _is_floor(floor: Value, a: Value, producers: Mapping[Value, Node]) -> bool:
    """Say whether a value is what is left of `a` without its lowest fraction bits."""
    node = producers.get(floor)
    if node is None or not isinstance(node.op, ops.Cast) or node.operands[0] is not a:
        return False
    to, whole = node.op.to, a.type.element
    holds = to.integer >= whole.integer and to.signed == whole.signed
    return holds and to.rounding is Rounding.TRN and to.fraction <= whole.fraction


def _convex_hull(
    rest: Node, whole: Node, producers: Mapping[Value, Node], found: Mapping[Value, Range]
) -> Range | None:
    """Return the range of (1 - z)·a + z·b if `rest` is (1 - z)·a and `whole` is z·b with z in [0, 1], else None.

    It is the hull of a and b, scaled by the integer that stands for 1; interval arithmetic alone would double it.
    """
    for complement, a in (rest.operands, rest.operands[::-1]):
        difference = producers.get(complement)
        if difference is None or not isinstance(difference.op, ops.Sub) or difference.operands[1] not in whole.operands:
            continue
        one, z = difference.operands
        b = whole.operands[1 - whole.operands.index(z)]
        unit, weight = _aligned(found[one], one.type.element.fraction, found[z], z.type.element.fraction)
        if unit.low == unit.high and weight.within(Range(0, unit.low)):
            hull = Range.join(*_aligned(found[a], a.type.element.fraction, found[b], b.type.element.fraction))
            return Range(hull.low * unit.low, hull.high * unit.low)
    return None


def _correlated(node: Node, producers: Mapping[Value, Node], found: Mapping[Value, Range]) -> Range:
    """Return the range of a node's only result, narrowed by what its operands have in common.

    `producers` are those of the node's own graph.
    """
    result = range_of(node.op, node.operands, tuple(found[v] for v in node.operands))
    match node.op:
        case ops.Sub() if _is_floor(node.operands[1], node.operands[0], producers):
            fraction, kept = (value.type.element.fraction for value in node.operands)
            return Range(0, (1 << (fraction - kept)) - 1)
        case ops.Sub():
            a, b = node.operands
            low = max(result.low, 0) if _at_most(b, a, producers) else result.low
            high = min(result.high, 0) if _at_most(a, b, producers) else result.high
            return Range(low, high)
        case ops.Add():
            products = [n for v in node.operands if (n := producers.get(v)) and isinstance(n.op, ops.Mul)]
            for rest, whole in itertools.permutations(products, 2):
                hull = _convex_hull(rest, whole, producers, found)
                if hull is not None:
                    return Range(max(result.low, hull.low), min(result.high, hull.high))
    return result


def ranges(graph: Graph, inputs: tuple[Range, ...] | None = None) -> dict[Value, Range]:
    """Return the range of every value of a graph, scan bodies included.

    Args:
        graph: any graph.
        inputs: ranges of its inputs; by default, all that their types hold.
    """
    found: dict[Value, Range] = {}
    _update(graph, inputs or tuple(Range.of_type(v.type.element) for v in graph.inputs), found)
    return found


def _update(graph: Graph, inputs: tuple[Range, ...], found: dict[Value, Range]) -> None:
    """Bring `found` up to date with the ranges `inputs`: only what depends on an input whose range is new."""
    stale = {v for v, given in zip(graph.inputs, inputs, strict=True) if found.get(v) != given}
    found.update(zip(graph.inputs, inputs, strict=True))
    producers = graph.producers()
    for node in graph.nodes:
        if node.results[0] in found and stale.isdisjoint(node.operands):
            continue
        stale.update(node.results)
        if isinstance(node.op, ops.Scan):
            _update_scan(node, node.op, found)
        else:
            found[node.result] = _correlated(node, producers, found)


def _update_scan(node: Node, scan: ops.Scan, found: dict[Value, Range]) -> None:
    """Follow the states from step to step, each joined with those before, until nothing is new.

    A scan that ends after any of its steps, then, leaves states within the ranges found. Where states are carried from
    sequence to sequence the steps have no end: those that still grow are taken to be all that their types hold.
    """
    operands = tuple(Range(found[v].low, found[v].high) for v in node.operands)
    states, steps = operands[: scan.states], operands[scan.states :]
    endless = bool(scan.carried) or scan.length > MAX_SCAN_ITERATIONS
    iterations = 0
    while endless or iterations < scan.length:
        entering = states
        _update(scan.body, entering + steps, found)
        states = tuple(a.join(found[v]) for a, v in zip(entering, scan.body.outputs, strict=False))
        if states == entering:
            break
        iterations += 1
        if endless and iterations >= MAX_SCAN_ITERATIONS:
            full = (Range.of_type(v.type.element) for v in scan.body.inputs)
            states = tuple(a if a == b else c for a, b, c in zip(states, entering, full, strict=False))
    results = (found[v] for v in scan.body.outputs[scan.states :])
    stacked = tuple(Range(min(r.low, 0), max(r.high, 0)) for r in results)
    found.update(zip(node.results, states + stacked, strict=True))
