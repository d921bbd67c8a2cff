"""Operators that compute: products with weights, functions, sums and products of tensors, reductions.

Ref: https://onnx.ai/onnx/operators, each operator's page, for every version from opset 7 on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod

import numpy as np

from loopwire.frontends.onnx.attention import attention
from loopwire.frontends.onnx.graph import Array, Operation, Value
from loopwire.frontends.onnx.masks import is_lowest, visible
from loopwire.frontends.tensors import arithmetic, choosing, masks, reductions, views
from loopwire.frontends.tensors.einsum import einsum
from loopwire.frontends.tensors.exchange import features_last
from loopwire.frontends.tensors.products import Sees, hidden, product
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Operand, View
from loopwire.ir.functions import SELU_ALPHA, SELU_SCALE
from loopwire.layers.activation import SIGMOID, Function
from loopwire.layers.roots import Elementwise, Logarithm, SquareRoot

Operator = Callable[[Operation], Sequence[Value]]
CLOSE = 1e-4
"""Relative, within which selu's constants must be those of its definition, of which files have about seven digits."""


def function(make: Callable[[Operation], Function]) -> Operator:
    """Return the operator that applies a function to each element."""
    return lambda op: [arithmetic.activation(op.trace, op.view(0), make(op))]


def plain(name: str) -> Operator:
    """Return the operator of a function without parameters."""
    return function(lambda op: Function(name))


def _selu(op: Operation) -> Function:
    given = op.attribute("alpha", SELU_ALPHA), op.attribute("gamma", SELU_SCALE)
    if not np.allclose(given, (SELU_ALPHA, SELU_SCALE), rtol=CLOSE):
        raise op.refused(f"its alpha and gamma are {given}", "Use those of the definition")
    return Function("selu")


def _gelu(op: Operation) -> Function:
    return Function("gelu_tanh" if op.attribute("approximate", "none") == "tanh" else "gelu")


def clip(op: Operation) -> Sequence[Value]:
    """Clip; ends as wide as float32 are none."""
    ends = [op.attribute(key) for key in ("min", "max")]
    for k in (0, 1):
        if ends[k] is None and op.has(k + 1):
            ends[k] = float(op.weights(k + 1).ravel()[0])
    low, high = (None if end is None or abs(end) >= np.finfo(np.float32).max else end for end in ends)
    return [arithmetic.clamp(op.trace, op.view(0), low, high)]


def _shrink(op: Operation) -> Function:
    bound, bias = op.attribute("lambd", 0.5), op.attribute("bias", 0.0)
    if bound < 0 or bias not in (0, bound):
        raise op.refused(f"its lambd is {bound}, its bias {bias}", "Give a bias of 0, or of lambd")
    return Function("soft_shrink" if bias else "hard_shrink", slope=bound)


def _celu(op: Operation) -> Function:
    alpha = op.attribute("alpha", 1.0)
    if alpha <= 0:
        raise op.refused(f"its alpha is {alpha}", "Give an alpha above 0")
    return Function("celu", slope=alpha)


def prelu(op: Operation) -> Sequence[Value]:
    """PRelu, with a slope for each feature or one for all."""
    return [arithmetic.prelu(op.trace, op.view(0), op.weights(1))]


def power(op: Operation) -> Sequence[Value]:
    """Pow, of multiples of 1/2."""
    exponent = op.weights(1).ravel()
    if exponent.size != 1:
        raise op.refused(f"it takes the powers of {exponent[:4].tolist()}", "Take one power of all")
    return [arithmetic.power(op.trace, op.view(0), float(exponent[0]))]


def root(kind: type[Elementwise]) -> Operator:
    """Return the operator of a root or a logarithm of each element."""
    return lambda op: [arithmetic.elementwise(op.trace, op.view(0), kind)]


def softmax(op: Operation) -> Sequence[Value]:
    """Softmax and LogSoftmax: over one axis from opset 13 on; before, over all from that one on."""
    x, axis = op.view(0), op.attribute("axis", -1 if op.opset >= 13 else 1)
    if op.opset < 13:
        (axis,) = op.axes([axis], len(x.shape))
        if prod(x.shape[axis:]) != x.shape[-1]:
            return [arithmetic.softmax_of_all(op.trace, x, axis, SOFTMAXES[op.node.op])]
        axis = len(x.shape) - 1
    return [arithmetic.softmax(op.trace, x, axis, SOFTMAXES[op.node.op])]


SOFTMAXES = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}


