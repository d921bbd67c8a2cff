"""Bounds of every value on real numbers, for any input: weights as trained, casts without effect, tables as functions.

They tell of the network in floating point, as `interval` tells of the firmware. What passes a bounded function, such as
a recurrent layer's states, is bounded whatever the input.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from loopwire.ir import ops
from loopwire.ir.functions import TABULATED
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import FixedType, Overflow

Reals = npt.NDArray[Any]

UNBOUNDED = 1e300
"""Stands for infinity, so that 0 times it is 0."""
LARGEST_KNOWN = 1e150
"""Beyond it a bound is what a network leaves of none, such as a small weight times `UNBOUNDED`."""
STEPS_FOLLOWED = 8
"""Of a loop: a state whose bounds still grow then is taken to be unbounded."""


@dataclass(frozen=True)
class Bounds:
    """Least and greatest value of each element: arrays of the value's shape."""

    low: Reals
    high: Reals

    @classmethod
    def of(cls, low: Reals, high: Reals) -> Bounds:
        """Return bounds of which none is infinite or no number."""
        least, most = np.nan_to_num(low, nan=-UNBOUNDED), np.nan_to_num(high, nan=UNBOUNDED)
        return cls(np.clip(least, -UNBOUNDED, UNBOUNDED), np.clip(most, -UNBOUNDED, UNBOUNDED))

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Bounds:
        """Return those of a value of which nothing is known."""
        return cls(np.full(shape, -UNBOUNDED), np.full(shape, UNBOUNDED))

    def join(self, other: Bounds) -> Bounds:
        """Return the closest bounds of what is within these or within the others."""
        return Bounds(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def of_any_step(self) -> Bounds:
        """Return the bounds of one step (…) of a sequence (T, …), whichever it is."""
        return Bounds(self.low.min(axis=0), self.high.max(axis=0))

    def of_sequence(self, length: int) -> Bounds:
        """Return the bounds of a sequence (length, …) of such steps."""
        return Bounds(*(np.broadcast_to(x, (length, *x.shape)) for x in (self.low, self.high)))

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Which elements are bounded on both sides."""
        known: npt.NDArray[np.bool_] = (self.low > -LARGEST_KNOWN) & (self.high < LARGEST_KNOWN)
        return known


def real_bounds(graph: Graph) -> dict[Value, Bounds]:
    """Return the bounds of every value of a graph, scan bodies included, for any input."""
    found: dict[Value, Bounds] = {}
    with np.errstate(all="ignore"):  # what is infinite or no number is unbounded
        _update(graph, [Bounds.none(x.type.shape) for x in graph.inputs], found)
    return found


def function_bounds(function: str, low: Reals, high: Reals) -> Bounds:
    """Return the least and the greatest values of a tabulated function from low to high, element by element."""
    known = TABULATED[function]
    ends = known.real(low), known.real(high)
    least, most = np.minimum(*ends), np.maximum(*ends)
    for point in known.turning_points:
        value, inside = known.real(np.array(point)), (low < point) & (point < high)
        least, most = (np.where(inside, pick(at, value), at) for pick, at in ((np.minimum, least), (np.maximum, most)))
    return Bounds.of(least, most)


def _update(graph: Graph, inputs: Sequence[Bounds], found: dict[Value, Bounds]) -> None:
    found.update(zip(graph.inputs, inputs, strict=True))
    body = _Body(graph, found)
    for node in graph.nodes:
        if isinstance(node.op, ops.Scan):
            _update_scan(node, node.op, found)
        else:
            found[node.result] = body.bounds(node)


def _update_scan(node: Node, scan: ops.Scan, found: dict[Value, Bounds]) -> None:
    """Follow the states from step to step, each joined with those before, until nothing is new."""
    operands = [found[v] for v in node.operands]
    states, steps = operands[: scan.states], [x.of_any_step() for x in operands[scan.states :]]
    for iteration in itertools.count(1):
        _update(scan.body, [*states, *steps], found)
        after = [a.join(found[v]) for a, v in zip(states, scan.body.outputs, strict=False)]
        if iteration > STEPS_FOLLOWED:
            after = [_widened(a, b) for a, b in zip(states, after, strict=True)]
        is_last = not scan.carried and iteration == scan.length
        if is_last or all(
            np.array_equal(a.low, b.low) and np.array_equal(a.high, b.high) for a, b in zip(states, after, strict=True)
        ):
            break
        states = after
    zero = Bounds(np.zeros(()), np.zeros(()))  # a short sequence leaves zeros
    stacked = [found[v].join(zero).of_sequence(scan.length) for v in scan.body.outputs[scan.states :]]
    found.update(zip(node.results, [*after, *stacked], strict=True))


def _widened(before: Bounds, after: Bounds) -> Bounds:
    return Bounds(
        np.where(after.low < before.low, -UNBOUNDED, after.low),
        np.where(after.high > before.high, UNBOUNDED, after.high),
    )


class _Body:
    """The nodes of one graph, with what its values have in common."""

    def __init__(self, graph: Graph, found: Mapping[Value, Bounds]) -> None:
        self._producers = graph.producers()
        self._found = found

    def bounds(self, node: Node) -> Bounds:
        """Return the bounds of a node's only result."""
        operands = [self._found[v] for v in node.operands]
        if isinstance(node.op, ops.Sub) and self._origin(node.operands[0]) is self._origin(node.operands[1]):
            return Bounds(np.zeros(node.result.type.shape), np.zeros(node.result.type.shape))
        hull = self._hull(node) if isinstance(node.op, ops.Add) else None
        return hull or _apply(node.op, operands)

    def _origin(self, value: Value) -> Value:
        """Return the value that this one is on real numbers: the one before all casts."""
        node = self._producers.get(value)
        is_identity = node is not None and isinstance(node.op, ops.Cast) and not node.op.in_reals
        return self._origin(node.operands[0]) if node is not None and is_identity else value

    def _made_by(self, value: Value, op: type[ops.Op]) -> Node | None:
        node = self._producers.get(self._origin(value))
        return node if node is not None and isinstance(node.op, op) else None

    def _hull(self, add: Node) -> Bounds | None:
        """Return the bounds of (1 - z)·a + z·b with z in [0, 1], those of a and b joined, or None of another sum."""
        products = [made for v in add.operands if (made := self._made_by(v, ops.Mul))]
        for rest, whole in itertools.permutations(products, 2):
            for complement, a in (rest.operands, rest.operands[::-1]):
                difference = self._made_by(complement, ops.Sub)
                if difference is None:
                    continue
                one, z = difference.operands
                unit, weight = self._found[one], self._found[z]
                is_share = (
                    (unit.low == 1).all()
                    and (unit.high == 1).all()
                    and weight.low.min() >= 0
                    and weight.high.max() <= 1
                )
                for same, b in (whole.operands, whole.operands[::-1]):
                    if is_share and self._origin(same) is self._origin(z):
                        return self._found[a].join(self._found[b])
        return None


def _apply(op: ops.Op, operands: Sequence[Bounds]) -> Bounds:
    """Return the bounds of the only result of an op (not a Scan)."""
    match op:
        case ops.Const():
            return Bounds(op.reals, op.reals)
        case ops.Cast(to, in_reals):
            return _within(operands[0], to) if in_reals else operands[0]
        case ops.Table():
            return function_bounds(op.function, operands[0].low, operands[0].high)
        case ops.MatVec():
            return _product(*operands)
        case ops.Add():
            a, b = operands
            return Bounds.of(a.low + b.low, a.high + b.high)
        case ops.Sub():
            a, b = operands
            return Bounds.of(a.low - b.high, a.high - b.low)
        case ops.Mul():
            a, b = operands
            corners = np.stack(np.broadcast_arrays(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high))
            return Bounds.of(corners.min(axis=0), corners.max(axis=0))
        case ops.Max():
            a, b = operands
            return Bounds(np.maximum(a.low, b.low), np.maximum(a.high, b.high))
        case ops.Min():
            a, b = operands
            return Bounds(np.minimum(a.low, b.low), np.minimum(a.high, b.high))
        case ops.Greater():
            a, b = operands
            return Bounds((a.low > b.high).astype(np.float64), (a.high > b.low).astype(np.float64))
        case ops.Where():
            _, a, b = operands
            return Bounds(np.minimum(a.low, b.low), np.maximum(a.high, b.high))
        case ops.Lookup():
            table = operands[0]
            return Bounds(np.minimum(table.low.min(axis=0), 0.0), np.maximum(table.high.max(axis=0), 0.0))
        case ops.ReduceSum():
            return Bounds.of(operands[0].low.sum(axis=0), operands[0].high.sum(axis=0))
        case ops.ReduceMax():
            return Bounds(operands[0].low.max(axis=0), operands[0].high.max(axis=0))
        case ops.Slice():
            return Bounds(*(x[op.start : op.stop] for x in (operands[0].low, operands[0].high)))
        case ops.Concat():
            return Bounds(np.concatenate([x.low for x in operands]), np.concatenate([x.high for x in operands]))
        case ops.Reshape():
            return Bounds(*(x.reshape(op.shape) for x in (operands[0].low, operands[0].high)))
        case ops.Transpose():
            return Bounds(*(x.reshape(op.rows, -1).T.reshape(-1) for x in (operands[0].low, operands[0].high)))
        case ops.Reverse():
            return operands[0].of_any_step().of_sequence(len(operands[0].low))
        case ops.Scan():
            raise AssertionError("a Scan has several results; see _update_scan()")
        case _:
            assert_never(op)


def _within(given: Bounds, to: FixedType) -> Bounds:
    """Return the bounds of what a cast to `to` makes of real numbers."""
    low, high = to.min_integer * to.step, to.max_integer * to.step
    if to.overflow is not Overflow.SAT and not (given.low >= low).all() & (given.high <= high).all():
        return Bounds(np.full(given.low.shape, low), np.full(given.low.shape, high))
    return Bounds(np.clip(given.low - to.step, low, high), np.clip(given.high + to.step, low, high))


def _product(matrix: Bounds, vector: Bounds) -> Bounds:
    """Return the bounds of matrix · vector."""
    if matrix.low is not matrix.high:
        corners = np.stack([m * x for m in (matrix.low, matrix.high) for x in (vector.low, vector.high)])
        return Bounds.of(corners.min(axis=0).sum(axis=1), corners.max(axis=0).sum(axis=1))
    positive, negative = np.maximum(matrix.low, 0.0), np.minimum(matrix.low, 0.0)
    return Bounds.of(positive @ vector.low + negative @ vector.high, positive @ vector.high + negative @ vector.low)
