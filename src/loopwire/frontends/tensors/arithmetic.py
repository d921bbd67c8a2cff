"""Operations that compute: products with weights, activations, sums and products of tensors and with constants."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from loopwire.frontends.tensors.constants import constant_view, is_state, state_view
from loopwire.frontends.tensors.exchange import alike, features_last
from loopwire.frontends.tensors.reshaping import repeated, repeated_feature
from loopwire.frontends.tensors.slicing import take
from loopwire.frontends.tensors.trace import Result, Trace, Wire
from loopwire.frontends.tensors.views import (
    LAYOUT_REMEDY,
    Array,
    Axis,
    Operand,
    View,
    array_of,
    axis_of,
    check_size,
    folding,
    unsqueeze,
    with_features,
)
from loopwire.frontends.tensors.wires import features_of, flattened, flattened_by_feature, joined
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.division import Divide, Reciprocal
from loopwire.layers.merge import Add, Maximum, Merge, Minimum, Multiply, Subtract
from loopwire.layers.model import Layer
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.prelu import PRelu
from loopwire.layers.roots import Elementwise, InverseSquareRoot, SquareRoot

MERGES: dict[str, type[Merge] | type[Divide]] = {
    "add": Add,
    "subtract": Subtract,
    "multiply": Multiply,
    "maximum": Maximum,
    "minimum": Minimum,
    "divide": Divide,
}
"""Operations of two tensors, by numpy's names."""
MOST_POWER = 4
MAGNITUDE = Function("relu", slope=-1.0)
"""max(x, 0) - min(x, 0)"""
Weights = npt.NDArray[np.float64]


def linear(trace: Trace, x: Operand, kernel: Array, bias: Array | None = None) -> Operand:
    """Return kernel x + bias for the last axis; kernel (m, n), bias (m,)."""
    bias = np.zeros(len(kernel)) if bias is None else bias
    if kernel.ndim != 2 or bias.shape != kernel.shape[:1] or x.shape[-1:] != kernel.shape[1:]:
        problem = f"its weights have shapes {kernel.shape} and {bias.shape}, its input {x.shape}"
        raise trace.refused(problem, "Multiply the last axis by a matrix")
    if not isinstance(x, View) and is_state(x):
        x = state_view(trace, x)
    if not isinstance(x, View):
        return np.asarray(x @ kernel.T + bias)
    x = features_last(trace, x)
    signals = [flattened_by_feature(wire) for wire in x.parts.flat]
    if signals[0] is not None and len({signal and signal.shape for signal in signals}) == 1:  # flattened step by step
        kernel = kernel.reshape(len(kernel), *signals[0].shape[::-1]).swapaxes(1, 2).reshape(kernel.shape)
        x = replace(x, parts=array_of([flattened(trace, signal) for signal in signals if signal], x.parts.shape))
    layer = trace.shared(Dense(trace.place.name, kernel, bias))
    return x.each(lambda wire: trace.call(layer, wire))


def activation(trace: Trace, x: Operand, function: Function) -> Operand:
    """Apply a function to each element; a softmax runs over the features, which are the last axis."""
    if not isinstance(x, View) and is_state(x):
        x = state_view(trace, x)
    if not isinstance(x, View):
        raise trace.refused("it applies an activation to a constant", "Compute constants before the model is saved")
    layer = Activation(trace.place.name, function)
    return x.each(lambda wire: trace.call(layer, wire))


def elementwise(trace: Trace, x: Operand, kind: type[Elementwise]) -> Operand:
    """Apply a root or a logarithm to each element."""
    if not isinstance(x, View):
        raise trace.refused("it is computed of a constant", "Compute constants before the model is saved")
    layer = kind(trace.place.name)
    return x.each(lambda wire: trace.call(layer, wire))


def power(trace: Trace, x: View, exponent: float) -> Operand:
    """Return x to the power of a multiple of 1/2, from -4 to 4."""
    if exponent == 0 or abs(exponent) > MOST_POWER or not float(2 * exponent).is_integer():
        raise trace.refused(f"it takes the power of {exponent:g}", "Take powers of multiples of 1/2 from -4 to 4")
    whole, half = divmod(abs(exponent), 1)
    if exponent == -0.5:
        return elementwise(trace, x, InverseSquareRoot)
    factors: list[Operand] = [*[x] * int(whole), *([elementwise(trace, x, SquareRoot)] if half else [])]
    product = reduce(lambda a, b: combine(trace, "multiply", a, b), factors)
    return divide(trace, np.asarray(1.0), product) if exponent < 0 else product