def swish(op: Operation) -> Sequence[Value]:
    """Swish: x · σ(alpha x)."""
    x, alpha = op.view(0), op.attribute("alpha", 1.0)
    if alpha == 1:
        return [arithmetic.activation(op.trace, x, Function("silu"))]
    scaled = arithmetic.combine(op.trace, "multiply", x, np.array(alpha))
    return [arithmetic.combine(op.trace, "multiply", x, arithmetic.activation(op.trace, scaled, SIGMOID))]


def gemm(op: Operation) -> Sequence[Value]:
    """Gemm: alpha A B + beta C, one of A and B constant."""
    alpha, beta = op.attribute("alpha", 1.0), op.attribute("beta", 1.0)
    op.attribute("broadcast")
    a, b = _turned(op, 0, "transA"), _turned(op, 1, "transB")
    c: Operand | None = op.tensor(2) if op.has(2) else None
    if isinstance(b, View):
        # A B + C of a constant A is (Bᵀ Aᵀ + Cᵀ)ᵀ.
        a, b = views.permute(op.trace, b, (1, 0)), np.transpose(_weights(op, a, 0))
        c = None if c is None else np.transpose(np.atleast_2d(_weights(op, c, 2)))
        return [views.permute(op.trace, _product(op, a, b, c, alpha, beta), (1, 0))]
    return [_product(op, a, _weights(op, b, 1), c, alpha, beta)]


def _turned(op: Operation, index: int, key: str) -> Operand:
    value = op.tensor(index)
    if len(value.shape) != 2:
        raise op.damaged(f"operand {index + 1} has shape {value.shape}, which is no matrix")
    return views.permute(op.trace, value, (1, 0)) if op.attribute(key, 0) else value


def _weights(op: Operation, value: Operand, index: int) -> Array:
    """Return an operand, perhaps turned, that must be constant and finite."""
    op.weights(index)
    assert not isinstance(value, View)
    return value.astype(np.float64)


def _product(op: Operation, a: Operand, b: Array, c: Operand | None, alpha: float, beta: float) -> Operand:
    bias = np.zeros(b.shape[1])
    added = c
    if c is not None and not isinstance(c, View) and c.size in (1, b.shape[1]):
        bias, added = np.broadcast_to(beta * op.weights(2).ravel(), bias.shape), None
    result = arithmetic.linear(op.trace, a, alpha * b.T, bias)
    if added is None:
        return result
    if beta != 1:
        raise op.refused(f"its beta is {beta}", "Use beta=1")
    return arithmetic.combine(op.trace, "add", result, added)


def matmul(op: Operation) -> Sequence[Value]:
    """MatMul, of two sequences where no operand is constant."""
    a, b = op.tensor(0), op.tensor(1)
    if isinstance(a, View) and isinstance(b, View):
        return [product(op.trace, a, b)]
    if isinstance(a, View) and len(b.shape) == 1:
        column = arithmetic.linear(op.trace, a, op.weights(1)[np.newaxis])
        return [views.squeeze(op.trace, column, [-1])]
    if isinstance(a, View):
        return [arithmetic.linear(op.trace, a, _matrix(op, 1).T)]
    assert isinstance(b, View)
    if len(b.shape) < 2:
        return [arithmetic.linear(op.trace, b, _matrix(op, 0))]
    order = [*range(len(b.shape) - 2), len(b.shape) - 1, len(b.shape) - 2]
    turned = arithmetic.linear(op.trace, views.permute(op.trace, b, order), _matrix(op, 0))
    return [views.permute(op.trace, turned, order)]


def _matrix(op: Operation, index: int) -> Array:
    """Return a constant operand that is a matrix, perhaps with axes of length 1 in front."""
    matrix = op.weights(index)
    if matrix.ndim < 2 or prod(matrix.shape[:-2]) != 1:
        raise op.refused(f"its constant has shape {matrix.shape}", "Multiply by one matrix")
    return matrix.reshape(matrix.shape[-2:])


def merged(kind: str) -> Operator:
    """Return the operator of two tensors, or more one after another."""

    def operator(op: Operation) -> Sequence[Value]:
        values = [_finite(op, index) for index in range(len(op.operands))]
        for key in ("axis", "broadcast"):
            op.only(key, 0)
        return [reduce(lambda a, b: arithmetic.combine(op.trace, kind, a, b), values)]

    return operator


def _finite(op: Operation, index: int) -> Operand:
    """Return an operand; of a constant one its weights."""
    value = op.tensor(index)
    return value if isinstance(value, View) else op.weights(index)


