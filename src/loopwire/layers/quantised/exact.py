"""Layers between quantisers become exact: of a model that quantises what flows through it, all numbers are the model's.

Where a framework keeps quantisers as layers of their own, what is between them is ordinary layers, whose weights are
quantised already. Sums and products of them are exact; a function takes the quantiser that follows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from loopwire.ir.functions import INVERSES
from loopwire.ir.graph import Value
from loopwire.layers.activation import LINEAR, Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.emitter import Emitter
from loopwire.layers.merge import Add, Maximum, Merge, Minimum, Multiply, Subtract
from loopwire.layers.model import Call, Callable, Layer, Model, Shape, Tensor
from loopwire.layers.quantised.dense import QuantisedActivation, QuantisedDense
from loopwire.layers.quantised.quantised import Quantised
from loopwire.layers.quantised.quantiser import Activated, Quantiser, is_exact, to_significant_bits
from loopwire.layers.roles import LayerTypes


@dataclass(frozen=True, eq=False)
class ExactMerge(Quantised, Callable):
    """A merging layer whose result is not rounded."""

    name: str
    merge: Merge
    input_quantiser: Quantiser | None = None

    kind: ClassVar[str] = "ExactMerge"
    multiplies: ClassVar[bool] = False

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        return self.merge.results(inputs)

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the equations."""
        return self.merge.call(Emitter(e.b, LayerTypes({})), inputs)


def exactly_quantised(model: Model) -> Model:
    """Return a model that has quantisers with exact layers between them; another as it is."""
    if not any(isinstance(call.layer, Quantised) for call in model.calls):
        return model
    calls: list[Call] = []
    renamed: dict[Tensor, Tensor] = {}
    layers: dict[Layer, Layer] = {}
    dropped: set[Call] = set()
    for call in model.calls:
        if call in dropped:
            continue
        call = replace(call, inputs=tuple(renamed.get(tensor, tensor) for tensor in call.inputs))
        after = _quantiser_after(model, call)
        quantiser = None
        if after is not None and _function(call.layer).name in INVERSES:
            assert isinstance(after.layer, QuantisedActivation)
            quantiser = after.layer.input_quantiser
            renamed[after.outputs[0]] = call.outputs[0]
            dropped.add(after)
        if call.layer not in layers:
            layers[call.layer] = _exact(call.layer, quantiser)
        calls.append(replace(call, layer=layers[call.layer]))
    outputs = tuple(renamed.get(tensor, tensor) for tensor in model.outputs)
    return replace(model, calls=tuple(calls), outputs=outputs)


def _function(layer: Layer) -> Function:
    match layer:
        case Activation(function=function) | Dense(activation=function):
            return function
        case _:
            return LINEAR


def _quantiser_after(model: Model, call: Call) -> Call | None:
    """Return the call of a quantiser that alone reads what another makes."""
    once = sum(other.layer is call.layer for other in model.calls) == 1
    readers = [other for other in model.calls if call.outputs[0] in other.inputs]
    if not once or len(readers) != 1 or call.outputs[0] in model.outputs:
        return None
    layer = readers[0].layer
    is_quantiser = type(layer) is QuantisedActivation and layer.activation.quantiser is None
    return readers[0] if is_quantiser else None


def _exact(layer: Layer, quantiser: Quantiser | None) -> Layer:
    """Return a layer that computes the same exactly, with a quantiser behind its function; else the layer itself."""
    activated = Activated(_function(layer), quantiser)
    if quantiser is not None:
        activated.check(f"layer {layer.name!r}")
    is_carried = quantiser is not None or is_exact(activated.function)
    match layer:
        case Dense() if is_carried:
            kernel, bias = to_significant_bits(layer.kernel), to_significant_bits(layer.bias)
            return QuantisedDense(layer.name, activated, kernel=kernel, bias=bias)
        case Activation() if is_carried:
            return QuantisedActivation(layer.name, activated)
        case BatchNormalization():
            kernel, bias = np.diag(to_significant_bits(layer.scale)), to_significant_bits(layer.offset)
            return QuantisedDense(layer.name, kernel=kernel, bias=bias)
        case Add() | Subtract() | Multiply() | Maximum() | Minimum():
            return ExactMerge(layer.name, layer)
        case _:
            return layer
