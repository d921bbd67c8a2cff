"""Checks that hold for every graph between any two passes; a graph that fails one is a fault of Loopwire."""

from __future__ import annotations

from itertools import zip_longest
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.builder import result_type
from loopwire.ir.functions import TABULATED
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import Range, range_of
from loopwire.ir.types import TensorType


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
            assert operand in defined, f"%{operand.name} is used by {node.results} before it is computed"
        if isinstance(node.op, ops.Scan):
            _verify(node.op.body, names)
            _verify_scan(node, node.op)
        else:
            _verify_parameters(node)
            expected = result_type(node.op, node.operands, constants)
            assert node.result.type == expected, f"{node.result!r} should have type {expected}"
            if isinstance(node.op, ops.Const):
                constants[node.result] = range_of(node.op, (), ())
        for result in node.results:
            _define(result, defined, names)
    for value in graph.outputs:
        assert value in defined, f"output %{value.name} is never computed"


def _verify_parameters(node: Node) -> None:
    count = len(node.operands)
    match node.op:
        case ops.Const():
            assert np.isfinite(node.op.reals).all(), f"{node.result!r} holds a number that is not finite"
            fits = count == 0
        case ops.MatVec() | ops.Add() | ops.Sub() | ops.Mul() | ops.Max() | ops.Min() | ops.Greater():
            fits = count == 2
        case ops.Where():
            condition = node.operands[0].type.element
            assert (condition.width, condition.fraction, condition.signed) == (1, 0, False), (
                f"{node.result!r} chooses by {condition}"
            )
            fits = count == 3
        case ops.Lookup():
            index = node.operands[1].type.element
            assert index.fraction == 0 and not index.signed, f"{node.result!r} is looked up by {index}"
            fits = count == 2
        case ops.Table():
            assert node.op.function in TABULATED, f"{node.result!r} is a table of {node.op.function!r}"
            fits = count == 1
        case ops.ReduceSum() | ops.ReduceMax() | ops.Cast():
            fits = count == 1
        case ops.Slice() | ops.Reshape() | ops.Transpose() | ops.Reverse():
            fits = count == 1
        case ops.Concat():
            fits = count >= 1
        case ops.Scan():
            raise AssertionError("a scan's operands are those of its body")
        case _:
            assert_never(node.op)
    assert fits, f"{node.result!r} = {type(node.op).__name__} has {count} operands"


def _verify_scan(node: Node, scan: ops.Scan) -> None:
    body = scan.body
    assert scan.length >= 1, f"{node.results} come from a scan of {scan.length} steps"
    for outer_values, inner_values, verb in (
        (node.operands, body.inputs, "enters"),
        (node.results, body.outputs, "leaves"),
    ):
        for index, (outer, inner) in enumerate(zip_longest(outer_values, inner_values)):
            assert outer and inner, f"{outer or 'nothing'} {verb} a scan as {inner or 'nothing'}"
            shape = inner.type.shape if index < scan.states else (scan.length, *inner.type.shape)
            expected = TensorType(shape, inner.type.element)
            assert outer.type == expected, f"{outer!r} {verb} the scan as {inner!r}"
    assert scan.carried <= set(range(scan.states)), (
        f"{node.results} carries {set(scan.carried)} of {scan.states} states"
    )
    states = zip_longest(body.inputs[: scan.states], body.outputs[: scan.states])
    for state, following in states:
        assert state and following and state.type == following.type, f"state {state} is followed by {following}"
