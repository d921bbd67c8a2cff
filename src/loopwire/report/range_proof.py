"""Which tensors cannot overflow, for any input: bounds from intervals alone, without data.

The bound of a tensor is that of the value before it is brought into its type, given the weights and the types of all
tensors before it: a state that enters a step is anything that its type holds and that the steps before can give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.ir.real_interval import function_bounds
from loopwire.ir.types import FixedType
from loopwire.report.clipping import limits, tensor_name


@dataclass(frozen=True)
class RangeProof:
    """What one tensor's value can be before it is brought into its type.

    Attributes:
        layer: the model's layer; empty for the model's input.
        tensor: its name in the layer, with its equation if it has one.
        type: its type.
        low, high: bounds of the value; None for the model's input, of which nothing is known.
        cannot_overflow: whether the type holds every value within the bounds, up to less than a step.
        built: the type of its wires, as wide as its values need.
    """

    layer: str
    tensor: str
    type: FixedType
    low: float | None
    high: float | None
    cannot_overflow: bool
    built: FixedType

    def __str__(self) -> str:
        least, most = self.type.min_integer * self.type.step, self.type.max_integer * self.type.step
        if self.cannot_overflow:
            return "cannot overflow, for any input"
        if self.low is None or self.high is None:
            return f"can, if the data leave {least:g} to {most:g}"
        beyond = []
        if self.low < least:
            beyond.append(f"falls below {least:g} (bound: {self.low:.6g})")
        if self.high > most:
            beyond.append(f"rises above {most:g} (bound: {self.high:.6g})")
        return f"can, if it {' or '.join(beyond)}"


def range_proofs(graph: Graph) -> tuple[RangeProof, ...]:
    """Return the proof of every tensor that is brought into a type, in the order of the graph."""
    found = ranges(graph)
    rows = []
    for source in graph.inputs:
        own = source.type.element
        rows.append(RangeProof(source.layer, tensor_name(source), own, None, None, False, own))
    for node in graph.walk():
        match node.op:
            case ops.Cast(to):
                operand = node.operands[0]
                step = operand.type.element.step
                rows.append(_row(node.result, found, to, found[operand].low * step, found[operand].high * step))
            case ops.Table(function, to):
                operand = node.operands[0]
                step = operand.type.element.step
                bounds = function_bounds(
                    function, *(np.array(x * step) for x in (found[operand].low, found[operand].high))
                )
                rows.append(_row(node.result, found, to, float(bounds.low), float(bounds.high)))
            case ops.Const():
                low, high = float(node.op.reals.min()), float(node.op.reals.max())
                rows.append(_row(node.result, found, node.op.type, low, high))
            case ops.Arithmetic() | ops.Movement() | ops.Scan():
                pass  # exact: its type holds it
            case _:
                assert_never(node.op)
    return tuple(rows)


def _row(value: Value, found: Mapping[Value, Range], type: FixedType, low: float, high: float) -> RangeProof:
    least, most = limits(type)
    taken = found[value]
    built = FixedType.holding(taken.low, taken.high, value.type.element.fraction)
    return RangeProof(value.layer, tensor_name(value), type, low, high, least <= low and high <= most, built)
