"""A model without the softmax or sigmoid at its end: its outputs are what these are computed of, the logits.

Both keep the order of their operands, so the largest logit names the same class, and a threshold of a sigmoid is one of
its logit: log(p / (1 - p)).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from loopwire.layers.activation import LINEAR, Activation
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Model

LEFT_OUT = ("softmax", "sigmoid")


def without_final_activations(model: Model) -> Model:
    """Return the model with logits as outputs, where these come from a softmax or a sigmoid that nothing else needs."""
    read = {tensor for call in model.calls for tensor in call.inputs}
    calls_of = Counter(call.layer.name for call in model.calls)
    changed: dict[str, Layer] = {}
    for call in model.calls:
        linear = _linear(call.layer)
        ends = any(tensor in model.outputs for tensor in call.outputs)
        if linear is not None and ends and calls_of[linear.name] == 1 and read.isdisjoint(call.outputs):
            changed[linear.name] = linear
    calls = (replace(call, layer=changed.get(call.layer.name, call.layer)) for call in model.calls)
    return replace(model, calls=tuple(calls)) if changed else model


def _linear(layer: Layer) -> Layer | None:
    """Return a layer without its softmax or sigmoid; None where it has none."""
    if isinstance(layer, Dense) and layer.activation.name in LEFT_OUT:
        return replace(layer, activation=LINEAR)
    if isinstance(layer, Activation) and layer.function.name in LEFT_OUT:
        return replace(layer, function=LINEAR)
    return None
