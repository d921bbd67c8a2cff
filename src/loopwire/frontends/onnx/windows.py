"""ONNX's convolutions and poolings: of signals (batch, features, steps), with axes of length 1 between.

Ref: https://onnx.ai/onnx/operators, each operator's page, for every version from opset 7 on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loopwire.frontends.onnx.graph import Operation, Value
from loopwire.frontends.tensors import views, windows
from loopwire.frontends.tensors.views import Axis, View
from loopwire.layers.windows import Window

PADDINGS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def convolution(op: Operation) -> Sequence[Value]:
    """Conv along one axis."""
    kernel = op.weights(1)
    signal, place, ones = _signal(op, op.view(0))
    if kernel.ndim != len(signal.shape) + len(ones) or any(kernel.shape[2 + k] != 1 for k in ones):
        raise op.refused(f"its kernel has shape {kernel.shape}", "Convolve along one axis, the steps")
    kernel = kernel.squeeze(tuple(2 + k for k in ones))
    if op.attribute("kernel_shape", [kernel.shape[2]] * (1 + len(ones)))[place] != kernel.shape[2]:
        raise op.damaged("its kernel's shape is not its kernel_shape")
    window, _ = _window(op, kernel.shape[2], place, 1 + len(ones), signal.wire_shape[0])
    bias = op.weights(2) if op.has(2) else None
    result = windows.convolve(op.trace, signal, window, kernel, bias, max(op.attribute("group", 1), 1))
    return [_with_ones(op, result, ones)]


def max_pool(op: Operation) -> Sequence[Value]:
    """MaxPool along one axis. Nothing reads its second result, where the largest are."""
    signal, place, ones = _signal(op, op.view(0))
    window, zeros = _window(op, _size(op, place), place, 1 + len(ones), signal.wire_shape[0])
    op.attribute("storage_order")
    return [_with_ones(op, windows.pool_largest(op.trace, signal, _padded_by_more(window, zeros)), ones)]


def average_pool(op: Operation) -> Sequence[Value]:
    """AveragePool along one axis."""
    signal, place, ones = _signal(op, op.view(0))
    window, zeros = _window(op, _size(op, place), place, 1 + len(ones), signal.wire_shape[0])
    if window.dilation > 1:
        raise op.refused(f"its window has a dilation of {window.dilation}", "Pool neighbouring steps")
    if not op.attribute("count_include_pad", 0):
        window, zeros = _padded_by_more(window, zeros), (0, 0)
    return [_with_ones(op, windows.pool_mean(op.trace, signal, window, zeros), ones)]


def _padded_by_more(window: Window, ends: tuple[int, int]) -> Window:
    before, behind = window.pads(0)
    return replace(window, padding=(before + ends[0], behind + ends[1]))


def _size(op: Operation, place: int) -> int:
    sizes: list[int] = op.attribute("kernel_shape", [])
    if len(sizes) <= place:
        raise op.damaged("it does not say how many steps its window has")
    return sizes[place]


def _signal(op: Operation, x: View) -> tuple[View, int, list[int]]:
    """Return a signal of three axes, which of the places is the steps', and those of length 1 that it had."""
    if len(x.axes) > 3:
        places = [axis for axis in range(2, len(x.axes)) if x.axes[axis] is not Axis.ONE]
        ones = [axis - 2 for axis in range(2, len(x.axes)) if axis not in places]
        if len(places) != 1:
            kinds = ", ".join(kind.value for kind in x.axes)
            raise op.refused(f"it slides over the axes ({kinds})", windows.SIGNAL_REMEDY)
        squeezed = views.squeeze(op.trace, x, [2 + k for k in ones])
        assert isinstance(squeezed, View)
        return squeezed, places[0] - 2, ones
    return x, 0, []


def _with_ones(op: Operation, x: View, ones: Sequence[int]) -> Value:
    result: views.Operand = x
    for k in ones:
        result = views.unsqueeze(op.trace, result, 2 + k)
    return result


def _window(op: Operation, size: int, place: int, count: int, steps: int) -> tuple[Window, tuple[int, int]]:
    """Return the window, padded by what counts for nothing, and the zeros before and behind that count.

    They are one for a convolution: its window is padded by both.
    """
    stride, dilation = (op.attribute(key, [1] * count) for key in ("strides", "dilations"))
    pads, word = op.attribute("pads", [0] * (2 * count)), op.attribute("auto_pad", "NOTSET")
    rounds_up = op.attribute("ceil_mode", 0)
    if len(stride) != count or len(dilation) != count or len(pads) != 2 * count or word not in PADDINGS:
        raise op.damaged(f"its window has strides {stride}, dilations {dilation}, pads {pads}, auto_pad {word!r}")
    window = Window(size, stride[place], dilation[place])
    if min(size, window.stride, window.dilation) < 1 or min(pads) < 0:
        raise op.damaged(f"its window has {size} steps, strides {stride}, dilations {dilation}, pads {pads}")
    before, behind = pads[place], pads[count + place]
    if word.startswith("SAME"):
        before, behind = replace(window, padding="same").pads(steps)
        if word == "SAME_LOWER":
            before, behind = behind, before
    elif word == "VALID":
        before = behind = 0
    if op.node.op == "Conv":
        return replace(window, padding=(before, behind)), (0, 0)
    more = 0
    if rounds_up and word == "NOTSET":
        more = windows.rounded_up(replace(window, padding=(before, behind)), steps).pads(steps)[1] - behind
    return replace(window, padding=(0, more)), (before, behind)


WINDOWS: dict[str, Callable[[Operation], Sequence[Value]]] = {
    "Conv": convolution,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
}
