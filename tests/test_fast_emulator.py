"""The fast path of the emulator gives the definition's integers, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loopwire.config import CompileConfig
from loopwire.emulator import evaluate, fast_emulator, native_library, vector_program, vector_words
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import FastEmulator, try_build
from loopwire.emulator.vector_assembler import LANES, Opcode
from loopwire.errors import LoopwireWarning
from loopwire.frontends.keras.model import read_keras
from loopwire.ir import ops
from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.fixed_point import quantise
from loopwire.ir.graph import Graph, Value
from loopwire.ir.table_form import TableForm
from loopwire.ir.tables import design_table
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, chain
from loopwire.layers.roles import LayerTypes, Role
from loopwire.layers.shape import Flatten
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.passes.lower import lower
from loopwire.type_choice import TypeChoice

JETS = Path(__file__).parents[1] / "examples" / "jets"
INPUT = FixedType.parse("fixed<12,4>")
WIDE_INPUT = FixedType.parse("fixed<35,12>")
TABLE_OPERANDS = [
    FixedType.parse(spec) for spec in ("fixed<8,4,RND,SAT>", "fixed<10,4,TRN,WRAP>", "fixed<7,1,RND,SAT>")
]
TABLE_RESULTS = [FixedType.parse(spec) for spec in ("fixed<9,2,RND,SAT>", "fixed<6,2>")]

modes = st.tuples(st.sampled_from(Rounding), st.sampled_from(Overflow))
widths = st.one_of(st.integers(1, 20), st.integers(21, 40))


@st.composite
def fixed_types(draw: st.DrawFn, widths: st.SearchStrategy[int] = widths) -> FixedType:
    width = draw(widths)
    return FixedType(width, draw(st.integers(-3, width + 3)), draw(st.booleans()), *draw(modes))


def built(graph: Graph) -> FastEmulator:
    emulator = try_build(graph)
    assert emulator is not None
    return emulator


def random_integers(value: Value, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of the value's type, with many of its extremes."""
    element = value.type.element
    rng = np.random.default_rng(seed)
    shape = (count, *value.type.shape)
    numbers = rng.integers(element.min_integer, element.max_integer, shape, endpoint=True)
    small = rng.integers(max(element.min_integer, -8), min(element.max_integer, 8), shape, endpoint=True)
    extreme = np.where(rng.random(shape) < 0.5, element.min_integer, element.max_integer)
    choice = rng.integers(0, 4, shape)
    return np.select([choice == 0, choice == 1], [small, extreme], numbers)


def assert_equal_to_definition(graph: Graph, lengths: npt.NDArray[np.int64] | None, count: int, seed: int) -> None:
    x = random_integers(graph.inputs[0], count, seed)
    (expected,) = evaluate_integers(graph, [x], lengths)
    np.testing.assert_array_equal(built(graph).run(x, lengths, threads=1), expected)


def vector_graph(element: FixedType, size: int, body: Callable[[Builder, Value], Value]) -> Graph:
    b = Builder()
    return b.graph((body(b, b.input("x", TensorType((size,), element))),))


# --- single ops ---


@settings(deadline=None)
@given(fixed_types(), fixed_types(), st.integers(0, 1000))
def test_cast_in_all_modes(source: FixedType, to: FixedType, seed: int) -> None:
    graph = vector_graph(source, 3, lambda b, x: b.cast(x, to))
    assume(source.width + max(to.fraction - source.fraction, 0) < 64 or try_build(graph) is not None)
    assert_equal_to_definition(graph, None, LANES + 5, seed)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(Rounding), st.sampled_from(Overflow), st.booleans())
def test_cast_of_every_number(rounding: Rounding, overflow: Overflow, wide: bool) -> None:
    source = FixedType(11 if not wide else 40, 4 if not wide else 33)
    graph = vector_graph(source, 1, lambda b, x: b.cast(x, FixedType(6, 3, True, rounding, overflow)))
    x = np.arange(-1024, 1024).reshape(-1, 1)
    (expected,) = evaluate_integers(graph, [x])
    np.testing.assert_array_equal(built(graph).run(x), expected)


