"""Rebuilding a graph node by node: what passes are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Node, Value

Rule = Callable[[Builder, Node, Sequence[Value]], Sequence[Value] | None]
"""Given the builder, an old node and its new operands: its new results, or None to copy the node."""


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """Return a graph in which `rule` replaced what it wanted; types of copied nodes are worked out anew."""
    builder = Builder()
    new = {value: builder.input_like(value) for value in graph.inputs}
    for node in graph.nodes:
        operands = [new[value] for value in node.operands]
        results = rule(builder, node, operands)
        new.update(zip(node.results, builder.copy(node, operands) if results is None else results, strict=True))
    return builder.graph([new[value] for value in graph.outputs])


def drop_unused(graph: Graph) -> Graph:
    """Return the graph without nodes whose results nothing reads."""
    live = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if any(result in live for result in node.results):
            live.update(node.operands)
            kept.append(node)
    return Graph(graph.inputs, tuple(reversed(kept)), graph.outputs)
