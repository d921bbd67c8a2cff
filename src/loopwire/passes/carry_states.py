"""States that last from call to call: a stream's next sequence starts from what its last one left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from loopwire.errors import ConfigError, UnsupportedError
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.passes.rewrite import drop_unused

WHERE = "stateful"


def carry_states(graph: Graph, layers: Collection[str]) -> Graph:
    """Return a lowered graph in which some layers carry their states.

    All but those that start anew with each sequence from what the model computes: an encoder's final state, say.

    Args:
        graph: a lowered one.
        layers: the names of recurrent layers.

    Raises:
        ConfigError: no layer has a state to carry.
        UnsupportedError: a layer reads its sequence backwards.
    """
    producers = graph.producers()
    carrying = tuple(_carrying(node, producers) if node.results[0].layer in layers else node for node in graph.nodes)
    if not any(isinstance(node.op, ops.Scan) and node.op.carried for node in carrying):
        raise ConfigError(WHERE, "no layer of this model has a state", "Leave 'stateful' out")
    reverse = next((node for node in graph.nodes if isinstance(node.op, ops.Reverse)), None)
    if reverse is not None:
        raise UnsupportedError(
            f"layer {reverse.result.layer!r}",
            "it reads each sequence backwards, so the next sequence of a stream has no state to continue from",
            "Leave 'stateful' out, or use layers that read forwards",
        )
    return replace(graph, nodes=carrying)


def _carrying(node: Node, producers: Mapping[Value, Node]) -> Node:
    if not isinstance(node.op, ops.Scan):
        return node
    known = (index for index in range(node.op.states) if _is_known(node.operands[index], producers))
    return replace(node, op=replace(node.op, carried=frozenset(known)))


def _is_known(value: Value, producers: Mapping[Value, Node]) -> bool:
    """Say whether a value follows from constants."""
    node = producers.get(value)
    return node is not None and all(_is_known(operand, producers) for operand in node.operands)


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
