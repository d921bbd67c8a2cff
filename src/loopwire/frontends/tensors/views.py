"""Tensors with a batch: which axis means what, and the operations that only move, split or join axes.

A `View` is one wire or an array of wires of one shape, which is to say an axis of parts: the states of several layers
that PyTorch and ONNX stack, what `chunk` or `stack` gives. Most operations change the view alone. An operand may also
be a constant, a numpy array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.frontends.input_shapes import MAX_STEPS
from loopwire.frontends.tensors.trace import Result, Step, Trace, Wire
from loopwire.layers.merge import Concatenate
from loopwire.layers.select import Slice
from loopwire.layers.shape import Flatten, RepeatVector, Reshape, Reversed

Array = npt.NDArray[Any]
LAYOUT_REMEDY = "Loopwire reads sequences (batch, steps, features), steps first too, and vectors (batch, features)"

MAX_CONSTANT = 1 << 26
"""Elements."""


class Axis(Enum):
    """What an axis means."""

    BATCH = "batch"
    STEPS = "steps"
    FEATURES = "features"
    PARTS = "parts"
    """Tensors beside one another."""
    ONE = "one"
    """Of length 1, without a meaning. Where a wire has one feature, FEATURES may be missing, and is one of these."""
    ROWS = "batch and steps"
    """Both in one axis, as `reshape(batch * steps, features)` makes them; so that layers act on each step."""


@dataclass(frozen=True, eq=False)
class View:
    """Wires in an array, with a dimension for each axis of PARTS, in their order; and the axes of the whole."""

    parts: Array
    axes: tuple[Axis, ...]
    batch: int
    rows: tuple[Axis, Axis] = (Axis.BATCH, Axis.STEPS)
    """The order in which ROWS holds both."""

    @property
    def wire_shape(self) -> tuple[int, ...]:
        """Of each wire: (T, F) or (F,)."""
        shape: tuple[int, ...] = self.parts.flat[0].shape
        return shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        parts = iter(self.parts.shape)
        lengths = {
            Axis.BATCH: self.batch,
            Axis.STEPS: self.wire_shape[0],
            Axis.FEATURES: self.wire_shape[-1],
            Axis.ONE: 1,
            Axis.ROWS: self.batch * self.wire_shape[0],
        }
        return tuple(next(parts) if axis is Axis.PARTS else lengths[axis] for axis in self.axes)

    @property
    def is_sequence(self) -> bool:
        """Whether its wires have steps."""
        return len(self.wire_shape) == 2

    def each(self, function: Callable[[Wire], Wire]) -> View:
        """Return the view of a function of each wire."""
        return replace(self, parts=array_of([function(wire) for wire in self.parts.flat], self.parts.shape))

    def part_axis(self, axis: int) -> int:
        """Return which dimension of `parts` an axis of PARTS is."""
        return self.axes[:axis].count(Axis.PARTS)


Operand = View | Array


def array_of(wires: Sequence[Wire], shape: Sequence[int]) -> Array:
    """Return wires in an array of this shape."""
    parts = np.empty(len(wires), object)
    parts[:] = wires
    return parts.reshape(tuple(shape))


def view_of(wire: Wire, axes: Sequence[Axis], batch: int) -> View:
    """Return the view of one wire."""
    return View(array_of([wire], ()), tuple(axes), batch)


def only_wire(trace: Trace, view: View) -> Wire:
    """Return the wire of a view of one.

    Raises:
        UnsupportedError: it has several parts.
    """
    if view.parts.size != 1:
        raise trace.refused(f"it takes {view.parts.size} tensors side by side as one", "Join them along the features")
    wire: Wire = view.parts.flat[0]
    return wire


def axis_of(trace: Trace, value: Operand, axis: int) -> int:
    """Return an axis counted from 0.

    Raises:
        UnsupportedError: there is none.
    """
    count = len(value.shape)
    if not -count <= axis < count:
        raise trace.refused(f"it names axis {axis} of a tensor of shape {value.shape}", "Save the model again")
    return axis % count


@contextmanager
def folding(trace: Trace) -> Iterator[None]:
    """Turn what numpy raises on constants that do not fit together into an error about the operation at work."""
    try:
        with np.errstate(all="ignore"):
            yield
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise trace.refused(f"its constants do not fit together ({error})", "Save the model again") from None


def check_size(trace: Trace, shape: Sequence[int]) -> None:
    """Refuse a constant that is larger than all weights may be."""
    if prod(shape) > MAX_CONSTANT:
        raise trace.refused(f"it makes a constant of shape {tuple(shape)}", f"At most {MAX_CONSTANT} elements are read")


def permute(trace: Trace, value: Operand, order: Sequence[int]) -> Operand:
    """Put the axes in another order."""
    order = [axis_of(trace, value, axis) for axis in order]
    if sorted(order) != list(range(len(value.shape))):
        raise trace.refused(f"it puts {len(value.shape)} axes in the order {order}", "Save the model again")
    if not isinstance(value, View):
        return np.transpose(value, order)
    parts = [value.part_axis(axis) for axis in order if value.axes[axis] is Axis.PARTS]
    return replace(value, parts=value.parts.transpose(parts), axes=tuple(value.axes[axis] for axis in order))


def unsqueeze(trace: Trace, value: Operand, axis: int) -> Operand:
    """Insert an axis of length 1."""
    count = len(value.shape) + 1
    if not -count <= axis < count:
        raise trace.refused(f"it inserts axis {axis} into a tensor of shape {value.shape}", "Save the model again")
    if not isinstance(value, View):
        return np.expand_dims(value, axis)
    axes = list(value.axes)
    axes.insert(axis % count, Axis.ONE)
    return replace(value, axes=tuple(axes))


def squeeze(trace: Trace, value: Operand, axes: Sequence[int] | None = None) -> Operand:
    """Remove these axes where they have length 1; all of that length if None."""
    shape = value.shape
    chosen = range(len(shape)) if axes is None else [axis_of(trace, value, axis) for axis in axes]
    gone = [axis for axis in chosen if shape[axis] == 1]
    if not isinstance(value, View):
        return value.squeeze(tuple(gone))
    for axis in sorted(gone, reverse=True):
        value = _without(trace, value, axis)
    return value


def select(trace: Trace, value: Operand, axis: int, index: int) -> Operand:
    """Take one place of an axis, which goes."""
    axis = axis_of(trace, value, axis)
    length = value.shape[axis]
    if not -length <= index < length:
        raise trace.refused(f"it takes place {index} of an axis of length {length}", "Save the model again")
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
            raise trace.refused(f"it takes place {index} of the axis of the {kind.value}", LAYOUT_REMEDY)


def take(trace: Trace, value: Operand, axis: int, places: Sequence[int]) -> Operand:
    """Take places of an axis, in this order, which may be a slice's or an index's.

    Raises:
        UnsupportedError: sequences or batches would be cut.
    """
    axis = axis_of(trace, value, axis)
    length = value.shape[axis]
    if any(not 0 <= place < length for place in places):
        raise trace.refused(f"it takes places beyond an axis of length {length}", "Save the model again")
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
    what = f"it takes {len(places)} of {length} places of the axis of the {kind.value}"
    raise trace.refused(what, "Take single steps, all of them in reverse order, or any features")


def features_of(trace: Trace, wire: Wire, places: Sequence[int]) -> Wire:
    """Return features of a wire, in this order: of what was joined along the features, the parts themselves."""
    key = ("features", wire, tuple(places))
    if key not in trace.memory:
        origins = [_origin(trace, wire, place) for place in places]
        ends = [k for k in range(1, len(origins)) if origins[k] != (origins[k - 1][0], origins[k - 1][1] + 1)]
        runs = [(*origins[start], stop - start) for start, stop in pairwise([0, *ends, len(origins)])]
        name = f"{trace.place.name}_part" if len(runs) > 1 else trace.place.name
        parts = [
            of if count == of.shape[-1] else trace.call(Slice(name, first, first + count), of)
            for of, first, count in runs
        ]
        trace.memory[key] = joined(trace, parts)
    result: Wire = trace.memory[key]
    return result


def _origin(trace: Trace, wire: Wire, place: int) -> tuple[Wire, int]:
    """Return which wire a feature is of, and which of its features, before wires were joined along them."""
    whole = wire.of if isinstance(wire, Step) else wire
    if not isinstance(whole, Result) or not isinstance(whole.layer, Concatenate):
        return wire, place
    for part in whole.inputs:
        if place < part.shape[-1]:
            return _origin(trace, trace.step(part, wire.step) if isinstance(wire, Step) else part, place)
        place -= part.shape[-1]
    raise AssertionError(f"{wire} has no feature {place}")


def places_of(length: int, start: int | None, stop: int | None, step: int = 1) -> list[int]:
    """Return the places that a slice takes of an axis, with Python's meaning of ends beyond it."""
    return list(range(length))[slice(start, stop, step)]


