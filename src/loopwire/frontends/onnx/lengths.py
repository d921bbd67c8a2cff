"""How older exporters of PyTorch write packed sequences: sorted by length, and put back afterwards.

Sequences stay where they are here, since their order changes no number of any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from loopwire.frontends.onnx.graph import LENGTHS_REMEDY, Lengths, Operation, Order, Value
from loopwire.frontends.tensors.views import Axis, View, axis_of

Operator = Callable[[Operation], Sequence[Value]]


def of_lengths(op: Operation) -> Operator | None:
    """Return what reads a node of which an operand is lengths or the order by them; None for those that are as ever."""
    if not any(isinstance(value, Lengths | Order) for value in op.operands):
        return None
    return OF_LENGTHS.get(op.node.op)


def _shape(op: Operation) -> Sequence[Value]:
    return [np.array([op.trace.batch], np.int64)]


def _sorted(op: Operation) -> Sequence[Value]:
    lengths = op.value(0)
    for key in ("axis", "largest", "sorted"):
        op.attribute(key)
    if not isinstance(lengths, Lengths) or (op.constant(1) != op.trace.batch).any():
        raise op.refused("it selects some of the lengths", LENGTHS_REMEDY)
    return [lengths, Order(lengths)]


def _gathered(op: Operation) -> Sequence[Value]:
    """Read what puts sequences into another order, or lengths."""
    value, order, axis = op.value(0), op.value(1), op.attribute("axis", 0)
    if isinstance(value, Lengths) and isinstance(order, Order):
        return [value]
    if not isinstance(order, Order) or not isinstance(value, View) or not _is_batch(op, value, axis):
        raise op.refused("it selects sequences by their lengths", LENGTHS_REMEDY)
    return [value]


def _is_batch(op: Operation, value: View, axis: int) -> bool:
    return value.axes[axis_of(op.trace, value, axis)] is Axis.BATCH


def _inverted(op: Operation) -> Sequence[Value]:
    """Read what makes the order back of an order: places of 0, 1, …"""
    order, places = op.value(1), op.constant(2).ravel()
    op.only("axis", 0, -1)
    if not isinstance(order, Order) or not np.array_equal(places, np.arange(op.trace.batch)):
        raise op.refused("it scatters by the lengths", LENGTHS_REMEDY)
    return [order]


OF_LENGTHS: dict[str, Operator] = {
    "Shape": _shape,
    "TopK": _sorted,
    "Gather": _gathered,
    "ScatterElements": _inverted,
}
