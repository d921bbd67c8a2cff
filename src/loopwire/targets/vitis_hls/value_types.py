"""The narrowest types that hold what the values of a graph can be: exact sums, and casts that never overflow."""

from __future__ import annotations

from collections.abc import Collection

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import ranges, rounded
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
            # What keeps a state keeps it behind the last step, too.
            kept_in = (*node.results[: node.op.states], *node.op.body.inputs[node.op.states :])
            held |= {value: found[last] for value, last in zip(node.op.body.inputs, kept_in, strict=True)}
        for value, given in held.items():
            element = value.type.element
            type = FixedType.holding(given.low, given.high, element.fraction)
            if isinstance(node.op, ops.Cast):
                (operand,) = node.operands
                if rounded(found[operand], operand.type.element.fraction, node.op.to) != given:
                    continue
                type = type.with_modes(node.op.to.rounding, type.overflow)
            if value not in kept and type.width < element.width:
                types[value] = type
    return types
