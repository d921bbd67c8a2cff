"""Other axes for the same elements: reshapes, and repetition along axes of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from loopwire.frontends.tensors.exchange import by_features
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import (
    LAYOUT_REMEDY,
    Axis,
    Operand,
    View,
    array_of,
    check_size,
    unsqueeze,
    with_features,
)
from loopwire.frontends.tensors.wires import features_of, flattened, joined, transposed
from loopwire.layers.dense import Dense
from loopwire.layers.model import MAX_STEPS
from loopwire.layers.shape import Flatten, RepeatVector, Reshape


def expand(trace: Trace, value: Operand, lengths: Sequence[int]) -> Operand:
    """Repeat along axes of length 1, and new ones in front; -1 leaves an axis as it is."""
    value = _padded(trace, value, len(lengths))
    value = with_features(value) if isinstance(value, View) else value
    wanted = [have if want == -1 else want for have, want in zip(value.shape, lengths, strict=True)]
    if not isinstance(value, View):
        check_size(trace, wanted)
        try:
            return np.broadcast_to(value, wanted)
        except ValueError:
            raise trace.refused(f"it expands shape {value.shape} to {tuple(wanted)}", "Save the model again") from None
    for axis, (have, want) in enumerate(zip(value.shape, wanted, strict=True)):
        if have == want:
            continue
        if have == 1 and value.axes[axis] is Axis.FEATURES:
            value = repeated_feature(trace, value, want)
            continue
        if have != 1 or value.axes[axis] is not Axis.ONE or value.is_sequence or Axis.STEPS in value.axes:
            raise trace.refused(f"it expands shape {value.shape} to {tuple(wanted)}", LAYOUT_REMEDY)
        value = repeated(trace, value, axis, want)
    return value


def repeated(trace: Trace, value: View, axis: int, count: int) -> View:
    """Let an axis of length 1 of vectors be that of `count` steps, all of them the same."""
    if count > MAX_STEPS:
        raise trace.refused(f"it repeats a vector {count} times", f"Give at most {MAX_STEPS} steps")
    layer = RepeatVector(trace.place.name, count)
    axes = (*value.axes[:axis], Axis.STEPS, *value.axes[axis + 1 :])
    return replace(value.each(lambda wire: trace.call(layer, wire)), axes=axes)


def repeated_feature(trace: Trace, value: View, count: int) -> View:
    """Give vectors of one feature `count` of them, all the same."""
    check_size(trace, [count, count])
    layer = Dense(f"{trace.place.name}_repeated", np.ones((count, 1)), np.zeros(count))
    return value.each(lambda wire: trace.call(layer, wire))


def reshape(trace: Trace, value: Operand, lengths: Sequence[int]) -> Operand:
    """Give the same elements other axes; one length may be -1."""
    size, known = prod(value.shape), prod(length for length in lengths if length != -1)
    wanted = [size // known if length == -1 and known else length for length in lengths]
    if prod(wanted) != size or min(wanted, default=1) < 1:
        raise trace.refused(f"it reshapes {value.shape} to {tuple(lengths)}", "Save the model again")
    if not isinstance(value, View):
        return value.reshape(wanted)
    grouped = _in_groups(trace, value, wanted)
    if grouped is not None:
        return grouped
    value = by_features(trace, value)
    groups = _groups(value.shape, wanted)
    if groups is None:
        raise trace.refused(f"it reshapes {value.shape} to {tuple(wanted)}, which mixes sequences", LAYOUT_REMEDY)
    placed: list[Axis | None] = [None] * len(wanted)
    for old, new in groups:  # from the last axis on, so that the numbers of those before it stay
        value, axes = _regrouped(trace, value, old, [wanted[axis] for axis in new])
        for axis, kind in zip(new, axes, strict=True):
            placed[axis] = kind
    return _with_ones(value, placed)


SIGNAL = (Axis.BATCH, Axis.FEATURES, Axis.STEPS)
GROUPS = (Axis.BATCH, Axis.PARTS, Axis.ELEMENTS)


def _in_groups(trace: Trace, value: View, wanted: Sequence[int]) -> View | None:
    """Return a signal (batch, features, steps) as (batch, groups, elements), or such groups as a signal; None if none.

    A group holds some of the features, in all steps.
    """
    if len(wanted) != 3 or wanted[0] != value.batch or tuple(wanted) == value.shape:
        return None
    if value.axes == SIGNAL and value.shape[1] % wanted[1] == 0:
        count = wanted[1]
        return replace(_parted(trace, value, 1, (count, value.shape[1] // count)), axes=GROUPS)
    steps, size = value.wire_shape if value.is_sequence else (0, 0)
    if value.axes == GROUPS and list(wanted[1:]) == [size * value.parts.size, steps]:
        return replace(value, parts=array_of([joined(trace, list(value.parts.flat))], ()), axes=SIGNAL)
    return None


def _padded(trace: Trace, value: Operand, count: int) -> Operand:
    """Return an operand with axes of length 1 in front, up to `count`."""
    while len(value.shape) < count:
        value = unsqueeze(trace, value, 0)
    if len(value.shape) > count:
        raise trace.refused(f"it expands shape {value.shape} to fewer axes", "Save the model again")
    return value


Group = tuple[list[int], list[int]]


def _groups(have: Sequence[int], want: Sequence[int]) -> list[Group] | None:
    """Return which axes longer than 1 become which, the last ones first; both sides of a group have one size."""
    old = [axis for axis, length in enumerate(have) if length > 1]
    new = [axis for axis, length in enumerate(want) if length > 1]
    groups: list[Group] = []
    while old or new:
        left, right = [old.pop()] if old else [], [new.pop()] if new else []
        while prod(have[axis] for axis in left) != prod(want[axis] for axis in right):
            shorter = prod(have[axis] for axis in left) < prod(want[axis] for axis in right)
            if not (old if shorter else new):
                return None
            (left if shorter else right).insert(0, (old if shorter else new).pop())
        groups.append((left, right))
    return groups


def _regrouped(trace: Trace, value: View, old: Sequence[int], lengths: Sequence[int]) -> tuple[View, list[Axis]]:
    """Let neighbouring axes have other lengths; return the view, whose own axes are not changed yet, and the new kinds.

    The view's wires are changed where axes are joined; `_with_ones` gives it its axes.
    """
    kinds = [value.axes[axis] for axis in old]
    joins = len(lengths) == 1
    rows = value.wire_shape[0] * value.batch
    match kinds:
        case [kind] if joins:
            return value, [kind]
        case [Axis.FEATURES] if len(lengths) == 2 and value.is_sequence:
            return _parted(trace, value, old[0], lengths), [Axis.PARTS, Axis.FEATURES]
        case [Axis.BATCH, Axis.FEATURES] if len(lengths) == 2 and lengths[0] % value.batch == 0 and value.is_sequence:
            heads = lengths[0] // value.batch, lengths[1]
            return _parted(trace, value, old[1], heads), [Axis.HEADS, Axis.FEATURES]
        case [Axis.BATCH, Axis.FEATURES] if joins and value.is_sequence:  # heads of one feature
            return _parted(trace, value, old[1], (value.wire_shape[-1], 1)), [Axis.HEADS]
        case [Axis.BATCH, Axis.PARTS] if joins:
            return value, [Axis.HEADS]
        case [Axis.HEADS] if len(lengths) == 2 and lengths[0] == value.batch and value.wire_shape[-1] == 1:
            return _joined_parts(trace, value, old), [Axis.BATCH, Axis.FEATURES]
        case [Axis.HEADS] if len(lengths) == 2 and lengths[0] == value.batch:
            return value, [Axis.BATCH, Axis.PARTS]
        case [Axis.STEPS, Axis.HEADS, *rest] if rest in ([Axis.FEATURES], []) and lengths[0] == rows:
            joined_heads = _joined_parts(trace, value, old[1:])
            return replace(joined_heads, rows=(Axis.STEPS, Axis.BATCH)), [Axis.ROWS, Axis.FEATURES]
        case [*front, Axis.FEATURES] if front and set(front) <= {Axis.PARTS, Axis.STEPS} and joins:
            return _joined_parts(trace, value, old), [Axis.FEATURES]
        case [Axis.FEATURES, Axis.STEPS] if joins:
            return value.each(lambda wire: flattened(trace, transposed(trace, wire))), [Axis.FEATURES]
        case [Axis.BATCH, Axis.STEPS] | [Axis.STEPS, Axis.BATCH] if joins:
            return replace(value, rows=(kinds[0], kinds[1])), [Axis.ROWS]
        case [Axis.ROWS] if [dict(zip(value.rows, lengths, strict=False)).get(a) for a in value.rows] == [
            {Axis.BATCH: value.batch, Axis.STEPS: value.wire_shape[0]}[a] for a in value.rows
        ]:
            return value, list(value.rows)
        case [Axis.FEATURES] if len(lengths) == 2 and not value.is_sequence:
            layer = Reshape(trace.place.name, (lengths[0], lengths[1]))
            return value.each(lambda wire: trace.call(layer, wire)), [Axis.STEPS, Axis.FEATURES]
        case [Axis.STEPS, Axis.FEATURES] if len(lengths) == 2:
            layer = Reshape(trace.place.name, (lengths[0], lengths[1]))
            return value.each(lambda wire: trace.call(layer, wire)), [Axis.STEPS, Axis.FEATURES]
        case [*_] if set(kinds) == {Axis.PARTS}:
            dims = list(value.parts.shape)
            first = value.part_axis(old[0])
            dims[first : first + len(old)] = lengths
            return replace(value, parts=value.parts.reshape(dims)), [Axis.PARTS] * len(lengths)
        case _:
            met = [f"{kind.value} of length {value.shape[axis]}" for kind, axis in zip(kinds, old, strict=True)]
            problem = f"it makes axes of lengths {list(lengths)} of {', '.join(met)}"
            raise trace.refused(problem, LAYOUT_REMEDY)


def _parted(trace: Trace, value: View, axis: int, lengths: Sequence[int]) -> View:
    """Cut the features of sequences into parts of one size, along a new dimension at an axis's place."""
    count, size = lengths
    places = [range(part * size, (part + 1) * size) for part in range(count)]
    wires = [features_of(trace, wire, own) for wire in value.parts.flat for own in places]
    parts = array_of(wires, (*value.parts.shape, count))
    return replace(value, parts=np.moveaxis(parts, -1, value.part_axis(axis)))