def add(op: Operation) -> Sequence[Value]:
    """Add; of scores and a constant of 0 and -inf, the scores of the steps that queries see."""
    for place, other in ((0, 1), (1, 0)):
        scores, hiding = op.tensor(place), op.tensor(other)
        if isinstance(scores, View) and not isinstance(hiding, View) and np.isneginf(hiding).any():
            return [hidden(op.trace, scores, visible(op, other))]
    return merged("add")(op)


def equal(op: Operation) -> Sequence[Value]:
    """Equal, of each element of a sequence and a number: a mask."""
    x, value = op.tensor(0), op.weights(1)
    if not isinstance(x, View) or value.size != 1:
        raise op.refused("it compares two tensors, or whole numbers", "Compare a sequence with one number")
    return [masks.compared(op.trace, x, float(value.flat[0]), equal=True)]


def negated(op: Operation) -> Sequence[Value]:
    """Not, of a comparison or a mask."""
    x = op.view(0)
    if not choosing.is_truths(x):
        raise op.refused("it negates a tensor that no comparison makes", "Negate truth values")
    return [choosing.negated(op.trace, x)]


def is_nan(op: Operation) -> Sequence[Value]:
    """IsNaN, of which fixed-point numbers have none."""
    op.view(0)
    return [np.zeros((), np.bool_)]


def cumulative(op: Operation) -> Sequence[Value]:
    """CumSum, from the first place on."""
    for key in ("exclusive", "reverse"):
        op.only(key, 0, remedy="Reverse the sequence around it, or subtract it")
    given = op.constant(1).ravel()
    if given.size != 1 or given.dtype.kind != "i":
        raise op.damaged(f"its axis is {given[:4].tolist()}, not one whole number")
    (axis,) = op.axes(given.tolist(), len(op.view(0).shape))
    return [reductions.running_total(op.trace, op.view(0), axis)]


def summed_products(op: Operation) -> Sequence[Value]:
    """Einsum."""
    values = [_finite(op, index) for index in range(len(op.operands))]
    return [einsum(op.trace, op.attribute("equation", ""), values)]


def divide(op: Operation) -> Sequence[Value]:
    """Div, by a constant or by what is never 0."""
    op.only("axis", 0)
    op.only("broadcast", 0)
    divisor = op.tensor(1)
    if isinstance(divisor, View):
        return [arithmetic.divide(op.trace, _finite(op, 0), divisor)]
    if not op.weights(1).all():
        raise op.damaged("it divides by 0")
    return [arithmetic.divide(op.trace, _finite(op, 0), op.weights(1))]


def compared(sign: str) -> Operator:
    """Return the operator that compares two tensors."""
    return lambda op: [choosing.compare(op.trace, sign, _finite(op, 0), _finite(op, 1))]


def where(op: Operation) -> Sequence[Value]:
    """Where; of a constant condition that is the same everywhere, one of its operands; -inf hides elements."""
    condition, a, b = (op.tensor(index) for index in range(3))
    if not isinstance(condition, View) and condition.size and (condition == condition.flat[0]).all():
        chosen = a if condition.flat[0] else b
        with views.folding(op.trace):
            whole = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        if chosen.shape == whole:
            return [chosen]
    for x, other, place in ((b, a, True), (a, b, False)):
        if not isinstance(x, View) or isinstance(other, View) or not is_lowest(other):
            continue
        if isinstance(condition, View):
            return [choosing.hide(op.trace, condition if place else choosing.negated(op.trace, condition), x)]
        return [hidden(op.trace, x, Sees(None, masks.of_all(op.trace, (condition != 0) != place)))]
    return [choosing.choose(op.trace, condition, _finite(op, 1), _finite(op, 2))]


def negate(op: Operation) -> Sequence[Value]:
    """Neg."""
    return [arithmetic.combine(op.trace, "multiply", op.view(0), np.array(-1.0))]


def average(op: Operation) -> Sequence[Value]:
    """Mean of several tensors: their sum and a product."""
    (total,) = merged("add")(op)
    assert isinstance(total, View)
    return [arithmetic.divide(op.trace, total, np.array(float(len(op.operands))))]


def scaler(op: Operation) -> Sequence[Value]:
    """The Scaler of ai.onnx.ml: (x - offset) · scale, a number of each for every feature or one for all."""
    x = features_last(op.trace, op.view(0))
    offset, scale = (np.array(op.attribute(key, []), np.float64) for key in ("offset", "scale"))
    size = x.wire_shape[-1]
    if not all(array.size in (1, size) for array in (offset, scale)):
        raise op.damaged(f"it scales {size} features with {scale.size} factors and {offset.size} offsets")
    return [arithmetic.affine(op.trace, x, scale, -offset * scale)]


