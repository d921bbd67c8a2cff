"""A product with a flattened sequence becomes a sum that grows step by step, so that no sequence need be kept.

W · flatten(h_1 … h_T)   becomes   a_t = a_{t-1} + W_t · h_t, a scan with the columns W_t of each step
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwire.ir import ops
from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import Range, range_of
from loopwire.ir.types import FixedType
from loopwire.passes.rewrite import drop_unused, rewrite


def accumulate_flattened(graph: Graph) -> Graph:
    """Return the graph with each constant product of a flattened sequence turned into a scan."""
    producers: dict[Value, Node] = {}

    def rule(b: Builder, node: Node, operands: Sequence[Value]) -> Sequence[Value] | None:
        if isinstance(node.op, ops.MatVec):
            matrix, vector = (producers[v].op if v in producers else None for v in operands)
            sequence = producers[operands[1]].operands[0] if isinstance(vector, ops.Reshape) else None
            if isinstance(matrix, ops.Const) and sequence is not None and len(sequence.type.shape) == 2:
                b.layer = node.result.layer
                return [_accumulate(b, matrix, sequence, operands)]
        results = b.copy(node, operands)
        producers.update({result: Node(node.op, tuple(operands), tuple(results)) for result in results})
        return results

    return drop_unused(rewrite(graph, rule))


def _accumulate(b: Builder, matrix: ops.Const, sequence: Value, operands: Sequence[Value]) -> Value:
    length, features = sequence.type.shape
    rows = matrix.reals.shape[0]
    by_step = matrix.reals.reshape(rows, length, features).transpose(1, 0, 2)
    # Wide enough for every partial sum: steps still to come, and steps that a short sequence lacks, add 0.
    element = sequence.type.element
    full = Range.of_type(element).join(Range(0, 0))
    total = range_of(ops.MatVec(), tuple(operands), (range_of(matrix, (), ()), full))
    fraction = matrix.type.fraction + element.fraction
    accumulator = FixedType.holding(min(total.low, 0), max(total.high, 0), fraction)

    def body(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        (partial,), (x, weights) = states, steps
        grown = inner.add(partial, inner.matvec(weights, x, "Wx_t"), "sum_exact")
        return (inner.cast(grown, accumulator, "sum_next", "Σ + W_t x_t"),), ()

    start = b.const(np.zeros(rows), accumulator, "sum")
    columns = b.const(by_step, matrix.type, "W_by_step")
    (result,) = b.scan((start,), (sequence, columns), body, names=("sum_last",))
    return result
