"""Readers of Keras's recurrent layers, and of an RNN of one cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict

import numpy as np

from loopwire.frontends.keras.activations import activation
from loopwire.frontends.keras.layer import Reader, SavedLayer, Weights
from loopwire.frontends.keras.saved import layer_entry
from loopwire.frontends.keras.spatial import conv_lstm
from loopwire.layers.activation import Function
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer
from loopwire.layers.simple_rnn import SimpleRnn


def _lstm(saved: SavedLayer) -> Lstm:
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, gates=4)
    saved.ignore("unit_forget_bias")
    return Lstm(
        saved.name,
        kernel,
        recurrent_kernel,
        bias,
        recurrent_activation=activation(saved, "recurrent_activation"),
        **_recurrent_options(saved),
    )


def convolutional_lstm(saved: SavedLayer) -> Lstm:
    """Read a ConvLSTM1D."""
    recurrent_activation = activation(saved, "recurrent_activation")
    return conv_lstm(saved, recurrent_activation, **_recurrent_options(saved))


def _gru(saved: SavedLayer) -> Gru:
    reset_after = saved.boolean("reset_after", False)
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, gates=3, biases=2 if reset_after else 1)
    input_bias, recurrent_bias = bias if reset_after else (bias, np.zeros_like(bias))
    return Gru(
        saved.name,
        kernel,
        recurrent_kernel,
        input_bias,
        recurrent_bias,
        reset_after,
        recurrent_activation=activation(saved, "recurrent_activation"),
        **_recurrent_options(saved),
    )


def _simple_rnn(saved: SavedLayer) -> SimpleRnn:
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, gates=1)
    return SimpleRnn(saved.name, kernel, recurrent_kernel, bias, **_recurrent_options(saved))


def rnn_of_a_cell(saved: SavedLayer) -> Layer | None:
    """Read an RNN of one cell: what the layer of that cell is."""
    entry = layer_entry(saved.where, saved.option("cell"))
    if entry.class_name not in CELLS or entry.custom:
        saved.refuse("cell", entry.class_name, f"Choose from {', '.join(CELLS)}")
    switches = ("return_sequences", "return_state", "go_backwards", "stateful")
    options = {key: saved.boolean(key, False) for key in switches}
    options["zero_output_for_mask"] = saved.boolean("zero_output_for_mask", False)
    saved.ignore("unroll")
    inner = replace(saved.entry, class_name=entry.class_name, config={**entry.config, **options})
    part = SavedLayer(inner, saved.context, saved.arrays)
    layer = CELLS[entry.class_name](part)
    part.finish()
    return layer


def _recurrent_weights(saved: SavedLayer, gates: int, biases: int = 1) -> tuple[Weights, Weights, Weights]:
    """Return kernel (gates·U, F), recurrent kernel (gates·U, U) and bias (gates·U,), or (2, gates·U) for two biases."""
    units, features = saved.count("units"), saved.context.input_shape[-1]
    rows = gates * units
    shapes = {"kernel": (features, rows), "recurrent_kernel": (units, rows)}
    bias_shape = (rows,) if biases == 1 else (biases, rows)
    if saved.boolean("use_bias", True):
        kernel, recurrent_kernel, bias = saved.weights(**shapes, bias=bias_shape)
    else:
        kernel, recurrent_kernel = saved.weights(**shapes)
        bias = np.zeros(bias_shape)
    return kernel.T, recurrent_kernel.T, bias


class _RecurrentOptions(TypedDict):
    activation: Function
    return_sequences: bool
    go_backwards: bool
    stateful: bool
    return_state: bool
    zero_masked: bool


def _recurrent_options(saved: SavedLayer) -> _RecurrentOptions:
    """Return what all recurrent layers choose; refuse what none of Loopwire's does."""
    saved.only("time_major", False, remedy="Give sequences as (batch, steps, features)")
    saved.ignore("dropout", "recurrent_dropout", "seed", "unroll", "implementation")
    return {
        "activation": activation(saved, "activation"),
        "return_sequences": saved.boolean("return_sequences", False),
        "go_backwards": saved.boolean("go_backwards", False),
        "stateful": saved.boolean("stateful", False),
        "return_state": saved.boolean("return_state", False),
        "zero_masked": saved.boolean("zero_output_for_mask", False),
    }


RECURRENT: dict[str, Reader] = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple_rnn}

CELLS: dict[str, Reader] = {f"{name}Cell": reader for name, reader in RECURRENT.items()}
"""What an RNN may be of."""
