"""PyTorch's convolutions, poolings and normalisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from loopwire.frontends.tensors import normalisation, reductions, windows
from loopwire.frontends.tensors.views import Operand
from loopwire.frontends.torch.arguments import EVALUATE, Arguments, Operation
from loopwire.layers.windows import Window


def _convolution(a: Arguments) -> Operand:
    """Read aten.conv1d.default, whose padding is a length, and aten.conv1d.padding, where it is a word."""
    x, kernel, bias = a.view("input"), a.array("weight"), a.optional_array("bias")
    if a.boolean("transposed", False):
        raise a.trace.refused("it is a transposed convolution", "Repeat steps (Upsample), then convolve")
    a.ignore("output_padding")
    if a.is_text("padding"):
        padding: str | tuple[int, int] = a.text("padding", "valid")
        if padding not in ("same", "valid"):
            raise a.trace.refused(f"its padding is {padding!r}", "Choose same or valid")
    else:
        padding = (_one(a, "padding", 0, least=0),) * 2
    size = kernel.shape[2] if kernel.ndim == 3 else 1
    window = Window(size, _one(a, "stride", 1), _one(a, "dilation", 1), padding)
    return windows.convolve(a.trace, x, window, kernel, bias, max(a.integer("groups", 1), 1))


def _one(a: Arguments, key: str, default: int, least: int = 1) -> int:
    """Return a length along the only axis of a window."""
    values = a.integers(key, [default])
    if len(values) != 1 or values[0] < least:
        raise a.trace.refused(f"its {key} is {values}, not one number from {least} on", windows.SIGNAL_REMEDY)
    return values[0]


def _pooling_window(a: Arguments) -> tuple[Window, int]:
    """Return a pooling's window without padding, and the steps padded on either side."""
    size = _one(a, "kernel_size", 1)
    stride, dilation = _one(a, "stride", size), _one(a, "dilation", 1)
    return Window(size, stride, dilation), _one(a, "padding", 0, least=0)


def _max_pool(a: Arguments) -> list[Operand]:
    """Pool; in place of where the largest are, return what nothing can read."""
    x, (window, pad) = a.view("self"), _pooling_window(a)
    window = replace(window, padding=(pad, pad))
    if a.boolean("ceil_mode", False):
        window = windows.rounded_up(window, x.shape[-1])
    return [windows.pool_largest(a.trace, x, window)]


def _avg_pool(a: Arguments) -> Operand:
    x, (window, pad) = a.view("self"), _pooling_window(a)
    counts = a.boolean("count_include_pad", True)
    before = behind = pad
    if a.boolean("ceil_mode", False):
        before, behind = windows.rounded_up(replace(window, padding=(pad, pad)), x.shape[-1]).pads(x.shape[-1])
    own, zeros = ((0, behind - pad), (pad, pad)) if counts else ((before, behind), (0, 0))
    return windows.pool_mean(a.trace, x, replace(window, padding=own), zeros)


def _pooled(a: Arguments, reduction: Callable[..., Operand], pool: windows.Pooling) -> Operand:
    """Pool the last axis to a number of places."""
    places = _one(a, "output_size", 1)
    return windows.pool_adaptively(a.trace, a.view("self"), places, reduction, pool)


def _batch_norm(a: Arguments) -> Operand:
    a.ignore("momentum", "cudnn_enabled")
    if a.boolean("training", False):
        raise a.trace.refused("it is in training mode", EVALUATE)
    return _by_statistics(a)


def _by_statistics(a: Arguments) -> Operand:
    """Normalise axis 1 by means and variances that training left."""
    x, running_mean, running_var = a.view("input"), a.array("running_mean"), a.array("running_var")
    scale, offset = a.optional_array("weight"), a.optional_array("bias")
    epsilon = a.number("eps")
    size = x.shape[1] if len(x.shape) > 1 else 0
    sizes = {array.shape for array in (running_mean, running_var, scale, offset) if array is not None}
    if sizes != {(size,)} or not (running_var + epsilon > 0).all():
        raise a.trace.refused(f"its arrays, of shapes {sorted(sizes)}, are not valid", "Train the model again")
    scale = (np.ones(size) if scale is None else scale) / np.sqrt(running_var + epsilon)
    offset = (np.zeros(size) if offset is None else offset) - running_mean * scale
    return normalisation.scaled(a.trace, x, 1, scale, offset)


def _instance_norm(a: Arguments) -> Operand:
    """Normalise each feature over all steps, or by means and variances that training left."""
    a.ignore("momentum", "cudnn_enabled")
    if not a.boolean("use_input_stats", True):
        return _by_statistics(a)
    a.ignore("running_mean", "running_var")
    x, scale, offset = a.view("input"), a.optional_array("weight"), a.optional_array("bias")
    groups = x.shape[1] if len(x.shape) > 1 else 0
    return normalisation.normalise_groups(a.trace, x, groups, scale, offset, a.number("eps", 1e-5))


def _layer_norm(a: Arguments) -> Operand:
    a.ignore("cudnn_enable")
    x, lengths = a.view("input"), a.integers("normalized_shape")
    scale, offset = a.optional_array("weight"), a.optional_array("bias")
    return normalisation.normalise(a.trace, x, lengths, scale, offset, a.number("eps", 1e-5))


def _rms_norm(a: Arguments) -> Operand:
    x, lengths, scale = a.view("input"), a.integers("normalized_shape"), a.optional_array("weight")
    epsilon = a.number("eps", float(np.finfo(np.float32).eps))
    return normalisation.normalise(a.trace, x, lengths, scale, None, epsilon, centred=False)


def _group_norm(a: Arguments) -> Operand:
    a.ignore("cudnn_enabled")
    x, groups = a.view("input"), a.integer("num_groups")
    scale, offset = a.optional_array("weight"), a.optional_array("bias")
    return normalisation.normalise_groups(a.trace, x, groups, scale, offset, a.number("eps", 1e-5))


WINDOWS: Mapping[str, Operation] = {
    **dict.fromkeys(("aten.conv1d.default", "aten.conv1d.padding", "aten.convolution.default"), _convolution),
    "aten.max_pool1d.default": lambda a: _max_pool(a)[0],
    "aten.max_pool1d_with_indices.default": _max_pool,
    "aten.avg_pool1d.default": _avg_pool,
    "aten.adaptive_avg_pool1d.default": partial(_pooled, reduction=reductions.mean, pool=windows.pool_mean),
    "aten.adaptive_max_pool1d.default": lambda a: [_pooled(a, reductions.largest, windows.pool_largest)],
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.instance_norm.default": _instance_norm,
    "aten.layer_norm.default": _layer_norm,
    "aten.rms_norm.default": _rms_norm,
    "aten.group_norm.default": _group_norm,
}
"""By their targets."""
