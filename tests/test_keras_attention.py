"""What of Keras's attention layers, stacked cells and tensors of three axes is refused, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("torch")

import loopwire  # noqa: E402
from loopwire.errors import UnsupportedError  # noqa: E402
from loopwire.frontends.keras.layer import Context, SavedLayer  # noqa: E402
from loopwire.frontends.keras.saved import LayerEntry  # noqa: E402
from loopwire.frontends.keras.spatial import conv_lstm  # noqa: E402
from loopwire.layers.activation import SIGMOID  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
L = keras.layers


def heads(**options: Any) -> Any:
    return L.MultiHeadAttention(2, 2, name="heads", **options)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "scores": (
        lambda x: heads()(x, x, return_attention_scores=True)[1],
        "layer 'heads': it is called with return_attention_scores=True. Call the layer on its inputs alone",
    ),
    "computed mask": (
        lambda x: heads()(x, x, attention_mask=x[..., :1] > 0),
        "layer 'get_item': an operation of keras.ops is supported where it makes the mask of a layer only",
    ),
    "gate": (
        lambda x: heads(use_gate=True)(x, x),
        r"layer 'heads' \(MultiHeadAttention\): option use_gate=True is not supported",
    ),
    "two axes": (
        lambda x: heads(output_shape=(2, 3))(x, x),
        r"layer 'heads' \(MultiHeadAttention\): option output_shape=\[2, 3\] is not supported",
    ),
    "grouped": (
        lambda x: L.GroupQueryAttention(2, 4, 2, name="grouped")(x, x),
        "layer 'grouped': GroupQueryAttention layers are not supported",
    ),
    "too long": (
        lambda x: L.Attention(name="dot")([x, L.UpSampling1D(20)(x)]),
        "layer 'dot': it attends to 100 steps, and hardware keeps at most 64",
    ),
    "masked backwards": (
        lambda x: L.RNN([L.GRUCell(2), L.GRUCell(2)], go_backwards=True, name="cells")(L.Masking()(x)),
        r"layer 'cells' \(RNN\): option go_backwards=True is not supported. Give the RNN of several cells no mask",
    ),
    "three axes": (
        lambda x: L.Dense(2, name="dense")(L.Reshape((5, 3, 1))(x)),
        r"layer 'dense' \(Dense\): its input has shape \(5, 3, 1\), of three axes. Flatten each step before it",
    ),
    "nested cells": (
        lambda x: L.RNN([L.GRUCell(2), L.StackedRNNCells([L.GRUCell(2)])], name="cells")(x),
        r"layer 'cells' \(RNN\): option cell='StackedRNNCells' is not supported. Stack cells of LSTMCell, GRUCell",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_compiled_is_refused_by_name(what: str) -> None:
    make, message = REFUSED[what]
    keras.backend.clear_session(free_memory=False)
    x = keras.Input((5, 3))
    with pytest.raises(UnsupportedError, match=message):
        loopwire.load(keras.Model(x, make(x)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 3, 1), r"option kernel_size=4 is not supported. Give a window of at most its input's 3 rows"),
        ((5, 3), r"its input has shape \(5, 3\). Give it one of \(steps, rows, channels\)"),
    ],
)
def test_a_file_whose_convolution_does_not_fit_is_refused(shape: tuple[int, ...], message: str) -> None:
    entry = LayerEntry("ConvLSTM1D", "conv", {"filters": 2, "kernel_size": [4], "padding": "valid"})
    with pytest.raises(UnsupportedError, match=rf"layer 'conv' \(ConvLSTM1D\): {message}"):
        conv_lstm(SavedLayer(entry, Context("model.h5", 3, shape), ()), SIGMOID)
