"""Operators that compute nothing: they move elements, of constants and of tensors alike, or tell shapes.

Ref: https://onnx.ai/onnx/operators, each operator's page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from loopwire.frontends.onnx.graph import FLAT_REMEDY, Flat, Lengths, Operation, Value
from loopwire.frontends.tensors import joining, reshaping, slicing, views
from loopwire.frontends.tensors.choosing import is_truths
from loopwire.frontends.tensors.embedding import embed, is_whole
from loopwire.frontends.tensors.views import Operand, View

MOST_ELEMENTS = 1 << 22
"""Of a tensor that an operator makes larger than its operand."""
MOST_AXES = 16
Move = Callable[[Operation], Sequence[Value]]


def checked_size(op: Operation, shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape of a tensor that may be made."""
    if any(length < 1 for length in shape) or prod(shape) > MOST_ELEMENTS:
        raise op.refused(f"it makes a tensor of shape {tuple(shape)}", f"Shapes have 1 to {MOST_ELEMENTS} elements")
    return tuple(shape)


def identity(op: Operation) -> Sequence[Value]:
    """Identity."""
    return [op.value(0)]


def dropout(op: Operation) -> Sequence[Value]:
    """Dropout, at inference. Its second result, the mask, is read by nothing then."""
    op.attribute("ratio")
    op.attribute("seed")
    op.only("is_test", 1, remedy="Export the model in evaluation mode")
    if op.has(2) and op.constant(2).any():
        raise op.refused("it is in training mode", "Export the model in evaluation mode")
    return [op.value(0)]


def cast(op: Operation) -> Sequence[Value]:
    """Cast and CastLike: real numbers stay what they are."""
    to = op.attribute("to")
    op.attribute("saturate")
    op.attribute("round_mode")
    value = op.value(0)
    if not isinstance(value, np.ndarray):
        is_rounded = isinstance(value, View) and not is_whole(value) and not is_truths(value)
        if is_rounded and to is not None and to not in DTYPES_OF_REALS:
            raise op.refused("it converts a result of the network to whole numbers")
        return [value]
    if to is None:
        like = op.value(1)
        return [value.astype(like.dtype if isinstance(like, np.ndarray) else np.float32)]
    if to not in DTYPES:
        raise op.refused(f"it casts to type {to}")
    return [value.astype(DTYPES[to])]


DTYPES_OF_REALS = {1: np.float32, 10: np.float16, 11: np.float64, 16: np.float32}
DTYPES = {
    **DTYPES_OF_REALS,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    12: np.uint32,
    13: np.uint64,
}
"""By onnx.TensorProto.DataType."""


def transpose(op: Operation) -> Sequence[Value]:
    """Transpose."""
    a = op.tensor(0)
    order = op.whole_numbers("perm")
    return [views.permute(op.trace, a, range(len(a.shape))[::-1] if order is None else order)]


def reshape(op: Operation) -> Sequence[Value]:
    """Reshape: 0 keeps a length, unless `allowzero`."""
    a = op.tensor(0)
    lengths = op.whole_numbers("shape", 1) or []
    if not op.attribute("allowzero", 0):
        lengths = [a.shape[k] if length == 0 and k < len(a.shape) else length for k, length in enumerate(lengths)]
    if len(lengths) > MOST_AXES or lengths.count(-1) > 1 or min(lengths, default=1) < -1:
        raise op.damaged(f"a tensor of shape {a.shape} cannot become {tuple(lengths)}")
    if lengths == [-1] and isinstance(a, View) and a.batch > 1 and len(a.shape) > 1:
        return [Flat(a)]
    return [reshaping.reshape(op.trace, a, lengths)]


def flatten(op: Operation) -> Sequence[Value]:
    """Flatten, to two axes."""
    a = op.tensor(0)
    axis, rank = op.attribute("axis", 1), len(a.shape)
    if not -rank <= axis <= rank:
        raise op.damaged(f"its axis {axis} is not among {rank}")
    return [reshaping.reshape(op.trace, a, [prod(a.shape[: axis + rank * (axis < 0)]), -1])]


def squeeze(op: Operation) -> Sequence[Value]:
    """Squeeze."""
    a = op.tensor(0)
    axes = op.whole_numbers("axes", 1)
    if axes is not None and any(a.shape[axis] != 1 for axis in op.axes(axes, len(a.shape))):
        raise op.damaged(f"it squeezes axes {axes} of a tensor of shape {a.shape}")
    return [views.squeeze(op.trace, a, axes)]


def unsqueeze(op: Operation) -> Sequence[Value]:
    """Unsqueeze."""
    a = op.tensor(0)
    axes = op.whole_numbers("axes", 1) or []
    rank = len(a.shape) + len(axes)
    axes = op.axes(axes, rank)
    if len(set(axes)) < len(axes) or rank > MOST_AXES:
        raise op.damaged(f"it adds axes {axes} to a tensor of {len(a.shape)}")
    for axis in sorted(axes):
        a = views.unsqueeze(op.trace, a, axis)
    return [a]


