"""Activation functions in fixed point: near the real ones over every input, and softmax keeps what it promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph
from loopwire.ir.interval import table_form
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import Activation, Function
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import LayerTypes, Role

Reals = npt.NDArray[np.float64]
WIDE = FixedType(16, 6, rounding=Rounding.RND, overflow=Overflow.SAT)
NARROW = FixedType(8, 2, rounding=Rounding.RND, overflow=Overflow.SAT)


@cache
def activation(function: Function, size: int, operand: FixedType, result: FixedType) -> Graph:
    b = Builder()
    x = b.input("x", TensorType((size,), operand))
    return b.graph([Activation("y", function).emit(Emitter(b, LayerTypes({Role.RESULT: result})), x)])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def gelu_tanh(x: float) -> float:
    """As keras.activations.gelu(x, approximate=True)."""
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
REAL: dict[Function, Callable[[float], float]] = {
    Function("relu", slope=0.25, maximum=2.5): lambda x: min(x, 2.5) if x > 0 else 0.25 * x,
    Function("relu", maximum=1.0): lambda x: min(max(x, 0), 1),
    Function("relu6"): lambda x: min(max(x, 0), 6),
    Function("elu", slope=0.5): lambda x: x if x > 0 else 0.5 * math.expm1(x),
    Function("selu"): lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x)),
    Function("softplus"): lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))),
    Function("silu"): lambda x: x * sigmoid(x),
    Function("gelu"): lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    Function("gelu_tanh"): gelu_tanh,
    Function("hard_sigmoid", slope=0.25, offset=0.5): lambda x: min(max(0.25 * x + 0.5, 0), 1),
}


@pytest.mark.parametrize("function", REAL, ids=lambda function: function.name)
@pytest.mark.parametrize("operand", [FixedType(14, 5), FixedType(10, 5)], ids=str)
def test_every_input_gives_a_result_within_a_step(function: Function, operand: FixedType) -> None:
    result = FixedType(13, 6, rounding=Rounding.RND, overflow=Overflow.SAT)
    graph = activation(function, 1, operand, result)
    x = np.arange(operand.min_integer, operand.max_integer + 1).reshape(-1, 1)
    exact = np.array([REAL[function](float(value)) for value in x[:, 0] * operand.step])
    (real,) = evaluate_real(graph, (x * operand.step,))
    np.testing.assert_allclose(real[:, 0], exact, rtol=1e-6, atol=1e-6)
    (integers,) = evaluate_integers(graph, (x,))
    assert np.abs(integers[:, 0] - exact / result.step).max() <= 1.0


def rom_entries(graph: Graph) -> dict[str, int]:
    tables = [(node.op, node.operands[0].type.element) for node in graph.nodes if isinstance(node.op, ops.Table)]
    return {op.function: table_form(op, operand).entries for op, operand in tables}


@pytest.mark.parametrize("name", ["softplus", "silu", "gelu", "gelu_tanh"])
def test_only_what_differs_from_a_relu_is_tabulated(name: str) -> None:
    (entries,) = rom_entries(activation(Function(name), 1, WIDE, WIDE)).values()
    assert entries < 3000


def logits(classes: int, type: FixedType) -> npt.NDArray[np.int64]:
    """Random ones of many spreads, and those that are worst: one or several largest, all others equally far below."""
    rng = np.random.default_rng(classes)
    width = type.max_integer - type.min_integer
    count = min(4000, 400_000 // classes)
    parts = [rng.normal(0, spread / type.step, (count, classes)) for spread in (0.3, 1, 3, 8)]
    parts += [rng.normal(0, 1 / type.step, (count, classes)) - 8 / type.step * (np.arange(classes) > 1)]
    below = np.arange(0, min(width, round(16 / type.step)), 1 if classes <= 10 else 13)
    for largest in {1, 2, classes // 2, classes - 1} - {0, classes}:
        parts.append(type.max_integer - below[:, np.newaxis] * (np.arange(classes) >= largest))
    return np.clip(np.rint(np.concatenate(parts)), type.min_integer, type.max_integer).astype(np.int64)


def softmax_of(x: npt.NDArray[np.int64], type: FixedType) -> Reals:
    exponentials = np.exp((x - x.max(axis=1, keepdims=True)) * type.step)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("classes", [1, 2, 3, 5, 10, 20, 345])
@pytest.mark.parametrize("type", [WIDE, NARROW], ids=["16,6", "8,2"])
def test_softmax_is_right(classes: int, type: FixedType) -> None:
    graph = activation(Function("softmax"), classes, type, type)
    x = logits(classes, type)
    (y,) = evaluate_integers(graph, (x,))
    assert np.abs(y - softmax_of(x, type) / type.step).max() <= 1.5
    assert (np.take_along_axis(y, x.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0] == y.max(axis=1)).all()
    order = np.sort(x, axis=1)
    (in_order,) = evaluate_integers(graph, (order,))
    assert (in_order[:, 1:][order[:, 1:] == order[:, :-1]] == in_order[:, :-1][order[:, 1:] == order[:, :-1]]).all()
    # Each result is rounded by up to half a step of its own.
    assert np.abs(y.sum(axis=1) - 1 / type.step).max() <= classes


@pytest.mark.parametrize("classes", [2, 3])
def test_softmax_of_few_classes_is_right_everywhere(classes: int) -> None:
    type = FixedType(8, 4, rounding=Rounding.RND, overflow=Overflow.SAT) if classes == 2 else FixedType(6, 3)
    each = np.arange(type.min_integer, type.max_integer + 1)
    x = np.stack(np.meshgrid(*[each] * classes), axis=-1).reshape(-1, classes)
    result = NARROW
    (y,) = evaluate_integers(activation(Function("softmax"), classes, type, result), (x,))
    assert np.abs(y - softmax_of(x, type) / result.step).max() <= 1.5
    assert (y.max(axis=1) == np.take_along_axis(y, x.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]).all()
    assert np.abs(y.sum(axis=1) - 1 / result.step).max() <= 2


@pytest.mark.parametrize("classes", [2, 5, 345])
def test_a_certain_softmax_is_one(classes: int) -> None:
    x = np.full((1, classes), WIDE.min_integer)
    x[0, 0] = WIDE.max_integer
    (y,) = evaluate_integers(activation(Function("softmax"), classes, WIDE, WIDE), (x,))
    assert y.tolist() == [[1024] + [0] * (classes - 1)]


def test_real_softmax_is_exact() -> None:
    x = np.random.default_rng(0).normal(0, 3, (50, 40))
    (y,) = evaluate_real(activation(Function("softmax"), 40, WIDE, WIDE), (x,))
    np.testing.assert_allclose(y, softmax_of(x, FixedType(1, 1)), rtol=1e-12)


def test_the_reciprocal_of_many_classes_is_small() -> None:
    entries = rom_entries(activation(Function("softmax"), 345, WIDE, WIDE))
    assert sum(count for name, count in entries.items() if name.startswith("reciprocal")) < 3000
