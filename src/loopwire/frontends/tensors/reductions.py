"""Reductions over axes: means, sums, extremes, lengths and the like of steps, features, or tensors side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from math import prod

import numpy as np

from loopwire.frontends.tensors.arithmetic import MAGNITUDE, activation, combine, linear, softmax
from loopwire.frontends.tensors.exchange import along
from loopwire.frontends.tensors.slicing import select
from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import (
    Axis,
    Operand,
    View,
    array_of,
    axis_of,
    check_size,
    folding,
    squeeze,
    unsqueeze,
    with_features,
)
from loopwire.frontends.tensors.wires import features_of, flattened, transposed
from loopwire.layers.dense import Dense
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling, GlobalSum
from loopwire.layers.merge import Add, Average, Maximum, Merge
from loopwire.layers.model import Layer
from loopwire.layers.roots import EuclideanNorm
from loopwire.layers.running_sum import RunningSum

POOLINGS: dict[type[Merge], Callable[[str], Layer]] = {
    Add: GlobalSum,
    Average: GlobalAveragePooling,
    Maximum: GlobalMaxPooling,
}
"""What does to the steps of a sequence what a merging layer does to tensors side by side."""
MOST_MERGED = 64
"""Features of which the largest is taken; numbers that are multiplied."""


def mean(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the mean over axes: of steps, features, or tensors side by side."""
    if not isinstance(x, View):
        with folding(trace):
            return np.asarray(x.mean(tuple(axes), keepdims=keep))
    return _reduced(trace, x, axes, keep, Average)