def slice_(op: Operation) -> Sequence[Value]:
    """Slice."""
    a = op.tensor(0)
    starts, ends = op.whole_numbers("starts", 1) or [], op.whole_numbers("ends", 2) or []
    axes = op.whole_numbers("axes", 3)
    axes = op.axes(list(range(len(starts))) if axes is None else axes, len(a.shape))
    steps = op.whole_numbers("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise op.damaged(f"it cuts {starts} to {ends} by {steps} of axes {axes}")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # An end before the first element, as far as -2**63, means that backwards the first one is taken too.
        stop = None if step < 0 and end < -a.shape[axis] else end
        places = slicing.places_of(a.shape[axis], start, stop, step)
        if not places and isinstance(a, View):
            raise op.refused(f"it selects nothing from axis {axis}, of length {a.shape[axis]}")
        a = slicing.take(op.trace, a, axis, places)
    return [a]


def gather(op: Operation) -> Sequence[Value]:
    """Gather, with constant indices."""
    flat = op.value(0)
    if isinstance(flat, Flat):
        return [_with_axes_again(op, flat)]
    a = op.tensor(0)
    (axis,) = op.axes([op.attribute("axis", 0)], len(a.shape))
    indices = op.tensor(1)
    if isinstance(indices, View):
        if axis or isinstance(a, View):
            raise op.refused("its indices depend on the model's inputs", "Look up rows of a constant table")
        return [embed(op.trace, op.weights(0), indices)]
    indices, length = indices.astype(np.int64), a.shape[axis]
    if indices.size and not (-length <= indices.min() and indices.max() < length):
        raise op.damaged(f"its indices are not all among the {length} of axis {axis}")
    checked_size(op, (*a.shape[:axis], *indices.shape, *a.shape[axis + 1 :]))
    if not isinstance(a, View):
        return [np.asarray(np.take(a, indices, axis))]
    if indices.ndim == 0:
        return [slicing.select(op.trace, a, axis, int(indices))]
    if indices.ndim > 1:
        raise op.refused(f"its indices have shape {indices.shape}", "Give one index, or a list of them")
    return [slicing.take(op.trace, a, axis, (indices % length).tolist())]


def _with_axes_again(op: Operation, flat: Flat) -> Value:
    """Return all elements of a tensor under the axes of their indices, which must be in order."""
    indices = op.constant(1)
    op.only("axis", 0)
    if indices.size != prod(flat.of.shape) or not np.array_equal(indices.ravel(), np.arange(indices.size)):
        raise op.refused(f"it takes elements of {flat.of.shape} in another order, or some of them", FLAT_REMEDY)
    return reshaping.reshape(op.trace, flat.of, indices.shape)


def split(op: Operation) -> Sequence[Value]:
    """Split, into equal parts unless their lengths are given."""
    a = op.tensor(0)
    (axis,) = op.axes([op.attribute("axis", 0)], len(a.shape))
    count, length = len(op.node.outputs), a.shape[axis]
    lengths = op.whole_numbers("split", 1)
    if op.attribute("num_outputs", count) != count:
        raise op.damaged("its number of outputs is not its num_outputs")
    if lengths is None:
        part = -(-length // count)
        lengths = [part] * (count - 1) + [length - part * (count - 1)]
    if len(lengths) != count or sum(lengths) != length or min(lengths) < 1:
        raise op.damaged(f"it splits an axis of {length} into {lengths}")
    ends = np.cumsum(lengths).tolist()
    return [slicing.take(op.trace, a, axis, range(end - part, end)) for end, part in zip(ends, lengths, strict=True)]


def concat(op: Operation) -> Sequence[Value]:
    """Concat, of constants or of tensors."""
    axis = op.attribute("axis", 1)
    parts = [op.tensor(k) for k in range(len(op.operands))]
    (axis,) = op.axes([axis], len(parts[0].shape))
    if len({(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}) > 1:
        raise op.damaged(f"it joins tensors of shapes {', '.join(str(part.shape) for part in parts)}")
    checked_size(op, (sum(prod(part.shape) for part in parts if not isinstance(part, View)) or 1,))
    return [joining.concat(op.trace, parts, axis)]


def expand(op: Operation) -> Sequence[Value]:
    """Expand, by broadcasting."""
    a, shape = op.tensor(0), op.constant(1).astype(np.int64).ravel().tolist()
    try:
        whole = np.broadcast_shapes(a.shape, tuple(shape))
    except ValueError:
        raise op.damaged(f"a tensor of shape {a.shape} cannot become {tuple(shape)}") from None
    return [reshaping.expand(op.trace, a, checked_size(op, whole))]


def tile(op: Operation) -> Sequence[Value]:
    """Tile."""
    a, repeats = op.tensor(0), op.constant(1).astype(np.int64).ravel().tolist()
    if len(repeats) != len(a.shape):
        raise op.damaged(f"it repeats {len(repeats)} axes of {len(a.shape)}")
    lengths = checked_size(op, [n * times for n, times in zip(a.shape, repeats, strict=True)])
    if not isinstance(a, View):
        return [np.tile(a, repeats)]
    result: Operand = a
    for axis, (length, times) in enumerate(zip(a.shape, repeats, strict=True)):
        if length > 1 and times > 1:
            result = slicing.take(op.trace, result, axis, [*range(length)] * times)
    return [reshaping.expand(op.trace, result, lengths)]


def pad(op: Operation) -> Sequence[Value]:
    """Pad, at the ends of axes: by zeros, by the last elements, mirrored or from the other end."""
    a, mode = op.tensor(0), op.attribute("mode", "constant")
    ends = op.whole_numbers("pads", 1) or []
    axes = op.axes(op.constant(3).ravel().tolist() if op.has(3) else list(range(len(a.shape))), len(a.shape))
    fill = op.attribute("value", 0.0) if not op.has(2) else float(op.constant(2).ravel()[0])
    if len(ends) != 2 * len(axes):
        raise op.damaged(f"it pads {len(axes)} axes by {ends}")
    if mode != "constant" and mode not in slicing.PADDINGS:
        raise op.damaged(f"its mode is {mode!r}")
    for k, axis in enumerate(axes):
        before, behind = ends[k], ends[len(axes) + k]
        if mode == "constant":
            a = slicing.pad(op.trace, a, axis, before, behind, fill)
        elif before or behind:
            a = slicing.pad_with_own(op.trace, a, axis, before, behind, mode)
    return [a]


def reverse_sequence(op: Operation) -> Sequence[Value]:
    """ReverseSequence of whole sequences, or of each by its own length."""
    a, steps = op.tensor(0), op.attribute("time_axis", 0)
    op.attribute("batch_axis", 1)
    lengths = op.value(1)
    if isinstance(lengths, np.ndarray):
        if (lengths != a.shape[views.axis_of(op.trace, a, steps)]).any():
            problem = f"its lengths are constant, {lengths.ravel()[:8].tolist()}, of shape {a.shape}"
            raise op.refused(problem, "Give an input of the model as sequence_lens")
    elif isinstance(lengths, Lengths):
        op.trace.memory.setdefault("lengths", set()).add(lengths.name)
    else:
        raise op.refused("its lengths are computed", "Give an input of the model as sequence_lens")
    return [slicing.flip(op.trace, a, [steps])]


def shape_(op: Operation) -> Sequence[Value]:
    """Shape, from `start` to `end`."""
    lengths = op.tensor(0).shape
    start, end = op.attribute("start", 0), op.attribute("end", len(lengths))
    return [np.array(lengths[start:end], np.int64)]


def size(op: Operation) -> Sequence[Value]:
    """Size."""
    return [np.array(prod(op.tensor(0).shape), np.int64)]


def constant(op: Operation) -> Sequence[Value]:
    """Constant."""
    for key, dtype in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64)):
        if (value := op.attribute(key)) is not None:
            return [np.array(value, dtype)]
    if (numbers := op.whole_numbers("value_ints")) is not None:
        return [np.array(numbers, np.int64)]
    value = op.attribute("value")
    if not isinstance(value, np.ndarray):
        raise op.refused("it is not a tensor of numbers")
    return [value]


def constant_of_shape(op: Operation) -> Sequence[Value]:
    """ConstantOfShape."""
    shape = checked_size(op, op.constant(0).astype(np.int64).ravel().tolist())
    value = op.attribute("value", np.zeros(1, np.float32))
    return [np.full(shape, value.ravel()[0] if value.size else 0, value.dtype)]


def range_(op: Operation) -> Sequence[Value]:
    """Range."""
    start, limit, step = (op.constant(k).ravel()[:1].tolist()[0] for k in range(3))
    if not step or abs((limit - start) / step) > MOST_ELEMENTS:
        raise op.damaged(f"it counts from {start} to {limit} by {step}")
    return [np.arange(start, limit, step).astype(op.constant(0).dtype)]


MOVES: dict[str, Move] = {
    "Identity": identity,
    "Dropout": dropout,
    "Cast": cast,
    "CastLike": cast,
    "Transpose": transpose,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Slice": slice_,
    "Gather": gather,
    "Split": split,
    "Concat": concat,
    "Expand": expand,
    "Tile": tile,
    "Pad": pad,
    "ReverseSequence": reverse_sequence,
    "Shape": shape_,
    "Size": size,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Range": range_,
}
