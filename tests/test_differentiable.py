"""The differentiable machine equals the emulator bit for bit, and its gradients are those of the float reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the differentiable machine needs PyTorch (pip install loopwire[train])")

from conformance import types  # noqa: E402
from loopwire.emulator.differentiable import DifferentiableGraph, cast  # noqa: E402
from loopwire.emulator.evaluate import evaluate_integers, evaluate_real  # noqa: E402
from loopwire.errors import UnsupportedError  # noqa: E402
from loopwire.ir import ops  # noqa: E402
from loopwire.ir.builder import Builder  # noqa: E402
from loopwire.ir.fixed_point import to_real  # noqa: E402
from loopwire.ir.graph import Graph, Value  # noqa: E402
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType  # noqa: E402
from loopwire.layers.dense import Dense  # noqa: E402
from loopwire.layers.gru import Gru  # noqa: E402
from loopwire.layers.lstm import Lstm  # noqa: E402
from loopwire.layers.model import Model, chain  # noqa: E402
from loopwire.passes.lower import lower  # noqa: E402
from random_graphs import random_graphs, random_inputs  # noqa: E402


def constants(graph: Graph) -> list[Value]:
    return [node.result for node in graph.walk() if isinstance(node.op, ops.Const)]


def reals(graph: Graph, inputs):
    pairs = zip(inputs, graph.inputs, strict=True)
    return [torch.from_numpy(to_real(x, value.type.element.fraction)) for x, value in pairs]


def check(graph: Graph, seed: int, with_lengths: bool, trained: bool) -> None:
    try:
        machine = DifferentiableGraph(graph, constants(graph) if trained else ())
    except UnsupportedError:
        assume(False)
    inputs = random_inputs(graph, seed, batch=4)
    steps = next((v.type.shape[0] for v in graph.inputs if len(v.type.shape) == 2), 1)
    lengths = np.random.default_rng(seed).integers(1, steps + 1, 4) if with_lengths else None
    expected = evaluate_integers(graph, inputs, lengths)
    found = machine(*reals(graph, inputs), lengths=None if lengths is None else torch.from_numpy(lengths))
    for y, due, value in zip(found, expected, graph.outputs, strict=True):
        np.testing.assert_array_equal(y.detach().double().numpy(), to_real(due, value.type.element.fraction))


@settings(max_examples=150, deadline=None)
@given(random_graphs(max_width=16), st.integers(0, 1000), st.booleans(), st.booleans())
def test_any_graph_gives_the_emulators_numbers(graph, seed, with_lengths, trained):
    check(graph, seed, with_lengths, trained)


@settings(max_examples=50, deadline=None)
@given(random_graphs(max_width=16, nested=True), st.integers(0, 1000))
def test_scans_in_scans_too(graph, seed):
    check(graph, seed, with_lengths=False, trained=True)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_a_cast_rounds_every_number_in_every_mode(rounding, overflow):
    wide, narrow = FixedType(9, 5), FixedType(5, 3, True, rounding, overflow)
    b = Builder()
    graph = b.graph((b.cast(b.input("x", TensorType((), wide)), narrow),))
    x = np.arange(wide.min_integer, wide.max_integer + 1)
    (due,) = evaluate_integers(graph, (x,))
    (found,) = DifferentiableGraph(graph, ())(torch.from_numpy(to_real(x, wide.fraction)))
    np.testing.assert_array_equal(found.double().numpy(), to_real(due, narrow.fraction))


def test_a_cast_hands_on_the_gradient_where_it_does_not_saturate():
    x = torch.tensor([-5.0, -4.0, 0.3, 3.75, 3.9, 9.0], dtype=torch.float64, requires_grad=True)
    cast(x, FixedType(5, 3, True, Rounding.TRN, Overflow.SAT)).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0]


FINE = types("fixed<14,4,RND,SAT>", max_error_steps=1.0)
RANDOM = np.random.default_rng(5)


def trained_model() -> Model:
    """A small network with random weights."""

    def array(*shape):
        return RANDOM.normal(size=shape) * 0.5

    return chain(
        "m",
        (5, 3),
        (
            Lstm("lstm", array(16, 3), array(16, 4), array(16), return_sequences=True),
            Gru("gru", array(9, 4), array(9, 3), array(9), array(9)),
            Dense("dense", array(2, 3), array(2)),
        ),
        "test",
    )


def test_gradients_are_those_of_the_float_reference():
    """With fine types the rounding is small, so that a difference of the float reference shows every derivative."""
    graph = lower(trained_model(), FixedType(14, 4, True, Rounding.RND, Overflow.SAT), lambda layer: FINE)
    weights = [v for v in constants(graph) if v.type.shape and any(v.name.endswith(n) for n in ("W", "U", "b"))]
    machine = DifferentiableGraph(graph, weights)
    x = torch.from_numpy(np.round(RANDOM.normal(size=(7, 5, 3)) * 2**10) / 2**10)
    direction = torch.from_numpy(RANDOM.normal(size=(7, 2)))
    (y,) = machine(x)
    (y.double() * direction).sum().backward()
    step = 1e-5
    for value in weights:
        (node,) = (node for node in graph.walk() if value in node.results)
        reals = node.op.reals
        where = np.unravel_index(RANDOM.integers(reals.size), reals.shape)
        kept, ends = reals[where], []
        for shift in (step, -step):
            reals[where] = kept + shift
            (moved,) = evaluate_real(graph, (x.numpy(),))
            ends.append((moved * direction.numpy()).sum())
        reals[where] = kept
        slope = (ends[0] - ends[1]) / (2 * step)
        assert machine.weights[value].grad[where].item() == pytest.approx(slope, rel=0.01, abs=0.01), value


def test_wide_types_are_refused_by_name():
    b = Builder()
    x = b.input("x", TensorType((2,), FixedType(40, 6)))
    graph = b.graph((b.mul(x, x, "square"),))
    with pytest.raises(UnsupportedError) as caught:
        DifferentiableGraph(graph, ())
    assert str(caught.value).startswith("tensor 'square': floating point does not hold its type ufixed<79,11> exactly")


@pytest.mark.parametrize("function", [None, "tanh"])
def test_the_gradient_of_fraction_bits_is_that_of_the_rounding_errors(function):
    """y = x - e, and e shrinks by ln 2 of itself a bit (arXiv:2405.00645, section III); what saturates has none."""
    wide, narrow = FixedType(9, 4), FixedType(5, 2, True, Rounding.RND, Overflow.SAT)
    b = Builder()
    given = b.input("x", TensorType((), wide))
    made = b.cast(given, narrow) if function is None else b.table(function, given, narrow)
    x = torch.from_numpy(to_real(np.arange(wide.min_integer, wide.max_integer + 1), wide.fraction))
    machine = DifferentiableGraph(b.graph((made,)), ())
    fraction = torch.tensor(3.5, dtype=torch.float64, requires_grad=True)
    machine.fractions = {made: fraction}
    (y,) = machine(x)
    (y * x).sum().backward()
    exact = x if function is None else torch.tanh(x)
    inside = (exact >= -2 - narrow.step / 2) & (exact < 2 - narrow.step / 2)
    due = float(((exact - y.double()) * x)[inside].sum()) * np.log(2)
    assert abs(due) > 0.01
    assert fraction.grad.item() == pytest.approx(due, abs=1e-4)
