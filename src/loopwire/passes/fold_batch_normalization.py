"""Merges batch normalisation into a neighbour's weights: s∘(W x + b) + o, and W (s∘x + o) + b, are one W' x + b'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from loopwire.layers.activation import LINEAR
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Model
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.shape import Flatten

Weights = npt.NDArray[np.float64]


def fold_batch_normalization(model: Model) -> Model:
    """Return the model with every BatchNormalization merged that has a neighbour to take it.

    It goes into the linear Dense right before it, or else into the input weights of the Dense, LSTM, GRU or SimpleRNN
    right after it; a Flatten may stand before that Dense. One without such a neighbour stays.
    """
    layers = list(model.layers)
    position = 0
    while position < len(layers):
        layer = layers[position]
        if isinstance(layer, BatchNormalization):
            merged = _into_before(layers, position, layer) or _into_after(layers, position, layer)
            if merged is not None:
                index, neighbour = merged
                layers[index] = neighbour
                del layers[position]
                continue
        position += 1
    return replace(model, layers=tuple(layers))


def _into_before(layers: Sequence[Layer], position: int, normalization: BatchNormalization) -> tuple[int, Layer] | None:
    before = layers[position - 1] if position else None
    if not isinstance(before, Dense) or before.activation != LINEAR:
        return None
    kernel = normalization.scale[:, np.newaxis] * before.kernel
    bias = normalization.scale * before.bias + normalization.offset
    return position - 1, replace(before, kernel=kernel, bias=bias)


def _into_after(layers: Sequence[Layer], position: int, normalization: BatchNormalization) -> tuple[int, Layer] | None:
    scale, offset = normalization.scale, normalization.offset
    match layers[position + 1 : position + 3]:
        case [Flatten(), Dense() as dense]:
            steps = dense.kernel.shape[1] // scale.size
            scale, offset = np.tile(scale, steps), np.tile(offset, steps)
            return position + 2, _scaled(dense, scale, offset)
        case [Dense() | Recurrent() as after, *_]:
            return position + 1, _scaled(after, scale, offset)
        case _:
            return None


def _scaled(layer: Dense | Recurrent, scale: Weights, offset: Weights) -> Layer:
    """Return the layer that does to x what `layer` does to scale∘x + offset."""
    return replace(layer, kernel=layer.kernel * scale, bias=layer.bias + layer.kernel @ offset)