def softmax(trace: Trace, x: Operand, axis: int, function: str = "softmax") -> Operand:
    """Apply the softmax, or its logarithm, over the features or the steps."""
    x = with_features(x) if isinstance(x, View) else x
    if isinstance(x, View) and x.axes[axis_of(trace, x, axis)] is not Axis.FEATURES:
        kind = x.axes[axis_of(trace, x, axis)]
        if kind is Axis.STEPS:
            layer = OverSteps(trace.place.name, Function(function))
            return x.each(lambda wire: trace.call(layer, wire))
        if kind is Axis.PARTS:
            return _over_parts(trace, x, axis, Function(function))
        raise trace.refused(
            f"its softmax runs over the axis of the {kind.value}", "Run it over the features or the steps"
        )
    return activation(trace, x, Function(function))


def softmax_of_all(trace: Trace, x: View, axis: int, function: str) -> View:
    """Apply the softmax, or its logarithm, over all steps and features, the axes from one on."""
    kinds = [kind for kind, length in zip(x.axes[axis:], x.shape[axis:], strict=True) if length > 1]
    if set(kinds) != {Axis.STEPS, Axis.FEATURES}:
        problem = f"its softmax runs over all of the axes from {axis} on, of {x.shape}"
        raise trace.refused(problem, "Softmax over steps, features or both")
    layer = OverSteps(trace.place.name, Function(function), features=True)
    return x.each(lambda wire: trace.call(layer, wire))


def _over_parts(trace: Trace, x: View, axis: int, function: Function) -> View:
    """Apply a function of a vector to the elements that tensors side by side have in one place."""
    dim, size = x.part_axis(axis_of(trace, x, axis)), x.wire_shape[-1]
    columns = np.moveaxis(x.parts, dim, -1)
    count = columns.shape[-1]
    layer = Activation(trace.place.name, function)
    made: list[Wire] = []
    for row in columns.reshape(-1, count):
        whole = joined(trace, list(row))
        places = [features_of(trace, whole, range(place, count * size, size)) for place in range(size)]
        results = joined(trace, [trace.call(layer, place) for place in places])
        made += [features_of(trace, results, range(part, count * size, count)) for part in range(count)]
    return replace(x, parts=np.moveaxis(array_of(made, columns.shape), -1, dim))


def clamp(trace: Trace, x: View, low: float | None, high: float | None) -> Operand:
    """Bring each element into low…high; None is no bound."""
    if low is not None and high is not None and low >= high:
        raise trace.refused(f"it clamps to {low}…{high}", "Give it a lower bound below the upper one")
    if low == 0:
        return activation(trace, x, Function("relu", maximum=high))
    if (low, high) == (-1, 1):
        return activation(trace, x, Function("hard_tanh"))
    if low is None:
        return x if high is None else _at_most(trace, x, np.asarray(high))
    above = combine(trace, "subtract", x, np.asarray(low))
    assert isinstance(above, View)
    span = None if high is None else high - low
    return combine(trace, "add", activation(trace, above, Function("relu", maximum=span)), np.asarray(low))


def _at_most(trace: Trace, x: View, high: Array) -> Operand:
    """Return min(x, high) = high - max(high - x, 0)."""
    below = combine(trace, "subtract", high, x)
    return combine(trace, "subtract", high, activation(trace, below, Function("relu")))


def prelu(trace: Trace, x: View, slopes: Array) -> View:
    """Apply max(x, 0) + slope · min(x, 0), with a slope for each feature, or one for all."""
    if slopes.size == 1:
        layer: Layer = Activation(trace.place.name, Function("leaky_relu", slope=float(slopes.flat[0])))
    else:
        x = with_features(x)
        layer = PRelu(trace.place.name, per_feature(trace, x, slopes))
    return x.each(lambda wire: trace.call(layer, wire))