@settings(deadline=None)
@given(
    st.sampled_from(["add", "sub", "mul", "max", "min"]),
    fixed_types(st.integers(1, 30)),
    fixed_types(st.integers(1, 30)),
    st.sampled_from(["vectors", "scalar first", "scalar second", "constant", "constant scalar"]),
    st.integers(0, 1000),
)
def test_binary_ops(op: str, a_type: FixedType, b_type: FixedType, shapes: str, seed: int) -> None:
    def body(b: Builder, x: Value) -> Value:
        left: Value = b.cast(x, a_type)
        right: Value = b.cast(b.slice(x, 0, 3), b_type)
        left = b.slice(left, 2, 5)
        if shapes == "scalar first":
            left = b.reduce_max(left)
        if shapes == "scalar second":
            right = b.reduce_sum(right)
        if shapes == "constant":
            right = b.const([1.25, -3.0, 0.5], b_type)
        if shapes == "constant scalar":
            right = b.const(-1.5, b_type)
        result: Value = getattr(b, op)(left, right)
        return result

    assert_equal_to_definition(vector_graph(INPUT, 5, body), None, LANES + 1, seed)


@pytest.mark.parametrize(
    ("x_type", "weight_type", "kernel"),
    [
        ("fixed<16,6>", "fixed<16,6>", Opcode.MATVEC_INT16),
        ("fixed<20,6>", "fixed<9,3>", Opcode.MATVEC_INT32),
        ("ufixed<16,6>", "fixed<12,3>", Opcode.MATVEC_INT32),
        ("fixed<12,6>", "ufixed<16,3>", Opcode.MATVEC_INT32),
        ("fixed<8,3>", "fixed<20,3>", Opcode.MATVEC_INT32),
        ("fixed<24,6>", "fixed<24,6>", Opcode.MATVEC_FLOAT64),
        ("fixed<40,6>", "fixed<20,6>", Opcode.MATVEC_INT64),
    ],
)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 6), (9, 7)])
@pytest.mark.parametrize("addend", [False, True])
def test_products_with_a_matrix(
    x_type: str, weight_type: str, kernel: Opcode, rows: int, columns: int, addend: bool
) -> None:
    weights_type = FixedType.parse(weight_type)
    rng = np.random.default_rng(rows)
    # Weights of full width but few units, so that the result stays in the kernel's range.
    weights = rng.uniform(-1, 1, (rows, columns)) * (weights_type.max_integer * weights_type.step * 0.9 / columns)
    weights[0, 0] = weights_type.max_integer * weights_type.step / columns

    def body(b: Builder, x: Value) -> Value:
        product = b.matvec(b.const(weights, weights_type), x)
        return b.add(b.const(rng.uniform(-3, 3, rows), FixedType.parse("fixed<14,5>")), product) if addend else product

    graph = vector_graph(FixedType.parse(x_type), columns, body)
    emulator = built(graph)
    if rows > 1:
        assert kernel in emulator.opcodes()
    assert_equal_to_definition(graph, None, LANES * 2 + 3, 1)


def test_a_product_added_to_itself() -> None:
    def body(b: Builder, x: Value) -> Value:
        square, product = b.mul(x, x), b.matvec(b.const(np.eye(3) * 1.5, INPUT), x)
        return b.sub(b.add(square, square), b.add(product, product))

    assert_equal_to_definition(vector_graph(INPUT, 3, body), None, LANES, 0)


@pytest.mark.parametrize("element", [INPUT, FixedType.parse("fixed<20,6>")])
@pytest.mark.parametrize("constant", [False, True])
def test_a_product_with_a_computed_matrix(element: FixedType, constant: bool) -> None:
    def body(b: Builder, x: Value) -> Value:
        vector = b.const([0.5, -1.25, 3.0], INPUT) if constant else b.slice(x, 1, 4)
        product = b.matvec(b.reshape(x, (2, 3)), vector)
        return b.add(product, b.slice(x, 0, 2))

    assert_equal_to_definition(vector_graph(element, 6, body), None, LANES + 1, 1)


@pytest.mark.parametrize("rows", [1, 2, 3, 6])
def test_a_transpose(rows: int) -> None:
    assert_equal_to_definition(vector_graph(INPUT, 6, lambda b, x: b.transpose(x, rows)), None, LANES + 1, 1)


