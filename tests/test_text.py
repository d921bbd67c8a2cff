"""The text of a graph: it reads back as the same graph, and faults in it are told by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import GraphTextError
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Value
from loopwire.ir.text import parse_graph, print_graph
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.ir.verify import verify
from random_graphs import random_graphs, random_inputs

GATE = FixedType(8, 2, rounding=Rounding.RND, overflow=Overflow.SAT)

EXAMPLE = """\
graph {
  input %x: fixed<8,4>[3, 2]  // as it arrives
  %cell.W: fixed<6,2>[2, 2] = const [0.5, -1.25, 1e-05, 0.1]
  %cell.h: fixed<8,2,RND,SAT>[2] = const 0.0
  %cell.last: fixed<8,2,RND,SAT>[2],  // h' = σ(h + x)
  %cell.sequence: fixed<8,2,RND,SAT>[3, 2] = scan %cell.h, %x states=1 length=3 {  // all h'
    input %cell.h_prev: fixed<8,2,RND,SAT>[2]
    input %cell.x_t: fixed<8,4>[2]
    %cell.a: fixed<11,5>[2] = add %cell.h_prev, %cell.x_t
    %cell.next: fixed<8,2,RND,SAT>[2] = table sigmoid %cell.a max_error_steps=1.0
    output %cell.next, %cell.next
  }
  %cell.y: fixed<13,3>[2] = matvec %cell.W, %cell.last
  %cell.first: fixed<13,3>[1] = slice %cell.y start=0 stop=1
  %"the head.y": fixed<6,2>[1] = cast %cell.first
  %tanh @head: fixed<8,2,RND,SAT>[1] = table tanh %cell.first max_error_steps=0.75 max_entries=16
  %head.square: fixed<8,2,RND,SAT>[1, 1] = reshape %tanh
  output %head.square, %x
}
"""


def test_an_example_prints_as_it_was_written() -> None:
    graph = parse_graph(EXAMPLE)
    assert print_graph(verify(graph)) == EXAMPLE
    tanh = graph.nodes[-2]
    assert tanh.op == ops.Table("tanh", GATE, 0.75, 16)
    assert (tanh.result.name, tanh.result.layer) == ("tanh", "head")
    assert graph.inputs[0].note == "as it arrives"


@settings(max_examples=100, deadline=None)
@given(random_graphs(nested=True), st.integers(0, 2**32))
def test_a_graph_reads_back_as_itself(graph: Graph, seed: int) -> None:
    text = print_graph(graph)
    again = parse_graph(text)
    assert print_graph(again) == text
    assert verify(again) is again
    for one, other in zip(values(graph), values(again), strict=True):
        assert (one.name, one.type, one.layer, one.note) == (other.name, other.type, other.layer, other.note)
    for one, other in zip(constants(graph), constants(again), strict=True):
        assert one.reals.tobytes() == other.reals.tobytes() and one.type == other.type
    inputs = random_inputs(graph, seed)
    for before, after in zip(evaluate_integers(graph, inputs), evaluate_integers(again, inputs), strict=True):
        assert np.array_equal(before, after)


def values(graph: Graph) -> list[Value]:
    bodies = [v for node in graph.nodes if isinstance(node.op, ops.Scan) for v in values(node.op.body)]
    return [*graph.inputs, *bodies, *(v for node in graph.nodes for v in node.results), *graph.outputs]


def constants(graph: Graph) -> list[ops.Const]:
    return [node.op for node in graph.walk() if isinstance(node.op, ops.Const)]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=200), st.booleans())
def test_every_real_is_read_back_exactly(numbers: list[float], as_matrix: bool) -> None:
    reals = np.array(numbers * 2).reshape((2, -1) if as_matrix else -1)
    b = Builder()
    b.const(reals, FixedType(8, 4))
    text = print_graph(b.graph(()))
    assert max(map(len, text.splitlines())) <= 140
    (again,) = constants(parse_graph(text))
    assert again.reals.tobytes() == reals.tobytes()
    assert again.reals.shape == reals.shape


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text(), st.text())
@example("a b", "", "two\r\nlines \\n")
def test_any_name_layer_and_note_is_read_back(name: str, layer: str, note: str) -> None:
    value = Value(name, TensorType((), GATE), layer, note)
    text = print_graph(Graph((value,), (), ()))
    assert text.count("\n") == 4 and "\r" not in text
    (again,) = parse_graph(text).inputs
    assert (again.name, again.layer, again.note) == (name, layer, note)


def test_equal_numbers_are_written_once_and_long_rows_are_wrapped() -> None:
    b = Builder()
    b.const(np.full((4, 4), 0.25), GATE, "same")
    b.const(np.arange(60.0).reshape(2, 30), GATE, "rows")
    assert (
        print_graph(b.graph(()))
        == """\