def gated(trace: Trace, x: Operand, axis: int) -> Operand:
    """Return a · σ(b) of the halves a and b of an axis (GLU).

    Ref: Dauphin et al. 2016, arXiv:1612.08083.
    """
    length = x.shape[axis_of(trace, x, axis)]
    if length % 2:
        raise trace.refused(f"it halves an axis of length {length}", "Give it an even one")
    a, b = take(trace, x, axis, range(length // 2)), take(trace, x, axis, range(length // 2, length))
    return combine(trace, "multiply", a, activation(trace, b, Function("sigmoid")))


def affine(trace: Trace, x: View, scale: Array, offset: Array) -> View:
    """Return scale x + offset, a number of each for every feature, or one for all."""
    size = x.wire_shape[-1]
    scale, offset = (np.broadcast_to(np.asarray(array, np.float64), (size,)) for array in (scale, offset))
    layer = BatchNormalization(trace.place.name, scale, offset)
    return x.each(lambda wire: trace.call(layer, wire))


def combine(trace: Trace, kind: str, a: Operand, b: Operand) -> Operand:
    """Return a + b and its like (`MERGES`), element by element; the shorter is repeated as numpy does."""
    if not isinstance(a, View) and not isinstance(b, View):
        return _folded(trace, kind, a, b)
    if isinstance(a, View) and isinstance(b, View):
        a, b = aligned(trace, a, b)
        if kind == "multiply" and a is b:
            return a.each(lambda wire: trace.call(Multiply(trace.place.name), wire, wire))
        layer = MERGES[kind](trace.place.name)
        pairs = zip(a.parts.flat, b.parts.flat, strict=True)
        return replace(a, parts=array_of([trace.call(layer, *pair) for pair in pairs], a.parts.shape))
    if isinstance(a, View) and not a.is_sequence and not isinstance(b, View) and is_state(b):
        return combine(trace, kind, a, state_view(trace, b))
    if isinstance(b, View) and not b.is_sequence and not isinstance(a, View) and is_state(a):
        return combine(trace, kind, state_view(trace, a), b)
    view, constant = (a, b) if isinstance(a, View) else (b, a)
    assert isinstance(view, View) and not isinstance(constant, View)
    return _with_constant(trace, kind, view, constant, view_first=view is a)


def _folded(trace: Trace, kind: str, a: Array, b: Array) -> Array:
    """Return the result of two constants."""
    check_joined(trace, a, b)
    with folding(trace):
        result = np.asarray(getattr(np, kind)(a, b))
    if not np.isfinite(result).all():
        raise trace.refused("one of its constants is not finite", "Loopwire reads finite numbers only")
    return result


def check_joined(trace: Trace, *constants: Array) -> None:
    """Refuse constants whose shapes do not fit together, or whose elements together are more than are read."""
    with folding(trace):
        shape = np.broadcast_shapes(*(array.shape for array in constants))
    check_size(trace, shape)


def divide(trace: Trace, a: Operand, b: Operand) -> Operand:
    """Return a / b; by a square root that is a product with its reciprocal, which is more exact."""
    if isinstance(b, View):
        roots = [wire.inputs[0] for wire in b.parts.flat if isinstance(wire, Result) and _is_root(wire)]
        if len(roots) == b.parts.size:
            below = replace(b, parts=array_of(roots, b.parts.shape))
            return combine(trace, "multiply", a, elementwise(trace, below, InverseSquareRoot))
        if isinstance(a, View):
            return combine(trace, "divide", a, b)
        layer = Reciprocal(trace.place.name)
        return combine(trace, "multiply", a, b.each(lambda wire: trace.call(layer, wire)))
    with folding(trace):
        inverse = 1 / np.asarray(b, np.float64)
    return combine(trace, "multiply", a, inverse)


def _is_root(wire: Result) -> bool:
    return isinstance(wire.layer, SquareRoot)


def _with_constant(trace: Trace, kind: str, view: View, constant: Array, view_first: bool) -> Operand:
    while constant.ndim > len(view.axes):
        view = _in_front(trace, view)
    view = with_features(view)
    constant = np.asarray(constant, np.float64)
    whole = _with_all_axes(trace, view, constant)
    along = {view.axes[axis] for axis in range(whole.ndim) if not (whole == whole.take([0], axis)).all()}
    if along & {Axis.STEPS, Axis.PARTS}:
        lengths = [1 if kind is Axis.BATCH else length for kind, length in zip(view.axes, view.shape, strict=True)]
        same = constant_view(trace, np.broadcast_to(whole, np.maximum(whole.shape, lengths)), view)
        return combine(trace, kind, *((view, same) if view_first else (same, view)))
    values = per_feature(trace, view, constant)
    if not np.isfinite(values).all():
        raise trace.refused("one of its constants is not finite", "Loopwire reads finite numbers only")
    match kind:
        case "add":
            return affine(trace, view, np.ones(()), values)
        case "subtract" if view_first:
            return affine(trace, view, np.ones(()), -values)
        case "subtract":
            return affine(trace, view, -np.ones(()), values)
        case "multiply":
            return affine(trace, view, values, np.zeros(()))
        case "maximum" if (values == 0).all():
            return activation(trace, view, Function("relu"))
        case "maximum":  # max(x, c) = max(x - c, 0) + c
            above = affine(trace, view, np.ones(()), -values)
            return combine(trace, "add", activation(trace, above, Function("relu")), values)
        case "minimum":
            return _at_most(trace, view, values)
        case other:
            raise AssertionError(f"{other} is not among {sorted(MERGES)}")


def per_feature(trace: Trace, view: View, constant: Array) -> Weights:
    """Return the numbers of a constant for each feature: the same for each sequence, step and part.

    Raises:
        UnsupportedError: they are not the same.
    """
    values = _with_all_axes(trace, view, constant)
    for axis in range(values.ndim):
        if view.axes[axis] is not Axis.FEATURES:
            first = values.take([0], axis)
            if not (values == first).all():
                kind = view.axes[axis].value
                problem = f"its constant of shape {constant.shape} differs along the axis of the {kind}"
                raise trace.refused(problem, "Give one number for each feature")
            values = first
    return values.reshape(-1)


def _with_all_axes(trace: Trace, view: View, constant: Array) -> Weights:
    """Return a constant with as many axes as a view, each of length 1 or as long."""
    values: Weights = constant.reshape((1,) * (len(view.axes) - constant.ndim) + constant.shape)
    fits = zip(values.shape, view.shape, strict=False)
    if values.ndim > len(view.axes) or any(length not in (1, wanted) for length, wanted in fits):
        raise trace.refused(f"it joins shape {view.shape} with a constant of shape {constant.shape}", LAYOUT_REMEDY)
    return values


def aligned(trace: Trace, a: View, b: View) -> tuple[View, View]:
    """Return two views of the same axes, repeated where one of them has none."""
    refused = trace.refused(f"it joins tensors of shapes {a.shape} and {b.shape}", LAYOUT_REMEDY)
    while len(a.axes) < len(b.axes):
        a = _in_front(trace, a)
    while len(b.axes) < len(a.axes):
        b = _in_front(trace, b)
    a, b = alike(trace, [with_features(a), with_features(b)])
    for axis in range(len(a.axes)):
        if a.axes[axis] is not b.axes[axis] or a.shape[axis] != b.shape[axis]:
            a, b = _repeated_along(trace, a, b, axis), _repeated_along(trace, b, a, axis)
    if a.axes != b.axes or a.parts.shape != b.parts.shape or a.wire_shape != b.wire_shape:
        raise refused
    return a, b


def _in_front(trace: Trace, view: View) -> View:
    result = unsqueeze(trace, view, 0)
    assert isinstance(result, View)
    return result


def _repeated_along(trace: Trace, view: View, other: View, axis: int) -> View:
    """Return a view with an axis of length 1 as long as another's, where it may be."""
    length, kind = other.shape[axis], other.axes[axis]
    if view.shape[axis] != 1:
        return view
    if kind is Axis.STEPS and not view.is_sequence and view.axes[axis] is Axis.ONE:
        return repeated(trace, view, axis, length)
    if kind is Axis.PARTS and view.axes[axis] is Axis.ONE:
        at = view.part_axis(axis)
        parts = np.repeat(np.expand_dims(view.parts, at), length, at)
        return replace(view, parts=parts, axes=(*view.axes[:axis], kind, *view.axes[axis + 1 :]))
    if kind is Axis.FEATURES and view.axes[axis] is Axis.FEATURES:
        return repeated_feature(trace, view, length)
    if view.axes[axis] is Axis.BATCH and kind is Axis.ONE and view.batch == 1:
        return view
    if view.axes[axis] is Axis.ONE and kind is Axis.BATCH and view.batch == 1:
        return replace(view, axes=(*view.axes[:axis], kind, *view.axes[axis + 1 :]))
    return view
