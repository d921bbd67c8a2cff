"""Reads Keras's TimeDistributed: the layers of a model of one step, called on each step of a sequence.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/time_distributed.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopwire.errors import UnsupportedError
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.frontends.keras.saved import LayerEntry, layer_entry
from loopwire.layers.constant import Constant
from loopwire.layers.each_step import EachStep
from loopwire.layers.model import Call, Model, ModelBuilder, Tensor
from loopwire.layers.quantised.quantised import Quantised
from loopwire.layers.shape import Flatten, RepeatVector, Reshape
from loopwire.layers.stepwise import is_stepwise


def held_by(saved: SavedLayer) -> LayerEntry:
    """Return what a TimeDistributed is of, under its name.

    Raises:
        UnsupportedError: its input is no sequence.
    """
    held = replace(layer_entry(saved.where, saved.option("layer")), name=saved.name)
    saved.finish()
    shape = saved.context.input_shape
    if len(shape) < 2:
        remedy = "It needs a sequence, of shape (steps, features)"
        raise UnsupportedError(saved.where, f"its input has shape {shape}", remedy)
    return held


def in_each_step(saved: SavedLayer, builder: ModelBuilder, model: Model, x: Tensor) -> list[Tensor]:
    """Call the layers of a model of one step on each step of `x`, whose steps are vectors; return its results.

    Raises:
        UnsupportedError: one of the layers has quantisers.
    """
    (step,) = model.inputs
    known = {step: x}
    for call in model.calls:
        if isinstance(call.layer, Quantised):
            problem = f"its {call.layer.kind} {call.layer.name!r} has quantisers"
            raise UnsupportedError(saved.where, problem, "Call that layer on the sequence itself")
        results = _called(builder, call, [known[tensor] for tensor in call.inputs], x.shape[0])
        known.update(zip(call.outputs, results, strict=True))
    return [known[tensor] for tensor in model.outputs]


def _called(builder: ModelBuilder, call: Call, inputs: Sequence[Tensor], steps: int) -> Sequence[Tensor]:
    """Call a layer on each step of sequences; return what it hands on."""
    shapes = tuple(tensor.shape for tensor in call.inputs)
    match call.layer:
        case Constant() as layer:
            return builder.call(RepeatVector(f"{layer.name}_steps", steps), *builder.call(layer))
        case Flatten() | Reshape() as layer:
            return builder.call(Reshape(layer.name, inputs[0].shape), *inputs)
        case layer if is_stepwise(layer) and all(len(shape) == 1 for shape in shapes):
            return builder.call(layer, *inputs)
        case layer:
            return builder.call(EachStep(layer, shapes), *inputs)
