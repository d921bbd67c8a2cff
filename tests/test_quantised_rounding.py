"""Tanh and sigmoid rounded exactly, for every number that the operand's type holds; casts that a model does itself."""

from __future__ import annotations

import numpy as np
import pytest

from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.ir.builder import Builder
from loopwire.ir.functions import MOST_ROUNDED_BITS
from loopwire.ir.text import parse_graph, print_graph
from loopwire.ir.types import FixedType, TensorType
from loopwire.layers.emitter import Emitter
from loopwire.layers.quantised.rounding import rounded
from loopwire.layers.roles import LayerTypes

REAL = {"tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


@pytest.mark.parametrize("function", REAL)
@pytest.mark.parametrize(
    ("fraction", "element"),
    [
        (1, FixedType(13, 4)),
        (7, FixedType(16, 4)),
        (8, FixedType(8, 4)),
        (8, FixedType(14, 9)),
        (MOST_ROUNDED_BITS, FixedType(18, 4)),
    ],
)
def test_a_function_is_rounded_to_nearest_exactly(function: str, fraction: int, element: FixedType) -> None:
    b = Builder()
    x = b.input("x", TensorType((1,), element))
    graph = b.graph([rounded(Emitter(b, LayerTypes({})), function, x, fraction, "y")])
    integers = np.arange(element.min_integer, element.max_integer + 1)[:, np.newaxis]
    reals = REAL[function](integers * element.step)
    (found,) = evaluate_integers(graph, [integers])
    due = np.floor(reals * 2**fraction + 0.5) / 2**fraction
    assert np.array_equal(found * graph.outputs[0].type.element.step, due)
    (exact,) = evaluate_real(graph, [integers * element.step])
    assert np.abs(exact - reals).max() < 1e-12


def test_a_cast_of_the_model_is_done_in_reals_and_kept_in_text() -> None:
    b = Builder()
    x = b.input("x", TensorType((3,), FixedType(16, 6)))
    narrow = FixedType.parse("fixed<4,2,RND,SAT>")
    graph = b.graph([b.cast(x, narrow, "user's"), b.cast(x, narrow, "model's", in_reals=True)])
    given = np.array([[0.3, -7.0, 0.125]])
    for same in (graph, parse_graph(print_graph(graph))):
        users, models = evaluate_real(same, [given])
        assert users.tolist() == given.tolist()
        assert models.tolist() == [[0.25, -2.0, 0.25]]
