"""States that last from call to call: a stream's next sequence starts from what its last one left."""

from __future__ import annotations

from dataclasses import replace

from loopwire.errors import ConfigError, UnsupportedError
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.passes.rewrite import drop_unused

WHERE = "stateful"


def carry_states(graph: Graph) -> Graph:
    """Return a lowered graph whose recurrent layers carry all their states.

    Raises:
        ConfigError: no layer has a state.
        UnsupportedError: a layer reads its sequence backwards.
    """
    if not any(isinstance(node.op, ops.Scan) and node.op.states for node in graph.nodes):
        raise ConfigError(WHERE, "no layer of this model has a state", "Leave 'stateful' out")
    reverse = next((node for node in graph.nodes if isinstance(node.op, ops.Reverse)), None)
    if reverse is not None:
        raise UnsupportedError(
            f"layer {reverse.result.layer!r}",
            "it reads each sequence backwards, so a stream has no state for its next one to go on from",
            "Leave 'stateful' out, or use layers that read forwards",
        )
    return replace(graph, nodes=tuple(_carrying(node) for node in graph.nodes))


def _carrying(node: Node) -> Node:
    if not isinstance(node.op, ops.Scan):
        return node
    return replace(node, op=replace(node.op, carried=frozenset(range(node.op.states))))


def expose_states(graph: Graph) -> tuple[Graph, Graph]:
    """Return a graph's call with its carried states as further inputs and outputs, and the graph of their start.

    Of the first, the inputs are (…, states) and the outputs (…, states after the call), its values those of `graph`;
    the second computes the states of a stream's first call from nothing.
    """
    nodes: list[Node] = []
    starts: list[Value] = []
    entering: list[Value] = []
    final: list[Value] = []
    for node in graph.nodes:
        if isinstance(node.op, ops.Scan):
            operands = list(node.operands)
            for state in sorted(node.op.carried):
                starts.append(operands[state])
                operands[state] = replace(operands[state], name=f"{operands[state].name}_entering")
                entering.append(operands[state])
                final.append(node.results[state])
            node = replace(node, operands=tuple(operands))
        nodes.append(node)
    call = Graph((*graph.inputs, *entering), tuple(nodes), (*graph.outputs, *final))
    return call, drop_unused(Graph((), graph.nodes, tuple(starts)))
