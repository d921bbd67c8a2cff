"""Operators over windows of steps: convolutions and poolings of signals (batch, channels, places).

Ref: https://onnx.ai/onnx/operators/onnx__Conv.html, onnx__MaxPool.html, onnx__AveragePool.html.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwire.frontends.onnx.graph import Operation, Value
from loopwire.frontends.tensors.views import LAYOUT_REMEDY, Axis, View
from loopwire.layers.steps import ZeroPadding
from loopwire.layers.windows import AveragePooling, Convolution, MaxPooling, Window

SIGNAL_REMEDY = "Loopwire's windows are those of steps, of one axis"


def convolution(op: Operation) -> Sequence[Value]:
    """Conv, along one axis."""
    kernel = op.weights(1)
    if kernel.ndim != 3:
        raise op.refused(f"its kernel has shape {kernel.shape}", SIGNAL_REMEDY)
    x = _signal(op)
    bias = op.weights(2, kernel.shape[:1]) if op.has(2) else np.zeros(len(kernel))
    groups = op.attribute("group", 1)
    op.only("kernel_shape", [kernel.shape[2]])
    window, pads = _window(op, kernel.shape[2], x.wire_shape[0])
    if pads != (0, 0):
        padding = ZeroPadding(f"{op.name}_padded", *pads)
        x = x.each(lambda wire: op.trace.call(padding, wire))
    layer = Convolution(op.name, window, kernel.transpose(0, 2, 1), bias, groups)
    return [x.each(lambda wire: op.trace.call(layer, wire))]


def max_pool(op: Operation) -> Sequence[Value]:
    """MaxPool, along one axis; its second result, the places of the largest, is read by nothing."""
    op.attribute("storage_order")
    x, window = _pool(op)
    layer = MaxPooling(op.name, window)
    return [x.each(lambda wire: op.trace.call(layer, wire))]


def average_pool(op: Operation) -> Sequence[Value]:
    """AveragePool, along one axis."""
    includes = op.attribute("count_include_pad", 0)
    x, window = _pool(op)
    if includes and window.padding != "valid":
        raise op.refused("padded places count in its means", "Use count_include_pad=0")
    layer = AveragePooling(op.name, window)
    return [x.each(lambda wire: op.trace.call(layer, wire))]


def _pool(op: Operation) -> tuple[View, Window]:
    x, sizes = _signal(op), op.whole_numbers("kernel_shape") or []
    op.only("ceil_mode", 0)
    if len(sizes) != 1 or sizes[0] < 1:
        raise op.refused(f"its windows have shape {sizes}", SIGNAL_REMEDY)
    window, pads = _window(op, sizes[0], x.wire_shape[0])
    if pads != (0, 0):
        raise op.refused(f"it pads {pads[0]} and {pads[1]} places", "Pad as 'same' does, or not at all")
    return x, window


def _signal(op: Operation) -> View:
    """Return the first operand, whose axes must be the batch, the features and the steps."""
    x = op.view(0)
    middle = x.axes[1] if len(x.axes) == 3 else None
    is_one = middle is Axis.ONE and x.wire_shape[-1] == 1 and Axis.FEATURES not in x.axes
    if (middle is not Axis.FEATURES and not is_one) or x.axes[::2] != (Axis.BATCH, Axis.STEPS):
        kinds = ", ".join(axis.value for axis in x.axes)
        raise op.refused(f"it reads axes ({kinds}) where it expects (batch, features, steps)", LAYOUT_REMEDY)
    return View(x.parts, (Axis.BATCH, Axis.FEATURES, Axis.STEPS), x.batch)


def _window(op: Operation, size: int, steps: int) -> tuple[Window, tuple[int, int]]:
    """Return a window with Keras's padding where that is what is asked for, and else what is padded beside it."""
    (stride,), (dilation,) = (_one(op, key) for key in ("strides", "dilations"))
    pads = op.whole_numbers("pads") or [0, 0]
    automatic = op.attribute("auto_pad", "NOTSET")
    valid = Window(size, stride, dilation)
    same, causal = Window(size, stride, dilation, "same"), Window(size, stride, dilation, "causal")
    match automatic:
        case "NOTSET" | "VALID":
            before, behind = pads if len(pads) == 2 and automatic == "NOTSET" else (0, 0)
        case "SAME_UPPER":
            return same, (0, 0)
        case "SAME_LOWER":
            behind, before = same.pads(steps)
        case _:
            raise op.damaged(f"its auto_pad is {automatic!r}")
    if min(before, behind) < 0 or max(before, behind) > steps + valid.span:
        raise op.refused(f"it pads {before} and {behind} places of {steps}", "Pad with less than the window")
    if valid.count(steps + before + behind) < 1:
        raise op.refused(f"its window of {valid.span} is longer than its sequence of {steps}", "Use shorter windows")
    for window in (same, causal):
        if (before, behind) == window.pads(steps) and valid.count(steps + before + behind) == window.count(steps):
            return (window if before or behind else valid), (0, 0)
    return valid, (before, behind)


def _one(op: Operation, key: str) -> list[int]:
    numbers = op.whole_numbers(key) or [1]
    if len(numbers) != 1 or numbers[0] < 1:
        raise op.refused(f"its {key} are {numbers}", SIGNAL_REMEDY)
    return numbers
