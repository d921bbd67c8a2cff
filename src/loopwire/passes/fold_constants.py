"""Constants instead of what is computed from constants alone, such as one that is cast or reshaped."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

import numpy as np

from loopwire.emulator.evaluate import evaluate_integers
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.passes.rewrite import drop_unused

MOST_BITS = 53
"""Of elements that a float64 holds, as Const does."""


def fold_constants(graph: Graph) -> Graph:
    """Return a graph in which no operation but a Scan or a reversal reads constants alone, of as many bits at most."""
    made: dict[Value, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.op, ops.Const):
            made[node.result] = node
        elif _is_constant(node, made):
            node = _computed(node, [made[operand] for operand in node.operands])
            made[node.result] = node
        nodes.append(node)
    return drop_unused(replace(graph, nodes=tuple(nodes)))


def _is_constant(node: Node, made: Container[Value]) -> bool:
    if isinstance(node.op, ops.Scan | ops.Reverse):
        return False
    return all(operand in made for operand in node.operands) and node.result.type.element.width <= MOST_BITS


def _computed(node: Node, constants: list[Node]) -> Node:
    """Return the Const that an operation on constants makes."""
    (integers,) = evaluate_integers(Graph((), (*dict.fromkeys(constants), node), (node.result,)), ())
    element = node.result.type.element
    return Node(ops.Const(np.ldexp(np.asarray(integers[0], np.float64), -element.fraction), element), (), node.results)
