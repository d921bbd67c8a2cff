"""Which integers each value can take: exact bounds from the constants and the types, without data.

A range is counted in steps of its value's type. The builder asks `range_of` with the full ranges of the operands' types to find a result's
type; `ranges` asks it with the ranges themselves to find how many bits a wire needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers, cast
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.tables import TableForm, design_table
from loopwire.ir.types import FixedType

MAX_SCAN_ITERATIONS = 256
"""Scans longer than this whose state bounds still grow take the full range of the state's type."""


@dataclass(frozen=True, slots=True)
class Range:
    """Integers low…high that a value's elements may take; `constant` holds them all where they are known."""

    low: int
    high: int
    constant: Integers | None = None

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


@lru_cache(maxsize=1024)
def _table_range(form: TableForm, low: int, high: int) -> tuple[int, int]:
    # Outside its clamp a table is constant, so the values in between and the two ends are all there is.
    low, high = max(low, form.domain_low), min(high, form.domain_high)
    inputs = np.arange(low, high + 1, max(1, (high - low) >> 22))
    outputs = form.evaluate(np.append(inputs, high))
    return int(outputs.min()), int(outputs.max())


def _matvec(matrix: Range, vector: Range, length: int) -> Range:
    if matrix.constant is None:
        products = [a * b for a in (matrix.low, matrix.high) for b in (vector.low, vector.high)]
        return Range(length * min(products), length * max(products))
    weights = matrix.constant.astype(object)
    positive = np.maximum(weights, 0).sum(axis=-1)
    negative = np.minimum(weights, 0).sum(axis=-1)
    low = (positive * vector.low + negative * vector.high).min()
    high = (positive * vector.high + negative * vector.low).max()
    return Range(int(low), int(high))


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
            return Range(int(op.integers.min()), int(op.integers.max()), op.integers)
        case ops.MatVec():
            return _matvec(given[0], given[1], operands[1].type.size)
        case ops.Add():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(a.low + b.low, a.high + b.high)
        case ops.Sub():
            a, b = _aligned(given[0], fractions[0], given[1], fractions[1])
            return Range(a.low - b.high, a.high - b.low)
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
        case ops.ReduceSum():
            size = operands[0].type.size
            return Range(size * given[0].low, size * given[0].high)
        case ops.ReduceMax():
            return Range(given[0].low, given[0].high)
        case ops.Cast():
            ends = np.array([given[0].low, given[0].high], object)
            unbounded = replace(op.to, width=1024, integer=1024 - op.to.fraction)
            low, high = cast(ends, fractions[0], unbounded)
            full = Range.of_type(op.to)
            rounded = Range(int(low), int(high))
            return rounded if rounded.within(full) else full
        case ops.Table():
            return Range(*_table_range(table_form(op, operands[0].type.element), given[0].low, given[0].high))
        case ops.Slice() | ops.Reshape() | ops.Reverse():
            return Range(given[0].low, given[0].high)
        case ops.Concat():
            return Range(min(r.low for r in given), max(r.high for r in given))
        case ops.Scan():
            raise AssertionError("a Scan has several results; see ranges()")
        case _:
            assert_never(op)


def _convex(node: Node, producers: Mapping[Value, Node], found: Mapping[Value, Range]) -> Range | None:
    """Return the hull of a and b for (1 - z)·a + z·b with z in [0, 1], which interval arithmetic alone would double.

    `producers` are those of the node's own graph. None where the node has not this form.
    """
    products = [producers[v] for v in node.operands if v in producers and isinstance(producers[v].op, ops.Mul)]
    if not isinstance(node.op, ops.Add) or len(products) != 2:
        return None
    for rest, whole in (products, products[::-1]):
        for index in (0, 1):
            complement = producers.get(rest.operands[index])
            if complement is None or not isinstance(complement.op, ops.Sub):
                continue
            one, z = (found[v] for v in complement.operands)
            weight = complement.operands[1]
            same_step = {v.type.element.fraction for v in complement.operands} == {weight.type.element.fraction}
            is_convex = same_step and one.low == one.high and z.low >= 0 and z.high <= one.low
            if not is_convex or weight not in whole.operands:
                continue
            a = rest.operands[1 - index]
            b = whole.operands[1 - whole.operands.index(weight)]
            if a.type.element.fraction == b.type.element.fraction:
                hull = found[a].join(found[b])
                return Range(hull.low * one.low, hull.high * one.low)
    return None


def ranges(graph: Graph, inputs: tuple[Range, ...] | None = None) -> dict[Value, Range]:
    """Return the range of every value of a graph, scan bodies included.

    Args:
        graph: any graph.
        inputs: ranges of its inputs; by default, all that their types hold.
    """
    found = dict(zip(graph.inputs, inputs or (Range.of_type(v.type.element) for v in graph.inputs), strict=True))
    producers = graph.producers()
    for node in graph.nodes:
        given = tuple(found[operand] for operand in node.operands)
        if isinstance(node.op, ops.Scan):
            found.update(_scan_ranges(node, node.op, given))
            continue
        result = range_of(node.op, node.operands, given)
        hull = _convex(node, producers, found)
        found[node.result] = result if hull is None else Range(max(result.low, hull.low), min(result.high, hull.high))
    return found


def _scan_ranges(node: Node, scan: ops.Scan, given: tuple[Range, ...]) -> dict[Value, Range]:
    states, steps = given[: scan.states], given[scan.states :]
    body_outputs: Callable[[dict[Value, Range]], tuple[Range, ...]] = lambda found: tuple(  # noqa: E731
        found[v] for v in scan.body.outputs
    )
    for _ in range(min(scan.length, MAX_SCAN_ITERATIONS)):
        found = ranges(scan.body, states + steps)
        joined = tuple(a.join(b) for a, b in zip(states, body_outputs(found), strict=False))
        if all(new.within(old) for new, old in zip(joined, states, strict=True)):
            break
        states = joined
    else:
        # After as many rounds as there are steps the joined bounds hold by induction; a longer scan is not followed to its end.
        if scan.length > MAX_SCAN_ITERATIONS:
            states = tuple(Range.of_type(v.type.element) for v in scan.body.inputs[: scan.states])
        found = ranges(scan.body, states + steps)
    outputs = body_outputs(found)
    finals = states
    stacked = tuple(Range(min(r.low, 0), max(r.high, 0)) for r in outputs[scan.states :])
    return found | dict(zip(node.results, finals + stacked, strict=True))