def flip(trace: Trace, value: Operand, axes: Sequence[int]) -> Operand:
    """Reverse axes."""
    for axis in axes:
        length = value.shape[axis_of(trace, value, axis)]
        value = take(trace, value, axis, range(length - 1, -1, -1))
    return value


def expand(trace: Trace, value: Operand, lengths: Sequence[int]) -> Operand:
    """Repeat along axes of length 1, and new ones in front; -1 leaves an axis as it is."""
    value = _padded(trace, value, len(lengths))
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


def reversed_steps(trace: Trace, wire: Wire, name: str = "") -> Wire:
    """Return a sequence in reverse order, by a layer named after this one or the operation."""
    if isinstance(wire, Result) and isinstance(wire.layer, Reversed):
        return wire.inputs[0]
    key = ("reversed", wire)
    if key not in trace.memory:
        trace.memory[key] = trace.call(Reversed(f"{name or trace.place.name}_reversed"), wire)
    result: Wire = trace.memory[key]
    return result


def concat(trace: Trace, values: Sequence[Operand], axis: int) -> Operand:
    """Join operands along an axis."""
    views = [value for value in values if isinstance(value, View)]
    if not views:
        with folding(trace):
            return np.concatenate([np.asarray(value) for value in values], axis)
    if len(views) < len(values):
        raise trace.refused("it joins tensors with constants", "Give constants as initial states or weights alone")
    axis = axis_of(trace, views[0], axis)
    if len(views) == 1:
        return views[0]
    if any(len(view.axes) != len(views[0].axes) for view in views):
        raise trace.refused(f"it joins tensors of shapes {[view.shape for view in views]}", LAYOUT_REMEDY)
    views = [with_features(view) for view in views]
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
    raise trace.refused(f"it joins tensors along the axis of the {kind.value}", "Join them along the features")