def reduced(reduction: Callable[..., Operand]) -> Operator:
    """Return the operator of a reduction over axes."""

    def operator(op: Operation) -> Sequence[Value]:
        x = op.view(0)
        axes, does_nothing = op.whole_numbers("axes", 1), op.attribute("noop_with_empty_axes", 0)
        keep = bool(op.attribute("keepdims", 1))
        if not axes and does_nothing:
            return [x]
        chosen = range(len(x.shape)) if not axes else op.axes(axes, len(x.shape))
        return [reduction(op.trace, x, list(chosen), keep)]

    return operator


def summed(of_element: Callable[[Trace, View], Operand]) -> Operator:
    """Return the operator of the sum, over axes, of what a function gives of each element."""
    return reduced(lambda trace, x, axes, keep: reductions.total(trace, of_element(trace, x), axes, keep))


def log_sum(trace: Trace, x: Operand, axes: Sequence[int], keep: bool) -> Operand:
    """Return the logarithm of the sum over axes."""
    return arithmetic.elementwise(trace, reductions.total(trace, x, axes, keep), Logarithm)


def pooled(reduction: Callable[..., Operand]) -> Operator:
    """Return the operator that pools all places of a signal (batch, channels, places)."""
    return lambda op: [reduction(op.trace, op.view(0), list(range(2, len(op.view(0).shape))), True)]


OPERATORS: dict[str, Operator] = {
    **{name: plain(name.lower()) for name in ("Relu", "Sigmoid", "Tanh", "Softsign", "Softplus")},
    "LeakyRelu": function(lambda op: Function("leaky_relu", slope=op.attribute("alpha", 0.01))),
    "Elu": function(lambda op: Function("elu", slope=op.attribute("alpha", 1.0))),
    "HardSigmoid": function(
        lambda op: Function("hard_sigmoid", slope=op.attribute("alpha", 0.2), offset=op.attribute("beta", 0.5))
    ),
    "Selu": function(_selu),
    "Gelu": function(_gelu),
    "Celu": function(_celu),
    "Mish": plain("mish"),
    "HardSwish": plain("hard_silu"),
    "Exp": plain("exponential"),
    "Abs": function(lambda op: arithmetic.MAGNITUDE),
    "Shrink": function(_shrink),
    "ThresholdedRelu": function(lambda op: Function("threshold", slope=op.attribute("alpha", 1.0))),
    "Clip": clip,
    "PRelu": prelu,
    "Pow": power,
    "Erf": plain("erf"),
    "Atan": plain("arctan"),
    "Sqrt": root(SquareRoot),
    "Log": root(Logarithm),
    "Swish": swish,
    **dict.fromkeys(SOFTMAXES, softmax),
    "Gemm": gemm,
    "MatMul": matmul,
    "Attention": attention,
    "Add": add,
    "Sum": merged("add"),
    "Sub": merged("subtract"),
    "Mul": merged("multiply"),
    "Max": merged("maximum"),
    "Min": merged("minimum"),
    "Mean": average,
    "Div": divide,
    "Reciprocal": lambda op: [arithmetic.divide(op.trace, np.array(1.0), op.view(0))],
    "Neg": negate,
    "Greater": compared(">"),
    "Equal": equal,
    "IsNaN": is_nan,
    "Not": negated,
    "Less": compared("<"),
    "GreaterOrEqual": compared(">="),
    "LessOrEqual": compared("<="),
    "Where": where,
    "CumSum": cumulative,
    "Einsum": summed_products,
    "ReduceMean": reduced(reductions.mean),
    "ReduceSum": reduced(reductions.total),
    "ReduceL1": summed(lambda trace, x: arithmetic.activation(trace, x, arithmetic.MAGNITUDE)),
    "ReduceSumSquare": summed(lambda trace, x: arithmetic.combine(trace, "multiply", x, x)),
    "ReduceL2": reduced(reductions.length),
    "ReduceLogSum": reduced(log_sum),
    "ReduceLogSumExp": reduced(reductions.log_sum_exp),
    "ReduceProd": reduced(reductions.product),
    "ReduceMax": reduced(reductions.largest),
    "ReduceMin": reduced(reductions.smallest),
    "GlobalAveragePool": pooled(reductions.mean),
    "GlobalMaxPool": pooled(reductions.largest),
}
ML_OPERATORS: dict[str, Operator] = {"Scaler": scaler}
"""Of the domain ai.onnx.ml."""
