"""What the verifier lets pass, and each fault that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import FixedType, TensorType
from loopwire.ir.verify import verify
from random_graphs import random_graphs

BYTE = FixedType(8, 8)
VECTOR = TensorType((3,), BYTE)
SUM = TensorType((3,), FixedType(9, 9))
X, Y = Value("x", VECTOR), Value("y", VECTOR)
STEP = Value("step", TensorType((), BYTE))
STATE = Value("state", TensorType((), BYTE))
LAST = Value("last", TensorType((), BYTE))


@settings(max_examples=60, deadline=None)
@given(random_graphs(nested=True))
def test_what_the_builder_builds_is_verified(graph: Graph) -> None:
    assert verify(graph) is graph


def assert_faulty(message: str, inputs: Sequence[Value], nodes: Sequence[Node], outputs: Sequence[Value] = ()) -> None:
    with pytest.raises(AssertionError, match=message):
        verify(Graph(tuple(inputs), tuple(nodes), tuple(outputs)))


def node(op: ops.Op, operands: Sequence[Value], *results: Value) -> Node:
    return Node(op, tuple(operands), results)


def test_a_name_given_twice() -> None:
    assert_faulty("%x is defined twice", [X, X], [])
    assert_faulty("%x is defined twice", [X], [node(ops.Add(), [X, X], Value("x", SUM))])


def test_a_name_given_again_in_the_body_of_a_scan() -> None:
    body = Graph((Value("x", TensorType((), BYTE)),), (), ())
    assert_faulty("%x is defined twice", [X], [node(ops.Scan(body, 0, 3), [X])])


def test_a_value_used_before_it_is_computed() -> None:
    total, twice = Value("total", SUM), Value("twice", TensorType((3,), FixedType(10, 10)))
    nodes = [node(ops.Add(), [total, total], twice), node(ops.Add(), [X, X], total)]
    assert_faulty("%total is used by .*%twice.* before it is computed", [X], nodes)


def test_a_value_of_the_outer_graph_used_in_a_body() -> None:
    body = Graph((STEP,), (node(ops.Add(), [Y, Y], Value("total", SUM)),), ())
    assert_faulty("%y is used by .*%total", [X, Y], [node(ops.Scan(body, 0, 3), [X])])


def test_an_output_never_computed() -> None:
    assert_faulty("output %y is never computed", [X], [], [Y])


@pytest.mark.parametrize(
    ("op", "operands", "type"),
    [
        (ops.Add(), [X, X], VECTOR),
        (ops.Mul(), [X, X], TensorType((3,), FixedType(17, 17))),
        (ops.ReduceMax(), [X], VECTOR),
        (ops.Cast(FixedType(4, 4)), [X], VECTOR),
        (ops.Table("tanh", FixedType(4, 1)), [X], VECTOR),
        (ops.Slice(0, 2), [X], VECTOR),
        (ops.Reshape((3, 1)), [X], VECTOR),
        (ops.Const(np.zeros(3), FixedType(4, 4)), [], VECTOR),
    ],
)
def test_a_result_of_another_type(op: ops.Op, operands: Sequence[Value], type: TensorType) -> None:
    assert_faulty("%z: .* should have type", [X], [node(op, operands, Value("z", type))])


@pytest.mark.parametrize(
    ("op", "operands"),
    [
        (ops.Add(), [X, X, X]),
        (ops.MatVec(), [X]),
        (ops.ReduceSum(), [X, X]),
        (ops.Cast(BYTE), [X, X]),
        (ops.Concat(), []),
        (ops.Const(np.zeros(3), BYTE), [X]),
    ],
)
def test_a_wrong_number_of_operands(op: ops.Op, operands: Sequence[Value]) -> None:
    assert_faulty(f"%z: .* has {len(operands)} operands", [X], [node(op, operands, Value("z", VECTOR))])


@pytest.mark.parametrize(
    ("op", "operands", "message"),
    [
        (ops.MatVec(), [X, X], r"matrix \(3,\) times vector"),
        (ops.Add(), [X, Value("w", TensorType((4,), BYTE))], "shapes differ: %x.*%w"),
        (ops.Concat(), [X, Value("w", SUM)], "types differ"),
        (ops.Slice(1, 4), [X], "slice 1:4 of %x"),
        (ops.Reshape((2, 2)), [X], r"reshape of %x.* to \(2, 2\)"),
        (ops.ReduceSum(), [Value("w", TensorType((2, 2), BYTE))], "reduction of %w"),
        (ops.Table("sine", BYTE), [X], "a table of 'sine'"),
    ],
)
def test_operands_that_do_not_fit(op: ops.Op, operands: Sequence[Value], message: str) -> None:
    inputs = {value.name: value for value in operands}.values()
    assert_faulty(message, list(inputs), [node(op, operands, Value("z", VECTOR))])


def test_a_constant_that_is_not_finite() -> None:
    const = ops.Const(np.array([1.0, np.nan]), BYTE)
    assert_faulty("%k.* not finite", [], [node(const, [], Value("k", TensorType((2,), BYTE)))])


SCAN = ops.Scan(Graph((STATE, STEP), (), (STEP, STATE)), states=1, length=3)
START = Value("start", TensorType((), BYTE))
STACKED = Value("stacked", VECTOR)


def test_a_scan_that_fits() -> None:
    graph = Graph((START, X), (node(SCAN, [START, X], LAST, STACKED),), (LAST, STACKED))
    assert verify(graph) is graph


@pytest.mark.parametrize(
    ("scan", "operands", "results", "message"),
    [
        (replace(SCAN, length=2), [START, X], [LAST, STACKED], r"%x: fixed<8,8>\[3\] enters the scan as %step"),
        (replace(SCAN, length=0), [START, X], [LAST, STACKED], "a scan of 0 steps"),
        (replace(SCAN, states=2), [START, X], [LAST, STACKED], "%x: .* enters the scan as %step"),
        (SCAN, [X, X], [LAST, STACKED], "%x: .* enters the scan as %state"),
        (SCAN, [START], [LAST, STACKED], "nothing enters a scan as %step"),
        (SCAN, [START, X, X], [LAST, STACKED], "%x: .* enters a scan as nothing"),
        (SCAN, [START, X], [LAST], "nothing leaves a scan as %state"),
        (SCAN, [START, X], [LAST, Value("stacked", SUM)], "%stacked: .* leaves the scan as %state"),
    ],
)
def test_a_scan_unlike_its_body(
    scan: ops.Scan, operands: Sequence[Value], results: Sequence[Value], message: str
) -> None:
    assert_faulty(message, [START, X], [node(scan, operands, *results)])


def test_a_state_followed_by_another_type() -> None:
    wide = Value("wide", TensorType((), FixedType(9, 9)))
    body = Graph((STATE, STEP), (node(ops.Add(), [STATE, STEP], wide),), (wide,))
    scan = node(ops.Scan(body, 1, 3), [START, X], Value("last", wide.type))
    assert_faulty("state %state: .* is followed by %wide", [START, X], [scan])


def test_the_builder_asserts_shapes_too() -> None:
    b = Builder()
    x, y = b.input("x", VECTOR), b.input("y", TensorType((2,), BYTE))
    with pytest.raises(AssertionError, match="shapes differ: %x"):
        b.add(x, y)