def _joined_parts(trace: Trace, value: View, old: Sequence[int]) -> View:
    """Join axes of parts and steps with the features behind them, row-major."""
    kinds = [value.axes[axis] for axis in old]
    inner = [axis for axis in old if value.axes[axis] in (Axis.PARTS, Axis.HEADS)]
    steps = old[kinds.index(Axis.STEPS)] if Axis.STEPS in kinds else None
    one_by_one = steps is not None and bool(inner) and max(inner) < steps
    if steps is not None and inner and not one_by_one and min(inner) < steps:
        raise trace.refused("it joins several sequences one after the other", "Join them along the features")
    dims = [value.part_axis(axis) for axis in inner]
    kept = [dim for dim in range(value.parts.ndim) if dim not in dims]
    parts = value.parts.transpose([*kept, *dims])
    shape = [value.parts.shape[dim] for dim in kept]
    rows = parts.reshape(prod(shape), -1)
    layer = Flatten(trace.place.name)
    if one_by_one:
        wires = [joined(trace, [trace.call(layer, wire) for wire in row]) for row in rows]
    else:
        wires = [joined(trace, list(row)) for row in rows]
        wires = [trace.call(layer, wire) for wire in wires] if steps is not None else wires
    return replace(value, parts=array_of(wires, shape))


def _with_ones(value: View, placed: Sequence[Axis | None]) -> View:
    """Give a view its axes: those placed, and at the places left, of length 1, the ones of that length that it had.

    The batch first, then the features; what finds no place is gone.
    """
    axes = [Axis.ONE if kind is None else kind for kind in placed]
    free = [place for place, kind in enumerate(placed) if kind is None]
    before = list(value.axes)
    if Axis.BATCH in before and not {Axis.BATCH, Axis.ROWS, Axis.HEADS} & set(axes) and free:
        axes[free.pop(0)] = Axis.BATCH
    if Axis.FEATURES in before and Axis.FEATURES not in axes and free:
        axes[free.pop()] = Axis.FEATURES
    dims = [length for length in value.parts.shape if length > 1]
    while sum(axis in (Axis.PARTS, Axis.HEADS) for axis in axes) > len(dims):
        dims.append(1)
    return replace(value, parts=value.parts.reshape(dims), axes=tuple(axes))
