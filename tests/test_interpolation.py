"""Fine functions keep the error that their docstring adds up, and are the functions themselves in real numbers."""

from __future__ import annotations

import numpy as np
import pytest

import loopwire
from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.errors import ConfigError
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.functions import FUNCTIONS
from loopwire.ir.graph import Graph
from loopwire.ir.interval import Range, ranges
from loopwire.ir.types import FixedType, TensorType
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.interpolation import FINEST_FRACTION_BITS, interpolated
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import chain
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.simple_rnn import SimpleRnn

INTERPOLATED = [name for name, function in FUNCTIONS.items() if function.curvature is not None]
INPUT_INTEGER_BITS = 5


def graph_of(function: str, fraction: int, operand_fraction: int, to: FixedType | None = None) -> Graph:
    b = Builder()
    operand = FixedType(INPUT_INTEGER_BITS + operand_fraction, INPUT_INTEGER_BITS)
    x = b.input("x", TensorType((1,), operand))
    return b.graph((interpolated(b, function, x, to or FixedType(fraction + 2, 2), "y"),))


def inputs(operand: FixedType, random: np.random.Generator, count: int = 20_000) -> np.ndarray:
    """Half of the range, half near 0 and near the joints that kinks lie in."""
    low, high = operand.min_integer, operand.max_integer
    joints = random.integers(-8, 9, count) * 2 ** (operand.fraction - 2) + random.integers(-5, 6, count)
    x = np.concatenate([random.integers(low, high, count), joints, random.normal(size=count) * 2**operand.fraction])
    return np.clip(x.astype(np.int64), low, high)[:, np.newaxis]


@pytest.mark.parametrize("function", INTERPOLATED)
@pytest.mark.parametrize(("fraction", "operand_fraction"), [(16, 16), (16, 30), (21, 26)])
def test_results_err_by_less_than_a_step(function: str, fraction: int, operand_fraction: int) -> None:
    graph = graph_of(function, fraction, operand_fraction)
    operand, to = graph.inputs[0].type.element, graph.outputs[0].type.element
    x = inputs(operand, np.random.default_rng(fraction))
    (y,) = evaluate_integers(graph, (x,))
    exact = np.clip(FUNCTIONS[function].real(x * operand.step) / to.step, to.min_integer, to.max_integer)
    assert np.abs(y - exact).max() < 1.0
    (real,) = evaluate_real(graph, (x * operand.step,))
    assert np.array_equal(real, FUNCTIONS[function].real(x * operand.step))


def test_results_finer_than_the_finest_err_by_less_than_its_step() -> None:
    graph = graph_of("tanh", 30, 30)
    operand, to = graph.inputs[0].type.element, graph.outputs[0].type.element
    x = inputs(operand, np.random.default_rng(1))
    (y,) = evaluate_integers(graph, (x,))
    assert np.abs(y * to.step - np.tanh(x * operand.step)).max() < 2.0**-FINEST_FRACTION_BITS


@pytest.mark.parametrize("spec", ["fixed<17,0,RND,SAT>", "ufixed<16,0,TRN,WRAP>", "fixed<26,9,RND_CONV,SAT_SYM>"])
def test_results_are_clipped_to_the_range_of_their_type(spec: str) -> None:
    to = FixedType.parse(spec)
    graph = graph_of("sigmoid", 0, 20, to)
    operand = graph.inputs[0].type.element
    x = inputs(operand, np.random.default_rng(2))
    (y,) = evaluate_integers(graph, (x,))
    exact = np.clip(FUNCTIONS["sigmoid"].real(x * operand.step) / to.step, to.min_integer, to.max_integer)
    assert graph.outputs[0].type.element == to
    assert np.abs(y - exact).max() < 1.0


def test_what_a_floor_leaves_is_known_to_be_small() -> None:
    graph = graph_of("tanh", 16, 20)
    (difference,) = (node.result for node in graph.nodes if isinstance(node.op, ops.Sub))
    segment = 2.0**-8
    assert ranges(graph)[difference] == Range(0, round(segment / difference.type.element.step) - 1)


def cells() -> list[Recurrent]:
    random = np.random.default_rng(4)

    def w(*shape: int) -> np.ndarray:
        return random.normal(size=shape) * 0.5

    return [
        Lstm("cell", w(12, 4), w(12, 3), w(12)),
        Gru("cell", w(9, 4), w(9, 3), w(9), w(9), True),
        Gru("cell", w(9, 4), w(9, 3), w(9), np.zeros(9), False),
        SimpleRnn("cell", w(3, 4), w(3, 3), w(3)),
    ]


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.kind}{getattr(cell, 'reset_after', '')}")
@pytest.mark.parametrize("spec", ["fixed<24,8,RND,SAT>", "fixed<32,12,RND,SAT>", "fixed<32,16,RND,SAT>"])
def test_wide_types_compile_for_every_cell(cell: Recurrent, spec: str) -> None:
    random = np.random.default_rng(3)
    head = Dense("head", random.normal(size=(4, 3)), np.zeros(4), Function("softmax"))
    model = chain("wide", (5, 4), (cell, head), "test")
    precision = FixedType.parse(spec)
    design = loopwire.compile(model, CompileConfig(model=PrecisionConfig(precision)))
    x = random.normal(size=(8, 5, 4))
    assert np.abs(design.predict(x) - design.predict_float(x)).max() < 8 * precision.step


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        ("fixed<24,8>", {"max_error_steps": 0.6}, "no table of at most 1048576 cells keeps the error below 0.6 steps"),
        (
            "fixed<40,8>",
            {"max_error_steps": 0.6},
            r"inputs reach to -\d+ in steps of 2\^-64; a table can index those up to",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused_where_the_model_is_compiled(
    spec: str, settings: dict[str, float], message: str
) -> None:
    precision = PrecisionConfig(FixedType.parse(spec), **settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"^layer 'cell', table of [a-z]+: .*{message}"):
        loopwire.compile(chain("tight", (5, 4), (cells()[0],), "test"), CompileConfig(model=precision))
