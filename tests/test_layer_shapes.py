"""Arrays of a wrong shape, given to layers that are built in Python: one clear error each, for every layer class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

import loopwire
from hls_designs import lowered
from loopwire import layers
from loopwire.compiler import compile_silently
from loopwire.errors import LoopwireError, UnsupportedError
from loopwire.layers.model import Layer, chain
from test_attention import KINDS, POOLING
from test_conformance_verilog import GROUPS

STEPS = 4


def layers_with_arrays() -> dict[str, tuple[Layer, tuple[int, ...]]]:
    """Return one layer of each class that has arrays, with the shape of its input."""
    found: dict[str, tuple[Layer, tuple[int, ...]]] = {}
    for group in GROUPS.values():
        for case in group():
            if case.network is not None:
                continue
            for number, layer in enumerate(case.layers):
                before = chain("m", case.input_shape, case.layers[:number], "test")
                if dict(arrays(layer)):
                    found.setdefault(type(layer).__name__, (layer, before.outputs[0].shape))
    w = np.ones
    found["SeparableConvolution"] = (
        layers.SeparableConvolution("s", layers.Window(3), w((4, 3, 1)), w((3, 4)), w(3)),
        (5, 2),
    )
    found["NormalizationOverSteps"] = (layers.NormalizationOverSteps("n", w((5, 2)), w((5, 2)), 0.1, 2), (5, 2))
    found["AttentionPooling"] = (POOLING, (STEPS, 3))
    return found


def arrays(part: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if is_dataclass(part):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                yield (*path, field.name), value
            else:
                yield from arrays(value, (*path, field.name))


def with_array(part: Any, path: tuple[str, ...], value: Any) -> Any:
    first, *rest = path
    return replace(part, **{first: with_array(getattr(part, first), tuple(rest), value) if rest else value})


def wrong_shapes(array: Any) -> Iterator[Any]:
    for axis in range(array.ndim):
        yield np.concatenate([array, np.take(array, [0], axis)], axis)
        if array.shape[axis] > 1:
            yield np.take(array, range(array.shape[axis] - 1), axis)
    yield array[..., np.newaxis]
    if array.ndim > 1:
        yield array.reshape(-1)


FREE = {"Embedding": "table", "Dense": "kernel"}
"""Arrays whose rows may be as many as one likes."""
LAYERS = layers_with_arrays()


def test_every_layer_class_with_arrays_is_here() -> None:
    public = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    fitting = {name for name in public if any("Array" in str(f.type) or "ndarray" in str(f.type) for f in of(name))}
    elsewhere = {
        "Attention",
        "AdditiveAttention",
        "MultiHeadAttention",
        "Choose",
        "Projection",
        "Recurrent",
        "Constant",
    }
    assert fitting <= set(LAYERS) | elsewhere


def of(name: str) -> Any:
    kind = getattr(layers, name)
    return fields(kind) if is_dataclass(kind) else ()


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_of_wrong_shapes_are_refused(name: str) -> None:
    layer, shape = LAYERS[name]
    lowered(shape, [layer])
    for path, array in arrays(layer):
        for wrong in wrong_shapes(array):
            try:
                lowered(shape, [with_array(layer, path, wrong)])
            except LoopwireError as error:
                assert f"layer {layer.name!r}" in error.where, (path, wrong.shape)
            else:
                assert FREE.get(name) == path[-1], (path, array.shape, wrong.shape)


def test_the_error_tells_all_shapes() -> None:
    layer = layers.SimpleRnn("rnn", np.ones((2, 3)), np.ones((2, 2)), np.ones(2))
    with pytest.raises(UnsupportedError) as refused:
        lowered((5, 4), [layer])
    assert str(refused.value) == (
        "layer 'rnn': the shapes of its input and its arrays do not fit one another: input (5, 4), kernel (2, 3), "
        "recurrent_kernel (2, 2), bias (2,) (matrix (2, 3) times vector (4,)). "
        "Give them as loopwire.layers.SimpleRnn documents"
    )


@pytest.mark.parametrize("kind", ["additive", "multi_head"])
def test_attention_whose_arrays_do_not_fit_is_refused(kind: str) -> None:
    x = loopwire.Input((STEPS, 5))
    with pytest.raises(UnsupportedError, match=f"layer '{KINDS[kind].name}': "):
        compile_silently(loopwire.Model.of("m", x, KINDS[kind](x, x)))
