"""PyTorch's functions of each element, and those over the features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from loopwire.frontends.tensors import arithmetic
from loopwire.frontends.tensors.exchange import along
from loopwire.frontends.tensors.views import Operand
from loopwire.frontends.torch.arguments import EVALUATE, Arguments, Operation
from loopwire.layers.activation import Function

LEAST_THRESHOLD = 12
"""Of softplus: e**-12 is 6e-6."""


def _activation(a: Arguments, function: Function) -> Operand:
    return arithmetic.activation(a.trace, a.view("self"), function)


def _leaky_relu(a: Arguments) -> Operand:
    return _activation(a, Function("leaky_relu", slope=a.number("negative_slope", 0.01)))


def _prelu(a: Arguments) -> Operand:
    x, slopes = a.view("self"), a.array("weight")
    if slopes.size == 1:
        return arithmetic.prelu(a.trace, x, slopes)
    return along(a.trace, x, min(1, len(x.axes) - 1), lambda turned: arithmetic.prelu(a.trace, turned, slopes))


def _threshold(a: Arguments) -> Operand:
    return _activation(a, Function("threshold", slope=a.number("threshold"), offset=a.number("value")))


def _shrink(a: Arguments, name: str) -> Operand:
    bound = a.number("lambd", 0.5)
    if bound < 0:
        raise a.trace.refused(f"its bound is {bound}", "Give a bound of 0 or more")
    return _activation(a, Function(name, slope=bound))


def _celu(a: Arguments) -> Operand:
    alpha = a.number("alpha", 1)
    if alpha <= 0:
        raise a.trace.refused(f"its alpha is {alpha}", "Give an alpha above 0")
    return _activation(a, Function("celu", slope=alpha))


def _elu(a: Arguments) -> Operand:
    if a.number("scale", 1) != 1 or a.number("input_scale", 1) != 1:
        raise a.trace.refused("its ELU is scaled", "Use ELU with alpha alone, or SELU")
    return _activation(a, Function("elu", slope=a.number("alpha", 1)))


def _gelu(a: Arguments) -> Operand:
    return _activation(a, Function("gelu" if a.text("approximate", "none") == "none" else "gelu_tanh"))


def _softplus(a: Arguments) -> Operand:
    """Read softplus(β x) / β; beyond a threshold of β x PyTorch takes x, which differs by e**-threshold / β."""
    beta, threshold = a.number("beta", 1), a.number("threshold", 20)
    if beta <= 0 or threshold < LEAST_THRESHOLD:
        problem = f"the beta of its softplus is {beta:g}, its threshold {threshold:g}"
        raise a.trace.refused(problem, f"Use a beta above 0, and a threshold of {LEAST_THRESHOLD} or more")
    if beta == 1:
        return _activation(a, Function("softplus"))
    scaled = arithmetic.combine(a.trace, "multiply", a.view("self"), np.asarray(beta))
    curved = arithmetic.activation(a.trace, scaled, Function("softplus"))
    return arithmetic.combine(a.trace, "multiply", curved, np.asarray(1 / beta))


def _rrelu(a: Arguments) -> Operand:
    """Read RReLU in evaluation, where its slope is the mean of its bounds."""
    if a.boolean("training", False):
        raise a.trace.refused("it is in training mode", EVALUATE)
    return _activation(a, Function("leaky_relu", slope=(a.number("lower", 1 / 8) + a.number("upper", 1 / 3)) / 2))


def _clamped(a: Arguments) -> Operand:
    return arithmetic.clamp(a.trace, a.view("self"), a.optional_number("min"), a.optional_number("max"))


def _hardtanh(a: Arguments) -> Operand:
    return arithmetic.clamp(a.trace, a.view("self"), a.number("min_val", -1), a.number("max_val", 1))


def _softmax(a: Arguments, function: str = "softmax") -> Operand:
    a.ignore("half_to_float")
    return arithmetic.softmax(a.trace, a.view("self"), a.integer("dim"), function)


PLAIN = {
    **{name: name for name in ("relu", "relu6", "sigmoid", "tanh", "selu", "silu", "mish", "log_sigmoid")},
    "hardswish": "hard_silu",
    "exp": "exponential",
    "erf": "erf",
    "atan": "arctan",
    "expm1": "expm1",
}
"""Functions without parameters: what Loopwire calls them."""
FUNCTIONS: Mapping[str, Operation] = {
    **{f"aten.{name}.default": partial(_activation, function=Function(own)) for name, own in PLAIN.items()},
    "aten.abs.default": partial(_activation, function=arithmetic.MAGNITUDE),
    "aten.hardsigmoid.default": partial(_activation, function=Function("hard_sigmoid", slope=1 / 6, offset=0.5)),
    "aten.leaky_relu.default": _leaky_relu,
    "aten.rrelu.default": _rrelu,
    "aten.prelu.default": _prelu,
    "aten.elu.default": _elu,
    "aten.celu.default": _celu,
    "aten.gelu.default": _gelu,
    "aten.glu.default": lambda a: arithmetic.gated(a.trace, a.tensor("self"), a.integer("dim", -1)),
    "aten.softplus.default": _softplus,
    "aten.threshold.default": _threshold,
    "aten.softshrink.default": partial(_shrink, name="soft_shrink"),
    "aten.hardshrink.default": partial(_shrink, name="hard_shrink"),
    "aten.clamp.default": _clamped,
    "aten.clip.default": _clamped,
    "aten.clamp_min.default": _clamped,
    "aten.clamp_max.default": _clamped,
    "aten.hardtanh.default": _hardtanh,
    **dict.fromkeys(("aten.softmax.int", "aten._softmax.default"), _softmax),
    **dict.fromkeys(("aten.log_softmax.int", "aten._log_softmax.default"), partial(_softmax, function="log_softmax")),
}
"""By their targets."""
