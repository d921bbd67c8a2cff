"""Reshapes at a model's ends are no work: its input and its output get the shapes that the layers inside read and make.

The elements keep their order, so a caller reshapes what it gives and takes (`Design`), and a beat's elements are the
same. One Reshape is left of several in a row, and none of those that lead back to the shape that they began with.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import TensorType
from loopwire.passes.rewrite import drop_unused, rewrite


def reshape_ports(graph: Graph) -> Graph:
    """Return a lowered graph whose input is the sequence that its layers read, and whose output is what they make."""
    graph = _output_as_made(_merged(graph))
    shape = _shape_read(graph)
    return graph if shape is None else _merged(_with_input_of(graph, shape))


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


def _output_as_made(graph: Graph) -> Graph:
    (output,) = graph.outputs
    producer = graph.producers().get(output)
    if producer is None or not isinstance(producer.op, ops.Reshape):
        return graph
    return drop_unused(Graph(graph.inputs, graph.nodes, producer.operands))


def _shape_read(graph: Graph) -> tuple[int, ...] | None:
    """Return the one shape of a sequence that all readers of the input give it; None where there is none."""
    (x,) = graph.inputs
    shapes = {node.op.shape if isinstance(node.op, ops.Reshape) else None for node in graph.users().get(x, [])}
    (shape,) = shapes if len(shapes) == 1 else (None,)
    return shape if shape is not None and len(shape) == 2 and x not in graph.outputs else None


def _with_input_of(graph: Graph, shape: tuple[int, ...]) -> Graph:
    (x,) = graph.inputs
    read = Value(x.name, TensorType(shape, x.type.element), x.layer, x.note)

    def renamed(node: Node) -> Node:
        return Node(node.op, tuple(read if value is x else value for value in node.operands), node.results)

    return Graph((read,), tuple(renamed(node) for node in graph.nodes), graph.outputs)
