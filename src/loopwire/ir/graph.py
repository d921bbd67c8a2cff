"""Graphs of primitive ops: values, nodes that compute them, and the graph that owns both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopwire.ir.ops import Op, Scan
from loopwire.ir.types import TensorType


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One tensor. Compared by identity; `name` is unique in its graph (scan bodies included).

    `layer` is the model's layer that it belongs to, `note` its equation as a reader knows it. `role` is its part in the
    layer, where a user can give it a type by that; a graph's text leaves it out.
    """

    name: str
    type: TensorType
    layer: str = ""
    note: str = ""
    role: str = ""

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One op applied to operands; only a Scan has more than one result."""

    op: Op
    operands: tuple[Value, ...]
    results: tuple[Value, ...]

    @property
    def result(self) -> Value:
        """The only result."""
        (result,) = self.results
        return result


@dataclass(frozen=True, eq=False, slots=True)
class Graph:
    """Nodes in an order in which every operand is an input or an earlier result."""

    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} operations: {self.inputs} to {self.outputs}>"

    def producers(self) -> dict[Value, Node]:
        """Return the node that computes each value of this graph (scan bodies excluded)."""
        return {result: node for node in self.nodes for result in node.results}

    def users(self) -> dict[Value, list[Node]]:
        """Return the nodes that read each value of this graph (scan bodies excluded)."""
        users: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                users.setdefault(operand, []).append(node)
        return users

    def walk(self) -> Iterator[Node]:
        """Yield every node, those of scan bodies before their scan."""
        for node in self.nodes:
            if isinstance(node.op, Scan):
                yield from node.op.body.walk()
            yield node
