"""PyTorch's operations, by their targets in an exported graph: what each means on the common ground of tensors.

Ref: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml (names of arguments)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from loopwire.frontends.containers import Array
from loopwire.frontends.tensors import arithmetic, views
from loopwire.frontends.tensors.trace import Result, Step, Wire
from loopwire.frontends.tensors.views import Axis, Operand, View
from loopwire.frontends.torch import recurrent
from loopwire.frontends.torch.arguments import Arguments, Value
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization

Results = Value | Sequence[Operand]
Operation = Callable[[Arguments], Results]
"""Reads a node's arguments; returns its result, or several in the order of the node's outputs."""


def _linear(a: Arguments) -> Operand:
    return arithmetic.linear(a.trace, a.view("input"), a.array("weight"), a.optional_array("bias"))


def _matmul(a: Arguments, left: str = "self", right: str = "other") -> Operand:
    x, kernel = a.tensor(left), a.tensor(right)
    if isinstance(x, View) and not isinstance(kernel, View) and kernel.ndim == 2:
        return arithmetic.linear(a.trace, x, _transposed(a, kernel))
    raise a.trace.refused("it multiplies tensors that are no sequence and no matrix of weights", PRODUCT_REMEDY)


PRODUCT_REMEDY = "Multiply sequences and vectors by matrices of weights, from the right"


def _addmm(a: Arguments) -> Operand:
    bias, x, kernel = a.tensor("self"), a.view("mat1"), a.array("mat2")
    if a.number("beta", 1) != 1 or a.number("alpha", 1) != 1 or kernel.ndim != 2:
        raise a.trace.refused("it weighs a sum of products", PRODUCT_REMEDY)
    return arithmetic.combine(a.trace, "add", arithmetic.linear(a.trace, x, _transposed(a, kernel)), bias)


def _transposed(a: Arguments, kernel: Array) -> Array:
    """Return the transposed matrix, the same array each time, by which layers are known."""
    key = ("transposed", id(kernel))
    if key not in a.trace.memory:
        a.trace.memory[key] = kernel, kernel.T
    array: Array = a.trace.memory[key][1]
    return array


# Axes.


def _transpose(a: Arguments) -> Operand:
    x = a.tensor("self")
    first, second = (views.axis_of(a.trace, x, a.integer(key)) for key in ("dim0", "dim1"))
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
    return views.reshape(a.trace, x, [*x.shape[:start], -1, *x.shape[end + 1 :]])


def _unflatten(a: Arguments) -> Operand:
    x = a.tensor("self")
    axis = views.axis_of(a.trace, x, a.integer("dim"))
    return views.reshape(a.trace, x, [*x.shape[:axis], *a.integers("sizes"), *x.shape[axis + 1 :]])


def _squeeze(a: Arguments) -> Operand:
    return views.squeeze(a.trace, a.tensor("self"), a.integers("dim", ()) or None)


def _slice(a: Arguments) -> Operand:
    x, axis, step = a.tensor("self"), a.integer("dim", 0), a.integer("step", 1)
    if step < 1:
        raise a.trace.refused(f"its slice goes by {step}", "Give a step of 1 or more")
    length = x.shape[views.axis_of(a.trace, x, axis)]
    places = views.places_of(length, a.optional_integer("start"), a.optional_integer("end"), step)
    return views.take(a.trace, x, axis, places)


def _narrow(a: Arguments) -> Operand:
    start = a.integer("start")
    return views.take(a.trace, a.tensor("self"), a.integer("dim"), range(start, start + a.integer("length")))


def _index_select(a: Arguments) -> Operand:
    x, axis, index = a.tensor("self"), a.integer("dim"), a.array("index")
    length = x.shape[views.axis_of(a.trace, x, axis)]
    if index.ndim != 1 or not ((index >= -length) & (index < length)).all():
        raise a.trace.refused(f"its index of shape {index.shape} is beyond an axis of length {length}", "Give a list")
    return views.take(a.trace, x, axis, [int(place) % length for place in index])


def _unbind(a: Arguments) -> list[Operand]:
    x, axis = a.tensor("self"), a.integer("dim", 0)
    length = x.shape[views.axis_of(a.trace, x, axis)]
    return [views.select(a.trace, x, axis, place) for place in range(length)]


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
    return [views.take(a.trace, x, axis, range(start, start + size)) for start, size in spans]


# Arithmetic.


def _combined(a: Arguments, kind: str, swapped: bool = False) -> Operand:
    left, right = a.tensor("self"), a.tensor("other")
    alpha = a.number("alpha", 1)
    if alpha != 1:
        right = arithmetic.combine(a.trace, "multiply", right, np.asarray(alpha))
    return arithmetic.combine(a.trace, kind, *((right, left) if swapped else (left, right)))


def _divided(a: Arguments) -> Operand:
    if a.text("rounding_mode", "") != "":
        raise a.trace.refused("it divides and rounds", "Divide by constants, without rounding")
    x, divisor = a.tensor("self"), a.tensor("other")
    if isinstance(x, View) and isinstance(divisor, View) and _is_one_plus_magnitude(divisor, x):
        return arithmetic.activation(a.trace, x, Function("softsign"))  # as PyTorch computes it
    return arithmetic.divide(a.trace, x, divisor)


MAGNITUDE = Function("relu", slope=-1.0)
"""max(x, 0) - min(x, 0)"""


def _is_one_plus_magnitude(view: View, x: View) -> bool:
    """Return whether a view is 1 + |x|."""
    pairs = zip(view.parts.flat, x.parts.flat, strict=False)
    alike = view.axes == x.axes and view.parts.shape == x.parts.shape
    return alike and all(_is_wires_magnitude(wire, other) for wire, other in pairs)


def _is_wires_magnitude(wire: Wire, x: Wire) -> bool:
    if isinstance(wire, Step) and isinstance(x, Step):
        return wire.step == x.step and _is_wires_magnitude(wire.of, x.of)
    match wire:
        case Result(
            layer=BatchNormalization(scale=scale, offset=offset),
            inputs=(Result(layer=Activation(function=function), inputs=(inner,)),),
        ):
            return inner is x and function == MAGNITUDE and bool((scale == 1).all() and (offset == 1).all())
        case _:
            return False


def _negative(a: Arguments) -> Operand:
    return arithmetic.combine(a.trace, "multiply", a.tensor("self"), np.asarray(-1.0))


Reduce = Callable[..., Operand]


def _reduced(a: Arguments, function: Reduce) -> Operand:
    x = a.tensor("self")
    axes = a.integers("dim", ()) or list(range(len(x.shape)))
    return function(a.trace, x, axes, a.boolean("keepdim", False))


def _max_dim(a: Arguments) -> list[Operand]:
    """Return the largest, and in place of where it is what nothing can read."""
    return [_reduced(a, arithmetic.largest)]


def _pooled(a: Arguments, function: Reduce) -> Operand:
    """Pool the last axis to one place."""
    if a.integers("output_size") != [1]:
        raise a.trace.refused("it pools to more than one place", "Pool all steps, to a size of 1")
    return function(a.trace, a.tensor("self"), [-1], True)


def _batch_norm(a: Arguments) -> Operand:
    x, running_mean, running_var = a.view("input"), a.array("running_mean"), a.array("running_var")
    scale, offset = a.optional_array("weight"), a.optional_array("bias")
    epsilon = a.number("eps")
    if a.boolean("training", False):
        raise a.trace.refused("it is in training", "Export the module in evaluation: module.eval()")
    a.ignore("momentum", "cudnn_enabled")
    x = views.with_features(x)
    if len(x.axes) < 2 or x.axes[1] is not Axis.FEATURES:
        kind = x.axes[min(1, len(x.axes) - 1)].value
        raise a.trace.refused(
            f"it normalises the axis of the {kind}", "Normalise the features: transpose before and after"
        )
    sizes = {array.shape for array in (running_mean, running_var, scale, offset) if array is not None}
    if sizes != {(x.wire_shape[-1],)} or not (running_var + epsilon > 0).all():
        raise a.trace.refused(f"its arrays, of shapes {sorted(sizes)}, are not sound", "Train the model again")
    scale = (np.ones(()) if scale is None else scale) / np.sqrt(running_var + epsilon)
    return arithmetic.affine(a.trace, x, scale, (np.zeros(()) if offset is None else offset) - running_mean * scale)


# Activations.


def _activation(a: Arguments, function: Function) -> Operand:
    return arithmetic.activation(a.trace, a.view("self"), function)


def _leaky_relu(a: Arguments) -> Operand:
    return _activation(a, Function("leaky_relu", slope=a.number("negative_slope", 0.01)))


def _prelu(a: Arguments) -> Operand:
    weight = a.array("weight")
    if weight.size != 1:
        raise a.trace.refused(f"its PReLU has {weight.size} slopes", "Use one slope for all features")
    return _activation(a, Function("leaky_relu", slope=float(weight.flat[0])))


def _elu(a: Arguments) -> Operand:
    if a.number("scale", 1) != 1 or a.number("input_scale", 1) != 1:
        raise a.trace.refused("its ELU is scaled", "Use ELU with alpha alone, or SELU")
    return _activation(a, Function("elu", slope=a.number("alpha", 1)))


def _gelu(a: Arguments) -> Operand:
    return _activation(a, Function("gelu" if a.text("approximate", "none") == "none" else "gelu_tanh"))


def _softplus(a: Arguments) -> Operand:
    if a.number("beta", 1) != 1:
        raise a.trace.refused("its softplus has another beta than 1", "Use beta=1")
    a.ignore("threshold")  # beyond which PyTorch takes softplus(x) for x, which differs by less than 3e-9
    return _activation(a, Function("softplus"))


def _clamped(a: Arguments, low: str = "min", high: str = "max") -> Operand:
    least, most = a.optional_number(low), a.optional_number(high)
    if least != 0 or (most is not None and most <= 0):
        raise a.trace.refused(f"it clamps to {least}…{most}", "Clamp from 0 on, which is a ReLU with a maximum")
    return _activation(a, Function("relu", maximum=most))


def _softmax(a: Arguments) -> Operand:
    a.ignore("half_to_float")
    return arithmetic.softmax(a.trace, a.view("self"), a.integer("dim"))


def _same(a: Arguments, key: str = "self") -> Operand:
    return a.tensor(key)


def _dropout(a: Arguments) -> Operand:
    if a.boolean("train", False) and a.number("p"):
        raise a.trace.refused("it is in training", "Export the module in evaluation: module.eval()")
    a.ignore("p")
    return a.tensor("input")


# Constants and shapes.


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
    return np.broadcast_to(np.asarray(value, np.float64), tuple(lengths))


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


def _shape_operations() -> Mapping[str, Operation]:
    functions: dict[str, Callable[[int, int], int]] = {
        "_operator.add": lambda a, b: a + b,
        "_operator.sub": lambda a, b: a - b,
        "_operator.mul": lambda a, b: a * b,
        "_operator.floordiv": _quotient,
        "_operator.mod": _remainder,
    }
    return {target: partial(_arithmetic_of_shapes, function=function) for target, function in functions.items()}


OPERATIONS: Mapping[str, Operation] = {
    "aten.linear.default": _linear,
    "aten.matmul.default": _matmul,
    "aten.mm.default": partial(_matmul, right="mat2"),
    "aten.addmm.default": _addmm,
    "aten.lstm.input": partial(recurrent.layers, recurrent.LSTM),
    "aten.gru.input": partial(recurrent.layers, recurrent.GRU),
    "aten.rnn_tanh.input": partial(recurrent.layers, recurrent.RNN_TANH),
    "aten.rnn_relu.input": partial(recurrent.layers, recurrent.RNN_RELU),
    "aten.lstm_cell.default": partial(recurrent.cell, recurrent.LSTM),
    "aten.gru_cell.default": partial(recurrent.cell, recurrent.GRU),
    "aten.rnn_tanh_cell.default": partial(recurrent.cell, recurrent.RNN_TANH),
    "aten.rnn_relu_cell.default": partial(recurrent.cell, recurrent.RNN_RELU),
    "aten.transpose.int": _transpose,
    "aten.t.default": _t,
    "aten.numpy_T.default": _t,
    "aten.mT.default": _last_two,
    "aten.permute.default": lambda a: views.permute(a.trace, a.tensor("self"), a.integers("dims")),
    "aten.movedim.int": _movedim,
    "aten.view.default": lambda a: views.reshape(a.trace, a.tensor("self"), a.integers("size")),
    "aten._unsafe_view.default": lambda a: views.reshape(a.trace, a.tensor("self"), a.integers("size")),
    "aten.reshape.default": lambda a: views.reshape(a.trace, a.tensor("self"), a.integers("shape")),
    "aten.flatten.using_ints": _flatten,
    "aten.unflatten.int": _unflatten,
    "aten.squeeze.default": _squeeze,
    "aten.squeeze.dim": _squeeze,
    "aten.squeeze.dims": _squeeze,
    "aten.unsqueeze.default": lambda a: views.unsqueeze(a.trace, a.tensor("self"), a.integer("dim")),
    "aten.expand.default": lambda a: views.expand(a.trace, a.tensor("self"), a.integers("size")),
    "aten.select.int": lambda a: views.select(a.trace, a.tensor("self"), a.integer("dim"), a.integer("index")),
    "aten.slice.Tensor": _slice,
    "aten.narrow.default": _narrow,
    "aten.index_select.default": _index_select,
    "aten.flip.default": lambda a: views.flip(a.trace, a.tensor("self"), a.integers("dims")),
    "aten.unbind.int": _unbind,
    "aten.split.Tensor": _split,
    "aten.split_with_sizes.default": _split_with_sizes,
    "aten.chunk.default": _chunk,
    "aten.cat.default": lambda a: views.concat(a.trace, a.tensors("tensors"), a.integer("dim", 0)),
    "aten.stack.default": lambda a: views.stack(a.trace, a.tensors("tensors"), a.integer("dim", 0)),
    **dict.fromkeys(("aten.add.Tensor", "aten.add.Scalar"), partial(_combined, kind="add")),
    **dict.fromkeys(("aten.sub.Tensor", "aten.sub.Scalar"), partial(_combined, kind="subtract")),
    **dict.fromkeys(("aten.rsub.Tensor", "aten.rsub.Scalar"), partial(_combined, kind="subtract", swapped=True)),
    **dict.fromkeys(("aten.mul.Tensor", "aten.mul.Scalar"), partial(_combined, kind="multiply")),
    **dict.fromkeys(("aten.div.Tensor", "aten.div.Scalar", "aten.div.Tensor_mode"), _divided),
    "aten.maximum.default": partial(_combined, kind="maximum"),
    "aten.minimum.default": partial(_combined, kind="minimum"),
    "aten.max.other": partial(_combined, kind="maximum"),
    "aten.min.other": partial(_combined, kind="minimum"),
    "aten.neg.default": _negative,
    "aten.mean.dim": partial(_reduced, function=arithmetic.mean),
    "aten.sum.dim_IntList": partial(_reduced, function=arithmetic.total),
    "aten.amax.default": partial(_reduced, function=arithmetic.largest),
    "aten.max.dim": _max_dim,
    "aten.adaptive_avg_pool1d.default": partial(_pooled, function=arithmetic.mean),
    "aten.adaptive_max_pool1d.default": lambda a: [_pooled(a, arithmetic.largest)],
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    **{
        f"aten.{name}.default": partial(_activation, function=Function(name))
        for name in ("relu", "relu6", "sigmoid", "tanh", "selu", "silu")
    },
    "aten.abs.default": partial(_activation, function=MAGNITUDE),
    "aten.hardsigmoid.default": partial(_activation, function=Function("hard_sigmoid", slope=1 / 6, offset=0.5)),
    "aten.leaky_relu.default": _leaky_relu,
    "aten.prelu.default": _prelu,
    "aten.elu.default": _elu,
    "aten.gelu.default": _gelu,
    "aten.softplus.default": _softplus,
    "aten.clamp.default": _clamped,
    "aten.clamp_min.default": _clamped,
    "aten.hardtanh.default": partial(_clamped, low="min_val", high="max_val"),
    "aten.softmax.int": _softmax,
    "aten._softmax.default": _softmax,
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
    "aten.sym_size.int": _size,
    **_shape_operations(),
}

PACKED_REMEDY = "Give whole sequences, not packed ones: the firmware ends short ones by TLAST"
LOG_REMEDY = "End with softmax, or with the linear layer, whose largest result is the same"
REFUSED: Mapping[str, str] = {
    "aten.layer_norm.": "LayerNorm is no layer of Loopwire's yet: use BatchNorm1d, or train without",
    "aten.conv1d.": "Conv1d is no layer of Loopwire's yet: convolve before the model",
    "aten.max_pool1d": "MaxPool1d is no layer of Loopwire's yet: pool before the model",
    "aten.avg_pool1d": "AvgPool1d is no layer of Loopwire's yet: pool before the model",
    "aten.embedding.": "Embed the tokens before the model, and give it the vectors",
    "aten.log_softmax.": LOG_REMEDY,
    "aten._log_softmax.": LOG_REMEDY,
    "aten.scaled_dot_product_attention.": "Attention is not recurrent: train the model without it",
    "aten.lstm.data": PACKED_REMEDY,
    "aten.gru.data": PACKED_REMEDY,
    "aten._pack_padded_sequence.": PACKED_REMEDY,
    "higher_order.": "Its control flow depends on data: give the model one way through",
}
"""Operations that users meet, by how their targets begin, and what to do instead."""
