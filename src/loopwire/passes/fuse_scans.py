"""Scans that feed one another step by step become one scan, so that a layer starts on its predecessor's first step."""

from __future__ import annotations

from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.passes.rewrite import drop_unused


def fuse_scans(graph: Graph) -> Graph:
    """Return the graph with every chain of scans, each reading the results of the one before, fused into one."""
    while (pair := _fusible(graph)) is not None:
        graph = drop_unused(_fuse(graph, *pair))
    return graph


def _fusible(graph: Graph) -> tuple[Node, Node] | None:
    """Return a scan and a later one of the same length that needs of it only its stacked results, step for step.

    The later one must need nothing that the first would then wait for: all else that it reads, constants apart, the
    first reads too. What a scan of constants gives is no constant to the one that would be fused with it.
    """
    producers = graph.producers()
    for second in graph.nodes:
        if not isinstance(second.op, ops.Scan):
            continue
        states, sequences = second.operands[: second.op.states], second.operands[second.op.states :]
        for sequence in sequences:
            first = producers.get(sequence)
            if first is None or not isinstance(first.op, ops.Scan):
                continue
            stacked = set(first.results[first.op.states :])
            others = [*states, *(v for v in sequences if v not in stacked)]
            known = set(first.operands)
            if all(v in known or (_is_constant(producers, v) and not _depends(producers, v, first)) for v in others):
                return first, second
    return None


def _is_constant(producers: dict[Value, Node], value: Value) -> bool:
    node = producers.get(value)
    return node is not None and all(_is_constant(producers, operand) for operand in node.operands)


def _depends(producers: dict[Value, Node], value: Value, on: Node) -> bool:
    node = producers.get(value)
    return node is not None and (node is on or any(_depends(producers, v, on) for v in node.operands))


def _fuse(graph: Graph, first: Node, second: Node) -> Graph:
    builder = Builder()
    new: dict[Value, Value] = {v: builder.input_like(v) for v in graph.inputs}
    # What the second scan reads beside the first one's results does not depend on the first, so it may come before it.
    producers = graph.producers()
    late = [node for node in graph.nodes if any(_depends(producers, v, first) for v in node.operands)]
    early = [node for node in graph.nodes if node not in late and node is not first]
    for node in [*early, first, *late]:
        if node is first:
            new.update(_add_fused(builder, first, second, new))
        elif node is not second:
            new.update(zip(node.results, builder.copy(node, [new[v] for v in node.operands]), strict=True))
    return builder.graph([new[v] for v in graph.outputs])


def _add_fused(builder: Builder, first: Node, second: Node, new: dict[Value, Value]) -> dict[Value, Value]:
    a, b = first.op, second.op
    assert isinstance(a, ops.Scan) and isinstance(b, ops.Scan)
    inner = builder.nested()
    fed = {outer: index for index, outer in enumerate(first.results[a.states :])}
    a_inputs = [inner.input_like(value) for value in a.body.inputs]
    a_outputs = inner.inline(a.body, a_inputs)
    # What the second scan reads in each step comes from the first, or enters both at once.
    shared = dict(zip(first.operands[a.states :], a_inputs[a.states :], strict=True))
    shared |= {outer: a_outputs[a.states + index] for outer, index in fed.items()}
    b_inputs = [
        shared[outer] if outer in shared and index >= b.states else inner.input_like(value)
        for index, (outer, value) in enumerate(zip(second.operands, b.body.inputs, strict=True))
    ]
    b_outputs = inner.inline(b.body, b_inputs)
    own = [index for index, outer in enumerate(second.operands) if index >= b.states and outer not in shared]
    body = Graph(
        (*a_inputs[: a.states], *b_inputs[: b.states], *a_inputs[a.states :], *(b_inputs[i] for i in own)),
        inner.graph(()).nodes,
        (*a_outputs[: a.states], *b_outputs[: b.states], *a_outputs[a.states :], *b_outputs[b.states :]),
    )
    operands = (
        *first.operands[: a.states],
        *second.operands[: b.states],
        *first.operands[a.states :],
        *(second.operands[i] for i in own),
    )
    results = (
        *first.results[: a.states],
        *second.results[: b.states],
        *first.results[a.states :],
        *second.results[b.states :],
    )
    carried = a.carried | {a.states + state for state in b.carried}
    fused = builder.add_scan(body, [new[v] for v in operands], a.states + b.states, a.length, results, carried)
    return dict(zip(results, fused, strict=True))
