"""Reads Keras models: one function per Keras layer, from its saved options and arrays to Loopwire's layer.

Keras stores matrices as (inputs, outputs), so all are transposed here. Its gates are ordered i f c o (LSTM) and
z r h (GRU), which is the order of `Lstm` and `Gru`. docs/keras.md lists what is read and what is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from loopwire.errors import ModelFileError, UnsupportedError, nearest
from loopwire.frontends.keras_activations import ACTIVATION_LAYERS, activation, activation_layer
from loopwire.frontends.keras_archive import (
    MODELS,
    LayerEntry,
    LiveModel,
    SavedModel,
    layer_entry,
    nested_model,
    read_saved,
)
from loopwire.frontends.keras_bidirectional import bidirectional
from loopwire.frontends.keras_graph import Operand, Result, SavedCall, SavedGraph, graph_of, shapes_of
from loopwire.frontends.keras_layer import Context, SavedLayer, Weights
from loopwire.frontends.reading import AS_IT_IS, Reading
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.constant import Constant
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.merge import Add, Average, Concatenate, Dot, Maximum, Merge, Minimum, Multiply, Subtract
from loopwire.layers.model import Layer, Model, ModelBuilder, Tensor
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.shape import Flatten, RepeatVector, Reshape
from loopwire.layers.simple_rnn import SimpleRnn

Reader = Callable[[SavedLayer], Layer | None]
"""Reads one layer; None where it is the identity at inference."""


def read_keras(source: Path | str | LiveModel, reading: Reading = AS_IT_IS) -> Model:
    """Read a Keras file, or a live `keras.Model`, without running any of its code.

    Args:
        source: a file saved by Keras 2 or 3 (`.h5`, `.keras`, or `.json` with weights apart), or a model.
        reading: where its weights are, how many steps it takes where it leaves that open, and how to read files.

    Returns:
        The layers and what feeds them, weights in float64.

    Raises:
        ConfigError: what is said of its weights or steps contradicts the model.
        ModelFileError: the file is missing, damaged, not Keras's, or its weights do not fit or are not finite, or
            reading it takes too much time or memory.
        UnsupportedError: a layer, an option or a graph that Loopwire does not compile.
    """
    saved = read_saved(source, reading)
    for entry in saved.entries:
        _refuse_by_name(saved.source, entry)
    graph = graph_of(saved)
    builder = ModelBuilder()
    shapes = shapes_of(saved, graph.inputs, reading.steps)
    inputs = [builder.input(_input_name(e), shape) for e, shape in zip(graph.inputs, shapes, strict=True)]
    outputs = _Caller(builder).run(saved, graph, inputs)
    model = builder.model(str(saved.config.get("name", "model")), outputs, saved.source)
    if not model.calls:
        raise UnsupportedError(saved.source, "no layer of it computes anything", "Give a model with layers")
    return model


def _input_name(entry: LayerEntry) -> str:
    return entry.name if entry.class_name == "InputLayer" else "x"


@dataclass
class _Caller:
    """Calls the layers of a saved model, and of those nested in it, one after another."""

    builder: ModelBuilder
    _layers: dict[tuple[str, ...], Layer | None] = field(default_factory=dict)
    """By the names of the models around a layer, and its own."""
    _names: set[str] = field(default_factory=set)

    def run(
        self, saved: SavedModel, graph: SavedGraph, inputs: Sequence[Tensor], path: tuple[str, ...] = ()
    ) -> list[Tensor]:
        """Call all layers; return the model's outputs.

        Raises:
            ModelFileError, UnsupportedError: as `read_keras`.
        """
        known: dict[tuple[str, int], Sequence[Tensor]] = {}
        for entry, tensor in zip(graph.inputs, inputs, strict=True):
            known[entry.name if entry.class_name == "InputLayer" else "", 0] = (tensor,)
            if entry.class_name == "InputLayer":
                _check_input(saved, entry)

        def tensor_of(operand: Operand, reader: SavedCall) -> Tensor:
            if not isinstance(operand, Result):
                return self._constant(operand, reader)
            results = known[operand.layer, operand.node]
            if operand.index >= len(results):
                problem = f"it takes result {operand.index} of {operand.layer!r}, which has {len(results)}"
                raise ModelFileError(f"{saved.source}, layer {reader.entry.name!r}", problem, "Save the model again")
            return results[operand.index]

        for call in graph.calls:
            given = [tensor_of(operand, call) for operand in (*call.inputs, *call.states)]
            known[call.entry.name, call.node] = self._call(saved, call, given, path)
        return [known[result.layer, result.node][result.index] for result in graph.outputs]

    def _call(
        self, saved: SavedModel, call: SavedCall, inputs: Sequence[Tensor], path: tuple[str, ...]
    ) -> Sequence[Tensor]:
        entry = call.entry
        if entry.class_name in MODELS:
            inner = nested_model(saved, entry)
            for part in inner.entries:
                _refuse_by_name(saved.source, part)
            graph = graph_of(inner)
            if len(graph.inputs) != len(inputs):
                problem = f"this model takes {len(graph.inputs)} inputs and is given {len(inputs)}"
                raise ModelFileError(f"{saved.source}, layer {entry.name!r}", problem, "Save the model again")
            return self.run(inner, graph, inputs, (*path, entry.name))
        context = Context(saved.source, saved.keras_major, inputs[0].shape)
        layer = SavedLayer(entry, context, tuple(saved.arrays.get(entry.name, ())))
        if entry.class_name == "Bidirectional":
            return bidirectional(layer, self.builder, inputs, lambda part: self._recurrent(part, path))
        key = (*path, entry.name)
        if key not in self._layers:
            unique = self._unique(entry.name, path)
            self._layers[key] = _read_layer(replace(layer, entry=replace(entry, name=unique)), READERS)
        read = self._layers[key]
        _check_inputs(layer, read, inputs)
        return inputs if read is None else self.builder.call(read, *inputs)

    def _recurrent(self, saved: SavedLayer, path: tuple[str, ...]) -> Recurrent:
        """Return one direction of a Bidirectional, whose name is unique already."""
        key = (*path, saved.name)
        if key not in self._layers:
            self._layers[key] = _read_layer(saved, RECURRENT)
        layer = self._layers[key]
        assert isinstance(layer, Recurrent)
        return layer

    def _unique(self, name: str, path: tuple[str, ...]) -> str:
        """Return a layer's name, with those of the models around it where another layer has it already."""
        unique = name if name not in self._names else "_".join((*path, name))
        self._names.add(unique)
        return unique

    def _constant(self, values: Weights, reader: SavedCall) -> Tensor:
        name = f"{reader.entry.name}_initial"
        (tensor,) = self.builder.call(Constant(name, values.reshape(values.shape[-1:])))
        return tensor


