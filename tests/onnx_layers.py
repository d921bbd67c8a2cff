"""Graphs of ONNX's layers over windows, normalisations, functions of each element, and parts of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from onnx_graphs import T, U, Written, numbers, w
from onnx_models import node

F = 3
SIX = {"x": ("batch", 6, F)}


def windowed(op: str, *operands: Any, opset: int = 21, **attributes: Any) -> Callable[[], Written]:
    """Return a graph of an operator over channels before steps."""

    def written() -> Written:
        names = [f"c{k}" for k in range(len(operands))]
        nodes = [
            node("Transpose", ["x"], ["channels"], perm=[0, 2, 1]),
            node(op, ["channels", *names], ["z"], **attributes),
            node("Transpose", ["z"], ["y"], perm=[0, 2, 1]),
        ]
        return Written(nodes, dict(zip(names, operands, strict=True)), SIX, opset=opset)

    return written


def function(op: str, *operands: Any, opset: int = 21, **attributes: Any) -> Callable[[], Written]:
    """Return a graph of one operator, with constant operands; '' is one that is left out."""

    def written() -> Written:
        constants = {f"c{k}": array for k, array in enumerate(operands) if not isinstance(array, str)}
        names = ["" if isinstance(array, str) else f"c{k}" for k, array in enumerate(operands)]
        return Written([node(op, ["x", *names], ["y"], **attributes)], constants, opset=opset)

    return written


def along_steps(op: str, *operands: Any, **attributes: Any) -> Callable[[], Written]:
    """Return a graph of an operator that works along the steps, of what makes clear which these are."""

    def written() -> Written:
        names = [f"c{k}" for k in range(len(operands))]
        nodes = [node("MatMul", ["x", "k"], ["z"]), node(op, ["z", *names], ["y"], **attributes)]
        return Written(nodes, {"k": w(F, F), **dict(zip(names, operands, strict=True))})

    return written


def elements_in_one_axis() -> Written:
    """As PyTorch's newer exporter writes `as_strided`, after a pooling to one step."""
    nodes = [
        node("MatMul", ["x", "k"], ["z"]),
        node("Reshape", ["z", "all"], ["flat"]),
        node("Gather", ["flat", "i"], ["y"]),
    ]
    constants = {"k": w(F, U), "all": numbers(-1), "i": np.arange(3 * T * U).reshape(3, T, U)}
    return Written(nodes, constants, {"x": (3, T, F)})


def compared(op: str, bound: Any) -> Callable[[], Written]:
    """Return a graph that chooses by a comparison."""
    nodes = [node(op, ["x", "c"], ["met"]), node("Tanh", ["x"], ["z"]), node("Where", ["met", "z", "x"], ["y"])]
    return lambda: Written(nodes, {"c": bound})


def chosen_everywhere() -> Written:
    """Elements of a sequence, all of which are the same number."""
    nodes = [
        node("Where", ["c", "a", "x"], ["z"]),
        node("ReduceSum", ["z", "last"], ["s"]),
        node("Add", ["s", "x"], ["y"]),
    ]
    return Written(nodes, {"c": np.array(True), "a": np.array(0.5), "last": numbers(2)})


def chosen_by_constants() -> Written:
    """Features that are chosen whatever they are."""
    return Written([node("Where", ["c", "x", "z"], ["y"])], {"c": np.array([True, False, True]), "z": np.array(0.5)})


def in_two_dimensions() -> Written:
    """A convolution and a pooling with an axis of length 1 more, as tf2onnx writes Keras's Conv1D."""
    nodes = [
        node("Transpose", ["x"], ["channels"], perm=[0, 2, 1]),
        node("Unsqueeze", ["channels", "two"], ["image"]),
        node("Conv", ["image", "k", "b"], ["c"], kernel_shape=[1, 2], auto_pad="SAME_UPPER"),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[1, 2], strides=[1, 2]),
        node("Squeeze", ["p", "two"], ["z"]),
        node("Transpose", ["z"], ["y"], perm=[0, 2, 1]),
    ]
    return Written(nodes, {"two": numbers(2), "k": w(U, F, 1, 2), "b": w(U)}, SIX)


