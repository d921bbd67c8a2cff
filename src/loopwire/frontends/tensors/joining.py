"""Tensors joined along an axis, or put side by side along a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.constants import constant_view, is_state, state_view
from loopwire.frontends.tensors.exchange import alike
from loopwire.frontends.tensors.rolling import sequence_of_steps
from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import (
    LAYOUT_REMEDY,
    Array,
    Axis,
    Operand,
    View,
    array_of,
    axis_of,
    folding,
    unsqueeze,
    with_features,
)
from loopwire.frontends.tensors.wires import joined
from loopwire.layers.steps import JoinedSteps


def concat(trace: Trace, values: Sequence[Operand], axis: int) -> Operand:
    """Join operands along an axis."""
    views = [value for value in values if isinstance(value, View)]
    if not views:
        with folding(trace):
            return np.concatenate([np.asarray(value) for value in values], axis)
    axis = axis_of(trace, views[0], axis)
    if len(values) == 1:
        return views[0]
    if len(views) < len(values):
        like = with_features(views[0])
        views = [value if isinstance(value, View) else _constant(trace, value, like, axis) for value in values]
    if any(len(view.axes) != len(views[0].axes) for view in views):
        raise trace.refused(f"it joins tensors of shapes {[view.shape for view in views]}", LAYOUT_REMEDY)
    views = alike(trace, [with_features(view) for view in views])
    kind = views[0].axes[axis]
    if any(view.axes != views[0].axes for view in views):
        raise trace.refused(f"it joins tensors of shapes {[view.shape for view in views]}", LAYOUT_REMEDY)
    if kind is Axis.FEATURES and all(view.parts.shape == views[0].parts.shape for view in views):
        parts = [joined(trace, wires) for wires in zip(*(view.parts.flat for view in views), strict=True)]
        return replace(views[0], parts=array_of(parts, views[0].parts.shape))
    if kind is Axis.PARTS:
        _same_wires(trace, views)
        return replace(views[0], parts=np.concatenate([view.parts for view in views], views[0].part_axis(axis)))
    if kind is Axis.ONE:
        return _beside(trace, views, axis)
    if kind is Axis.STEPS and all(view.parts.shape == views[0].parts.shape for view in views):
        layer = JoinedSteps(trace.place.name)
        rows = [trace.call(layer, *wires) for wires in zip(*(view.parts.flat for view in views), strict=True)]
        return replace(views[0], parts=array_of(rows, views[0].parts.shape))
    raise trace.refused(f"it joins tensors along the axis of the {kind.value}", "Join them along the features")


def _constant(trace: Trace, values: Array, like: View, axis: int) -> View:
    """Return a constant as a view that can be joined with another along an axis."""
    if not like.is_sequence and is_state(values) and like.axes[axis] is Axis.FEATURES:
        return state_view(trace, values)
    wanted = [*like.shape[:axis], *like.shape[axis + 1 :]]
    met = [*values.shape[:axis], *values.shape[axis + 1 :]]
    if values.ndim != len(like.axes) or met != wanted or like.axes[axis] not in (Axis.FEATURES, Axis.STEPS):
        problem = f"it joins a tensor of shape {like.shape} with a constant of shape {values.shape}"
        raise trace.refused(problem, "Join them along the features or the steps")
    return constant_view(trace, np.asarray(values, np.float64), like)


def stack(trace: Trace, values: Sequence[Operand], axis: int) -> Operand:
    """Put operands side by side along a new axis."""
    if all(not isinstance(value, View) for value in values):
        with folding(trace):
            return np.stack([np.asarray(value) for value in values], axis)
    if len(values) == 1:
        return unsqueeze(trace, values[0], axis)
    return concat(trace, [unsqueeze(trace, value, axis) for value in values], axis)


def _same_wires(trace: Trace, views: Sequence[View]) -> None:
    if len({view.wire_shape for view in views}) > 1:
        raise trace.refused(f"it puts tensors of shapes {[view.shape for view in views]} side by side", LAYOUT_REMEDY)


def _beside(trace: Trace, views: Sequence[View], axis: int) -> View:
    """Join views along an axis of length 1: steps of one sequence in their order are that, others are parts."""
    _same_wires(trace, views)
    if views[0].parts.size == 1:
        wires: list[Wire] = [view.parts.flat[0] for view in views]
        sequence = sequence_of_steps(trace, wires)
        if sequence is not None:
            axes = (*views[0].axes[:axis], Axis.STEPS, *views[0].axes[axis + 1 :])
            return replace(views[0], parts=array_of([sequence], views[0].parts.shape), axes=axes)
    at = views[0].part_axis(axis)
    parts = np.stack([view.parts for view in views], at)
    return replace(views[0], parts=parts, axes=(*views[0].axes[:axis], Axis.PARTS, *views[0].axes[axis + 1 :]))
