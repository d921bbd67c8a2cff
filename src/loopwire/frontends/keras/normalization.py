"""Readers of Keras's normalisations, and of what scales and shifts each feature."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.normalization import LayerNormalization, root_mean_square, unit
from loopwire.layers.normalization_over_steps import NormalizationOverSteps

KERAS_EPSILON = 1e-7
"""The least standard deviation that a Normalization divides by."""


def batch_normalization(saved: SavedLayer) -> BatchNormalization:
    """Read a BatchNormalization: the scale and offset that its statistics make."""
    shape = (last_axis(saved),)
    saved.only("renorm", False, remedy="Train with renorm=False")
    saved.only("virtual_batch_size", None, remedy="Train without virtual_batch_size")
    saved.ignore("momentum", "fused", "synchronized", "renorm_clipping", "renorm_momentum")
    scaled, centred = saved.boolean("scale", True), saved.boolean("center", True)
    epsilon = saved.number("epsilon")
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


def last_axis(saved: SavedLayer) -> int:
    """Return the length of the last axis, which must be the one normalised; Keras counts the batch as axis 0."""
    last = len(saved.context.input_shape)
    saved.only("axis", -1, last, [-1], [last], remedy="Normalise the last axis: axis=-1")
    return saved.context.input_shape[-1]


def layer_normalization(saved: SavedLayer) -> LayerNormalization | NormalizationOverSteps:
    """Read a LayerNormalization of features, or of steps and features; Keras counts the batch as axis 0."""
    shape, axis, epsilon = saved.context.input_shape, saved.option("axis", -1), saved.number("epsilon", 1e-3)
    saved.only("rms_scaling", False, remedy="Use RMSNormalization")
    saved.ignore("dtype")
    rank, given = len(shape), axis if isinstance(axis, list) else [axis]
    axes = sorted(a + (rank + 1) * (a < 0) for a in given if type(a) is int)
    if len(axes) != len(given) or (axes != [rank] and (rank, axes) != (2, [1, 2])):
        saved.refuse("axis", axis, "Normalise the last axis, axis=-1, or steps and features together, axis=[1, 2]")
    if axes == [rank]:
        return LayerNormalization(saved.name, *_scale_and_offset(saved, shape[-1:]), epsilon)
    return NormalizationOverSteps(saved.name, *_scale_and_offset(saved, shape), epsilon)


def group_normalization(saved: SavedLayer) -> LayerNormalization | NormalizationOverSteps:
    """Read a GroupNormalization: of a sequence, Keras takes the mean over all steps and a group's features."""
    features, epsilon = last_axis(saved), saved.number("epsilon", 1e-3)
    groups = saved.count("groups")
    scale, offset = _scale_and_offset(saved, (features,))
    *steps, _ = saved.context.input_shape
    if not steps:
        return LayerNormalization(saved.name, scale, offset, epsilon, groups)
    scale, offset = (np.broadcast_to(each, (*steps, features)) for each in (scale, offset))
    return NormalizationOverSteps(saved.name, scale, offset, epsilon, groups)


def rms_normalization(saved: SavedLayer) -> LayerNormalization:
    """Read an RMSNormalization."""
    features, epsilon = last_axis(saved), saved.number("epsilon", 1e-3)
    (scale,) = saved.weights(scale=(features,))
    return root_mean_square(saved.name, scale, epsilon)


def unit_normalization(saved: SavedLayer) -> LayerNormalization:
    """Read a UnitNormalization."""
    return unit(saved.name, last_axis(saved))


def _scale_and_offset(saved: SavedLayer, shape: tuple[int, ...]) -> tuple[Weights, Weights]:
    names = ["gamma"] * saved.boolean("scale", True) + ["beta"] * saved.boolean("center", True)
    tensors = dict(zip(names, saved.weights(**dict.fromkeys(names, shape)), strict=True))
    return tensors.get("gamma", np.ones(shape)), tensors.get("beta", np.zeros(shape))


def rescaling(saved: SavedLayer) -> BatchNormalization:
    """Read a Rescaling."""
    features = saved.context.input_shape[-1]
    scale, offset = (saved.option(key, default) for key, default in (("scale", 1.0), ("offset", 0.0)))
    return BatchNormalization(saved.name, *(_of_each(saved, value, features) for value in (scale, offset)))


def normalization(saved: SavedLayer) -> BatchNormalization:
    """Read a Normalization: its numbers are options, or arrays where it was adapted."""
    features = last_axis(saved)
    saved.only("invert", False, remedy="Use the layer with invert=False")
    mean, variance = saved.option("mean", None), saved.option("variance", None)
    if mean is None:
        if len(saved.arrays) == 3:
            saved.arrays = saved.arrays[:2]
        mean, variance = saved.weights(mean=(features,), variance=(features,))
    mean, variance = _of_each(saved, mean, features), _of_each(saved, variance, features)
    scale = 1.0 / np.maximum(np.sqrt(variance), KERAS_EPSILON)
    return BatchNormalization(saved.name, scale, -mean * scale)


def _of_each(saved: SavedLayer, value: Any, features: int) -> Weights:
    """Return one number for each feature, from one for all or a list, nested as Keras saves it."""
    try:
        numbers = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        saved.damaged(f"{value!r} is not a number for each feature")
    if numbers.size not in (1, features) or not np.isfinite(numbers).all():
        saved.damaged(f"it has {numbers.size} numbers for {features} features")
    return np.broadcast_to(numbers, (features,)).astype(np.float64)
