"""PyTorch's operations, by their targets in an exported graph: what each means on the common ground of tensors.

Ref: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml (names of arguments)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf, sqrt
from typing import Any

import numpy as np

from loopwire.frontends.containers import Array
from loopwire.frontends.tensors import arithmetic, choosing, normalisation, products, reductions
from loopwire.frontends.tensors.constants import is_state, state_view
from loopwire.frontends.tensors.einsum import einsum
from loopwire.frontends.tensors.exchange import along
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Operand, View, squeeze
from loopwire.frontends.torch import masks, recurrent
from loopwire.frontends.torch.arguments import Arguments, Operation
from loopwire.frontends.torch.functions import FUNCTIONS
from loopwire.frontends.torch.masks import COMPARISONS, attention_mask
from loopwire.frontends.torch.moves import MOVES
from loopwire.frontends.torch.windows import WINDOWS
from loopwire.layers.roots import Elementwise, InverseSquareRoot, Logarithm, SquareRoot


def _linear(a: Arguments) -> Operand:
    return arithmetic.linear(a.trace, a.view("input"), a.array("weight"), a.optional_array("bias"))


def _matmul(a: Arguments, left: str = "self", right: str = "other") -> Operand:
    x, kernel = a.tensor(left), a.tensor(right)
    x = state_view(a.trace, x) if not isinstance(x, View) and is_state(x) else x
    if isinstance(x, View) and not isinstance(kernel, View) and kernel.ndim == 2:
        return arithmetic.linear(a.trace, x, _transposed(a, kernel))
    if isinstance(x, View) and not isinstance(kernel, View) and kernel.ndim == 1:
        return squeeze(a.trace, arithmetic.linear(a.trace, x, kernel[np.newaxis]), [-1])
    if isinstance(x, View) and isinstance(kernel, View):
        return products.product(a.trace, x, kernel)
    if not isinstance(x, View) and isinstance(kernel, View) and x.ndim == 2 and len(kernel.shape) > 1:
        return along(a.trace, kernel, -2, lambda turned: arithmetic.linear(a.trace, turned, x))
    raise a.trace.refused("it multiplies tensors that are no sequence and no matrix of weights", PRODUCT_REMEDY)


PRODUCT_REMEDY = "Multiply sequences and vectors by matrices of weights"


def _attention(a: Arguments) -> Operand:
    query, key, value = a.view("query"), a.view("key"), a.view("value")
    if a.number("dropout_p", 0) or a.boolean("enable_gqa", False):
        raise a.trace.refused(
            "it drops steps, or shares keys among heads", "Use evaluation mode, with one key per head"
        )
    scale = a.optional_number("scale")
    scale = 1 / sqrt(query.shape[-1]) if scale is None else scale
    sees = attention_mask(a, "attn_mask")
    return products.attention(a.trace, query, key, value, scale, a.boolean("is_causal", False), sees)


def _addmm(a: Arguments) -> Operand:
    bias, x, kernel = a.tensor("self"), a.view("mat1"), a.array("mat2")
    if a.number("beta", 1) != 1 or a.number("alpha", 1) != 1 or kernel.ndim != 2:
        raise a.trace.refused("it scales a sum of products", PRODUCT_REMEDY)
    return arithmetic.combine(a.trace, "add", arithmetic.linear(a.trace, x, _transposed(a, kernel)), bias)


def _transposed(a: Arguments, kernel: Array) -> Array:
    """Return the transposed matrix, the same array each time, by which layers are known."""
    key = ("transposed", id(kernel))
    if key not in a.trace.memory:
        a.trace.memory[key] = kernel, kernel.T
    array: Array = a.trace.memory[key][1]
    return array


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
    return arithmetic.divide(a.trace, x, divisor)


def _compared(a: Arguments, sign: str) -> Operand:
    return choosing.compare(a.trace, sign, a.tensor("self"), a.tensor("other"))


def _chosen(a: Arguments) -> Operand:
    return choosing.choose(a.trace, a.tensor("condition"), a.tensor("self"), a.tensor("other"))


SIGNS = {"gt": ">", "lt": "<", "ge": ">=", "le": "<="}


def _negative(a: Arguments) -> Operand:
    return arithmetic.combine(a.trace, "multiply", a.tensor("self"), np.asarray(-1.0))


def _lerp(a: Arguments) -> Operand:
    """Read x + weight · (y - x)."""
    x, y, weight = a.tensor("self"), a.tensor("end"), a.tensor("weight")
    span = arithmetic.combine(a.trace, "subtract", y, x)
    return arithmetic.combine(a.trace, "add", x, arithmetic.combine(a.trace, "multiply", span, weight))


def _addcmul(a: Arguments) -> Operand:
    """Read x + value · a · b."""
    product = arithmetic.combine(a.trace, "multiply", a.tensor("tensor1"), a.tensor("tensor2"))
    value = a.number("value", 1)
    if value != 1:
        product = arithmetic.combine(a.trace, "multiply", product, np.asarray(value))
    return arithmetic.combine(a.trace, "add", a.tensor("self"), product)


def _power(a: Arguments) -> Operand:
    return arithmetic.power(a.trace, a.view("self"), a.number("exponent", 2))


def _root(a: Arguments, kind: type[Elementwise], more: float = 0.0) -> Operand:
    """Return a root or a logarithm of each element, to which a number is added first."""
    x: Operand = a.view("self")
    return arithmetic.elementwise(a.trace, arithmetic.combine(a.trace, "add", x, np.asarray(more)) if more else x, kind)


def _weight_norm(a: Arguments) -> Array:
    """Return the weights g v / |v|, the same array each time, by which layers are known."""
    v, g, axis = a.array("v"), a.array("g"), a.integer("dim", 0)
    key = ("weight_norm", id(v), id(g))
    if key not in a.trace.memory:
        length = np.sqrt((v**2).sum(tuple(k for k in range(v.ndim) if k != axis % max(v.ndim, 1)), keepdims=True))
        if not length.all() or g.shape != length.shape:
            raise a.trace.refused(f"its lengths, of shape {g.shape}, are not valid", "Train the model again")
        a.trace.memory[key] = v, g, v * g / length
    array: Array = a.trace.memory[key][2]
    return array


def _reduced(a: Arguments, function: Callable[..., Operand]) -> Operand:
    x = a.tensor("self")
    axes = a.integers("dim", ()) or list(range(len(x.shape)))
    return function(a.trace, x, axes, a.boolean("keepdim", False))


def _extreme(a: Arguments, function: Callable[..., Operand]) -> list[Operand]:
    """Return the largest or smallest; where it is, nothing can read."""
    return [_reduced(a, function)]


def _norm(a: Arguments) -> Operand:
    """Read lengths of order 1, 2 and infinity."""
    order = a.unbounded("ord", 2)
    if order not in (1, 2, inf):
        raise a.trace.refused(f"it takes a length of order {order}", "Take one of order 1, 2 or infinity")
    return _reduced(a, LENGTHS[order])


def _of_magnitudes(reduction: Callable[..., Operand], trace: Trace, x: Operand, *given: Any) -> Operand:
    return reduction(trace, arithmetic.activation(trace, x, arithmetic.MAGNITUDE), *given)


LENGTHS: Mapping[float, Callable[..., Operand]] = {
    1: partial(_of_magnitudes, reductions.total),
    2: reductions.length,
    inf: partial(_of_magnitudes, reductions.largest),
}


def _variance(a: Arguments, root: bool = False) -> Operand:
    fewer = a.number("correction", 1 if a.boolean("unbiased", True) else 0)
    squares = _reduced(a, partial(reductions.variance, fewer=fewer))
    return arithmetic.elementwise(a.trace, squares, SquareRoot) if root else squares


def _similarity(a: Arguments) -> Operand:
    """Read the product of two vectors of length 1."""
    x, y, epsilon = a.view("x1"), a.view("x2"), a.number("eps", 1e-8)
    axis = a.integer("dim", 1)
    product = arithmetic.combine(
        a.trace, "multiply", *(normalisation.unit_length(a.trace, v, axis, epsilon) for v in (x, y))
    )
    return reductions.total(a.trace, product, [axis], False)


OPERATIONS: Mapping[str, Operation] = {
    "aten.linear.default": _linear,
    "aten.matmul.default": _matmul,
    **dict.fromkeys(("aten.mm.default", "aten.bmm.default"), partial(_matmul, right="mat2")),
    "aten.scaled_dot_product_attention.default": _attention,
    "aten.addmm.default": _addmm,
    "aten.lstm.input": partial(recurrent.layers, recurrent.LSTM),
    "aten.gru.input": partial(recurrent.layers, recurrent.GRU),
    "aten.rnn_tanh.input": partial(recurrent.layers, recurrent.RNN_TANH),
    "aten.rnn_relu.input": partial(recurrent.layers, recurrent.RNN_RELU),
    "aten.lstm_cell.default": partial(recurrent.cell, recurrent.LSTM),
    "aten.gru_cell.default": partial(recurrent.cell, recurrent.GRU),
    "aten.rnn_tanh_cell.default": partial(recurrent.cell, recurrent.RNN_TANH),
    "aten.rnn_relu_cell.default": partial(recurrent.cell, recurrent.RNN_RELU),
    **dict.fromkeys(("aten.add.Tensor", "aten.add.Scalar"), partial(_combined, kind="add")),
    **dict.fromkeys(("aten.sub.Tensor", "aten.sub.Scalar"), partial(_combined, kind="subtract")),
    **dict.fromkeys(("aten.rsub.Tensor", "aten.rsub.Scalar"), partial(_combined, kind="subtract", swapped=True)),
    **dict.fromkeys(("aten.mul.Tensor", "aten.mul.Scalar"), partial(_combined, kind="multiply")),
    "aten.reciprocal.default": lambda a: arithmetic.divide(a.trace, np.asarray(1.0), a.tensor("self")),
    **dict.fromkeys(("aten.div.Tensor", "aten.div.Scalar", "aten.div.Tensor_mode"), _divided),
    **dict.fromkeys(("aten.maximum.default", "aten.max.other"), partial(_combined, kind="maximum")),
    **dict.fromkeys(("aten.minimum.default", "aten.min.other"), partial(_combined, kind="minimum")),
    "aten.neg.default": _negative,
    **{
        f"aten.{name}.{of}": partial(_compared, sign=sign)
        for name, sign in SIGNS.items()
        for of in ("Scalar", "Tensor")
    },
    **{f"aten.where.{of}": _chosen for of in ("self", "ScalarOther", "ScalarSelf", "Scalar")},
    **dict.fromkeys(("aten.lerp.Scalar", "aten.lerp.Tensor"), _lerp),
    "aten.addcmul.default": _addcmul,
    **dict.fromkeys(("aten.square.default", "aten.pow.Tensor_Scalar"), _power),
    "aten.sqrt.default": partial(_root, kind=SquareRoot),
    "aten.rsqrt.default": partial(_root, kind=InverseSquareRoot),
    "aten.log.default": partial(_root, kind=Logarithm),
    "aten.log1p.default": partial(_root, kind=Logarithm, more=1.0),
    "aten._weight_norm.default": _weight_norm,
    **COMPARISONS,
    **dict.fromkeys(("aten.mean.dim", "aten.mean.default"), partial(_reduced, function=reductions.mean)),
    **dict.fromkeys(("aten.sum.dim_IntList", "aten.sum.default"), partial(_reduced, function=reductions.total)),
    "aten.cumsum.default": lambda a: reductions.running_total(a.trace, a.view("self"), a.integer("dim")),
    "aten.einsum.default": lambda a: einsum(a.trace, a.text("equation", ""), a.tensors("tensors")),
    "aten.amax.default": partial(_reduced, function=reductions.largest),
    "aten.amin.default": partial(_reduced, function=reductions.smallest),
    **dict.fromkeys(("aten.prod.default", "aten.prod.dim_int"), partial(_reduced, function=reductions.product)),
    "aten.logsumexp.default": partial(_reduced, function=reductions.log_sum_exp),
    "aten.linalg_vector_norm.default": _norm,
    **dict.fromkeys(("aten.var.dim", "aten.var.correction", "aten.var.default"), _variance),
    **dict.fromkeys(("aten.std.dim", "aten.std.correction", "aten.std.default"), partial(_variance, root=True)),
    "aten.cosine_similarity.default": _similarity,
    "aten.max.dim": partial(_extreme, function=reductions.largest),
    "aten.min.dim": partial(_extreme, function=reductions.smallest),
    **{f"aten.masked_fill.{of}": masks.filled for of in ("Scalar", "Tensor")},
    **MOVES,
    **FUNCTIONS,
    **WINDOWS,
}

PACKED_REMEDY = "Export it inside whole_sequences() (docs/pytorch.md#packed-sequences)"
REFUSED: Mapping[str, str] = {
    "aten.lstm.data": PACKED_REMEDY,
    "aten.gru.data": PACKED_REMEDY,
    "aten._pack_padded_sequence.": PACKED_REMEDY,
    "higher_order.": "Its control flow depends on data: give the model one way through",
}
"""Operations that users meet, by how their targets begin, and what to do instead."""
