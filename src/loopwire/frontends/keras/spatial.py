"""Keras's tensors of three axes, a step of which is an array (rows, channels), and the layers that take them.

Here such a step is a vector, one row after another. So a ConvLSTM1D is an LSTM whose matrices do what its convolutions
do, and whose state is all rows of its filters.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/conv_lstm.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.frontends.keras.windows import convolution_window
from loopwire.layers.activation import Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, ModelBuilder, Shape, Tensor
from loopwire.layers.shape import Reshape
from loopwire.layers.windows import Window

CONV_LSTM = "ConvLSTM1D"
ELEMENTWISE = (
    *("BatchNormalization", "ReLU", "LeakyReLU", "ELU", "Dropout", "GaussianDropout", "GaussianNoise"),
    *("AlphaDropout", "ActivityRegularization", "Identity"),
)
"""Classes whose result has the axes of their input."""


def conv_lstm(saved: SavedLayer, recurrent_activation: Function, **options: Any) -> Lstm:
    """Read a ConvLSTM1D, whose kernels are (k, C, 4F) and (k, F, 4F)."""
    if len(saved.context.input_shape) != 3:
        problem = f"its input has shape {saved.context.input_shape}"
        raise UnsupportedError(saved.where, problem, "Give it one of (steps, rows, channels)")
    _, rows, channels = saved.context.input_shape
    saved.ignore("unit_forget_bias")
    window, filters = convolution_window(saved), saved.count("filters")
    if window.count(rows) < 1:
        saved.refuse("kernel_size", window.size, f"Give a window of at most its input's {rows} rows")
    shapes = {"kernel": (window.size, channels, 4 * filters), "recurrent_kernel": (window.size, filters, 4 * filters)}
    if saved.boolean("use_bias", True):
        kernel, recurrent_kernel, bias = saved.weights(**shapes, bias=(4 * filters,))
    else:
        kernel, recurrent_kernel, bias = [*saved.weights(**shapes), np.zeros(4 * filters)]
    places = window.count(rows)
    return Lstm(
        saved.name,
        _matrix(kernel, rows, window),
        _matrix(recurrent_kernel, places, Window(window.size, padding="same")),
        np.repeat(bias.reshape(4, 1, filters), places, axis=1).reshape(-1),
        recurrent_activation=recurrent_activation,
        **options,
    )


def _matrix(kernel: Weights, rows: int, window: Window) -> Weights:
    """Return the matrix (4·places·F, rows·C) of four gates' convolutions of kernel (k, C, 4F), gate by gate."""
    size, channels, _ = kernel.shape
    places, (before, _) = window.count(rows), window.pads(rows)
    gates = kernel.reshape(size, channels, 4, -1)
    matrix = np.zeros((4, places, gates.shape[-1], rows, channels))
    for place in range(places):
        for tap in range(size):
            row = place * window.stride + tap * window.dilation - before
            if 0 <= row < rows:
                matrix[:, place, :, row] = gates[tap].transpose(1, 2, 0)
    return matrix.reshape(-1, rows * channels)


@dataclass
class Spaces:
    """The tensors of a model that have three axes in Keras, with their rows and channels."""

    builder: ModelBuilder
    _of: dict[Tensor, Shape] = field(default_factory=dict)

    def enter(self, tensor: Tensor) -> Tensor:
        """Return an input of the model, its steps as vectors."""
        if len(tensor.shape) != 3:
            return tensor
        return self._as(tensor, f"{tensor.name}_rows", tensor.shape)

    def begin(self, saved: SavedLayer, tensor: Tensor, step: Shape) -> None:
        """Give a sequence of vectors the axes that its steps have.

        Raises:
            UnsupportedError: these are three.
        """
        if len(step) > 2:
            problem = f"its result has shape {(tensor.shape[0], *step)}, of {1 + len(step)} axes"
            raise UnsupportedError(saved.where, problem, "Flatten each step inside of it")
        if len(step) == 2:
            self._of[tensor] = step

    def leave(self, tensor: Tensor) -> Tensor:
        """Return a result of the model in Keras's shape."""
        if tensor not in self._of:
            return tensor
        (shaped,) = self.builder.call(Reshape(f"{tensor.name}_shape", self.shape(tensor)), tensor)
        return shaped

    def shape(self, tensor: Tensor) -> Shape:
        """Return the shape that a tensor has in Keras."""
        return (tensor.shape[0], *self._of[tensor]) if tensor in self._of else tensor.shape

    def reshaped(self, saved: SavedLayer, inputs: Sequence[Tensor]) -> Tensor | None:
        """Return the result of a layer that only gives a tensor three axes; None of any other."""
        (x, *_), target = inputs, saved.entry.config.get("target_shape")
        if saved.entry.class_name != "Reshape" or not isinstance(target, list) or len(target) != 3:
            return None
        if not all(type(n) is int and n for n in target):  # which its reader refuses
            return None
        known = prod(n for n in target if n != -1)
        return self._as(x, saved.name, tuple(prod(x.shape) // known if n == -1 else n for n in target))

    def taken(self, saved: SavedLayer, layer: Layer | None, inputs: Sequence[Tensor]) -> Layer | None:
        """Return a layer as it is for what its inputs are.

        Raises:
            UnsupportedError: it takes no tensor of three axes.
        """
        space = next((self._of[tensor] for tensor in inputs if tensor in self._of), None)
        if space is None or saved.entry.class_name in (CONV_LSTM, "Flatten", "Reshape"):
            return layer
        if saved.entry.class_name not in ELEMENTWISE:
            problem = f"its input has shape {self.shape(inputs[0])}, of three axes"
            raise UnsupportedError(saved.where, problem, "Flatten each step before it: TimeDistributed(Flatten())")
        if isinstance(layer, BatchNormalization):
            return replace(layer, scale=np.tile(layer.scale, space[0]), offset=np.tile(layer.offset, space[0]))
        return layer

    def made(self, saved: SavedLayer, inputs: Sequence[Tensor], results: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the results of a call with the axes that Keras gives them."""
        if saved.entry.class_name in ELEMENTWISE and inputs[0] in self._of:
            self._of[results[0]] = self._of[inputs[0]]
        if saved.entry.class_name != CONV_LSTM:
            return results
        filters = int(saved.entry.config["filters"])
        shaped = []
        for number, result in enumerate(results):
            space = (result.shape[-1] // filters, filters)
            if len(result.shape) == 2:
                self._of[result] = space
                shaped.append(result)
            else:
                shaped += self.builder.call(Reshape(f"{saved.name}_rows_{number + 1}", space), result)
        return shaped

    def _as(self, tensor: Tensor, name: str, shape: Shape) -> Tensor:
        steps, *space = shape
        (flat,) = self.builder.call(Reshape(name, (steps, prod(space))), tensor)
        self._of[flat] = tuple(space)
        return flat
