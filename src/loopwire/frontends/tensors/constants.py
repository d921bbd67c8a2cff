"""Constants where tensors belong: the same for each sequence, made by a layer without inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import Array, Axis, View, array_of
from loopwire.layers.constant import Constant
from loopwire.layers.shape import Reshape


def constant_wire(trace: Trace, values: Array, name: str) -> Wire:
    """Return a vector that depends on nothing."""
    if not np.isfinite(values).all():
        raise trace.refused("one of its constants is not finite", "Loopwire reads finite numbers alone")
    return trace.call(Constant(name, np.asarray(values, np.float64)))


def constant_view(trace: Trace, values: Array, like: View) -> View:
    """Return a constant as a view with the axes of another: a vector, or a sequence of vectors, or several of these.

    Args:
        trace: of the graph.
        values: as many axes as the view has, the same numbers along that of the batch.
        like: what it meets; its steps and features may be as many, or others.

    Raises:
        UnsupportedError: the numbers differ from sequence to sequence.
    """
    for axis, kind in enumerate(like.axes):
        if kind in (Axis.BATCH, Axis.ONE, Axis.ROWS):
            first = values.take([0], axis)
            if not (values == first).all() or kind is Axis.ROWS:
                problem = f"its constant of shape {values.shape} differs along the axis of the {kind.value}"
                raise trace.refused(problem, "Give the same numbers for all sequences")
            values = first
    order = [axis for axis, kind in enumerate(like.axes) if kind is Axis.PARTS]
    order += [like.axes.index(kind) for kind in (Axis.STEPS, Axis.FEATURES) if kind in like.axes]
    values = values.transpose(order + [axis for axis in range(values.ndim) if axis not in order])
    values = values.reshape([values.shape[k] for k in range(len(order))])
    if Axis.FEATURES not in like.axes:
        values = values[..., np.newaxis]
    inner = values.ndim - len(like.parts.shape)
    parts = values.shape[: values.ndim - inner]
    name = f"{trace.place.name}_constant"
    wires = []
    for own in values.reshape(-1, *values.shape[values.ndim - inner :]):
        wire = constant_wire(trace, own.reshape(-1), name)
        if own.ndim == 2:
            wire = trace.call(Reshape(f"{name}_steps", (own.shape[0], own.shape[1])), wire)
        wires.append(wire)
    return replace(like, parts=array_of(wires, parts))
