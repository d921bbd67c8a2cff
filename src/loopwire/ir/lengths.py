"""Which values of a graph are sequences that end when their input does, where that is short.

A scan ends with the shortest of the sequences it reads; one that reads none, or only such as are always whole, runs all
of its steps: those of a vector that is repeated, say.
"""

from __future__ import annotations

from typing import assert_never

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value


def short_values(graph: Graph) -> frozenset[Value]:
    """Return the values of a graph, and of its scans' bodies, whose first axis is of steps that a short input lacks."""
    short = {value for value in graph.inputs if len(value.type.shape) > 1}
    for node in graph.nodes:
        match node.op:
            case ops.Scan():
                short |= short_values(node.op.body)
                sequences = node.operands[node.op.states :]
                if not short.isdisjoint(sequences):
                    short.update(node.results[node.op.states :])
            case ops.MatVec() | ops.Lookup() | ops.ReduceSum() | ops.ReduceMax():
                continue
            case ops.Slice() | ops.Concat() | ops.Reshape() | ops.Transpose():
                continue
            case ops.Const() | ops.Cast() | ops.Table() | ops.Reverse() | ops.Arithmetic():
                if not short.isdisjoint(node.operands):
                    short.update(node.results)
            case _:
                assert_never(node.op)
    return frozenset(short)