def _check_input(saved: SavedModel, entry: LayerEntry) -> None:
    _read_layer(SavedLayer(entry, Context(saved.source, saved.keras_major, ()), ()), {"InputLayer": _input})


def _check_inputs(saved: SavedLayer, layer: Layer | None, inputs: Sequence[Tensor]) -> None:
    """Refuse a call with another number of inputs than the layer takes."""
    count = len(inputs)
    fits = count in (1, 1 + len(layer.states)) if isinstance(layer, Recurrent) else count == 1
    if not fits and not isinstance(layer, Merge):
        names = ", ".join(repr(tensor.name) for tensor in inputs)
        problem = f"this {saved.entry.class_name} takes {count} inputs ({names})"
        raise UnsupportedError(saved.where, problem, "Call the layer on its input alone, or an RNN with all its states")


def _read_layer(saved: SavedLayer, readers: Mapping[str, Reader]) -> Layer | None:
    class_name = saved.entry.class_name
    if class_name not in readers:
        raise UnsupportedError(
            f"{saved.context.source}, layer {saved.name!r}",
            f"{class_name} layers are not supported here",
            f"{nearest(class_name, readers)}docs/keras.md lists those that are",
        )
    layer = readers[class_name](saved)
    saved.finish()
    return layer


def _refuse_by_name(source: str, entry: LayerEntry) -> None:
    where = f"{source}, layer {entry.name!r}"
    if entry.custom:
        problem = f"it is a custom layer, {entry.class_name!r}, whose code Loopwire does not run"
        raise UnsupportedError(where, problem, f"{nearest(entry.class_name, READERS)}Build it from Keras's own layers")
    if entry.class_name in REFUSED:
        raise UnsupportedError(where, f"{entry.class_name} layers are not supported", REFUSED[entry.class_name])


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


def _recurrent_options(saved: SavedLayer) -> _RecurrentOptions:
    """Return what all recurrent layers choose; refuse what none of Loopwire's does."""
    saved.only("time_major", False, remedy="Give sequences as (batch, steps, features)")
    saved.ignore("dropout", "recurrent_dropout", "seed", "unroll", "implementation", "zero_output_for_mask")
    return {
        "activation": activation(saved, "activation"),
        "return_sequences": saved.boolean("return_sequences", False),
        "go_backwards": saved.boolean("go_backwards", False),
        "stateful": saved.boolean("stateful", False),
        "return_state": saved.boolean("return_state", False),
    }


def _dense(saved: SavedLayer) -> Dense:
    units, features = saved.count("units"), saved.context.input_shape[-1]
    saved.only("quantization_config", None, remedy="Save the model before it is quantised")
    if saved.boolean("use_bias", True):
        kernel, bias = saved.weights(kernel=(features, units), bias=(units,))
    else:
        (kernel,) = saved.weights(kernel=(features, units))
        bias = np.zeros(units)
    return Dense(saved.name, kernel.T, bias, activation(saved, "activation"))


