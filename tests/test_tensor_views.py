"""Views of tensors with a batch: whatever moves their axes, what a layer reads is what numpy moves the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from loopwire.errors import UnsupportedError
from loopwire.frontends.reading import Reading
from loopwire.frontends.tensors import joining, reshaping, slicing, views
from loopwire.frontends.tensors.arithmetic import activation
from loopwire.frontends.tensors.hypotheses import GraphInput, read_graph
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Axis, Operand, View
from loopwire.layers.activation import Function
from loopwire.layers.model import Model

Array = npt.NDArray[Any]
SAMPLES, STEPS = 2, 4
SHAPES = ((SAMPLES, STEPS, 3), (SAMPLES, STEPS, 2), (SAMPLES, 5))
Move = Callable[[Trace, Sequence[Operand]], Operand]


def outcome(move: Move, shapes: Sequence[tuple[int, ...]] = SHAPES) -> tuple[Model, View]:
    """Return the model of a move and a linear function behind it, and the view that it gives."""
    found: list[View] = []

    def run(trace: Trace, inputs: Sequence[View]) -> Sequence[Operand]:
        if any(x.axes[0] is not Axis.BATCH or x.axes[-1] is not Axis.FEATURES for x in inputs):
            raise trace.refused("another layout", "")
        # Each input plays a part, by a linear function whose result may be moved.
        given = [activation(trace, x, Function("linear")) for x in inputs]
        result = activation(trace, move(trace, given), Function("linear"))
        assert isinstance(result, View)
        found[:] = [result]
        return [result, *given]

    inputs = [GraphInput(f"x{k}", shape) for k, shape in enumerate(shapes)]
    return read_graph("m", inputs, run, "test", Reading()), found[0]


def real(model: Model, view: View, data: Sequence[Array]) -> Array:
    """Return a view's numbers, in its axes."""
    given = {tensor.name: x for tensor, x in zip(model.inputs, data, strict=True)}
    found = loopwire.compile(model).predict_float(given if len(given) > 1 else data[0])
    results = [found[tensor.name] for tensor in model.outputs]  # of which some may be the same
    whole = np.stack(results[: view.parts.size]).reshape(*view.parts.shape, *results[0].shape)
    at = {kind: k for k, kind in enumerate((Axis.BATCH, *([Axis.STEPS] if view.is_sequence else []), Axis.FEATURES))}
    rank, order, parts = view.parts.ndim, [], iter(range(view.parts.ndim))
    for axis in view.axes:
        if axis is Axis.PARTS:
            order.append(next(parts))
        elif axis is Axis.HEADS:
            order += [rank + at[Axis.BATCH], next(parts)]
        elif axis is not Axis.ONE:
            order += [rank + at[kind] for kind in (view.rows if axis is Axis.ROWS else (axis,))]
    missing = [axis for axis in range(whole.ndim) if axis not in order]
    return np.transpose(whole, [*order, *missing]).reshape(view.shape)


def inputs_of(shapes: Sequence[tuple[int, ...]] = SHAPES) -> list[Array]:
    return [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]


FEATURES: dict[str, tuple[Sequence[int], list[str]]] = {
    "the first": ([0, 1], ["Slice"]),
    "one": ([2], ["Slice"]),
    "another order": ([2, 0, 1], ["Slice", "Slice", "Concatenate"]),
    "twice": ([0, 1, 2, 0, 1, 2], ["Concatenate"]),
    "all": ([0, 1, 2], []),
}


@pytest.mark.parametrize("places", FEATURES)
def test_features_of_a_tensor(places: str) -> None:
    chosen, kinds = FEATURES[places]
    model, view = outcome(lambda trace, x: slicing.take(trace, x[0], 2, chosen), SHAPES[:1])
    assert [layer.kind for layer in model.layers if layer.kind != "Activation"] == kinds
    data = inputs_of(SHAPES[:1])
    np.testing.assert_allclose(real(model, view, data), data[0][..., chosen])


