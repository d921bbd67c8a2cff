"""Several inputs as one vector, several outputs as one: for evaluators of graphs that have one of each."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType, TensorType


def pack_ports(graph: Graph) -> Graph:
    """Return the graph with all elements of its inputs in one vector, and all of its outputs in another.

    Both are of `common_element`: what they hold loses nothing on the way.
    """
    builder = Builder()
    size = sum(value.type.size for value in graph.inputs)
    packed = builder.input("packed", TensorType((size,), common_element(graph.inputs)))
    inputs, start = [], 0
    for value in graph.inputs:
        part = builder.slice(packed, start, start + value.type.size)
        start += value.type.size
        inputs.append(builder.reshape(builder.cast(part, value.type.element), value.type.shape))
    element = common_element(graph.outputs)
    outputs = [
        builder.cast(builder.reshape(value, (value.type.size,)), element) for value in builder.inline(graph, inputs)
    ]
    return builder.graph((builder.concat(outputs),))


def common_element(values: Sequence[Value]) -> FixedType:
    """Return the narrowest type that holds the elements of all values exactly."""
    types = [value.type.element for value in values]
    fraction = max(type.fraction for type in types)
    low = min(type.min_integer << (fraction - type.fraction) for type in types)
    high = max(type.max_integer << (fraction - type.fraction) for type in types)
    return FixedType.holding(low, high, fraction)