@pytest.mark.parametrize("element", ["fixed<40,6>", "fixed<14,6>"])
@pytest.mark.parametrize("to", ["fixed<8,2,RND,SAT>", "fixed<40,33,RND,SAT>"])
def test_table(element: str, to: str) -> None:
    """Of narrow and wide numbers to narrow and wide numbers, with operands far beyond the table's ends."""
    graph = vector_graph(FixedType.parse(element), 3, lambda b, x: b.table("softplus", x, FixedType.parse(to)))
    assert_equal_to_definition(graph, None, 4 * LANES, 0)


@pytest.mark.parametrize("fold", [False, True])
def test_a_table_of_half_a_function_too(fold: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def table_form(op: ops.Table, operand: FixedType) -> TableForm:
        limits = operand.min_integer, operand.max_integer
        form = design_table(op.function, *limits, operand.fraction, op.to, fold=fold)
        assert (form.symmetry is not None) == fold and form.dropped_bits > 0, "or the test says nothing"
        return form

    monkeypatch.setattr(vector_program, "table_form", table_form)
    monkeypatch.setattr(evaluate, "table_form", table_form)
    element = FixedType.parse("fixed<16,3>")
    graph = vector_graph(element, 1, lambda b, x: b.table("tanh", x, FixedType.parse("fixed<10,1,RND,SAT>")))
    x = np.arange(element.min_integer, element.max_integer + 1).reshape(-1, 1)
    (expected,) = evaluate_integers(graph, [x])
    np.testing.assert_array_equal(built(graph).run(x), expected)


def test_a_table_that_is_too_large_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_words, "LARGEST_TABLE", 100)
    graph = vector_graph(INPUT, 1, lambda b, x: b.table("tanh", x, FixedType.parse("fixed<11,1,RND,SAT>")))
    assert try_build(graph) is None


# --- random programs ---


