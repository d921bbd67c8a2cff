"""Convolution and pooling of signals (batch, features, steps)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.exchange import exchanged
from loopwire.frontends.tensors.joining import concat
from loopwire.frontends.tensors.slicing import take
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Array, Axis, Operand, View, with_features
from loopwire.layers.model import MAX_STEPS
from loopwire.layers.steps import ZeroPadding
from loopwire.layers.windows import AveragePooling, Convolution, MaxPooling, Window

Pooling = Callable[[Trace, View, Window], View]
SIGNAL_REMEDY = "Give it (batch, features, steps), as transpose(1, 2) makes it of (batch, steps, features)"


def convolve(trace: Trace, x: View, window: Window, kernel: Array, bias: Array | None, groups: int) -> View:
    """Convolve a signal, whose last axis is that of the steps, with a kernel (m, features / groups, size)."""
    signal = _signal(trace, x)
    features = signal.wire_shape[1]
    if kernel.ndim != 3 or kernel.shape[1] * groups != features or kernel.shape[0] % groups or not kernel.size:
        problem = f"its kernel has shape {kernel.shape}, its input {features} features in {groups} groups"
        raise trace.refused(problem, "Export the model again")
    bias = np.zeros(len(kernel)) if bias is None else bias
    if bias.shape != kernel.shape[:1]:
        raise trace.refused(f"its bias has shape {bias.shape}, its kernel {kernel.shape}", "Export the model again")
    pads = window.pads(signal.wire_shape[0])
    if max(pads) >= window.span:  # there are windows of padded steps alone
        signal, window = _padded(trace, signal, pads), replace(window, padding="valid")
    layer = Convolution(trace.place.name, window, kernel.transpose(0, 2, 1), bias, groups)
    return signal.each(lambda wire: trace.call(layer, wire))


def pool_largest(trace: Trace, x: View, window: Window) -> View:
    """Take the largest of each feature in each window. Padded steps count for nothing."""
    signal = _signal(trace, x)
    _check_pads(trace, window, signal)
    if window.dilation > 1 and any(window.pads(signal.wire_shape[0])):
        raise trace.refused(f"its padded window has a dilation of {window.dilation}", "Pool neighbouring steps")
    layer = MaxPooling(trace.place.name, window)
    return signal.each(lambda wire: trace.call(layer, wire))


def pool_mean(trace: Trace, x: View, window: Window, zeros: tuple[int, int] = (0, 0)) -> View:
    """Take the mean of each feature in each window.

    Args:
        trace: of the graph.
        x: the signal.
        window: padded steps of it count for nothing.
        zeros: steps of zeros before and behind, which count.
    """
    signal = _signal(trace, x)
    if any(zeros):
        signal = _padded(trace, signal, zeros)
    _check_pads(trace, window, signal)
    layer = AveragePooling(trace.place.name, window)
    return signal.each(lambda wire: trace.call(layer, wire))


def pool_adaptively(trace: Trace, x: View, places: int, reduction: Callable[..., Operand], pool: Pooling) -> Operand:
    """Pool a signal to a number of places, in windows as alike as may be, by a pooling and the reduction it is of."""
    steps = x.shape[-1]
    if places == 1:
        return reduction(trace, x, [-1], True)
    if steps % places == 0:
        return pool(trace, x, Window(steps // places, steps // places))
    if places > MAX_STEPS:
        raise trace.refused(f"it pools {steps} steps to {places}", f"Pool to at most {MAX_STEPS}")
    ranges = [range(k * steps // places, -(-(k + 1) * steps // places)) for k in range(places)]
    return concat(trace, [reduction(trace, take(trace, x, -1, window), [-1], True) for window in ranges], -1)


def rounded_up(window: Window, steps: int) -> Window:
    """Return a window of given padding with what must be padded behind it for a last one that is not whole.

    The last one begins before what is padded behind, as PyTorch and onnxruntime have it.
    """
    before, behind = window.pads(steps)
    last = -(-(steps + before + behind - window.span) // window.stride) * window.stride
    if last >= steps + before:
        last -= window.stride
    return replace(window, padding=(before, max(last + window.span - steps - before, behind)))


def _signal(trace: Trace, x: View) -> View:
    """Return a view of sequences whose last two axes are features and steps; wires are (steps, features)."""
    x = with_features(x, -2)
    if x.axes[-2:] == (Axis.STEPS, Axis.FEATURES):
        return exchanged(trace, x)
    if x.axes[-2:] != (Axis.FEATURES, Axis.STEPS):
        kinds = ", ".join(kind.value for kind in x.axes)
        raise trace.refused(f"it slides over the last of the axes ({kinds})", SIGNAL_REMEDY)
    return x


def _padded(trace: Trace, signal: View, zeros: tuple[int, int]) -> View:
    layer = ZeroPadding(f"{trace.place.name}_padded", *zeros)
    return signal.each(lambda wire: trace.call(layer, wire))


def _check_pads(trace: Trace, window: Window, signal: View) -> None:
    """Refuse windows of padded steps alone."""
    if max(window.pads(signal.wire_shape[0])) >= window.size:
        raise trace.refused(f"it pads as many steps as its window of {window.size} has", "Pad fewer")
