"""Reshapes at a model's ends are no work: its input and its output get the shapes that the layers inside read and make.

The elements keep their order, so a caller reshapes what it gives and takes (`Design`), and a beat's elements are the
same. One Reshape is left of several in a row, and none of those that lead back to the shape that they began with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import TensorType
from loopwire.passes.rewrite import drop_unused, rewrite


def reshape_ports(graph: Graph) -> Graph:
    """Return a lowered graph whose inputs are the sequences that its layers read, its outputs what they make."""
    graph = _outputs_as_made(_merged(graph))
    shapes = {x: shape for x in graph.inputs if (shape := _shape_read(graph, x)) is not None}
    return _merged(_with_inputs_of(graph, shapes)) if shapes else graph


def _merged(graph: Graph) -> Graph:
    """Return the graph with one Reshape for each row of them."""
    roots: dict[Value, Value] = {}

    def rule(b: Builder, node: Node, operands: Sequence[Value]) -> Sequence[Value] | None:
        if not isinstance(node.op, ops.Reshape):
            return None
        root = roots.get(operands[0], operands[0])
        if root.type.shape == node.op.shape:
            return (root,)
        (result,) = b.copy(node, (root,))
        roots[result] = root
        return (result,)

    return drop_unused(rewrite(graph, rule))


def _outputs_as_made(graph: Graph) -> Graph:
    producers = graph.producers()

    def made(output: Value) -> Value:
        producer = producers.get(output)
        return producer.operands[0] if producer is not None and isinstance(producer.op, ops.Reshape) else output

    return drop_unused(Graph(graph.inputs, graph.nodes, tuple(made(output) for output in graph.outputs)))


def _shape_read(graph: Graph, x: Value) -> tuple[int, ...] | None:
    """Return the one shape of a sequence that all readers of an input give it; None where there is none."""
    shapes = {node.op.shape if isinstance(node.op, ops.Reshape) else None for node in graph.users().get(x, [])}
    (shape,) = shapes if len(shapes) == 1 else (None,)
    return shape if shape is not None and len(shape) == 2 and x not in graph.outputs else None


def _with_inputs_of(graph: Graph, shapes: Mapping[Value, tuple[int, ...]]) -> Graph:
    read = {
        x: replace(x, type=TensorType(shape, x.type.element)) if (shape := shapes.get(x)) else x for x in graph.inputs
    }

    def renamed(node: Node) -> Node:
        return Node(node.op, tuple(read.get(value, value) for value in node.operands), node.results)

    nodes = tuple(renamed(node) for node in graph.nodes)
    return Graph(tuple(read.values()), nodes, tuple(read.get(value, value) for value in graph.outputs))