class Random:
    """Draws ops on vectors that are already there."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def matrix(self, b: Builder, rows: int, columns: int) -> Value:
        rng = np.random.default_rng(self.draw(st.integers(0, 100)))
        element = self.draw(st.sampled_from([FixedType.parse("fixed<8,2>"), FixedType.parse("fixed<20,4>")]))
        return b.const(rng.uniform(-1.9, 1.9, (rows, columns)), element, "W")

    def narrow(self, b: Builder, x: Value, limit: int = 26) -> Value:
        if x.type.element.width <= limit:
            return x
        return b.cast(x, self.draw(fixed_types(st.integers(4, 16))))

    def step(self, b: Builder, x: Value) -> Value:
        size = x.type.size
        kinds = [
            "matvec",
            "cast",
            "table",
            "unit",
            "relu",
            "square",
            "slice",
            "concat",
            "computed",
            "transpose",
            "scalar",
            "mul_add",
            "constant",
            "where",
            "lookup",
        ]
        kind = self.draw(st.sampled_from(kinds))
        x = self.narrow(b, x, 26 if kind in ("square", "mul_add") else 36)
        match kind:
            case "matvec":
                product = b.matvec(self.matrix(b, self.draw(st.integers(1, 6)), size), x)
                return (
                    b.add(product, b.const(np.full(product.type.size, 0.3), INPUT))
                    if self.draw(st.booleans())
                    else product
                )
            case "cast":
                return b.cast(x, self.draw(fixed_types(st.integers(2, 24))))
            case "table":
                x = b.cast(x, self.draw(st.sampled_from(TABLE_OPERANDS)))
                function = self.draw(st.sampled_from(["sigmoid", "tanh", "exp_nonpositive"]))
                return b.table(function, x, self.draw(st.sampled_from(TABLE_RESULTS)))
            case "unit":
                return b.sub(b.const(1.0, FixedType.parse("ufixed<1,1>")), x)
            case "relu":
                return b.max(x, b.const(0.0, FixedType.parse("ufixed<1,1>")))
            case "square":
                return b.mul(x, x)
            case "slice":
                start = self.draw(st.integers(0, size - 1))
                return b.slice(x, start, self.draw(st.integers(start + 1, size)))
            case "concat":
                return b.concat([x, b.cast(b.slice(x, 0, 1), x.type.element), x])
            case "computed":
                x = self.narrow(b, x)
                return b.matvec(b.reshape(b.concat([x, x]), (2, size)), x)
            case "transpose":
                return b.transpose(b.concat([x, x]), self.draw(st.sampled_from([2, size])))
            case "scalar":
                return b.add(x, b.reduce_sum(x))
            case "mul_add":
                return b.add(b.mul(x, x), b.cast(x, self.draw(fixed_types(st.integers(2, 16)))))
            case "where":
                other = b.cast(x, self.draw(fixed_types(st.integers(2, 24))))
                return b.where(b.greater(x, b.slice(x, 0, 1) if size == 1 else other), other, x)
            case "lookup":
                index = b.cast(b.reduce_max(x), FixedType.parse("ufixed<3,3,TRN,SAT>"))
                table = b.const(
                    np.linspace(-3, 3, 6 * size).reshape(6, size), self.draw(st.sampled_from([INPUT, WIDE_INPUT]))
                )
                return b.add(x, b.lookup(table, index))
            case _:
                constants = b.concat([b.const(np.full(2, k / 4), INPUT) for k in range(size)])
                return b.add(x, b.slice(constants, 0, size))

    def chain(self, b: Builder, x: Value) -> Value:
        for _ in range(self.draw(st.integers(0, 3))):
            x = self.step(b, x)
        return x

    def body(self, b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        vectors = [*states, *steps]
        if len(steps) > 1 and self.draw(st.booleans()):
            vectors.append(b.matvec(steps[1], steps[0]))
        inputs = [self.narrow(b, v, 36) for v in vectors if len(v.type.shape) == 1]
        mixed = []
        for state in states:
            rows = state.type.size
            total = None
            for v in inputs:
                product = b.matvec(self.matrix(b, rows, v.type.size), v)
                total = product if total is None else b.add(total, product)
            assert total is not None
            mixed.append(b.cast(total, state.type.element))
        return mixed, [self.chain(b, mixed[0]), self.draw(st.sampled_from([*states, steps[0]]))]


@st.composite
def recurrent_graphs(draw: st.DrawFn) -> Graph:
    """One or two scans with anything before, inside and after them."""
    random = Random(draw)
    length, features = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    b = Builder()
    sequence = b.input("x", TensorType((length, features), draw(st.sampled_from([INPUT, WIDE_INPUT]))))
    for _ in range(draw(st.integers(1, 2))):
        if draw(st.booleans()):
            sequence = b.reverse(sequence)
        units = draw(st.lists(st.integers(1, 5), min_size=2, max_size=2))
        element = draw(fixed_types(st.one_of(st.integers(3, 16), st.integers(33, 36))))
        states = [b.const(np.full(n, draw(st.sampled_from([0.0, 0.5]))), element, "h") for n in units]
        sequences = [sequence]
        if draw(st.booleans()):
            rng = np.random.default_rng(length)
            sequences.append(
                b.const(rng.uniform(-1, 1, (length, 3, sequence.type.shape[1])), FixedType.parse("fixed<9,2>"), "W_t")
            )
        h, c, stacked, copied = b.scan(states, sequences, random.body, names=("h", "c", "y", "y2"))
        sequence = draw(st.sampled_from([stacked, copied]))
    last = draw(st.sampled_from([h, c, stacked]))
    if last is stacked:
        if draw(st.booleans()):
            return b.graph((stacked,))
        last = b.reshape(stacked, (stacked.type.size,))
    return b.graph((random.chain(b, last),))


@settings(deadline=None, max_examples=150)
@given(recurrent_graphs(), st.integers(1, 2 * LANES + 1), st.booleans(), st.integers(0, 1000))
def test_random_graphs(graph: Graph, count: int, short: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, graph.inputs[0].type.shape[0], count, endpoint=True) if short else None
    assume(try_build(graph) is not None)  # numbers beyond 64 bits
    assert_equal_to_definition(graph, lengths, count, seed)


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 0, 0]])
def test_states_that_become_each_other(order: list[int]) -> None:
    b = Builder()
    x = b.input("x", TensorType((4, 2), INPUT))
    initial = [b.const([k / 4, -k / 4], INPUT, "s") for k in range(3)]

    def body(b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        return [states[k] for k in order], [b.add(states[0], steps[0])]

    *finals, stacked = b.scan(initial, [x], body, names=("a", "b", "c", "y"))
    wide = b.cast(b.concat(finals), stacked.type.element)
    graph = b.graph((b.concat([wide, b.reshape(stacked, (8,))]),))
    for lengths in (None, np.arange(LANES) % 4 + 1):
        assert_equal_to_definition(graph, lengths, LANES, 0)


def nested_graph() -> Graph:
    """A scan in a scan: the inner one runs over the features of a step, with a table of constants beside them."""
    b = Builder()
    x = b.input("x", TensorType((3, 4, 2), INPUT))
    zero = b.const(np.zeros(2), FixedType.parse("fixed<14,6>"), "h")
    beside = b.const(np.arange(24.0).reshape(3, 4, 2) / 8, FixedType.parse("fixed<9,4>"), "beside")

    def inner(b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        total = b.add(b.add(steps[0], steps[1]), states[0])
        following = b.cast(total, FixedType.parse("fixed<14,6>"))
        return [following], [following]

    def outer(b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        last, stacked = b.scan(states, steps, inner, names=("inner_h", "inner_y"))
        return [last], [b.reshape(stacked, (8,))]

    _, y = b.scan([zero], [x, beside], outer, names=("h_last", "y"))
    return b.graph((y,))


@pytest.mark.parametrize("lengths", [None, np.arange(2 * LANES) % 3 + 1])
def test_scan_in_a_scan(lengths: npt.NDArray[np.int64] | None) -> None:
    assert_equal_to_definition(nested_graph(), lengths, 2 * LANES, 3)


def random_layers(rng: np.random.Generator, kind: str) -> list[Layer]:
    """A recurrent layer of three units, then a dense softmax over all its steps."""

    def uniform(*shape: int) -> npt.NDArray[np.float64]:
        return rng.uniform(-1, 1, shape)

    options: dict[str, bool] = {"return_sequences": True, "go_backwards": True}
    recurrent: Layer
    match kind:
        case "lstm":
            recurrent = Lstm("rnn", uniform(12, 2), uniform(12, 3), uniform(12), **options)
        case "simple":
            recurrent = SimpleRnn("rnn", uniform(3, 2), uniform(3, 3), uniform(3), **options)
        case _:
            after = kind == "gru, reset after"
            recurrent = Gru("rnn", uniform(9, 2), uniform(9, 3), uniform(9), uniform(9) * after, after, **options)
    return [recurrent, Flatten("flatten"), Dense("dense", uniform(3, 15), uniform(3), Function("softmax"))]


@pytest.mark.parametrize("kind", ["lstm", "simple", "gru, reset after", "gru, reset before"])
@pytest.mark.parametrize("spec", ["fixed<8,3,RND,SAT>", "fixed<12,4>"])
def test_layers(kind: str, spec: str) -> None:
    element = FixedType.parse(spec)
    rng = np.random.default_rng(3)
    model = chain("model", (5, 2), tuple(random_layers(rng, kind)), source="test")
    types = {role: element for role in Role if role is not Role.PREACTIVATION}
    graph = lower(model, element, lambda layer: LayerTypes(types, max_error_steps=2.0))
    for lengths in (None, rng.integers(1, 5, 2 * LANES + 1, endpoint=True)):
        assert_equal_to_definition(graph, lengths, 2 * LANES + 1, 0)


def test_the_bundled_jet_tagger() -> None:
    model = read_keras(JETS / "jet_lstm20.keras")
    choice = TypeChoice(CompileConfig(), model)
    graph = lower(model, choice.input_type(), choice.layer_types)
    x = quantise(np.load(JETS / "jets_test2k.npz")["X"], graph.inputs[0].type.element)
    (expected,) = evaluate_integers(graph, [x])
    np.testing.assert_array_equal(built(graph).run(x), expected)


# --- limits, threads, compiler ---


def lstm_like() -> Graph:
    b = Builder()
    x = b.input("x", TensorType((4, 3), INPUT))
    h0 = b.const(np.zeros(5), FixedType.parse("fixed<10,3>"), "h")
    rng = np.random.default_rng(0)
    w, u = rng.uniform(-1, 1, (5, 3)), rng.uniform(-1, 1, (5, 5))

    def body(b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        element = FixedType.parse("fixed<10,3>")
        total = b.add(b.matvec(b.const(w, element), steps[0]), b.matvec(b.const(u, element), states[0]))
        following = b.cast(total, element)
        return [following], []

    (last,) = b.scan([h0], [x], body, names=("last",))
    return b.graph((last,))


def test_threads_give_the_same() -> None:
    graph = lstm_like()
    x = random_integers(graph.inputs[0], 10 * LANES + 7, 0)
    np.testing.assert_array_equal(built(graph).run(x, threads=5), built(graph).run(x, threads=1))


@pytest.mark.parametrize(
    ("wanted", "threads"), [("3", 3), ("2,4", 2), ("", None), ("many", None), ("²", None), ("0", None)]
)
def test_as_many_threads_as_openmp_uses(monkeypatch: pytest.MonkeyPatch, wanted: str, threads: int | None) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert fast_emulator.threads_to_use() == (threads or len(os.sched_getaffinity(0)))


def test_an_empty_batch_is_allowed() -> None:
    graph = lstm_like()
    assert built(graph).run(np.empty((0, 4, 3), np.int64)).shape == (0, 5)


def test_an_input_outside_its_type_is_a_fault() -> None:
    graph = lstm_like()
    x = random_integers(graph.inputs[0], 40, 0)
    x[37, 3, 2] = 2048
    with pytest.raises(AssertionError, match="outside fixed<12,4>"):
        built(graph).run(x)


@pytest.mark.parametrize("lengths", [[0, 1], [1, 5], [1]])
def test_impossible_lengths_are_a_fault(lengths: list[int]) -> None:
    with pytest.raises(AssertionError):
        built(lstm_like()).run(np.zeros((2, 4, 3), np.int64), np.array(lengths))


def test_numbers_beyond_64_bits_are_declined() -> None:
    wide = FixedType.parse("fixed<40,20>")
    assert try_build(vector_graph(wide, 2, lambda b, x: b.mul(x, x))) is None


def test_a_machine_without_compiler_has_no_fast_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    native_library.load.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.warns(LoopwireWarning, match=r"evaluation is slow without its compiled part. .* no C\+\+ compiler"):
        assert try_build(lstm_like()) is None
    native_library.load.cache_clear()


def test_the_library_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "one.cpp"
    source.write_text('extern "C" int one() { return 1; }\n')
    first = native_library.load(source)
    assert first is not None and first.one() == 1
    (library,) = (tmp_path / "cache").iterdir()
    stamp = library.stat().st_mtime_ns
    native_library.load.cache_clear()
    assert native_library.load(source) is not None
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()] == [stamp]
    source.write_text('extern "C" int one() { return 2; }\n')
    native_library.load.cache_clear()
    second = native_library.load(source)
    assert second is not None and second.one() == 2


def test_memory_does_not_grow_with_the_sequences() -> None:
    script = """
