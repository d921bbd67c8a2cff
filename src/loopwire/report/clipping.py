"""Which tensors hold values that their types cannot: how many, how far they reach, and which type would hold them.

Values are those of the float evaluation, so that one tensor's clipping does not hide another's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from loopwire.errors import DataError
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import MAX_WIDTH, FixedType, Overflow, Rounding

Reals = npt.NDArray[Any]

_TO_NEAREST = (Rounding.RND, Rounding.RND_ZERO, Rounding.RND_INF, Rounding.RND_MIN_INF, Rounding.RND_CONV)


@dataclass(frozen=True)
class Clipping:
    """One tensor of which some values do not fit its type.

    Attributes:
        layer: the model's layer; empty for the model's input.
        tensor: name of the tensor in its layer, with its equation if it has one.
        type: its type.
        clipped: values outside the range, of `values` met.
        low, high: range of the values met.
        suggestion: a type with the same fraction bits that holds this range.
    """

    layer: str
    tensor: str
    type: FixedType
    clipped: int
    values: int
    low: float
    high: float
    suggestion: FixedType

    @property
    def share(self) -> float:
        """Clipped values over all values met."""
        return self.clipped / self.values

    @property
    def share_told(self) -> str:
        """The share in words."""
        return f"{self.share:.2%}" if self.share >= 5e-5 else f"{self.share:.1e}"


class ClippingMeter:
    """Watches float evaluations of a graph, batch after batch; give `observe` to `evaluate_real`."""

    def __init__(self) -> None:
        self._tallies: dict[Value, _Tally] = {}

    def observe_input(self, value: Value, x: Reals) -> None:
        """Count a batch of the graph's input, before it is quantised."""
        self._tally(value, value.type.element, x)

    def observe(self, node: Node, operands: Sequence[Reals], result: Reals) -> None:
        """Count what a Cast, a Table or a Const would bring into the range of its type."""
        match node.op:
            case ops.Cast(to) | ops.Table(to=to):
                self._tally(node.result, to, result)
            case ops.Const() if node.result not in self._tallies:
                self._tally(node.result, node.op.type, result)
            case ops.Const() | ops.Arithmetic() | ops.Movement() | ops.Scan():
                pass  # reported before, or exact: its type holds it
            case _:
                assert_never(node.op)

    def rows(self, graph: Graph) -> tuple[Clipping, ...]:
        """Return the tensors that clip, in the order of the graph."""
        order = [*graph.inputs, *(result for node in graph.walk() for result in node.results)]
        rows = [self._tallies[value].row(value) for value in order if value in self._tallies]
        return tuple(row for row in rows if row.clipped)

    def _tally(self, value: Value, to: FixedType, x: Reals) -> None:
        if value not in self._tallies:
            self._tallies[value] = _Tally(to)
        low, high = float(x.min()), float(x.max())
        check_finite(value, low, high)
        self._tallies[value].add(x, low, high)


class _Tally:
    """Counts of one tensor."""

    def __init__(self, type: FixedType) -> None:
        self.type = type
        self.low, self.high = np.inf, -np.inf
        self.clipped = self.values = 0
        self._least, self._most = limits(type)

    def add(self, x: Reals, low: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.values += x.size
        if low < self._least or high > self._most:
            self.clipped += int(np.count_nonzero((x < self._least) | (x > self._most)))

    def row(self, value: Value) -> Clipping:
        suggestion = holding(self.type, self.low, self.high)
        return Clipping(
            value.layer, tensor_name(value), self.type, self.clipped, self.values, self.low, self.high, suggestion
        )


def named(layer: str, tensor: str) -> str:
    """Return a tensor's name as a message begins with it."""
    return f"layer {layer!r}, {tensor}" if layer else f"input {tensor!r}"


def check_finite(value: Value, low: float, high: float) -> None:
    """Check the least and the greatest value of a tensor in the float evaluation.

    Raises:
        DataError: they are beyond double precision, or not numbers.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            "x",
            f"float values of {named(value.layer, tensor_name(value))} are beyond double precision, or not numbers",
            "Check the scale of these inputs and of the weights; firmware saturates where this overflows",
        )


def tensor_name(value: Value) -> str:
    """Return a value's name in its layer, with its equation if it has one."""
    name = value.name.removeprefix(f"{value.layer}.")
    return f"{name} ({value.note})" if value.note else name


def limits(type: FixedType) -> tuple[float, float]:
    """Return the range outside of which a value is clipped.

    A saturating type that loses less than one step is not said to clip: it holds that value as well as any other.
    A type that wraps turns the same value into the opposite end of its range, so there the rounded value counts.
    """
    step, low, high = type.step, type.min_integer, type.max_integer
    if type.overflow is not Overflow.WRAP:
        return (low - 1) * step, (high + 1) * step
    margin = 0.5 if type.rounding in _TO_NEAREST else 0.0
    return (low - margin) * step, float(np.nextafter((high + 1 - margin) * step, -np.inf))


def holding(type: FixedType, low: float, high: float) -> FixedType:
    """Return `type` with as many integer bits as low…high need, as far as types reach."""
    reach = 2.0 ** min(MAX_WIDTH - 2 - type.fraction, 1023)
    low, high = max(low, -reach), min(high, reach)
    signed = type.signed or low < 0
    need = FixedType.holding(int(np.floor(low / type.step)), int(np.ceil(high / type.step)), type.fraction)
    width = max(type.width, need.width + (signed and not need.signed))
    return replace(type, width=width, integer=width - type.fraction, signed=signed)
