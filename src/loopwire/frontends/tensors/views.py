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
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.frontends.tensors.trace import Trace, Wire

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
    HEADS = "batch and parts"
    """Both in one axis, the batch first, as PyTorch's attention makes them of its heads."""
    ROWS = "batch and steps"
    """Both in one axis, as `reshape(batch * steps, features)` makes them; so that layers act on each step."""
    ELEMENTS = "features and steps"
    """Both in one axis, the features first, as a normalisation of groups of them is exported."""


@dataclass(frozen=True, eq=False)
class View:
    """Wires in an array, a dimension for each axis of PARTS or HEADS, in their order; and the axes of the whole."""

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
            Axis.ELEMENTS: prod(self.wire_shape),
        }
        of_parts = {Axis.PARTS: 1, Axis.HEADS: self.batch}
        return tuple(of_parts[axis] * next(parts) if axis in of_parts else lengths[axis] for axis in self.axes)

    @property
    def is_sequence(self) -> bool:
        """Whether its wires have steps."""
        return len(self.wire_shape) == 2

    def each(self, function: Callable[[Wire], Wire]) -> View:
        """Return the view of a function of each wire."""
        return replace(self, parts=array_of([function(wire) for wire in self.parts.flat], self.parts.shape))

    def part_axis(self, axis: int) -> int:
        """Return which dimension of `parts` an axis of PARTS, or of HEADS, is."""
        return sum(kind in (Axis.PARTS, Axis.HEADS) for kind in self.axes[:axis])


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
    parts = [value.part_axis(axis) for axis in order if value.axes[axis] in (Axis.PARTS, Axis.HEADS)]
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


def with_features(view: View, axis: int = -1) -> View:
    """Return a view of wires of one feature with its axis, where that is this one, of length 1."""
    few = -len(view.axes) <= axis < len(view.axes)
    if Axis.FEATURES in view.axes or view.wire_shape[-1] != 1 or not few or view.axes[axis] is not Axis.ONE:
        return view
    axes = list(view.axes)
    axes[axis] = Axis.FEATURES
    return replace(view, axes=tuple(axes))


def _without(trace: Trace, value: View, axis: int) -> View:
    """Return a view without an axis of length 1."""
    axes = value.axes[:axis] + value.axes[axis + 1 :]
    match value.axes[axis]:
        case Axis.STEPS:
            return replace(value.each(lambda wire: trace.step(wire, 0)), axes=axes)
        case Axis.PARTS:
            return replace(value, parts=np.asarray(value.parts.take(0, value.part_axis(axis)), object), axes=axes)
        case Axis.ROWS | Axis.HEADS | Axis.ELEMENTS as kind:
            raise trace.refused(f"it removes the axis of the {kind.value}", LAYOUT_REMEDY)
        case Axis.ONE | Axis.FEATURES | Axis.BATCH:
            return replace(value, axes=axes)