def reversed_by_lengths() -> Written:
    """As tf2onnx writes a layer that goes backwards."""
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("Shape", ["xt"], ["shape"]),
        node("Gather", ["shape", "n1"], ["batch"]),
        node("Gather", ["shape", "n0"], ["steps"]),
        node("Expand", ["steps", "batch"], ["lengths"]),
        node("ReverseSequence", ["xt", "lengths"], ["back"], time_axis=0, batch_axis=1),
        node("MatMul", ["back", "k"], ["z"]),
        node("Transpose", ["z"], ["y"], perm=[1, 0, 2]),
    ]
    return Written(nodes, {"n0": numbers(0), "n1": numbers(1), "k": w(F, U)})


def sliced(
    starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]
) -> Callable[[], Written]:
    """Return a graph that takes parts of a sequence."""
    nodes = [node("Tanh", ["x"], ["z"]), node("Slice", ["z", "s", "e", "a", "t"], ["y"])]
    constants = {"s": numbers(*starts), "e": numbers(*ends), "a": numbers(*axes), "t": numbers(*steps)}
    return lambda: Written(nodes, constants)


def joined_steps() -> Written:
    """A sequence behind itself."""
    return Written([node("Tanh", ["x"], ["z"]), node("Concat", ["x", "z"], ["y"], axis=1)], {})


def gathered_steps() -> Written:
    """Steps in another order."""
    return Written([node("Tanh", ["x"], ["z"]), node("Gather", ["z", "i"], ["y"], axis=1)], {"i": numbers(3, 0, -2)})