def stack(trace: Trace, values: Sequence[Operand], axis: int) -> Operand:
    """Put operands side by side along a new axis."""
    if all(not isinstance(value, View) for value in values):
        with folding(trace):
            return np.stack([np.asarray(value) for value in values], axis)
    if len(values) == 1:
        return unsqueeze(trace, values[0], axis)
    return concat(trace, [unsqueeze(trace, value, axis) for value in values], axis)


def joined(trace: Trace, wires: Sequence[Wire], name: str = "") -> Wire:
    """Return wires joined along their features, by a layer of this name or the operation's."""
    return wires[0] if len(wires) == 1 else trace.call(Concatenate(name or trace.place.name), *wires)


def reshape(trace: Trace, value: Operand, lengths: Sequence[int]) -> Operand:
    """Give the same elements other axes; one length may be -1."""
    size, known = prod(value.shape), prod(length for length in lengths if length != -1)
    wanted = [size // known if length == -1 and known else length for length in lengths]
    if prod(wanted) != size or min(wanted, default=1) < 1:
        raise trace.refused(f"it reshapes {value.shape} to {tuple(lengths)}", "Save the model again")
    if not isinstance(value, View):
        return value.reshape(wanted)
    groups = _groups(value.shape, wanted)
    if groups is None:
        raise trace.refused(f"it reshapes {value.shape} to {tuple(wanted)}, which mixes sequences", LAYOUT_REMEDY)
    placed: list[Axis | None] = [None] * len(wanted)
    for old, new in groups:  # from the last axis on, so that the numbers of those before it stay
        value, axes = _regrouped(trace, value, old, [wanted[axis] for axis in new])
        for axis, kind in zip(new, axes, strict=True):
            placed[axis] = kind
    return _with_ones(value, placed)


def with_features(view: View) -> View:
    """Return a view of wires of one feature with its axis, where that is the last one, of length 1."""
    if Axis.FEATURES in view.axes or view.wire_shape[-1] != 1 or not view.axes or view.axes[-1] is not Axis.ONE:
        return view
    return replace(view, axes=(*view.axes[:-1], Axis.FEATURES))


def _padded(trace: Trace, value: Operand, count: int) -> Operand:
    """Return an operand with axes of length 1 in front, up to `count`."""
    while len(value.shape) < count:
        value = unsqueeze(trace, value, 0)
    if len(value.shape) > count:
        raise trace.refused(f"it expands shape {value.shape} to fewer axes", "Save the model again")
    return value


def _without(trace: Trace, value: View, axis: int) -> View:
    """Return a view without an axis of length 1."""
    axes = value.axes[:axis] + value.axes[axis + 1 :]
    match value.axes[axis]:
        case Axis.STEPS:
            return replace(value.each(lambda wire: trace.step(wire, 0)), axes=axes)
        case Axis.PARTS:
            return replace(value, parts=np.asarray(value.parts.take(0, value.part_axis(axis)), object), axes=axes)
        case Axis.ROWS:
            raise trace.refused("it removes the axis of the batch and the steps", LAYOUT_REMEDY)
        case Axis.ONE | Axis.FEATURES | Axis.BATCH:
            return replace(value, axes=axes)


def _same_wires(trace: Trace, views: Sequence[View]) -> None:
    if len({view.wire_shape for view in views}) > 1:
        raise trace.refused(f"it puts tensors of shapes {[view.shape for view in views]} side by side", LAYOUT_REMEDY)


def _beside(trace: Trace, views: Sequence[View], axis: int) -> View:
    """Join views along an axis of length 1: steps of one sequence in their order are that, others are parts."""
    _same_wires(trace, views)
    if views[0].parts.size == 1:
        wires: list[Wire] = [view.parts.flat[0] for view in views]
        sequence = _sequence_of(trace, wires)
        if sequence is not None:
            axes = (*views[0].axes[:axis], Axis.STEPS, *views[0].axes[axis + 1 :])
            return replace(views[0], parts=array_of([sequence], views[0].parts.shape), axes=axes)
    at = views[0].part_axis(axis)
    parts = np.stack([view.parts for view in views], at)
    return replace(views[0], parts=parts, axes=(*views[0].axes[:axis], Axis.PARTS, *views[0].axes[axis + 1 :]))


def _sequence_of(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return the sequence whose steps these are, all of them in order or in reverse."""
    steps = [wire for wire in wires if isinstance(wire, Step)]
    if len(steps) < len(wires) or any(step.of is not steps[0].of for step in steps):
        return None
    sequence, order = steps[0].of, [step.step for step in steps]
    forward = list(range(sequence.shape[0]))
    if order == forward:
        return sequence
    return reversed_steps(trace, sequence) if order == forward[::-1] else None


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
    match kinds:
        case [kind] if joins:
            return value, [kind]
        case [*front, Axis.FEATURES] if front and set(front) <= {Axis.PARTS, Axis.STEPS} and joins:
            return _joined_parts(trace, value, old), [Axis.FEATURES]
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


def _joined_parts(trace: Trace, value: View, old: Sequence[int]) -> View:
    """Join axes of parts and steps with the features behind them, row-major."""
    kinds = [value.axes[axis] for axis in old]
    inner = [axis for axis in old if value.axes[axis] is Axis.PARTS]
    if Axis.STEPS in kinds and inner and min(inner) < old[kinds.index(Axis.STEPS)]:
        raise trace.refused("it joins several sequences one after the other", "Join them along the features")
    dims = [value.part_axis(axis) for axis in inner]
    kept = [dim for dim in range(value.parts.ndim) if dim not in dims]
    parts = value.parts.transpose([*kept, *dims])
    shape = [value.parts.shape[dim] for dim in kept]
    rows = parts.reshape(prod(shape), -1)
    wires = [joined(trace, list(row)) for row in rows]
    if Axis.STEPS in kinds:
        layer = Flatten(trace.place.name)
        wires = [trace.call(layer, wire) for wire in wires]
    return replace(value, parts=array_of(wires, shape))


def _with_ones(value: View, placed: Sequence[Axis | None]) -> View:
    """Give a view its axes: those placed, and at the places left, of length 1, the ones of that length that it had.

    The batch first, then the features; what finds no place is gone.
    """
    axes = [Axis.ONE if kind is None else kind for kind in placed]
    free = [place for place, kind in enumerate(placed) if kind is None]
    before = list(value.axes)
    if Axis.BATCH in before and Axis.BATCH not in axes and Axis.ROWS not in axes and free:
        axes[free.pop(0)] = Axis.BATCH
    if Axis.FEATURES in before and Axis.FEATURES not in axes and free:
        axes[free.pop()] = Axis.FEATURES
    dims = [length for length in value.parts.shape if length > 1]
    while sum(axis is Axis.PARTS for axis in axes) > len(dims):
        dims.append(1)
    return replace(value, parts=value.parts.reshape(dims), axes=tuple(axes))