def test_features_of_what_was_joined_are_the_parts() -> None:
    def move(trace: Trace, x: Sequence[Operand]) -> Operand:
        both = joining.concat(trace, x[:2], 2)
        return slicing.take(trace, slicing.select(trace, both, 1, STEPS - 1), 1, [3, 4])

    model, view = outcome(move)
    assert "Concatenate" not in {layer.kind for layer in model.layers}
    data = inputs_of()
    np.testing.assert_allclose(real(model, view, data), data[1][:, -1])


@pytest.mark.parametrize("step", range(STEPS))
def test_any_step_of_a_sequence(step: int) -> None:
    model, view = outcome(lambda trace, x: slicing.select(trace, x[0], 1, step), SHAPES[:1])
    data = inputs_of(SHAPES[:1])
    np.testing.assert_allclose(real(model, view, data), data[0][:, step])


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_random_moves(data: st.DataObject) -> None:
    numbers = inputs_of()
    moves: list[Callable[[Trace | None, list[Any]], Any]] = []

    def draw() -> None:
        which = data.draw(st.integers(0, 2 + len(moves)))
        axis = data.draw(st.integers(0, 3))
        match data.draw(st.sampled_from(["turn", "cut", "flip", "join", "stack", "flat", "pick", "one"])):
            case "turn":
                order = data.draw(st.permutations(range(3)))

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    a = tensors[which]
                    own = [k for k in order if k < len(a.shape)]
                    own += list(range(3, len(a.shape)))
                    return np.transpose(a, own) if trace is None else views.permute(trace, a, own)
            case "cut":
                start = data.draw(st.integers(0, 2))

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    a = tensors[which]
                    k = axis % len(a.shape)
                    places = list(range(min(start, a.shape[k] - 1), a.shape[k]))
                    return np.take(a, places, k) if trace is None else slicing.take(trace, a, k, places)
            case "flip":

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    a = tensors[which]
                    k = axis % len(a.shape)
                    return np.flip(a, k) if trace is None else slicing.flip(trace, a, [k])
            case "join":
                other = data.draw(st.integers(0, 2 + len(moves)))

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    both = [tensors[which], tensors[other]]
                    k = axis % len(both[0].shape)
                    return np.concatenate(both, k) if trace is None else joining.concat(trace, both, k)
            case "stack":

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    both = [tensors[which], tensors[which]]
                    k = axis % len(both[0].shape)
                    return np.stack(both, k) if trace is None else joining.stack(trace, both, k)
            case "flat":

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    a = tensors[which]
                    k = axis % len(a.shape)
                    shape = [*a.shape[:k], -1]
                    return np.reshape(a, shape) if trace is None else reshaping.reshape(trace, a, shape)
            case "pick":
                place = data.draw(st.integers(0, 1))

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    a = tensors[which]
                    k = axis % len(a.shape)
                    at = place % a.shape[k]
                    return np.take(a, at, k) if trace is None else slicing.select(trace, a, k, at)
            case _:

                def move(trace: Trace | None, tensors: list[Any]) -> Any:
                    a = tensors[which]
                    k = axis % len(a.shape)
                    return np.expand_dims(a, k) if trace is None else views.unsqueeze(trace, a, k)

        moves.append(move)

    for _ in range(data.draw(st.integers(1, 4))):
        draw()
    expected: list[Any] = list(numbers)
    try:
        for move in moves:
            expected.append(move(None, expected))
    except (ValueError, ZeroDivisionError):  # shapes that do not meet; an axis of a single number
        return

    def run(trace: Trace, given: Sequence[Operand]) -> Operand:
        tensors: list[Any] = list(given)
        for move in moves:
            tensors.append(move(trace, tensors))
        return tensors[-1]

    try:
        model, view = outcome(run)
    except UnsupportedError:
        return
    found = real(model, view, numbers)
    assert found.shape == expected[-1].shape
    np.testing.assert_allclose(found, expected[-1])
