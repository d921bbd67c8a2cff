"""Checks that hold for every graph between any two passes; a graph that fails one is a fault of Loopwire."""

from __future__ import annotations

from loopwire.ir import ops
from loopwire.ir.builder import result_type
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import Range, range_of


def verify(graph: Graph) -> Graph:
    """Return `graph` unchanged after checking order, names and types.

    Raises:
        AssertionError: naming the value at fault.
    """
    _verify(graph, names=set())
    return graph


def _define(value: Value, defined: set[Value], names: set[str]) -> None:
    assert value.name not in names, f"%{value.name} is defined twice"
    names.add(value.name)
    defined.add(value)


def _verify(graph: Graph, names: set[str]) -> None:
    defined: set[Value] = set()
    constants: dict[Value, Range] = {}
    for value in graph.inputs:
        _define(value, defined, names)
    for node in graph.nodes:
        for operand in node.operands:
            assert operand in defined, f"%{operand.name} is used by {node.op!r} before it is computed"
        if isinstance(node.op, ops.Scan):
            _verify(node.op.body, names)
            _verify_scan(node, node.op)
        else:
            expected = result_type(node.op, node.operands, constants)
            assert node.result.type == expected, f"{node.result!r} should have type {expected}"
            if isinstance(node.op, ops.Const):
                constants[node.result] = range_of(node.op, (), ())
        for result in node.results:
            _define(result, defined, names)
    for value in graph.outputs:
        assert value in defined, f"output %{value.name} is never computed"


def _verify_scan(node: Node, scan: ops.Scan) -> None:
    body = scan.body
    assert len(node.operands) == len(body.inputs), "a scan has as many operands as its body has inputs"
    assert len(node.results) == len(body.outputs), "a scan has as many results as its body has outputs"
    for index, (outer, inner) in enumerate(zip(node.operands, body.inputs, strict=True)):
        shape = inner.type.shape if index < scan.states else (scan.length, *inner.type.shape)
        assert outer.type.shape == shape, f"{outer!r} enters the scan as {inner!r}"
        assert outer.type.element == inner.type.element, f"{outer!r} enters the scan as {inner!r}"
    for index, (outer, inner) in enumerate(zip(node.results, body.outputs, strict=True)):
        shape = inner.type.shape if index < scan.states else (scan.length, *inner.type.shape)
        assert outer.type.shape == shape, f"{outer!r} leaves the scan as {inner!r}"
        assert outer.type.element == inner.type.element, f"{outer!r} leaves the scan as {inner!r}"
    for state, following in zip(body.inputs, body.outputs, strict=False):
        if state in body.inputs[: scan.states]:
            assert state.type == following.type, f"state {state!r} is followed by {following!r}"
