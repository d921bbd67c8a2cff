"""Calls of layers before their model is whole: what nothing reads goes, what belongs together becomes one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from loopwire.layers.activation import LINEAR, Activation
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Model, ModelBuilder, Shape, Tensor
from loopwire.layers.recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Result:
    """What a call will hand on, or an input. Its elements have the numbers `first` and following among all results'."""

    shape: Shape
    first: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @cached_property
    def elements(self) -> npt.NDArray[np.int64]:
        """The numbers of its elements, in its shape."""
        return np.arange(self.first, self.first + self.size).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Draft:
    """A call. A recurrent layer's outputs are its sequence, then its states after it, whether or not they are read."""

    layer: Layer
    inputs: tuple[Result, ...]
    outputs: tuple[Result, ...]


Input = tuple[str, Result]


def finished(
    name: str, inputs: Sequence[Input], calls: Sequence[Draft], outputs: Sequence[Result], source: str
) -> Model:
    """Return the model of the calls that its outputs need.

    A bias that is added after a linear Dense becomes the Dense's, and then a function its activation, as frameworks
    have them: so the sum is not rounded before the function.
    """
    calls = _needed(calls, outputs)
    while (pair := _joinable(calls, outputs)) is not None:
        calls = _joined(calls, *pair)
    builder = ModelBuilder()
    tensors: dict[Result, Tensor] = {result: builder.input(name, result.shape) for name, result in inputs}
    read = _read(calls, outputs)
    for call in calls:
        layer, handed_on = _as_read(call, read)
        results = builder.call(layer, *(tensors[result] for result in call.inputs))
        tensors.update(zip(handed_on, results, strict=True))
    return builder.model(name, [tensors[result] for result in outputs], source)


def _read(calls: Sequence[Draft], outputs: Sequence[Result]) -> set[Result]:
    return {*outputs, *(result for call in calls for result in call.inputs)}


def _needed(calls: Sequence[Draft], outputs: Sequence[Result]) -> list[Draft]:
    needed = set(outputs)
    kept = []
    for call in reversed(calls):
        if needed.intersection(call.outputs):
            needed.update(call.inputs)
            kept.append(call)
    return kept[::-1]


def _joinable(calls: Sequence[Draft], outputs: Sequence[Result]) -> tuple[Draft, Draft, Dense] | None:
    """Return a Dense, what alone reads it, and the layer that does what both do; None where there is none."""
    readers: dict[Result, list[Draft]] = {}
    for call in calls:
        for result in call.inputs:
            readers.setdefault(result, []).append(call)
    for call in calls:
        layer = call.layer
        if isinstance(layer, Dense) and layer.activation == LINEAR and call.outputs[0] not in outputs:
            following = readers[call.outputs[0]]
            match following[0].layer:
                case BatchNormalization(scale=scale, offset=offset) if len(following) == 1 and (scale == 1).all():
                    return call, following[0], replace(layer, bias=layer.bias + offset)
                case Activation(function=function) if len(following) == 1:
                    return call, following[0], replace(layer, activation=function)
    return None


def _joined(calls: Sequence[Draft], first: Draft, second: Draft, layer: Dense) -> list[Draft]:
    both = Draft(layer, first.inputs, second.outputs)
    return [both if call is first else call for call in calls if call is not second]


def _as_read(call: Draft, read: set[Result]) -> tuple[Layer, Sequence[Result]]:
    """Return a call's layer, and which of the draft's results it hands on, in order."""
    if not isinstance(call.layer, Recurrent):
        return call.layer, call.outputs
    sequence, *states = call.outputs
    is_sequence = sequence in read
    with_states = not read.isdisjoint(states if is_sequence else states[1:])
    layer = replace(call.layer, return_sequences=is_sequence, return_state=with_states)
    # Without its sequence a layer hands on h first, brought into its result's type as a sequence is.
    first = sequence if is_sequence else states[0]
    if not with_states:
        return layer, (first,)
    return layer, (first, *(states if is_sequence else [Result(states[0].shape, -1), *states[1:]]))
