"""Tensors traced element by element: whatever moves them, what a layer reads is the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from loopwire.errors import UnsupportedError
from loopwire.frontends.drafts import Result
from loopwire.frontends.traced import LayoutError, Trace, Traced
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model
from loopwire.layers.shape import Reversed

Array = npt.NDArray[Any]
STEPS, FEATURES, SAMPLES = 4, 3, 2


def lstm(name: str = "r") -> Lstm:
    random = np.random.default_rng(1)
    return Lstm(name, random.normal(size=(8, FEATURES)), random.normal(size=(8, 2)), random.normal(size=8))


def kinds(model: Model) -> list[str]:
    return [layer.kind for layer in model.layers]


def float_results(model: Model, *inputs: Array) -> list[Array]:
    given = {tensor.name: x for tensor, x in zip(model.inputs, inputs, strict=True)}
    found = loopwire.compile(model).predict_float(given if len(given) > 1 else inputs[0])
    return list(found.values()) if isinstance(found, dict) else [found]


MOVES: dict[str, Callable[[Array], Array]] = {
    "as it is": lambda a: a,
    "time first and back": lambda a: a.transpose(1, 0, 2).reshape(STEPS, SAMPLES, 1, FEATURES)[:, :, 0].swapaxes(0, 1),
    "reversed": lambda a: a[:, ::-1],
    "features": lambda a: a[..., 1:],
    "features swapped": lambda a: np.concatenate([a[..., 2:], a[..., :2]], -1),
    "rows of a batch": lambda a: a.reshape(SAMPLES * STEPS, FEATURES).reshape(SAMPLES, STEPS, FEATURES)[..., :1],
    "last step": lambda a: a[:, -1],
    "first step": lambda a: a.transpose(1, 0, 2)[0],
    "features of a step": lambda a: a[:, 2, :2],
    "flattened": lambda a: a.reshape(SAMPLES, -1),
    "ends side by side": lambda a: np.concatenate([a[:, 0], a[:, -1]], 1),
    "repeated": lambda a: np.repeat(a[:, -1:], 5, axis=1),
    "twice": lambda a: np.concatenate([a, a[:, ::-1]], -1),
    "flattened in parts": lambda a: np.concatenate([a.reshape(SAMPLES, -1), a[:, 1]], 1),
}


@pytest.mark.parametrize("move", MOVES)
def test_what_a_layer_reads_is_what_was_moved(move: str) -> None:
    trace = Trace("test", SAMPLES)
    x = trace.input("x", (STEPS, FEATURES))
    start = trace.one(Activation("start", Function("linear")), x)
    rows = trace.rows(Traced(MOVES[move](trace.labels(start)), "moved"))
    y = trace.read(rows.elements.reshape(rows.shape), "moved")
    model = trace.model("m", [trace.one(Activation("end", Function("linear")), y)])
    data = np.random.default_rng(2).normal(size=(SAMPLES, STEPS, FEATURES))
    np.testing.assert_allclose(float_results(model, data)[0], MOVES[move](data))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_random_moves(data: st.DataObject) -> None:
    trace = Trace("test", SAMPLES)
    tensors = [trace.input("a", (STEPS, 2)), trace.input("b", (STEPS, 3)), trace.input("v", (4,))]
    real = [np.random.default_rng(k).normal(size=(SAMPLES, *t.shape)) for k, t in enumerate(tensors)]
    moved = [(trace.labels(t), r) for t, r in zip(tensors, real, strict=True)]
    for _ in range(data.draw(st.integers(1, 4))):
        a, r = data.draw(st.sampled_from(moved))
        axis = data.draw(st.integers(0, a.ndim - 1))
        match data.draw(st.sampled_from(["turn", "cut", "flip", "join", "flat", "repeat"])):
            case "turn":
                moved.append((np.moveaxis(a, axis, 0), np.moveaxis(r, axis, 0)))
            case "cut":
                start = data.draw(st.integers(0, a.shape[axis] - 1))
                moved.append((np.moveaxis(a, axis, 0)[start:], np.moveaxis(r, axis, 0)[start:]))
            case "flip":
                moved.append((np.flip(a, axis), np.flip(r, axis)))
            case "join":
                other, real_other = data.draw(st.sampled_from(moved))
                if other.ndim == a.ndim and all(
                    n == m for k, (n, m) in enumerate(zip(a.shape, other.shape, strict=True)) if k != axis
                ):
                    moved.append((np.concatenate([a, other], axis), np.concatenate([r, real_other], axis)))
            case "flat":
                moved.append((a.reshape(a.shape[0], -1), r.reshape(r.shape[0], -1)))
            case "repeat":
                wide = np.repeat(np.expand_dims(a, axis), 3, axis)
                moved.append((wide, np.repeat(np.expand_dims(r, axis), 3, axis)))
    labels, expected = moved[-1]
    try:
        rows = trace.rows(Traced(labels, "moved"))
        y = trace.read(rows.elements.reshape(rows.shape), "moved")
        model = trace.model("m", [trace.one(Activation("end", Function("linear")), y)])
    except (LayoutError, UnsupportedError):
        return
    placed = rows.placed(np.arange(rows.elements.size).reshape(rows.elements.shape), SAMPLES)
    found = float_results(model, *real)[0].reshape(SAMPLES, -1)
    np.testing.assert_allclose(found[placed % SAMPLES, placed // SAMPLES], expected)


def test_samples_that_mix_are_seen() -> None:
    trace = Trace("test", SAMPLES)
    labels = trace.labels(trace.input("x", (STEPS, FEATURES)))
    with pytest.raises(LayoutError, match="mixes samples"):
        trace.rows(Traced(labels.transpose(1, 2, 0), "t"))
    with pytest.raises(LayoutError, match="samples of the batch differ"):
        trace.rows(Traced(np.concatenate([labels[0, :2], labels[1, 2:]]), "t"))
    with pytest.raises(LayoutError, match="no axis of samples"):
        trace.of_sample(Traced(labels.reshape(8, 3), "t"))


@pytest.mark.parametrize(
    ("turned", "problem"),
    [
        (lambda e: e.T, "its steps are not all of a sequence"),
        (lambda e: e[1:], "its steps are not all of a sequence"),
        (lambda e: np.roll(e, 1, axis=0), "its steps are not all of a sequence"),
        (lambda e: np.tile(e.T.ravel(), 30), "come from 360 places"),
    ],
)
def test_what_no_layer_gives_is_refused(turned: Callable[[Array], Array], problem: str) -> None:
    trace = Trace("test", 1)
    x = trace.input("x", (STEPS, FEATURES))
    with pytest.raises(LayoutError, match=problem):
        trace.read(turned(x.elements), "t")


def recurrent_model(*read: str) -> Model:
    """Return a model whose outputs are these of an LSTM: y, h, c or the last step of y."""
    trace = Trace("test", SAMPLES)
    y, h, c = trace.call(lstm(), trace.input("x", (STEPS, FEATURES)))
    results = {"y": y, "h": h, "c": c, "last": trace.read(y.elements[-1], "last")}
    return trace.model("m", [results[name] for name in read])


def test_a_recurrent_layer_hands_on_what_is_read() -> None:
    def options(*read: str) -> tuple[bool, bool, int]:
        model = recurrent_model(*read)
        (layer,) = model.layers
        assert isinstance(layer, Lstm)
        return layer.return_sequences, layer.return_state, len(model.calls[0].outputs)

    assert options("h") == options("last") == (False, False, 1)
    assert options("y") == (True, False, 1)
    assert options("c") == options("h", "c") == (False, True, 3)
    assert options("y", "last") == options("y", "h", "c") == (True, True, 3)
    x = np.random.default_rng(1).normal(size=(5, STEPS, FEATURES))
    y, h, c = float_results(recurrent_model("y", "h", "c"), x)
    np.testing.assert_array_equal(h, y[:, -1])
    np.testing.assert_array_equal(float_results(recurrent_model("h", "c"), x), [h, c])


def test_what_belongs_together_becomes_one_layer() -> None:
    def model(*outputs: int) -> Model:
        trace = Trace("test", SAMPLES)
        results: list[Result] = [trace.input("x", (FEATURES,))]
        for layer in (
            Dense("d", np.ones((2, FEATURES)), np.zeros(2)),
            BatchNormalization("bias", np.ones(2), np.array([1.0, 2.0])),
            Activation("relu", Function("relu")),
        ):
            results.append(trace.one(layer, results[-1]))
        trace.one(Reversed("unread"), trace.input("unread", (STEPS, 1)))
        return trace.model("m", [results[k] for k in outputs])

    assert kinds(model(3)) == ["Dense"]
    assert kinds(model(2)) == ["Dense"]
    assert kinds(model(1, 3)) == ["Dense", "BatchNormalization", "Activation"]
    x = np.array([[1.0, -2.0, 3.0]])
    np.testing.assert_array_equal(loopwire.compile(model(2)).graph.outputs[0].type.shape, (2,))
    (layer,) = model(3).layers
    assert isinstance(layer, Dense)
    assert layer.activation == Function("relu")
    np.testing.assert_array_equal(layer.bias, [1.0, 2.0])
    assert x.shape == (1, FEATURES)
