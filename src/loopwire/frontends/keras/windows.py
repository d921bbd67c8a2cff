"""Reads Keras's layers over windows of steps, and those that give a sequence other steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwire.frontends.keras.activations import activation
from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from loopwire.layers.model import Layer
from loopwire.layers.steps import Cropping, Transpose, UpSampling, ZeroPadding
from loopwire.layers.windows import (
    PADDINGS,
    AveragePooling,
    Convolution,
    MaxPooling,
    SeparableConvolution,
    Window,
)


def convolution(saved: SavedLayer) -> Convolution:
    """Read a Conv1D, whose kernel is (k, F / groups, m)."""
    window, groups = convolution_window(saved), saved.option("groups", 1)
    features, filters = saved.context.input_shape[-1], saved.count("filters")
    kernel, bias = _weights(saved, filters, kernel=(window.size, features // groups, filters))
    return Convolution(saved.name, window, kernel.transpose(2, 0, 1), bias, groups, activation(saved, "activation"))


def depthwise_convolution(saved: SavedLayer) -> Convolution:
    """Read a DepthwiseConv1D, whose kernel is (k, F, d)."""
    window, features, each = convolution_window(saved), saved.context.input_shape[-1], saved.count("depth_multiplier")
    kernel, bias = _weights(saved, features * each, kernel=(window.size, features, each))
    return Convolution(saved.name, window, _depthwise(kernel), bias, features, activation(saved, "activation"))


def separable_convolution(saved: SavedLayer) -> SeparableConvolution:
    """Read a SeparableConv1D, whose kernels are (k, F, d) and (1, F·d, m)."""
    window, features, each = convolution_window(saved), saved.context.input_shape[-1], saved.count("depth_multiplier")
    filters = saved.count("filters")
    shapes = {"kernel": (window.size, features, each), "pointwise_kernel": (1, features * each, filters)}
    kernel, pointwise, bias = _weights(saved, filters, **shapes)
    function = activation(saved, "activation")
    return SeparableConvolution(saved.name, window, _depthwise(kernel), pointwise[0].T, bias, function)


def _depthwise(kernel: Weights) -> Weights:
    """Return the kernel (F·d, k, 1) of one (k, F, d): a result looks at one feature."""
    size, features, each = kernel.shape
    return kernel.transpose(1, 2, 0).reshape(features * each, size, 1)


def _weights(saved: SavedLayer, filters: int, **shapes: tuple[int, ...]) -> list[Weights]:
    if saved.boolean("use_bias", True):
        return saved.weights(**shapes, bias=(filters,))
    return [*saved.weights(**shapes), np.zeros(filters)]


def convolution_window(saved: SavedLayer) -> Window:
    """Read the window of a convolution."""
    saved.ignore("rank", *(f"{part}_{what}" for part in ("depthwise", "pointwise") for what in _TRAINED))
    size, stride, dilation = (_one(saved, key, 1) for key in ("kernel_size", "strides", "dilation_rate"))
    return Window(size, stride, dilation, _padding(saved, PADDINGS))


_TRAINED = ("initializer", "regularizer", "constraint")


def max_pooling(saved: SavedLayer) -> MaxPooling:
    """Read a MaxPooling1D."""
    return MaxPooling(saved.name, _pooling_window(saved))


def average_pooling(saved: SavedLayer) -> AveragePooling:
    """Read an AveragePooling1D."""
    return AveragePooling(saved.name, _pooling_window(saved))


def _pooling_window(saved: SavedLayer) -> Window:
    size = _one(saved, "pool_size", 2)
    return Window(size, _one(saved, "strides", size), 1, _padding(saved, PADDINGS[:2]))


def _padding(saved: SavedLayer, known: tuple[str, ...]) -> str:
    saved.only("data_format", "channels_last", None, remedy="Save the model with data_format='channels_last'")
    padding: str = saved.option("padding", "valid")
    if padding not in known:
        saved.refuse("padding", padding, f"Choose from {', '.join(known)}")
    return padding


def _one(saved: SavedLayer, key: str, default: int) -> int:
    """Return a number of steps, which Keras may save as a list of one."""
    value = saved.option(key, default)
    value = default if value is None else value
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if type(value) is not int or value < 1:
        saved.damaged(f"option {key!r} is {value!r}, not a positive whole number")
    return value


def global_max_pooling(saved: SavedLayer) -> GlobalMaxPooling:
    """Read a GlobalMaxPooling1D."""
    return GlobalMaxPooling(saved.name, keeps_steps=_keeps_steps(saved))


def global_average_pooling(saved: SavedLayer) -> GlobalAveragePooling:
    """Read a GlobalAveragePooling1D."""
    return GlobalAveragePooling(saved.name, keeps_steps=_keeps_steps(saved))


def _keeps_steps(saved: SavedLayer) -> bool:
    saved.only("data_format", "channels_last", None, remedy="Save the model with data_format='channels_last'")
    return saved.boolean("keepdims", False)


def zero_padding(saved: SavedLayer) -> ZeroPadding:
    """Read a ZeroPadding1D."""
    saved.only("data_format", "channels_last", None, remedy="Save the model with data_format='channels_last'")
    return ZeroPadding(saved.name, *_two(saved, "padding"))


def cropping(saved: SavedLayer) -> Cropping:
    """Read a Cropping1D."""
    return Cropping(saved.name, *_two(saved, "cropping"))


def _two(saved: SavedLayer, key: str) -> tuple[int, int]:
    value: Any = saved.option(key)
    both = (value, value) if type(value) is int else tuple(value) if isinstance(value, list) else ()
    if len(both) != 2 or any(type(each) is not int or each < 0 for each in both):
        saved.damaged(f"option {key!r} is {value!r}, not one or two whole numbers")
    return both


def up_sampling(saved: SavedLayer) -> UpSampling:
    """Read an UpSampling1D."""
    return UpSampling(saved.name, _one(saved, "size", 2))


def permute(saved: SavedLayer) -> Layer | None:
    """Read a Permute of the two axes of a sequence."""
    saved.only("dims", [2, 1], [1, 2], [1], remedy="Give the axes of a sequence: (2, 1)")
    return Transpose(saved.name) if saved.entry.config["dims"] == [2, 1] else None