NORM = {"axis": -1, "epsilon": 1e-3}
LAYERS: dict[str, Callable[[], Written]] = {
    "Conv": windowed("Conv", w(U, F, 3), w(U)),
    "Conv, padded": windowed("Conv", w(U, F, 3), pads=[1, 2], strides=[2]),
    "Conv, dilated": windowed("Conv", w(U, F, 2), w(U), dilations=[2], kernel_shape=[2], pads=[1, 1]),
    "Conv, same below": windowed("Conv", w(U, F, 2), auto_pad="SAME_LOWER"),
    "Conv, valid": windowed("Conv", w(U, F, 2), auto_pad="VALID", strides=[2]),
    "Conv, depthwise": windowed("Conv", w(2 * F, 1, 2), w(2 * F), group=F),
    "Conv of opset 7": windowed("Conv", w(U, F, 2), opset=7),
    "Conv in two dimensions": in_two_dimensions,
    "MaxPool": windowed("MaxPool", kernel_shape=[2]),
    "MaxPool, padded": windowed("MaxPool", kernel_shape=[3], strides=[2], pads=[1, 1]),
    "MaxPool, rounded up": windowed("MaxPool", kernel_shape=[4], strides=[4], ceil_mode=1),
    "MaxPool, same": windowed("MaxPool", kernel_shape=[2], strides=[2], auto_pad="SAME_UPPER"),
    "AveragePool": windowed("AveragePool", kernel_shape=[2], strides=[2]),
    "AveragePool, padded": windowed("AveragePool", kernel_shape=[3], pads=[1, 1], count_include_pad=1),
    "AveragePool, padded by nothing": windowed("AveragePool", kernel_shape=[3], pads=[1, 0], opset=7),
    "AveragePool, rounded up": windowed("AveragePool", kernel_shape=[4], strides=[4], ceil_mode=1),
    "LayerNormalization": function("LayerNormalization", w(F), w(F), opset=17, **NORM),
    "LayerNormalization without offset": function("LayerNormalization", w(F), **NORM),
    "LpNormalization": function("LpNormalization", axis=-1, p=2),
    "LayerNormalization of all": function("LayerNormalization", w(T, F), w(T, F), axis=1),
    "RMSNormalization of all": function("RMSNormalization", w(T, F), axis=1, opset=23),
    "InstanceNormalization": windowed("InstanceNormalization", w(F), w(F)),
    "GroupNormalization": windowed("GroupNormalization", w(F), w(F), num_groups=3),
    "MeanVarianceNormalization": function("MeanVarianceNormalization", axes=[1, 2]),
    "BatchNormalization of steps": along_steps("BatchNormalization", w(T), w(T), w(T), np.abs(w(T))),
    "LpNormalization of steps": along_steps("LpNormalization", axis=1, p=2),
    "Celu": function("Celu", alpha=1.5),
    "Mish": function("Mish"),
    "Exp": function("Exp"),
    "Abs": function("Abs"),
    "soft Shrink": function("Shrink", lambd=0.5, bias=0.5),
    "hard Shrink": function("Shrink", lambd=0.75),
    "ThresholdedRelu": function("ThresholdedRelu", alpha=0.5),
    "LogSoftmax": function("LogSoftmax"),
    "Clip on both sides": function("Clip", np.array(-0.5), np.array(1.25)),
    "Clip above": function("Clip", "", np.array(0.75)),
    "Clip below": function("Clip", np.array(-0.75)),
    "PRelu of features": function("PRelu", np.abs(w(F))),
    "Max with constants": function("Max", w(F)),
    "Min with one number": function("Min", np.array(0.25)),
    "Pow": function("Pow", np.array(3.0)),
    "Pad": function("Pad", numbers(0, 2, 0, 0, 1, 0)),
    "Pad of opset 7": function("Pad", opset=7, pads=[0, 1, 0, 0, 0, 0]),
    "Pad, cut": function("Pad", numbers(0, -1, 0, 0, 2, 0)),
    "Pad of an axis, mirrored": function("Pad", numbers(2, 1), "", numbers(1), mode="reflect"),
    "Pad, last again": function("Pad", numbers(0, 1, 0, 0, 2, 0), mode="edge"),
    "reversed by lengths": reversed_by_lengths,
    "steps from one on": sliced([1], [2**31 - 1], [1], [1]),
    "every other step": sliced([0], [4], [1], [2]),
    "steps and features": sliced([-3, 1], [2**31 - 1, 3], [1, 2], [1, 1]),
    "steps joined": joined_steps,
    "steps by Gather": gathered_steps,
    "largest of features": function("ReduceMax", numbers(2), keepdims=0),
    "magnitudes of steps": function("ReduceL1", numbers(1), keepdims=0),
    "squares of features": function("ReduceSumSquare", numbers(2), keepdims=1),
    "lengths of features": function("ReduceL2", numbers(2), keepdims=1),
    "lengths of steps": function("ReduceL2", numbers(1), keepdims=0),
    "length of all": function("ReduceL2", numbers(1, 2), keepdims=0),
    "product of features": function("ReduceProd", numbers(2), keepdims=0),
    "product of steps": along_steps("ReduceProd", numbers(1), keepdims=1),
    "logarithms of exponentials": function("ReduceLogSumExp", numbers(2), keepdims=1),
    "logarithms of exponentials of steps": function("ReduceLogSumExp", numbers(1), keepdims=0),
    "Erf": function("Erf"),
    "Atan": function("Atan"),
    "Softmax over the steps": along_steps("Softmax", axis=1),
    "Softmax of opset 11, of all": function("Softmax", axis=1, opset=11),
    "LogSoftmax of opset 12, of all": function("LogSoftmax", opset=12),
    "MatMul with a vector": function("MatMul", w(F)),
    "Tile": function("Tile", numbers(1, 2, 2)),
    "compared with constants": compared("Greater", w(F)),
    "at most": compared("LessOrEqual", np.array(0.25)),
    "elements in one axis": elements_in_one_axis,
    "Where of constants": chosen_by_constants,
    "Where of a constant that is the same everywhere": chosen_everywhere,
    "smallest of steps": function("ReduceMin", numbers(1), keepdims=0),
}
"""By what they show."""
