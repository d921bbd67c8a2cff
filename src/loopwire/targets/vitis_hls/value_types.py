"""The narrowest types that hold what the values of a graph can be: exact sums, and casts that never overflow."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from loopwire.ir import ops
from loopwire.ir.fixed_point import round_to
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.ir.types import FixedType


def narrowed(graph: Graph, kept: Collection[Value]) -> dict[Value, FixedType]:
    """Return the type that each value is computed in, with its own step: no number leaves it, so that none saturates.

    Left out are the graph's inputs, those in `kept`, and casts that may overflow.
    """
    found = ranges(graph)
    types = {}
    for node in graph.walk():
        held = {value: found[value] for value in node.results}
        if isinstance(node.op, ops.Scan):
            held |= {value: found[value] for value in node.op.body.inputs}
            # What keeps a state keeps it behind the last step, too.
            held |= {
                v: found[last] for v, last in zip(node.op.body.inputs[: node.op.states], node.results, strict=False)
            }
        for value, given in held.items():
            element = value.type.element
            type = FixedType.holding(given.low, given.high, element.fraction)
            if isinstance(node.op, ops.Cast):
                if _may_overflow(node.op, found[node.operands[0]], node.operands[0].type.element.fraction):
                    continue
                type = type.with_modes(node.op.to.rounding, type.overflow)
            if value not in kept and type.width < element.width:
                types[value] = type
    return types


def _may_overflow(cast: ops.Cast, operand: Range, fraction: int) -> bool:
    ends = np.array([operand.low, operand.high], object)
    return not Range(*round_to(ends, fraction, cast.to.fraction, cast.to.rounding)).within(Range.of_type(cast.to))
