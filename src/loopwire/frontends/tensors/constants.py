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
        raise trace.refused("one of its constants is not finite", "Loopwire reads finite numbers only")
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


def is_state(constant: Array) -> bool:
    """Return whether a constant is the same vector for each sequence, such as the zeros that a loop begins with.

    It was made so, by repetition: a weight of such a shape has its own number for each element.
    """
    first, *others = constant.strides or (1,)
    return constant.ndim > 1 and constant.size > 1 and first == 0 and (constant.shape[0] > 1 or not any(others))


def state_view(trace: Trace, constant: Array) -> View:
    """Return a constant vector for each sequence, (…, batch, n) or (n,), as a view; of one array the same each time."""
    key = ("state", id(constant))
    if key not in trace.memory:
        axes = [Axis.ONE] * (constant.ndim - 1) + [Axis.FEATURES]
        along = [axis for axis in range(constant.ndim - 1) if constant.shape[axis] == trace.batch]
        if along:
            axes[along[-1]] = Axis.BATCH
        values = constant.reshape(-1, constant.shape[-1] if constant.ndim else 1)
        if any(kind is Axis.ONE and length > 1 for kind, length in zip(axes, constant.shape, strict=False)):
            raise trace.refused(f"a constant of shape {constant.shape} is not a vector of a sequence", "Give one")
        if not (values == values[0]).all():
            problem = f"a constant of shape {constant.shape} is not the same for all sequences"
            raise trace.refused(problem, "Give the same numbers for all sequences")
        wire = constant_wire(trace, np.asarray(values[0], np.float64), f"{trace.place.name}_constant")
        trace.memory[key] = constant, View(array_of([wire], ()), tuple(axes), trace.batch)
    view: View = trace.memory[key][1]
    return view


def vectors_of(trace: Trace, constant: Array | None, size: int) -> View:
    """Return a constant state as a view, None being zeros."""
    if constant is not None:
        return state_view(trace, constant)
    key = ("zeros", size)
    if key not in trace.memory:
        trace.memory[key] = np.zeros(size)
    return state_view(trace, trace.memory[key])
