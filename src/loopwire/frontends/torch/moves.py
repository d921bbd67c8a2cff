"""PyTorch's operations that move elements: other axes, places of an axis, several tensors joined, constants made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from loopwire.frontends.containers import Array
from loopwire.frontends.tensors import joining, reshaping, slicing, views
from loopwire.frontends.tensors.embedding import embed, is_whole
from loopwire.frontends.tensors.masks import Mask
from loopwire.frontends.tensors.views import Operand, View
from loopwire.frontends.torch.archive import TRUTH, WHOLE
from loopwire.frontends.torch.arguments import EVALUATE, Arguments, Operation
from loopwire.frontends.torch.masks import truth


def _transpose(a: Arguments, named: Sequence[str] = ("dim0", "dim1")) -> Operand:
    x = a.tensor("self")
    first, second = (views.axis_of(a.trace, x, a.integer(key)) for key in named)
    order = list(range(len(x.shape)))
    order[first], order[second] = order[second], order[first]
    return views.permute(a.trace, x, order)


def _t(a: Arguments) -> Operand:
    x = a.tensor("self")
    return views.permute(a.trace, x, range(len(x.shape))[::-1])


def _last_two(a: Arguments) -> Operand:
    x = a.tensor("self")
    order = list(range(len(x.shape)))
    return views.permute(a.trace, x, [*order[:-2], *order[:-3:-1]])


def _movedim(a: Arguments) -> Operand:
    x = a.tensor("self")
    source, target = (views.axis_of(a.trace, x, a.integer(key)) for key in ("source", "destination"))
    order = [axis for axis in range(len(x.shape)) if axis != source]
    order.insert(target, source)
    return views.permute(a.trace, x, order)


def _flatten(a: Arguments) -> Operand:
    x = a.tensor("self")
    start, end = (views.axis_of(a.trace, x, a.integer(key, axis)) for key, axis in (("start_dim", 0), ("end_dim", -1)))
    return reshaping.reshape(a.trace, x, [*x.shape[:start], -1, *x.shape[end + 1 :]])


def _unflatten(a: Arguments) -> Operand:
    x = a.tensor("self")
    axis = views.axis_of(a.trace, x, a.integer("dim"))
    return reshaping.reshape(a.trace, x, [*x.shape[:axis], *a.integers("sizes"), *x.shape[axis + 1 :]])


def _squeeze(a: Arguments) -> Operand:
    return views.squeeze(a.trace, a.tensor("self"), a.integers("dim", ()) or None)


def _slice(a: Arguments) -> Operand:
    x, axis, step = a.tensor("self"), a.integer("dim", 0), a.integer("step", 1)
    if step < 1:
        raise a.trace.refused(f"its slice goes by {step}", "Give a step of 1 or more")
    length = x.shape[views.axis_of(a.trace, x, axis)]
    places = slicing.places_of(length, a.optional_integer("start"), a.optional_integer("end"), step)
    return slicing.take(a.trace, x, axis, places)


def _narrow(a: Arguments) -> Operand:
    start = a.integer("start")
    return slicing.take(a.trace, a.tensor("self"), a.integer("dim"), range(start, start + a.integer("length")))


def _index_select(a: Arguments) -> Operand:
    x, axis, index = a.tensor("self"), a.integer("dim"), a.array("index")
    length = x.shape[views.axis_of(a.trace, x, axis)]
    if index.ndim != 1 or not ((index >= -length) & (index < length)).all():
        raise a.trace.refused(f"its index of shape {index.shape} is beyond an axis of length {length}", "Give a list")
    return slicing.take(a.trace, x, axis, [int(place) % length for place in index])


def _unbind(a: Arguments) -> list[Operand]:
    x, axis = a.tensor("self"), a.integer("dim", 0)
    length = x.shape[views.axis_of(a.trace, x, axis)]
    return [slicing.select(a.trace, x, axis, place) for place in range(length)]


def _split(a: Arguments) -> list[Operand]:
    x, axis = a.tensor("self"), a.integer("dim", 0)
    length, size = x.shape[views.axis_of(a.trace, x, axis)], a.integer("split_size")
    return _parts(a, x, axis, [size] * (length // max(size, 1)) + [length % max(size, 1)] * (length % max(size, 1) > 0))


def _split_with_sizes(a: Arguments) -> list[Operand]:
    return _parts(a, a.tensor("self"), a.integer("dim", 0), a.integers("split_sizes"))


def _chunk(a: Arguments) -> list[Operand]:
    x, axis = a.tensor("self"), a.integer("dim", 0)
    length, count = x.shape[views.axis_of(a.trace, x, axis)], a.integer("chunks")
    size = -(-length // max(count, 1))
    return _parts(a, x, axis, [min(size, length - start) for start in range(0, length, size)])


def _parts(a: Arguments, x: Operand, axis: int, sizes: Sequence[int]) -> list[Operand]:
    if sum(sizes) != x.shape[views.axis_of(a.trace, x, axis)] or min(sizes, default=0) < 1:
        raise a.trace.refused(f"it splits shape {x.shape} into parts of {list(sizes)}", "Export the model again")
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    spans = zip(starts, sizes, strict=True)
    return [slicing.take(a.trace, x, axis, range(start, start + size)) for start, size in spans]


def _embedding(a: Arguments) -> Operand:
    a.ignore("padding_idx", "scale_grad_by_freq", "sparse")  # of training
    return embed(a.trace, a.array("weight"), a.tensor("indices"))


def _index(a: Arguments) -> Operand:
    """Read x[:, [2, 0]] and its like: one axis indexed by a list, or by Booleans."""
    x, indices = a.tensor("self"), a.optional_tensors("indices")
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    axis = axes[0] if axes else 0
    index = indices[axis] if indices else None
    if len(axes) > 1 or not isinstance(index, np.ndarray) or index.ndim > 1:
        raise a.trace.refused("it indexes several axes, or by what the network computes", INDEX_REMEDY)
    length = x.shape[views.axis_of(a.trace, x, axis)]
    places = np.flatnonzero(index) if index.dtype == np.uint8 else index
    if not ((places >= -length) & (places < length)).all():
        raise a.trace.refused(f"its index is beyond an axis of length {length}", INDEX_REMEDY)
    if places.ndim == 0:
        return slicing.select(a.trace, x, axis, int(places))
    return slicing.take(a.trace, x, axis, [int(place) % length for place in places])


INDEX_REMEDY = "Index one axis, by constants"


PADDINGS = {"replicate": "edge", "reflect": "reflect", "circular": "wrap"}
"""What others call these."""


def _repeat(a: Arguments) -> Operand:
    x, times = a.tensor("self"), a.integers("repeats")
    while len(x.shape) < len(times):
        x = views.unsqueeze(a.trace, x, 0)
    if len(times) != len(x.shape) or min(times) < 1:
        raise a.trace.refused(f"it repeats shape {x.shape} {times} times", "Export the model again")
    for axis, count in enumerate(times):
        length = x.shape[axis]
        if length == 1:
            x = reshaping.expand(a.trace, x, [*x.shape[:axis], count, *x.shape[axis + 1 :]])
        elif count > 1:
            x = slicing.take(a.trace, x, axis, [*range(length)] * count)
    return x


def _repeat_interleave(a: Arguments) -> Operand:
    x, times, axis = a.tensor("self"), a.integer("repeats"), a.integer("dim")
    a.ignore("output_size")
    return _each(a, x, axis, times)


def _upsampled(a: Arguments) -> Operand:
    x = a.tensor("input")
    length, sizes = x.shape[-1], a.integers("output_size", ())
    factors = a.numbers("scale_factors", ())
    times = sizes[0] / length if sizes else factors[0] if factors else 0.0
    if times < 1 or not float(times).is_integer():
        raise a.trace.refused(f"it makes {times} steps of each", "Repeat each step a whole number of times")
    return _each(a, x, -1, int(times))


def _each(a: Arguments, x: Operand, axis: int, times: int) -> Operand:
    """Repeat each place of an axis."""
    length = x.shape[views.axis_of(a.trace, x, axis)]
    return slicing.take(a.trace, x, axis, [place for place in range(length) for _ in range(times)])


def _roll(a: Arguments) -> Operand:
    x, shifts = a.tensor("self"), a.integers("shifts")
    for axis, shift in zip(a.integers("dims"), shifts, strict=False):
        length = x.shape[views.axis_of(a.trace, x, axis)]
        x = slicing.take(a.trace, x, axis, [(place - shift) % length for place in range(length)])
    return x


def _padded(a: Arguments) -> Operand:
    """Pad the last axes, the very last one first, each before and behind."""
    x, ends, fill = a.tensor("self"), a.integers("pad"), a.number("value", 0)
    mode = a.text("mode", "constant")
    if len(ends) % 2 or len(ends) // 2 > len(x.shape):
        raise a.trace.refused(f"it pads shape {x.shape} by {ends}", "Export the model again")
    for k in range(0, len(ends), 2):
        before, behind, axis = ends[k], ends[k + 1], len(x.shape) - 1 - k // 2
        if mode == "constant":
            x = slicing.pad(a.trace, x, axis, before, behind, fill)
        elif mode not in PADDINGS:
            raise a.trace.refused(f"its padding is {mode!r}", f"Choose from constant, {', '.join(PADDINGS)}")
        elif before or behind:
            x = slicing.pad_with_own(a.trace, x, axis, before, behind, PADDINGS[mode])
    return x


def _filled(a: Arguments, value: float | None, key: str = "size") -> Operand:
    lengths = a.integers(key)
    a.ignore("self")
    return _full(a, lengths, a.number("fill_value") if value is None else value)


def _filled_like(a: Arguments, value: float | None) -> Operand:
    return _full(a, a.tensor("self").shape, a.number("fill_value") if value is None else value)


def _full(a: Arguments, lengths: Sequence[int], value: float) -> Array:
    if min(lengths, default=0) < 0:
        raise a.trace.refused(f"it makes a constant of shape {tuple(lengths)}", "Export the model again")
    views.check_size(a.trace, lengths)
    return np.broadcast_to(np.asarray(value, np.uint8 if a.makes(TRUTH) else np.float64), tuple(lengths))


def _counted(a: Arguments) -> Array:
    """Read arange."""
    start, end, step = a.number("start", 0), a.number("end"), a.number("step", 1)
    if not step or not 0 <= (end - start) / step <= views.MAX_CONSTANT:
        raise a.trace.refused(f"it counts from {start} to {end} by {step}", "Export the model again")
    numbers = np.arange(start, end, step)
    return numbers.astype(np.int64) if (numbers == numbers.astype(np.int64)).all() else numbers


def _evenly(a: Arguments) -> Array:
    """Read linspace."""
    count = a.integer("steps")
    if not 0 < count <= views.MAX_CONSTANT:
        raise a.trace.refused(f"it makes {count} numbers", "Export the model again")
    return np.linspace(a.number("start"), a.number("end"), count)


def _size(a: Arguments) -> int:
    x = a.tensor("self")
    return int(x.shape[views.axis_of(a.trace, x, a.integer("dim"))])


def _arithmetic_of_shapes(a: Arguments, function: Callable[[int, int], int]) -> int:
    first, second = a.integer("a"), a.integer("b")
    if function in (_quotient, _remainder) and second == 0:
        raise a.trace.refused("it divides a length by 0", "Export the model again")
    return function(first, second)


def _quotient(a: int, b: int) -> int:
    return a // b


def _remainder(a: int, b: int) -> int:
    return a % b


def _same(a: Arguments) -> Mask | Operand:
    if a.makes(TRUTH):
        return truth(a)
    x = a.tensor("self")
    if isinstance(x, View) and a.makes(*WHOLE) and not is_whole(x):
        raise a.trace.refused("it converts a result of the network to whole numbers", "Keep real numbers")
    return x


def _dropout(a: Arguments) -> Operand:
    if a.boolean("train", False) and a.number("p"):
        raise a.trace.refused("it is in training mode", EVALUATE)
    a.ignore("p")
    return a.tensor("input")


def _shape_operations() -> Mapping[str, Operation]:
    functions: dict[str, Callable[[int, int], int]] = {
        "_operator.add": lambda a, b: a + b,
        "_operator.sub": lambda a, b: a - b,
        "_operator.mul": lambda a, b: a * b,
        "_operator.floordiv": _quotient,
        "_operator.mod": _remainder,
    }
    return {target: partial(_arithmetic_of_shapes, function=function) for target, function in functions.items()}


MOVES: Mapping[str, Operation] = {
    **dict.fromkeys(("aten.transpose.int", "aten.swapdims.default"), _transpose),
    "aten.swapaxes.default": partial(_transpose, named=("axis0", "axis1")),
    "aten.t.default": _t,
    "aten.numpy_T.default": _t,
    "aten.mT.default": _last_two,
    "aten.permute.default": lambda a: views.permute(a.trace, a.tensor("self"), a.integers("dims")),
    "aten.movedim.int": _movedim,
    "aten.view.default": lambda a: reshaping.reshape(a.trace, a.tensor("self"), a.integers("size")),
    "aten._unsafe_view.default": lambda a: reshaping.reshape(a.trace, a.tensor("self"), a.integers("size")),
    "aten.reshape.default": lambda a: reshaping.reshape(a.trace, a.tensor("self"), a.integers("shape")),
    "aten.flatten.using_ints": _flatten,
    "aten.unflatten.int": _unflatten,
    "aten.squeeze.default": _squeeze,
    "aten.squeeze.dim": _squeeze,
    "aten.squeeze.dims": _squeeze,
    "aten.unsqueeze.default": lambda a: views.unsqueeze(a.trace, a.tensor("self"), a.integer("dim")),
    "aten.expand.default": lambda a: reshaping.expand(a.trace, a.tensor("self"), a.integers("size")),
    "aten.select.int": lambda a: slicing.select(a.trace, a.tensor("self"), a.integer("dim"), a.integer("index")),
    "aten.slice.Tensor": _slice,
    "aten.narrow.default": _narrow,
    "aten.index_select.default": _index_select,
    "aten.flip.default": lambda a: slicing.flip(a.trace, a.tensor("self"), a.integers("dims")),
    "aten.unbind.int": _unbind,
    "aten.split.Tensor": _split,
    "aten.split_with_sizes.default": _split_with_sizes,
    "aten.chunk.default": _chunk,
    "aten.cat.default": lambda a: joining.concat(a.trace, a.tensors("tensors"), a.integer("dim", 0)),
    "aten.stack.default": lambda a: joining.stack(a.trace, a.tensors("tensors"), a.integer("dim", 0)),
    "aten.index.Tensor": _index,
    "aten.embedding.default": _embedding,
    "aten.repeat.default": _repeat,
    "aten.repeat_interleave.self_int": _repeat_interleave,
    "aten.upsample_nearest1d.vec": _upsampled,
    "aten.upsample_nearest1d.default": _upsampled,
    "aten.roll.default": _roll,
    "aten.pad.default": _padded,
    "aten.constant_pad_nd.default": _padded,
    "aten.expand_as.default": lambda a: reshaping.expand(a.trace, a.tensor("self"), a.tensor("other").shape),
    "aten.view_as.default": lambda a: reshaping.reshape(a.trace, a.tensor("self"), a.tensor("other").shape),
    **dict.fromkeys(
        (
            "aten.clone.default",
            "aten.contiguous.default",
            "aten.detach.default",
            "aten.alias.default",
            "aten.lift_fresh_copy.default",
            "aten._to_copy.default",
            "aten.to.dtype",
            "aten.to.device",
            "aten.to.dtype_layout",
        ),
        _same,
    ),
    "aten.dropout.default": _dropout,
    "aten.feature_dropout.default": _dropout,
    "aten.alpha_dropout.default": _dropout,
    "aten.zeros.default": partial(_filled, value=0.0),
    "aten.ones.default": partial(_filled, value=1.0),
    "aten.full.default": partial(_filled, value=None),
    "aten.new_zeros.default": partial(_filled, value=0.0),
    "aten.new_ones.default": partial(_filled, value=1.0),
    "aten.new_full.default": partial(_filled, value=None),
    "aten.zeros_like.default": partial(_filled_like, value=0.0),
    "aten.ones_like.default": partial(_filled_like, value=1.0),
    "aten.full_like.default": partial(_filled_like, value=None),
    **dict.fromkeys(("aten.arange.default", "aten.arange.start", "aten.arange.start_step"), _counted),
    "aten.linspace.default": _evenly,
    "aten.sym_size.int": _size,
    **_shape_operations(),
}
"""By their targets."""
