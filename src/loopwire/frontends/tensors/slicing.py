"""Places of an axis: single ones, slices, lists of them, zeros beyond its ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import (
    LAYOUT_REMEDY,
    Axis,
    Operand,
    View,
    _without,
    axis_of,
    check_size,
    squeeze,
    unsqueeze,
)
from loopwire.frontends.tensors.wires import features_of, reversed_steps, selected_steps
from loopwire.layers.model import MAX_STEPS
from loopwire.layers.steps import ZEROS


def select(trace: Trace, value: Operand, axis: int, index: int) -> Operand:
    """Take one place of an axis, which goes."""
    axis = axis_of(trace, value, axis)
    length = value.shape[axis]
    if not -length <= index < length:
        raise trace.refused(f"it selects position {index} of an axis of length {length}", "Save the model again")
    index %= length
    if not isinstance(value, View):
        return np.asarray(value.take(index, axis))
    axes = value.axes[:axis] + value.axes[axis + 1 :]
    match value.axes[axis]:
        case Axis.PARTS:
            parts = np.asarray(value.parts.take(index, value.part_axis(axis)), object)
            return replace(value, parts=parts, axes=axes)
        case Axis.STEPS:
            return replace(value.each(lambda wire: trace.step(wire, index)), axes=axes)
        case Axis.FEATURES if length > 1:
            return squeeze(trace, take(trace, value, axis, [index]), [axis])
        case _ if length == 1:
            return _without(trace, value, axis)
        case kind:
            raise trace.refused(f"it selects position {index} of the axis of the {kind.value}", LAYOUT_REMEDY)


def take(trace: Trace, value: Operand, axis: int, places: Sequence[int]) -> Operand:
    """Take places of an axis, in this order, which may be a slice's or an index's.

    Raises:
        UnsupportedError: sequences or batches would be cut.
    """
    axis = axis_of(trace, value, axis)
    length = value.shape[axis]
    if any(not 0 <= place < length for place in places):
        raise trace.refused(f"it selects positions beyond an axis of length {length}", "Save the model again")
    if not isinstance(value, View):
        return np.asarray(value.take(list(places), axis))
    if list(places) == list(range(length)):
        return value
    kind = value.axes[axis]
    if kind is Axis.PARTS and places:
        return replace(value, parts=value.parts.take(list(places), value.part_axis(axis)))
    if kind is Axis.FEATURES and places:
        return value.each(lambda wire: features_of(trace, wire, places))
    if kind is Axis.STEPS and len(places) == 1:
        return unsqueeze(trace, select(trace, value, axis, places[0]), axis)
    if kind is Axis.STEPS and list(places) == list(range(length))[::-1]:
        return value.each(lambda wire: reversed_steps(trace, wire))
    if kind is Axis.STEPS and 0 < len(places) <= MAX_STEPS:
        return value.each(lambda wire: selected_steps(trace, wire, tuple(places)))
    what = f"it selects {len(places)} of {length} positions of the axis of the {kind.value}"
    raise trace.refused(what, "Take steps or features, and at least one")


def places_of(length: int, start: int | None, stop: int | None, step: int = 1) -> list[int]:
    """Return the places that a slice takes of an axis, with Python's meaning of ends beyond it."""
    return list(range(length))[slice(start, stop, step)]


def flip(trace: Trace, value: Operand, axes: Sequence[int]) -> Operand:
    """Reverse axes."""
    for axis in axes:
        length = value.shape[axis_of(trace, value, axis)]
        value = take(trace, value, axis, range(length - 1, -1, -1))
    return value


def pad(trace: Trace, value: Operand, axis: int, before: int, behind: int, fill: float = 0.0) -> Operand:
    """Lengthen an axis at its ends, where it is cut instead if a length is negative; a sequence by steps of zeros."""
    length = value.shape[axis_of(trace, value, axis)]
    if min(before, behind) < 0:
        value = take(trace, value, axis, range(max(-before, 0), length - max(-behind, 0)))
        before, behind = max(before, 0), max(behind, 0)
    if not before and not behind:
        return value
    axis = axis_of(trace, value, axis)
    if not isinstance(value, View):
        check_size(trace, [*value.shape, before + behind + 1])
        return np.pad(
            value, [(before, behind) if k == axis else (0, 0) for k in range(value.ndim)], constant_values=fill
        )
    kind = value.axes[axis]
    if kind is not Axis.STEPS or fill or before + behind > MAX_STEPS:
        problem = f"it pads the axis of the {kind.value} with {before + behind} elements of {fill}"
        raise trace.refused(problem, "Pad sequences with steps of zeros")
    places = (*[ZEROS] * before, *range(value.wire_shape[0]), *[ZEROS] * behind)
    return value.each(lambda wire: selected_steps(trace, wire, places))


def _mirrored(length: int, before: int, behind: int) -> list[int]:
    return [*range(before, 0, -1), *range(length), *range(length - 2, length - 2 - behind, -1)]


PADDINGS: Mapping[str, Callable[[int, int, int], list[int]]] = {
    "edge": lambda length, before, behind: [0] * before + [*range(length)] + [length - 1] * behind,
    "reflect": _mirrored,
    "wrap": lambda length, before, behind: [k % length for k in range(-before, length + behind)],
}
"""The places of an axis that a longer one has instead of zeros, by the names of numpy and ONNX."""


def pad_with_own(trace: Trace, value: Operand, axis: int, before: int, behind: int, mode: str) -> Operand:
    """Lengthen an axis at its ends by elements of its own, chosen as one of `PADDINGS`."""
    length = value.shape[axis_of(trace, value, axis)]
    if max(before, behind) > MAX_STEPS:
        problem = f"it pads an axis of length {length} by {before} and {behind}"
        raise trace.refused(problem, f"Pad by at most {MAX_STEPS}")
    return take(trace, value, axis, PADDINGS[mode](length, before, behind))
