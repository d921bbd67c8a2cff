"""One function per Keras layer, from its saved options and arrays to Loopwire's layer.

Keras stores matrices as (inputs, outputs), so all are transposed here. Its gates are ordered i f c o (LSTM) and
z r h (GRU), which is the order of `Lstm` and `Gru`. docs/keras.md lists what is read and what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopwire.errors import UnsupportedError, nearest
from loopwire.frontends.keras import attention, normalization, recurrent, windows
from loopwire.frontends.keras.activations import ACTIVATION_LAYERS, activation_layer, is_glu
from loopwire.frontends.keras.bidirectional import WRAPPED
from loopwire.frontends.keras.dense import dense, einsum_dense
from loopwire.frontends.keras.layer import Reader, SavedLayer
from loopwire.frontends.keras.quantised import QUANTISED
from loopwire.frontends.keras.saved import LayerEntry
from loopwire.frontends.keras.spatial import CONV_LSTM
from loopwire.frontends.own import own_reader
from loopwire.layers.activation import Activation
from loopwire.layers.dot import Dot
from loopwire.layers.embedding import Embedding
from loopwire.layers.glu import Glu
from loopwire.layers.masking import Masking
from loopwire.layers.merge import Add, Average, Concatenate, Maximum, Merge, Minimum, Multiply, Subtract
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


def _flatten(saved: SavedLayer) -> Flatten | None:
    saved.only("data_format", "channels_last", None, remedy="Flatten with data_format='channels_last'")
    return Flatten(saved.name) if len(saved.context.input_shape) > 1 else None


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
    """Read a Dot, whose axes count the batch as axis 0."""
    given = saved.option("axes")
    ranks = [1 + len(shape) for shape in (saved.context.input_shape, *saved.context.further_shapes)]
    axes = given if isinstance(given, list) else [given] * len(ranks)
    if len(axes) != 2 or len(ranks) != 2 or any(type(axis) is not int for axis in axes):
        saved.refuse("axes", given, "Call it on two tensors, and give an axis of each")
    saved.only("normalize", False, remedy="Normalise in front of it, with UnitNormalization: normalize=False")
    first, second = (axis + rank if axis < 0 else axis for axis, rank in zip(axes, ranks, strict=True))
    return Dot(saved.name, (first, second))


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


IDENTITIES = (
    *("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout"),
    *("ActivityRegularization", "Identity"),
)

MERGES: dict[str, Reader] = {
    **{layer.__name__: _merge(layer) for layer in (Add, Subtract, Multiply, Average, Maximum, Minimum)},
    "Concatenate": _concatenate,
}

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
    "Dense": dense,
    "EinsumDense": einsum_dense,
    "BatchNormalization": normalization.batch_normalization,
    "LayerNormalization": normalization.layer_normalization,
    "GroupNormalization": normalization.group_normalization,
    "RMSNormalization": normalization.rms_normalization,
    "UnitNormalization": normalization.unit_normalization,
    "Rescaling": normalization.rescaling,
    "Normalization": normalization.normalization,
    **dict.fromkeys(ACTIVATION_LAYERS, _activation),
    "Softmax": _softmax,
    **dict.fromkeys(IDENTITIES, _identity),
    **QUANTISED,
}

REFUSED = {
    "Lambda": "It holds Python code, which is never run; build it from Keras's own layers",
    "GroupQueryAttention": "Give each head of the query its own key: MultiHeadAttention",
    "CuDNNLSTM": "Load the weights into LSTM(recurrent_activation='sigmoid') and save that",
    "CuDNNGRU": "Load the weights into GRU(reset_after=True, recurrent_activation='sigmoid') and save that",
}
"""Layers that users meet, and what to do instead."""
