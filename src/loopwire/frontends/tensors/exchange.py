"""Steps and features exchanged: what works along the steps where Loopwire's layers work along the features.

Whether it is the steps that a graph works along depends on what its inputs' axes mean: a layout in which it is the
features is the likelier one. So this is done for graphs alone that make no sense in any layout without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Axis, Operand, View, array_of, axis_of, permute, with_features
from loopwire.frontends.tensors.wires import features_of, flattened, joined, transposed

OTHER = {Axis.STEPS: Axis.FEATURES, Axis.FEATURES: Axis.STEPS}


class ExchangeError(UnsupportedError):
    """Work along the steps, in a layout that does not exchange them with the features."""


def require_exchanges(trace: Trace, kind: Axis, length: int) -> None:
    """Go on only where work along this axis, of the steps, is to be read.

    Raises:
        ExchangeError: it is not: another layout may be the right one.
    """
    if not trace.exchanges:
        problem = f"it works along the axis of the {kind.value}, of length {length}"
        raise ExchangeError(trace.place.where, problem, "Loopwire's layers work along the features")


def exchanged(trace: Trace, x: View) -> View:
    """Return a view of sequences whose features are the steps of another, and its steps the features.

    Where the features have no axis, as they are one, the steps become those of a vector.

    Raises:
        ExchangeError: it is not to be done.
    """
    require_exchanges(trace, Axis.STEPS, x.wire_shape[0])
    change = transposed if Axis.FEATURES in x.axes else flattened
    return replace(x.each(lambda wire: change(trace, wire)), axes=tuple(OTHER.get(kind, kind) for kind in x.axes))


def features_last(trace: Trace, x: View) -> View:
    """Return a view whose last axis is that of the features.

    Raises:
        UnsupportedError: it is another one.
    """
    x = by_features(trace, with_features(x))
    if x.axes[-1:] == (Axis.STEPS,):
        return exchanged(trace, x)
    if x.axes[-1:] != (Axis.FEATURES,):
        kind = x.axes[-1].value if x.axes else "batch"
        problem = f"it works along the axis of the {kind}, of length {x.shape[-1] if x.axes else 1}"
        raise trace.refused(problem, "Loopwire's layers work along the features")
    return x


def by_features(trace: Trace, x: View) -> View:
    """Return a view whose features are all ELEMENTS, where it has these, or the parts of its last axis, of one each."""
    if x.axes[-1:] == (Axis.PARTS,) and Axis.FEATURES not in x.axes and x.wire_shape[-1] == 1:
        kept = x.parts.shape[:-1]
        rows = x.parts.reshape(-1, x.parts.shape[-1])
        parts = array_of([joined(trace, list(row)) for row in rows], kept)
        return replace(x, parts=parts, axes=(*x.axes[:-1], Axis.FEATURES))
    if Axis.ELEMENTS not in x.axes:
        return x
    axes = tuple(Axis.FEATURES if kind is Axis.ELEMENTS else kind for kind in x.axes)
    return replace(x.each(lambda wire: flattened(trace, transposed(trace, wire))), axes=axes)


def along(trace: Trace, x: View, axis: int, function: Callable[[View], Operand]) -> Operand:
    """Return what a function of views whose features are the last axis makes along another one, its axes as before."""
    axis = axis_of(trace, x, axis)
    order = [*(k for k in range(len(x.axes)) if k != axis), axis]
    turned = permute(trace, x, order)
    assert isinstance(turned, View)
    return permute(trace, function(features_last(trace, turned)), np.argsort(order).tolist())


def alike(trace: Trace, views: Sequence[View]) -> list[View]:
    """Return views with axes in the order of the first one's, where exchanging steps and features makes them so."""
    first = views[0]
    turned = tuple(OTHER.get(kind, kind) for kind in first.axes)
    both = {Axis.STEPS, Axis.FEATURES} <= set(first.axes)
    return [exchanged(trace, view) if both and view.axes == turned else view for view in views]


def heads_of_one(trace: Trace, x: View) -> View:
    """Return a view of sequences (features, steps, 1), or its last two axes turned, as heads of one feature each."""
    places = [axis for axis, length in enumerate(x.shape) if axis >= len(x.axes) - 2 and length == 1]
    if x.axes[-1:] == (Axis.FEATURES,) or len(places) != 1 or Axis.FEATURES not in x.axes[:-2] or x.wire_shape[-1] < 2:
        return x
    heads = x.axes.index(Axis.FEATURES)
    wires = [features_of(trace, wire, [k]) for wire in x.parts.flat for k in range(x.wire_shape[-1])]
    parts = np.moveaxis(array_of(wires, (*x.parts.shape, x.wire_shape[-1])), -1, x.part_axis(heads))
    axes = list(x.axes)
    axes[heads], axes[places[0]] = Axis.PARTS, Axis.FEATURES
    return replace(x, parts=parts, axes=tuple(axes))
