"""Activations on real numbers, by their formulas: what a graph that writes one out computes is compared with these."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from loopwire.ir import functions
from loopwire.ir.functions import Reals
from loopwire.layers.activation import Function


def _relu(x: Reals, f: Function) -> Reals:
    return np.minimum(np.maximum(x, 0), np.inf if f.maximum is None else f.maximum) + f.slope * np.minimum(x, 0)


def _softmax(x: Reals, _: Function) -> Reals:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _log_softmax(x: Reals, _: Function) -> Reals:
    below = x - x.max(-1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(-1, keepdims=True)))


def _with_tail(tail: Callable[[Reals], Reals]) -> Callable[[Reals, Function], Reals]:
    return lambda x, _: np.maximum(x, 0) + tail(x)


REALS: Mapping[str, Callable[[Reals, Function], Reals]] = {
    "linear": lambda x, _: x,
    "relu": _relu,
    "leaky_relu": _relu,
    "relu6": lambda x, _: np.clip(x, 0, 6),
    "hard_tanh": lambda x, _: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x, f: np.clip(f.slope * x + f.offset, 0, 1),
    "hard_silu": lambda x, _: x * np.clip(x / 6 + 0.5, 0, 1),
    "sigmoid": lambda x, _: functions.sigmoid(x),
    "log_sigmoid": lambda x, _: -functions.softplus(-x),
    "tanh": lambda x, _: np.tanh(x),
    "tanh_shrink": lambda x, _: x - np.tanh(x),
    "softsign": lambda x, _: functions.softsign(x),
    "softplus": lambda x, _: functions.softplus(x),
    "silu": _with_tail(functions.silu_tail),
    "gelu": _with_tail(functions.gelu_tail),
    "gelu_tanh": _with_tail(functions.gelu_tanh_tail),
    "mish": _with_tail(functions.mish_tail),
    "squareplus": _with_tail(functions.squareplus_tail),
    "elu": lambda x, f: np.where(x > 0, x, f.slope * np.expm1(np.minimum(x, 0))),
    "selu": lambda x, _: functions.SELU_SCALE * np.maximum(x, 0) + functions.selu_nonpositive(x),
    "exponential": lambda x, _: functions.exp(x),
    "expm1": lambda x, _: functions.expm1(x),
    "erf": lambda x, _: functions.erf(x),
    "arctan": lambda x, _: np.arctan(x),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}
"""By name, of a function with its parameters; those of a vector run over the last axis."""
