"""One function per Keras layer, from its saved options and arrays to Loopwire's layer.

Keras stores matrices as (inputs, outputs), so all are transposed here. Its gates are ordered i f c o (LSTM) and
z r h (GRU), which is the order of `Lstm` and `Gru`. docs/keras.md lists what is read and what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from loopwire.errors import UnsupportedError, nearest
from loopwire.frontends.keras import attention, normalization, recurrent, windows
from loopwire.frontends.keras.activations import ACTIVATION_LAYERS, activation, activation_layer, is_glu
from loopwire.frontends.keras.bidirectional import WRAPPED
from loopwire.frontends.keras.layer import Context, Reader, SavedLayer
from loopwire.frontends.keras.quantised import QUANTISED
from loopwire.frontends.keras.saved import TIME_DISTRIBUTED, LayerEntry, layer_entry
from loopwire.frontends.keras.spatial import CONV_LSTM
from loopwire.frontends.own import own_reader
from loopwire.layers.activation import Activation
from loopwire.layers.dense import Dense
from loopwire.layers.embedding import Embedding
from loopwire.layers.glu import Glu
from loopwire.layers.masking import Masking
from loopwire.layers.merge import Add, Average, Concatenate, Dot, Maximum, Merge, Minimum, Multiply, Subtract
from loopwire.layers.model import Layer
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.prelu import PRelu
from loopwire.layers.shape import Flatten, RepeatVector, Reshape


def read_layer(saved: SavedLayer, readers: Mapping[str, Reader]) -> Layer | None:
    """Read a layer with the reader of its class.

    Raises:
        ModelFileError: its arrays or options are not sound.
        UnsupportedError: there is no reader, or an option is not compiled.
    """
    class_name = saved.entry.class_name
    reader = readers.get(class_name) or own_reader(class_name)
    if reader is None:
        raise UnsupportedError(
            f"{saved.context.source}, layer {saved.name!r}",
            f"{class_name} layers are not supported here",
            f"{nearest(class_name, readers)}docs/keras.md lists those that are",
        )
    layer = reader(saved)
    saved.finish()
    return layer


def refuse_by_name(source: str, entry: LayerEntry) -> None:
    """Refuse a layer whose class cannot be read.

    Raises:
        UnsupportedError: it is custom code, or one of `REFUSED`.
    """
    where = f"{source}, layer {entry.name!r}"
    known = entry.class_name in QUANTISED or entry.class_name in WRAPPED
    if entry.custom and not known and own_reader(entry.class_name) is None:
        problem = f"it is a custom layer, {entry.class_name!r}, whose code Loopwire does not run"
        remedy = f"{nearest(entry.class_name, READERS)}Build it from Keras's own layers, or register a reader for it"
        raise UnsupportedError(where, problem, remedy)
    if entry.class_name in REFUSED:
        raise UnsupportedError(where, f"{entry.class_name} layers are not supported", REFUSED[entry.class_name])


def _prelu(saved: SavedLayer) -> PRelu:
    shape = saved.context.input_shape
    shared = saved.option("shared_axes", None) or []
    saved.ignore(*(f"alpha_{what}" for what in ("initializer", "regularizer", "constraint")))
    if shared not in ([], [1]) or (shared and len(shape) != 2):
        saved.refuse("shared_axes", shared, "Share slopes over the steps, shared_axes=[1], or not at all")
    (slopes,) = saved.weights(alpha=(1, shape[1]) if shared else shape)
    return PRelu(saved.name, slopes[0] if shared else slopes)


def _dense(saved: SavedLayer) -> Dense:
    units, features = saved.count("units"), saved.context.input_shape[-1]
    saved.only("quantization_config", None, remedy="Save the model before it is quantised")
    if saved.boolean("use_bias", True):
        kernel, bias = saved.weights(kernel=(features, units), bias=(units,))
    else:
        (kernel,) = saved.weights(kernel=(features, units))
        bias = np.zeros(units)
    return Dense(saved.name, kernel.T, bias, activation(saved, "activation"))


def _flatten(saved: SavedLayer) -> Flatten:
    saved.only("data_format", "channels_last", None, remedy="Flatten with data_format='channels_last'")
    return Flatten(saved.name)


def _flat_step(saved: SavedLayer) -> None:
    """Read a Flatten of a step, which is a vector already."""
    saved.only("data_format", "channels_last", None, remedy="Flatten with data_format='channels_last'")


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


def _activation(saved: SavedLayer) -> Layer:
    if is_glu(saved):
        return Glu(saved.name)
    return Activation(saved.name, activation_layer(saved))


def _softmax(saved: SavedLayer) -> Layer:
    """Read a Softmax over features, steps or both; Keras counts the batch as axis 0."""
    rank, axis = len(saved.context.input_shape), saved.option("axis", -1)
    given = axis if isinstance(axis, list) else [axis]
    axes = sorted(a % (rank + 1) if a < 0 else a for a in given if type(a) is int)
    function = activation_layer(saved)
    if len(axes) != len(given) or axes not in ([rank], [1], [1, 2]) or axes[-1] > rank:
        saved.refuse("axis", axis, "Run it over the features, the steps, or both")
    return Activation(saved.name, function) if axes == [rank] else OverSteps(saved.name, function, 2 in axes)


def _embedding(saved: SavedLayer) -> Embedding:
    """Read an Embedding, whose `mask_zero` says where a mask begins (`masks`)."""
    shape = (saved.count("input_dim"), saved.count("output_dim"))
    saved.boolean("mask_zero", False)
    saved.only("quantization_config", None, remedy="Save the model before it is quantised")
    saved.ignore("input_length", *(f"embeddings_{what}" for what in ("initializer", "regularizer", "constraint")))
    (table,) = saved.weights(embeddings=shape)
    return Embedding(saved.name, table)


def _masking(saved: SavedLayer) -> Masking:
    saved.number("mask_value", 0.0)
    return Masking(saved.name)


def _identity(saved: SavedLayer) -> None:
    saved.ignore("rate", "stddev", "noise_shape", "seed", "l1", "l2")


def _time_distributed(saved: SavedLayer) -> Layer | None:
    """The inner layer, under the outer one's name: Loopwire's layers act on each step of a sequence."""
    inner, context = steps_of(saved)
    return read_layer(SavedLayer(inner, context, saved.arrays), OF_STEPS)


def steps_of(saved: SavedLayer) -> tuple[LayerEntry, Context]:
    """Return what a TimeDistributed is of, under its name, and where that is: it takes one step.

    Raises:
        UnsupportedError: its input is no sequence of vectors, or it is of a layer that cannot be read.
    """
    inner = replace(layer_entry(saved.where, saved.option("layer")), name=saved.name)
    shape = saved.context.input_shape
    if len(shape) == 3:
        problem = f"its input has shape {shape}, so each step of its {inner.class_name} is a sequence"
        remedy = "Make each step a vector in front of it, by TimeDistributed(Flatten()), and take a Dense or an LSTM"
        raise UnsupportedError(saved.where, problem, f"{remedy}, or a ConvLSTM1D, which takes such steps")
    if len(shape) != 2:
        remedy = "It needs a sequence, of shape (steps, features)"
        raise UnsupportedError(saved.where, f"its input has shape {shape}", remedy)
    refuse_by_name(saved.context.source, inner)
    return inner, replace(saved.context, input_shape=shape[1:])


STEPWISE: dict[str, Reader] = {
    "Dense": _dense,
    "BatchNormalization": normalization.batch_normalization,
    "LayerNormalization": normalization.layer_normalization,
    "GroupNormalization": normalization.group_normalization,
    "RMSNormalization": normalization.rms_normalization,
    "UnitNormalization": normalization.unit_normalization,
    "Rescaling": normalization.rescaling,
    "Normalization": normalization.normalization,
    **dict.fromkeys(ACTIVATION_LAYERS, _activation),
    "Softmax": _softmax,
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
"""Layers that treat every step of a sequence alike, and so may be in a TimeDistributed."""

OF_STEPS: dict[str, Reader] = {**STEPWISE, "PReLU": _prelu, "Flatten": _flat_step}
"""What may be in a TimeDistributed, in whose place a layer of the whole sequence may do something else."""

MERGES: dict[str, Reader] = {
    **{layer.__name__: _merge(layer) for layer in (Add, Subtract, Multiply, Average, Maximum, Minimum)},
    "Concatenate": _concatenate,
}

MODEL_OF_STEPS: dict[str, Reader] = {**OF_STEPS, **MERGES}
"""What a model in a TimeDistributed may be of."""

DIRECTIONS: dict[str, Reader] = {**recurrent.RECURRENT, **{name: QUANTISED[name] for name in WRAPPED["QBidirectional"]}}
"""What a layer of two directions may be of."""

READERS: dict[str, Reader] = {
    **recurrent.RECURRENT,
    **MERGES,
    "Dot": _dot,
    "RepeatVector": _repeat_vector,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "RNN": recurrent.rnn_of_a_cell,
    CONV_LSTM: recurrent.convolutional_lstm,
    "PReLU": _prelu,
    "Masking": _masking,
    "Embedding": _embedding,
    "Permute": windows.permute,
    "Conv1D": windows.convolution,
    "DepthwiseConv1D": windows.depthwise_convolution,
    "SeparableConv1D": windows.separable_convolution,
    "MaxPooling1D": windows.max_pooling,
    "AveragePooling1D": windows.average_pooling,
    "GlobalMaxPooling1D": windows.global_max_pooling,
    "GlobalAveragePooling1D": windows.global_average_pooling,
    "ZeroPadding1D": windows.zero_padding,
    "Cropping1D": windows.cropping,
    "UpSampling1D": windows.up_sampling,
    "Attention": attention.attention,
    "AdditiveAttention": attention.additive_attention,
    "MultiHeadAttention": attention.multi_head_attention,
    "SpatialDropout1D": _identity,
    TIME_DISTRIBUTED: _time_distributed,
    **STEPWISE,
    **QUANTISED,
}

REFUSED = {
    "Lambda": "It holds Python code, which is never run; build it from Keras's own layers",
    "GroupQueryAttention": "Give each head of the query its own key: MultiHeadAttention",
    "CuDNNLSTM": "Load the weights into LSTM(recurrent_activation='sigmoid') and save that",
    "CuDNNGRU": "Load the weights into GRU(reset_after=True, recurrent_activation='sigmoid') and save that",
}
"""Layers that users meet, and what to do instead."""