import resource, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_fast_emulator import built, lstm_like
emulator = built(lstm_like())
emulator.run(np.zeros((1000, 4, 3), np.int64), threads=2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
emulator.run(np.broadcast_to(np.zeros((4, 3), np.int64), (200_000, 4, 3)), threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    kibibytes_of_arrays = 200_000 * (12 + 5) * 8 / 1024
    assert int(done.stdout) < kibibytes_of_arrays * 1.1 + 4096


def test_opcodes_are_those_of_the_machine() -> None:
    source: Any = (Path(native_library.__file__).parent / "fast_emulator.cpp").read_text()
    listed = source.split("enum class Opcode : int64_t {")[1].split("}")[0].replace(",", " ").split()
    assert listed == [opcode.name for opcode in Opcode]


def test_a_state_may_be_a_step_of_a_sequence_as_it_is() -> None:
    """The last step of an input, as a model takes it without a layer before."""
    builder = Builder()
    x = builder.input("x", TensorType((4, 2), FixedType(8, 4)))
    start = builder.const(np.zeros(2), FixedType(8, 4))
    (last,) = builder.scan((start,), (x,), lambda b, states, steps: (steps, ()), names=("last",))
    given = np.arange(16).reshape(2, 4, 2)
    lengths = np.array([4, 2])
    for of in (None, lengths):
        found = built(builder.graph([last])).run(given, lengths=of)
        np.testing.assert_array_equal(found, evaluate_integers(builder.graph([last]), (given,), of)[0])