graph {
  %same: fixed<8,2,RND,SAT>[4, 4] = const 0.25
  %rows: fixed<8,2,RND,SAT>[2, 30] = const [
      0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0,
      18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0,
      30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0,
      46.0, 47.0, 48.0, 49.0, 50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0, 57.0, 58.0, 59.0]
  output
}
"""
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "met", "expected"),
    [
        ("graph {", "grph {", 1, "grph", "'graph'"),
        ("= const 0.0", "= cnst 0.0", 4, "cnst", "one of the operations add, cast, concat, const,"),
        ("= const 0.0", "= const 0.0.1", 4, "0.0.1", "a finite number"),
        ("= const 0.0", "= const 1e999", 4, "1e999", "a finite number"),
        ("= const 0.0", "= const", 5, "%cell.last", "a number or a list of numbers"),
        ("-1.25,", "nan,", 3, "nan", "a finite number"),
        ("-1.25,", "-1.25,\n,", 4, "", "a finite number"),
        ("-1.25,", "", 3, "[0.5,  1e-05, 0.1]", "4 numbers for shape [2, 2], not 3"),
        ("0.1]", "0.1", 3, "[", "a number or a list of numbers"),
        ("[3, 2]  //", "[3, two]  //", 2, "two", "a whole number from 1 up"),
        ("[3, 2]  //", "[3, 0]  //", 2, "0", "a whole number from 1 up"),
        ("[3, 2]  //", "[3, -1]  //", 2, "-1", "a whole number from 1 up"),
        ("[3, 2]  //", "  //", 2, "// as it arrives", "a shape, such as '[20, 6]'"),
        ("%x: fixed<8,4>", "%x: float", 2, "float", "a type, such as 'fixed<16,6>'"),
        ("%x: fixed<8,4>", "%x: fixed<8>", 2, "fixed<8>", "a type that can exist: it has 1 parameter"),
        ("%x: fixed<8,4>", "%x: fixed<0,4>", 2, "fixed<0,4>", "a type that can exist: a width of 0 bits is"),
        ("%cell.last:", "%x:", 5, "%x", "a name that no other value has"),
        ("add %cell.h_prev, %cell", "add %cell.h, %cell", 9, "%cell.h", "a value defined above, in the same block"),
        ("add %cell.h_prev,", "add %cell.h_prev %", 9, "%", "a value to compute, such as '%y', or 'output'"),
        ("add %cell.h_prev,", "add %cell.h_prev,,", 9, ",", "a value, such as '%y'"),
        ("table sigmoid %cell.a", "table %cell.a", 10, "%cell.a", "the name of a function"),
        ("%cell.a max_error_steps=1.0", "%cell.a", 11, "output", "'max_error_steps'"),
        ("start=0 stop=1", "start=0", 15, '%"the head.y"', "'stop'"),
        ("start=0", "start 0", 14, "0", "'='"),
        ("start=0", "start=0.5", 14, "0.5", "a whole number from 0 up"),
        ("length=3 {", "length=3", 6, "// all h'", "'{'"),
        ('%"the head.y"', '%"the \\head.y"', 15, '%"the \\head.y"', "a name quoted as in JSON"),
        ("output %head.square, %x\n}", "output %head.square, %x\n", 20, "the end of the text", "'}'"),
        ("output %head.square, %x\n}", "}", 18, "}", "a value to compute, such as '%y', or 'output'"),
        ("square, %x\n}", "square, %x\n}}", 19, "}", "the end of the text"),
    ],
)
def test_a_fault_is_told_by_line(old: str, new: str, line: int, met: str, expected: str) -> None:
    assert EXAMPLE.count(old) == 1
    with pytest.raises(GraphTextError) as caught:
        parse_graph(EXAMPLE.replace(old, new))
    message = str(caught.value)
    assert message.startswith(f"graph text, line {line}: met {met!r}, expected {expected}"), message
    assert "Correct the text, or print the graph again" in message


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_text(text: str) -> None:
    with pytest.raises(GraphTextError, match="met 'the end of the text', expected 'graph'"):
        parse_graph(text)


def test_a_fault_suggests_the_nearest_name() -> None:
    with pytest.raises(GraphTextError, match="Did you mean 'reshape'"):
        parse_graph(EXAMPLE.replace("= reshape", "= reshap"))
    with pytest.raises(GraphTextError, match=r"Did you mean 'cell\.last'"):
        parse_graph(EXAMPLE.replace("%cell.W, %cell.last", "%cell.W, %cell.lst"))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(EXAMPLE) - 1), st.text(max_size=3), st.integers(0, 20))
def test_damage_is_an_error_or_another_graph_never_a_crash(start: int, inserted: str, removed: int) -> None:
    text = EXAMPLE[:start] + inserted + EXAMPLE[start + removed :]
    try:
        graph = parse_graph(text)
    except GraphTextError:
        return
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