def _batch_normalization(saved: SavedLayer) -> BatchNormalization:
    last = len(saved.context.input_shape)
    saved.only("axis", -1, last, [-1], [last], remedy="Normalise the last axis: axis=-1")
    saved.only("renorm", False, remedy="Train with renorm=False")
    saved.only("virtual_batch_size", None, remedy="Train without virtual_batch_size")
    saved.ignore("momentum", "fused", "synchronized", "renorm_clipping", "renorm_momentum")
    scaled, centred = saved.boolean("scale", True), saved.boolean("center", True)
    epsilon, shape = saved.number("epsilon"), (saved.context.input_shape[-1],)
    names = ["gamma"] * scaled + ["beta"] * centred + ["moving_mean", "moving_variance"]
    tensors = dict(zip(names, saved.weights(**dict.fromkeys(names, shape)), strict=True))
    if (tensors["moving_variance"] + epsilon <= 0).any():
        saved.damaged("its moving_variance is negative")
    with np.errstate(over="ignore", invalid="ignore"):
        scale = tensors.get("gamma", np.ones(shape)) / np.sqrt(tensors["moving_variance"] + epsilon)
        offset = tensors.get("beta", np.zeros(shape)) - tensors["moving_mean"] * scale
    if not (np.isfinite(scale) & np.isfinite(offset)).all():
        saved.damaged("its moving_variance is too small for its gamma")
    return BatchNormalization(saved.name, scale, offset)


def _flatten(saved: SavedLayer) -> Flatten:
    saved.only("data_format", "channels_last", None, remedy="Flatten with data_format='channels_last'")
    return Flatten(saved.name)


def _reshape(saved: SavedLayer) -> Reshape:
    shape = saved.option("target_shape")
    if not isinstance(shape, list) or not all(type(n) is int and (n == -1 or n > 0) for n in shape):
        saved.refuse("target_shape", shape, "Give positive whole numbers, at most one of them -1")
    return Reshape(saved.name, tuple(shape))


def _repeat_vector(saved: SavedLayer) -> RepeatVector:
    return RepeatVector(saved.name, saved.count("n"))


def _merge(layer: type[Merge]) -> Reader:
    return lambda saved: layer(saved.name)


def _concatenate(saved: SavedLayer) -> Concatenate:
    last = len(saved.context.input_shape)
    saved.only("axis", -1, last, remedy="Concatenate along the last axis, the features: axis=-1")
    return Concatenate(saved.name)


def _dot(saved: SavedLayer) -> Dot:
    saved.only("axes", 1, -1, [1, 1], [-1, -1], remedy="Give it vectors, and axes=1")
    saved.only("normalize", False, remedy="Divide by the lengths outside the firmware: normalize=False")
    return Dot(saved.name)


def _activation(saved: SavedLayer) -> Activation:
    return Activation(saved.name, activation_layer(saved))


def _input(saved: SavedLayer) -> None:
    dense_remedy = "Give the input as an ordinary dense array"
    saved.only("sparse", False, remedy=dense_remedy)
    saved.only("ragged", False, remedy=dense_remedy)
    saved.only("optional", False, remedy="Give the model an input that is always there")


def _identity(saved: SavedLayer) -> None:
    saved.ignore("rate", "stddev", "noise_shape", "seed", "l1", "l2")


def _time_distributed(saved: SavedLayer) -> Layer | None:
    """The inner layer, under the outer one's name: Loopwire's layers act on each step of a sequence."""
    entry = layer_entry(saved.where, saved.option("layer"))
    shape = saved.context.input_shape
    if len(shape) != 2:
        raise UnsupportedError(
            saved.where, f"its input has shape {shape}", "It needs a sequence, of shape (steps, features)"
        )
    inner = replace(entry, name=saved.name)
    _refuse_by_name(saved.context.source, inner)
    return _read_layer(SavedLayer(inner, replace(saved.context, input_shape=shape[1:]), saved.arrays), STEPWISE)


STEPWISE: dict[str, Reader] = {
    "Dense": _dense,
    "BatchNormalization": _batch_normalization,
    **dict.fromkeys(ACTIVATION_LAYERS, _activation),
    **dict.fromkeys(
        (
            "Dropout",
            "GaussianDropout",
            "GaussianNoise",
            "AlphaDropout",
            "ActivityRegularization",
            "Identity",
        ),
        _identity,
    ),
}
"""Layers that treat every step of a sequence alike, and so may stand in a TimeDistributed."""

RECURRENT: dict[str, Reader] = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple_rnn}

READERS: dict[str, Reader] = {
    **RECURRENT,
    **{layer.__name__: _merge(layer) for layer in (Add, Subtract, Multiply, Average, Maximum, Minimum)},
    "Concatenate": _concatenate,
    "Dot": _dot,
    "RepeatVector": _repeat_vector,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "SpatialDropout1D": _identity,
    "TimeDistributed": _time_distributed,
    **STEPWISE,
}

REFUSED = {
    "Lambda": "It holds Python code, which is never run; build it from Keras's own layers",
    "Masking": "Nothing is masked in firmware; end short sequences early instead, and remove the layer",
    "Embedding": "Embed the tokens before the model, and give it the vectors",
    **dict.fromkeys(
        ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention"),
        "Attention is not recurrent: train the model without it",
    ),
    "RNN": "Use LSTM, GRU or SimpleRNN rather than a cell",
    "CuDNNLSTM": "Load the weights into LSTM(recurrent_activation='sigmoid') and save that",
    "CuDNNGRU": "Load the weights into GRU(reset_after=True, recurrent_activation='sigmoid') and save that",
}
"""Layers that users meet, and what to do instead."""
