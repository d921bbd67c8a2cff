"""Normalisations: of the features, of steps, of both together, of groups of features over all steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from loopwire.frontends.tensors.arithmetic import affine, combine
from loopwire.frontends.tensors.exchange import along, exchanged, features_last, require_exchanges
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Array, Axis, Operand, View, array_of, axis_of, with_features
from loopwire.layers.normalization import LayerNormalization, unit
from loopwire.layers.normalization_over_steps import NormalizationOverSteps

EPSILON_REMEDY = "Normalise the features, the steps or both, with epsilon above 0"


def normalise(
    trace: Trace,
    x: View,
    lengths: Sequence[int],
    scale: Array | None,
    offset: Array | None,
    epsilon: float,
    *,
    centred: bool = True,
) -> View:
    """Normalise the last axes, of these lengths, together by their own mean and variance; scale and offset have them.

    Without `centred` the mean counts as 0.
    """
    x = with_features(x)
    count = len(lengths)
    kinds = [kind for kind, length in zip(x.axes[-count:], lengths, strict=False) if length > 1]
    fits = all(array is None or array.size == prod(lengths) for array in (scale, offset))
    problem = f"it normalises axes of lengths {tuple(lengths)} together"
    if not fits:
        sizes = [array.size for array in (scale, offset) if array is not None]
        raise trace.refused(f"{problem}, by scales and offsets of {sizes} numbers", "Export the model again")
    if x.shape[-count:] != tuple(lengths) or epsilon <= 0:
        raise trace.refused(f"{problem}, with epsilon {epsilon}", EPSILON_REMEDY)
    scale, offset = (
        np.full(tuple(lengths), value) if array is None else array.reshape(tuple(lengths))
        for array, value in ((scale, 1.0), (offset, 0.0))
    )
    if set(kinds) <= {Axis.FEATURES}:
        x = features_last(trace, x)
        layer = LayerNormalization(trace.place.name, scale.ravel(), offset.ravel(), epsilon, centred=centred)
        return x.each(lambda wire: trace.call(layer, wire))
    if set(kinds) == {Axis.STEPS}:
        require_exchanges(trace, Axis.STEPS, x.wire_shape[0])
        groups, scale, offset = x.wire_shape[1], scale.reshape(-1, 1), offset.reshape(-1, 1)
    elif set(kinds) == {Axis.STEPS, Axis.FEATURES}:
        order = sorted(range(count), key=lambda axis: x.axes[axis - count] is not Axis.STEPS)
        groups, scale, offset = 1, scale.transpose(order), offset.transpose(order)
    else:
        problem = f"it normalises the axes of {', '.join(kind.value for kind in kinds)} together"
        raise trace.refused(problem, EPSILON_REMEDY)
    return _over_steps(trace, x, scale, offset, epsilon, groups, centred)


def normalise_groups(
    trace: Trace, x: View, groups: int, scale: Array | None, offset: Array | None, epsilon: float
) -> View:
    """Normalise groups of the features, axis 1, each over all steps too; scale and offset have a number a feature."""
    x = with_features(x, 1)
    if x.axes[1:2] == (Axis.STEPS,):
        x = exchanged(trace, x)
    apart = x.axes[1:] == (Axis.PARTS, Axis.ELEMENTS) and groups == x.shape[1]
    size = groups if apart else x.wire_shape[-1]
    arrays = [array for array in (scale, offset) if array is not None]
    fits = groups > 0 and size % groups == 0 and all(array.shape == (size,) for array in arrays)
    if not (apart or x.axes[1:2] == (Axis.FEATURES,)) or not fits or epsilon <= 0:
        kind = x.axes[1].value if len(x.axes) > 1 else "batch"
        problem = f"it normalises {groups} groups of the {kind}, of shape {x.shape}, with epsilon {epsilon}"
        raise trace.refused(problem, "Normalise groups of as many features each, with epsilon above 0")
    scale = np.ones(size) if scale is None else scale
    offset = np.zeros(size) if offset is None else offset
    if apart:
        return _apart(trace, x, scale, offset, epsilon)
    if x.is_sequence:
        return _over_steps(trace, x, scale, offset, epsilon, groups)
    layer = LayerNormalization(trace.place.name, scale, offset, epsilon, groups)
    return x.each(lambda wire: trace.call(layer, wire))


def _apart(trace: Trace, x: View, scale: Array, offset: Array, epsilon: float) -> View:
    """Normalise each of the sequences side by side as a whole; scale and offset have a number of each."""
    wires = []
    for wire, *numbers in zip(x.parts.flat, scale, offset, strict=True):
        factor, shift = (np.full(wire.shape, number) for number in numbers)
        wires.append(trace.call(NormalizationOverSteps(trace.place.name, factor, shift, epsilon), wire))
    return replace(x, parts=array_of(wires, x.parts.shape))


def _over_steps(
    trace: Trace, x: View, scale: Array, offset: Array, epsilon: float, groups: int, centred: bool = True
) -> View:
    """Normalise groups of features over all steps; scale and offset can be broadcast to (T, n)."""
    scale, offset = (np.broadcast_to(array, x.wire_shape).astype(np.float64) for array in (scale, offset))
    layer = NormalizationOverSteps(trace.place.name, scale, offset, epsilon, groups, centred)
    return x.each(lambda wire: trace.call(layer, wire))


def unit_length(trace: Trace, x: View, axis: int, epsilon: float) -> Operand:
    """Return vectors along an axis, each divided by its length, or by epsilon where that is shorter."""

    def divided(turned: View) -> View:
        layer = unit(trace.place.name, turned.wire_shape[-1], epsilon**2)
        return turned.each(lambda wire: trace.call(layer, wire))

    return along(trace, x, axis, divided)


def scaled(trace: Trace, x: View, axis: int, factor: Array, offset: Array) -> View:
    """Return factor · x + offset, a number of each for every place of an axis."""
    x = with_features(x, axis)
    kind = x.axes[axis_of(trace, x, axis)]
    if kind is Axis.FEATURES:
        return affine(trace, x, factor, offset)
    if kind is not Axis.STEPS:
        raise trace.refused(f"it works along the axis of the {kind.value}", "Work along the features")
    require_exchanges(trace, kind, x.shape[axis])
    shape = [-1 if k == axis_of(trace, x, axis) else 1 for k in range(len(x.axes))]
    weighed = combine(trace, "multiply", x, factor.reshape(shape))
    result = combine(trace, "add", weighed, offset.reshape(shape))
    assert isinstance(result, View)
    return result
