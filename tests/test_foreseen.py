"""What the weights alone tell, without data: constants and results that do not fit their types."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.cli import main
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.emulator.evaluate import Array, evaluate_real
from loopwire.errors import LoopwireWarning
from loopwire.ir.fixed_point import to_real
from loopwire.ir.functions import FUNCTIONS
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.real_interval import UNBOUNDED, function_bounds, real_bounds
from loopwire.layers.activation import LINEAR, SIGMOID, Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.layers.shape import Reshape
from loopwire.report.foreseen import foreseen
from random_graphs import random_graphs, random_inputs

TYPE = "fixed<16,6,RND,SAT>"
WIDE = CompileConfig.from_dict({"layer": {"head": {"weight": "fixed<18,8,RND,SAT>", "bias": "fixed<18,8,RND,SAT>"}}})


@settings(max_examples=150, deadline=None)
@given(random_graphs(nested=True), st.integers(0, 2**32))
def test_no_real_value_leaves_its_bounds(graph: Graph, seed: int) -> None:
    assert_sound(graph, seed)


@settings(max_examples=60, deadline=None)
@given(random_graphs(), st.integers(0, 2**32), st.data())
def test_no_real_value_of_a_short_sequence_leaves_its_bounds(graph: Graph, seed: int, data: st.DataObject) -> None:
    length = graph.inputs[1].type.shape[0]
    assert_sound(graph, seed, np.array(data.draw(st.lists(st.integers(1, length), min_size=3, max_size=3))))


def assert_sound(graph: Graph, seed: int, lengths: npt.NDArray[np.int64] | None = None) -> None:
    found = real_bounds(graph)

    def check(value: Value, reals: Array) -> None:
        bounds = found[value]
        slack = 1e-9 * np.maximum(np.abs(reals), 1.0)
        held = np.clip(reals, -UNBOUNDED, UNBOUNDED)
        assert ((bounds.low - slack <= held) & (held <= bounds.high + slack)).all(), f"{value!r} leaves {bounds}"

    def observe(node: Node, operands: Sequence[Array], result: Array) -> None:
        for value, reals in zip((*node.operands, node.result), (*operands, result), strict=True):
            check(value, reals)

    inputs = random_inputs(graph, seed)
    reals = [to_real(x, value.type.element.fraction) for x, value in zip(inputs, graph.inputs, strict=True)]
    with np.errstate(all="ignore"):
        outputs = evaluate_real(graph, reals, lengths, observe)
    for value, result in zip(graph.outputs, outputs, strict=True):
        check(value, result)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_bounds_of_functions(name: str) -> None:
    known = FUNCTIONS[name]
    floor = max(known.defined_above, -8.0) + 2**-7
    for low, high in ((floor, 8.0), (floor, floor + 1.0), (1.0, 3.0)):
        values = known.real(np.linspace(low, high, 4001))
        bounds = function_bounds(name, np.array(low), np.array(high))
        assert bounds.low <= values.min() + 1e-12 and values.max() - 1e-12 <= bounds.high
        assert bounds.low >= values.min() - 1e-3 and bounds.high <= values.max() + 1e-3
    if known.defined_above == -np.inf:
        with np.errstate(over="ignore"):
            everywhere = function_bounds(name, np.array(-UNBOUNDED), np.array(UNBOUNDED))
        assert everywhere.low <= known.real(np.linspace(-9, 9, 999)).min() + 1e-12


def regressor(bias: float, activation: Function = LINEAR, scale: float = 20.0) -> Model:
    random = np.random.default_rng(5)
    shapes = ((9, 2), (9, 3), (9,), (9,))
    layer = Gru("gru", *(random.normal(0, 0.5, shape) for shape in shapes))
    head = Dense("head", np.array([[1.0, -1.0, 1.0]]) * scale, np.array([bias]), activation)
    return chain("m", (6, 2), (layer, head), "m.keras")


def test_a_regressor_beyond_its_type() -> None:
    """|h| <= 1, so that the result lies within the sum of |weights| of the bias."""
    text = (
        f"layer 'head', y (y = linear(a)): in floating point it lies between -20 and 100, whatever the input, and the "
        f"middle of that is beyond {TYPE}, which holds -32 to 31.999. fixed<18,8,RND,SAT> would hold all of it"
    )
    with pytest.warns(LoopwireWarning) as caught:
        loopwire.compile(regressor(40.0), WIDE)
    assert [(str(warning.message), warning.filename) for warning in caught] == [(text, __file__)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopwireWarning)
        compile_silently(regressor(40.0), WIDE)


def test_the_type_that_it_names_gives_no_warning() -> None:
    layers = {"weight": "fixed<18,8,RND,SAT>", "bias": "fixed<18,8,RND,SAT>", "result": "fixed<18,8,RND,SAT>"}
    assert foreseen(compile_silently(regressor(40.0), CompileConfig.from_dict({"layer": {"head": layers}})).graph) == ()


def test_states_that_no_gate_bounds_bound_nothing() -> None:
    model = regressor(40.0)
    gru, head = model.layers
    free = replace(gru, recurrent_activation=LINEAR)
    assert foreseen(compile_silently(chain("m", (6, 2), (free, head), "m.keras"), WIDE).graph) == ()


@pytest.mark.parametrize("activation", [SIGMOID, Function("softmax"), Function("tanh")])
def test_what_is_bounded_within_its_type_is_not_told_of(activation: Function) -> None:
    assert foreseen(compile_silently(regressor(40.0, activation), WIDE).graph) == ()


@pytest.mark.parametrize(
    "model",
    [
        regressor(0.0, scale=31.0),  # may reach 93, but as well nothing near
        chain("m", (2,), (Dense("head", np.eye(2), np.full(2, 31.0), LINEAR),), "m.keras"),  # as large as the inputs
        chain("m", (2,), (Dense("head", np.full((1, 2), 0.25), np.zeros(1), Function("relu")),), "m.keras"),
    ],
)
def test_what_may_as_well_fit_is_not_told_of(model: Model) -> None:
    assert foreseen(compile_silently(model).graph) == ()


def test_steps_and_parts_of_a_result() -> None:
    random = np.random.default_rng(5)
    lstm = Lstm("l", *(random.normal(0, 0.5, shape) for shape in ((8, 2), (8, 2), (8,))), return_sequences=True)
    head = Dense("head", np.array([[20.0, 20.0], [1.0, 1.0]]), np.array([50.0, 0.0]), LINEAR)
    model = chain("m", (6, 2), (lstm, head, Reshape("r", (3, 4))), "m.keras")
    graph = compile_silently(model, WIDE).graph
    (text,) = foreseen(graph)
    assert "in floating point it lies between 10 and 90, whatever the input" in text
    assert real_bounds(graph)[graph.outputs[0]].low.max() == 0.0  # steps that a short sequence lacks


def test_weights_beyond_their_type_and_too_small_for_it() -> None:
    layers = (Dense("a", np.array([[40.0, 1.0]]), np.array([1e-5]), LINEAR), Dense("b", np.eye(1), np.zeros(1), LINEAR))
    design = compile_silently(chain("m", (2,), layers, "m.keras"))
    assert foreseen(design.graph) == (
        f"layer 'a', W: 50.00% of its values do not fit {TYPE} and saturate: they lie between 1 and 40. "
        "fixed<17,7,RND,SAT> would hold them",
        f"The steps of one tensor's type are larger than most of its values, which become 0: a: b; {TYPE} counts in "
        "steps of 0.000976562",
    )


def test_the_command_line_tells(tmp_path: Path) -> None:
    head = dense(2, 1)
    head.arrays[1] += 40.0
    write_h5(tmp_path / "m.h5", [input_layer((5, 3)), lstm(), head])
    result = CliRunner().invoke(
        main, ["compile", str(tmp_path / "m.h5"), "--out", str(tmp_path / "o"), "--simulate", "0"]
    )
    assert result.exit_code == 0, result.output
    assert "warning: layer 'dense1', y (y = linear(a)): in floating point it lies between " in result.stderr