def total(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the sum over axes: of steps, features, or tensors side by side."""
    if not isinstance(x, View):
        with folding(trace):
            return np.asarray(x.sum(tuple(axes), keepdims=keep))
    return _reduced(trace, x, axes, keep, Add)


def running_total(trace: Trace, x: View, axis: int) -> Operand:
    """Return the sums of what an axis holds up to each place: of steps, or of features."""
    x = with_features(x, axis)
    if x.axes[axis_of(trace, x, axis)] is Axis.STEPS:
        layer = trace.shared(RunningSum(trace.place.name))
        return x.each(lambda wire: trace.call(layer, wire))
    check_size(trace, [x.shape[axis]] * 2)
    ones = np.tri(x.shape[axis])
    return along(trace, x, axis, lambda turned: linear(trace, turned, ones))


def largest(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the largest over axes: of steps, features, or tensors side by side."""
    if not isinstance(x, View):
        with folding(trace):
            return np.asarray(x.max(tuple(axes), keepdims=keep))
    return _reduced(trace, x, axes, keep, Maximum)


def smallest(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the smallest over axes, -max(-x)."""
    opposite = combine(trace, "multiply", x, np.asarray(-1.0))
    return combine(trace, "multiply", largest(trace, opposite, axes, keep), np.asarray(-1.0))


def length(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the root of the sum of squares over axes: of features in one, of other axes from their results."""
    if not isinstance(x, View):
        with folding(trace):
            return np.asarray(np.sqrt((x * x).sum(tuple(axes), keepdims=keep)))
    return _one_by_one(trace, x, axes, keep, _length)


def log_sum_exp(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return log Σ exp(x) over axes: the largest x less the largest of their softmax's logarithm."""

    def along(trace: Trace, x: View, axis: int) -> View:
        shares = softmax(trace, x, axis, "log_softmax")
        return _view(combine(trace, "subtract", largest(trace, x, [axis], True), largest(trace, shares, [axis], True)))

    if not isinstance(x, View):
        with folding(trace):
            return np.asarray(np.log(np.exp(x).sum(tuple(axes), keepdims=keep)))
    return _one_by_one(trace, x, axes, keep, along)


def product(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the product over axes: of steps, features, or tensors side by side."""
    if not isinstance(x, View):
        with folding(trace):
            return np.asarray(x.prod(tuple(axes), keepdims=keep))
    return _one_by_one(trace, x, axes, keep, _product)


def variance(trace: Trace, x: Operand, axes: Sequence[int], keep: bool, fewer: float = 1.0) -> Operand:
    """Return the sum of squared differences to the mean over axes, divided by how many less `fewer`."""
    count = prod(x.shape[axis] for axis in {axis_of(trace, x, axis) for axis in axes})
    if count <= fewer:
        raise trace.refused(f"it takes the variance of {count} numbers", "Take that of two or more")
    centred = combine(trace, "subtract", x, mean(trace, x, axes, True))
    squares = combine(trace, "multiply", centred, centred)
    average = mean(trace, squares, axes, keep)
    return combine(trace, "multiply", average, np.asarray(count / (count - fewer))) if fewer else average


def _one_by_one(
    trace: Trace, x: View, axes: Sequence[int], keep: bool, function: Callable[[Trace, View, int], View]
) -> View:
    """Reduce axes one after another, from the last, by a function that leaves each with a length of 1."""
    chosen = sorted({axis_of(trace, x, axis) for axis in axes}, reverse=True)
    for axis in chosen:
        if x.shape[axis] > 1 or function is _length:
            x = function(trace, with_features(x), axis)
    return x if keep else _view(squeeze(trace, x, chosen))


def _length(trace: Trace, x: View, axis: int) -> View:
    layer = EuclideanNorm(trace.place.name)

    def of_features(wire: Wire) -> Wire:
        return trace.call(layer, wire)

    def of_steps(wire: Wire) -> Wire:
        return flattened(trace, trace.call(layer, transposed(trace, wire)))

    kind = x.axes[axis]
    if kind is Axis.FEATURES:
        return x.each(of_features)
    if kind is Axis.STEPS:
        return replace(x.each(of_steps), axes=(*x.axes[:axis], Axis.ONE, *x.axes[axis + 1 :]))
    if kind is Axis.ONE:
        return _view(activation(trace, x, MAGNITUDE))
    raise trace.refused(f"it takes a length along the axis of the {kind.value}", "Take that of features or steps")


def _product(trace: Trace, x: View, axis: int) -> View:
    length = x.shape[axis]
    if length > MOST_MERGED:
        raise trace.refused(f"it takes the product of {length} numbers", f"Multiply at most {MOST_MERGED}")
    places = [select(trace, x, axis, place) for place in range(length)]
    result = reduce(lambda a, b: combine(trace, "multiply", a, b), places)
    return _view(unsqueeze(trace, result, axis))


def _view(value: Operand) -> View:
    assert isinstance(value, View)
    return value


def _reduced(trace: Trace, x: View, axes: Sequence[int], keep: bool, merge: type[Merge]) -> Operand:
    chosen = sorted({axis_of(trace, x, axis) for axis in axes}, reverse=True)
    for axis in chosen:
        x = _reduced_axis(trace, x, axis, merge)
    if keep:
        return x
    kept = tuple(kind for axis, kind in enumerate(x.axes) if axis not in chosen)
    return replace(x, axes=kept)


def _reduced_axis(trace: Trace, x: View, axis: int, merge: type[Merge]) -> View:
    """Return a view whose axis is one of length 1, without a meaning."""
    kind, length = x.axes[axis], x.shape[axis]
    axes = (*x.axes[:axis], Axis.ONE, *x.axes[axis + 1 :])
    if kind is Axis.PARTS:
        dim = x.part_axis(axis)
        columns = np.moveaxis(x.parts, dim, -1)
        layer = merge(trace.place.name)
        rows = columns.reshape(-1, length)
        wires = [row[0] if length == 1 else trace.call(layer, *row) for row in rows]
        return replace(x, parts=array_of(wires, columns.shape[:-1]), axes=axes)
    if kind is Axis.FEATURES and merge is Maximum and 1 < length <= MOST_MERGED:
        layer = Maximum(trace.place.name)
        elements = [[features_of(trace, wire, [k]) for k in range(length)] for wire in x.parts.flat]
        return replace(x, parts=array_of([trace.call(layer, *row) for row in elements], x.parts.shape), axes=axes)
    if kind is Axis.FEATURES and merge is not Maximum:
        share = 1 / length if merge is Average else 1.0
        dense = Dense(trace.place.name, np.full((1, length), share), np.zeros(1))
        return replace(x.each(lambda wire: trace.call(dense, wire)), axes=axes)
    if length == 1 and kind in (Axis.ONE, Axis.FEATURES):
        return replace(x, axes=axes)
    if kind is Axis.STEPS:
        pooling = POOLINGS[merge](trace.place.name)
        return replace(x.each(lambda wire: trace.call(pooling, wire)), axes=axes)
    what = {Add: "sums", Average: "takes the mean of", Maximum: "takes the largest of"}[merge]
    raise trace.refused(f"it {what} the axis of the {kind.value}", "Reduce steps, features or tensors side by side")
