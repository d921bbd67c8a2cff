"""Operators that compute on constants alone: arithmetic on shapes, and weights that an exporter left to compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from loopwire.frontends.onnx.graph import Array, Operation, Value
from loopwire.frontends.onnx.moves import checked_size

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
}


def _divide(a: Array, b: Array) -> Array:
    """Return a / b; of whole numbers, rounded towards zero."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    return np.asarray(np.trunc(a / np.where(b == 0, 1, b))).astype(a.dtype)


def _of_all(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: reduce(function, arrays)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Mod": lambda a, b: np.mod(a, np.where(b == 0, 1, b)),
    "Pow": np.power,
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Exp": np.exp,
    "Log": np.log,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Max": _of_all(np.maximum),
    "Min": _of_all(np.minimum),
    "Sum": _of_all(np.add),
    "Equal": np.equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Not": np.logical_not,
    "Where": lambda condition, a, b: np.where(condition != 0, a, b),
    "MatMul": np.matmul,
}
"""What becomes of constants, element by element or as matrices."""
READ = frozenset({*REDUCTIONS, *FUNCTIONS})


def folded(op: Operation) -> Sequence[Value]:
    """Return what an operator of `READ` makes of constants."""
    arrays = [op.constant(index) for index in range(len(op.operands)) if op.has(index)]
    with np.errstate(all="ignore"):  # what is not finite is refused where it becomes a weight
        if op.node.op in REDUCTIONS:
            axes = op.whole_numbers("axes", 1)
            axis = None if axes is None else tuple(op.axes(axes, arrays[0].ndim))
            keep = bool(op.attribute("keepdims", 1))
            op.attribute("noop_with_empty_axes")
            return [np.asarray(REDUCTIONS[op.node.op](arrays[0], axis=axis, keepdims=keep))]
        for key in ("fmod", "axis", "broadcast"):
            op.only(key, 0)
        try:
            if op.node.op == "MatMul":
                op.spend(arrays[0].size * (arrays[1].shape[-1] if arrays[1].ndim > 1 else 1))
            else:
                checked_size(op, np.broadcast_shapes(*(array.shape for array in arrays)))
            result = np.asarray(FUNCTIONS[op.node.op](*arrays))
        except (ValueError, TypeError):
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise op.damaged(f"it joins constants of shapes {shapes}") from None
    checked_size(op, result.shape)
    return [result]
