"""Merges batch normalisation into a neighbour's weights: s∘(W x + b) + o, and W (s∘x + o) + b, are one W' x + b'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from loopwire.layers.activation import LINEAR
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.model import Call, Layer, Model, Tensor
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.shape import Flatten

Weights = npt.NDArray[np.float64]


def fold_batch_normalization(model: Model) -> Model:
    """Return the model with every BatchNormalization merged that has a neighbour to take it.

    It goes into the linear Dense right before it, or else into the input weights of the Dense, LSTM, GRU or SimpleRNN
    right after it; a Flatten may be before that Dense. One without such a neighbour stays, as does one beside a
    branch or a layer that is called more than once.
    """
    while (found := next(_mergeable(model), None)) is not None:
        model = _without(model, *found)
    return model


def _mergeable(model: Model) -> Iterator[tuple[Call, Call, Layer]]:
    """Yield normalisations, each with the call that takes it, and with what that call's layer becomes."""
    for call in model.calls:
        if isinstance(call.layer, BatchNormalization):
            merged = _into_before(model, call, call.layer) or _into_after(model, call, call.layer)
            if merged is not None:
                yield call, *merged


def _without(model: Model, normalization: Call, neighbour: Call, layer: Layer) -> Model:
    """Return the model with another layer in a neighbour's place, that takes or hands on what the normalisation did."""
    ((x,), (y,)) = normalization.inputs, normalization.outputs
    before = x in neighbour.outputs
    inputs: dict[Tensor, Tensor] = {} if before else {y: x}
    outputs: dict[Tensor, Tensor] = {x: y} if before else {}
    calls = [
        replace(
            call,
            layer=layer if call is neighbour else call.layer,
            inputs=tuple(inputs.get(tensor, tensor) for tensor in call.inputs),
            outputs=tuple(outputs.get(tensor, tensor) for tensor in call.outputs),
        )
        for call in model.calls
        if call is not normalization
    ]
    return replace(model, calls=tuple(calls))


def _called_once(model: Model, call: Call) -> bool:
    return sum(other.layer is call.layer for other in model.calls) == 1


def _only_user(model: Model, tensor: Tensor) -> Call | None:
    """Return the one call that takes a tensor, as its first input; None where there are others, or an output."""
    users = [call for call in model.calls if tensor in call.inputs]
    if len(users) != 1 or tensor in model.outputs or users[0].inputs.index(tensor) > 0:
        return None
    return users[0] if _called_once(model, users[0]) else None


def _into_before(model: Model, call: Call, normalization: BatchNormalization) -> tuple[Call, Layer] | None:
    before = next((other for other in model.calls if call.inputs[0] in other.outputs), None)
    if before is None or not isinstance(before.layer, Dense) or before.layer.activation != LINEAR:
        return None
    if not _called_once(model, before) or _only_user(model, call.inputs[0]) is not call:
        return None
    kernel = normalization.scale[:, np.newaxis] * before.layer.kernel
    bias = normalization.scale * before.layer.bias + normalization.offset
    return before, replace(before.layer, kernel=kernel, bias=bias)


def _into_after(model: Model, call: Call, normalization: BatchNormalization) -> tuple[Call, Layer] | None:
    if not _called_once(model, call):
        return None
    scale, offset = normalization.scale, normalization.offset
    after = _only_user(model, call.outputs[0])
    if after is not None and isinstance(after.layer, Flatten):
        after = _only_user(model, after.outputs[0])
        if after is None or not isinstance(after.layer, Dense):
            return None
        steps = after.layer.kernel.shape[1] // scale.size
        scale, offset = np.tile(scale, steps), np.tile(offset, steps)
    if after is None or not isinstance(after.layer, Dense | Recurrent):
        return None
    return after, _scaled(after.layer, scale, offset)


def _scaled(layer: Dense | Recurrent, scale: Weights, offset: Weights) -> Layer:
    """Return the layer that does to x what `layer` does to scale∘x + offset."""
    return replace(layer, kernel=layer.kernel * scale, bias=layer.bias + layer.kernel @ offset)
