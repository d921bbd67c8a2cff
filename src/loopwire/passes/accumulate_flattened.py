"""A product with a flattened sequence becomes a sum that grows step by step, so that no sequence need be kept.

W · flatten(h_1 … h_T)   becomes   a_t = a_{t-1} + W_t · h_t, a scan with the columns W_t of each step
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loopwire.ir import ops
from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import FixedType
from loopwire.passes.rewrite import drop_unused, rewrite


def accumulate_flattened(graph: Graph) -> Graph:
    """Return the graph with each constant product of a flattened sequence, and the bias added to it, made a scan."""
    producers: dict[Value, Node] = {}

    def operation(value: Value) -> ops.Op | None:
        return producers[value].op if value in producers else None

    def flattened(product: Node | None) -> Value | None:
        """Return the sequence that a constant matrix multiplies flattened; None where the node is no such product."""
        if product is None or not isinstance(product.op, ops.MatVec):
            return None
        matrix, vector = product.operands
        if not isinstance(operation(matrix), ops.Const) or not isinstance(operation(vector), ops.Reshape):
            return None
        (sequence,) = producers[vector].operands
        return sequence if len(sequence.type.shape) == 2 else None

    def rule(b: Builder, node: Node, operands: Sequence[Value]) -> Sequence[Value]:
        new = Node(node.op, tuple(operands), node.results)
        b.layer = node.results[0].layer
        if isinstance(node.op, ops.Add) and isinstance(operation(operands[1]), ops.Const):
            product = producers.get(operands[0])
            sequence = flattened(product)
            if product is not None and sequence is not None:
                return [_accumulate(b, producers, product, sequence, operands[1], node.result.type.element)]
        results: Sequence[Value] = b.copy(node, operands)
        if (sequence := flattened(new)) is not None and not _is_biased(graph, node):
            results = [_accumulate(b, producers, new, sequence, None, node.result.type.element)]
        producers.update({result: Node(node.op, tuple(operands), tuple(results)) for result in results})
        return results

    return drop_unused(rewrite(graph, rule))


def _is_biased(graph: Graph, product: Node) -> bool:
    users = graph.users().get(product.result, [])
    constants = {node.result for node in graph.nodes if isinstance(node.op, ops.Const)}
    return len(users) == 1 and isinstance(users[0].op, ops.Add) and users[0].operands[1] in constants


def _accumulate(
    b: Builder,
    producers: Mapping[Value, Node],
    product: Node,
    sequence: Value,
    bias: Value | None,
    accumulator: FixedType,
) -> Value:
    """Add the scan.

    `accumulator` is the type of the whole sum. It holds every partial sum too, since steps still to come, and steps
    that a short sequence lacks, count as 0, which is among the values that the type was computed for.
    """
    matrix = producers[product.operands[0]].op
    assert isinstance(matrix, ops.Const)
    length, features = sequence.type.shape
    rows = matrix.reals.shape[0]
    by_step = matrix.reals.reshape(rows, length, features).transpose(1, 0, 2)

    def body(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        (partial,), (x, weights) = states, steps
        grown = inner.add(partial, inner.matvec(weights, x, "Wx_t"), "sum_exact")
        return (inner.cast(grown, accumulator, "sum_next", "Σ + W_t x_t"),), ()

    start = b.const(np.zeros(rows), accumulator, "sum") if bias is None else b.cast(bias, accumulator, "sum")
    columns = b.const(by_step, matrix.type, "W_by_step")
    (result,) = b.scan((start,), (sequence, columns), body, names=("sum_last",))
    return result
