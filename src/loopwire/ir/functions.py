"""The real functions that tables carry, by name: the float reference, and what the design of a table must know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

LARGEST_EXPONENT = 700.0
"""exp of it is near the largest float64; no fixed-point type in use reaches so far."""


class Symmetry(Enum):
    """How f(-x) follows from f(x)."""

    ODD = "f(-x) = -f(x)"
    COMPLEMENT = "f(-x) = 1 - f(x)"
    EVEN = "f(-x) = f(x)"


@dataclass(frozen=True)
class RealFunction:
    """A function of one real number, monotone between its `turning_points` and defined above `defined_above`."""

    real: Callable[[Reals], Reals]
    symmetry: Symmetry | None = None
    turning_points: tuple[float, ...] = ()
    defined_above: float = -np.inf


def sigmoid(x: Reals) -> Reals:
    """1 / (1 + exp(-x)), written so that nothing overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def softsign(x: Reals) -> Reals:
    """x / (1 + |x|)."""
    return x / (1.0 + np.abs(x))


def softplus(x: Reals) -> Reals:
    """log(1 + exp(x))."""
    return np.logaddexp(0.0, x)


def softplus_tail(x: Reals) -> Reals:
    """log(1 + exp(-|x|)), which is softplus(x) - max(x, 0): the part that is not linear."""
    return np.log1p(np.exp(-np.abs(x)))


def silu(x: Reals) -> Reals:
    """x · sigmoid(x), also called swish. Ref: arXiv:1702.03118."""
    return x * sigmoid(x)


def elu(x: Reals) -> Reals:
    """x where positive, else exp(x) - 1. Ref: arXiv:1511.07289."""
    return np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))


def selu(x: Reals) -> Reals:
    """λ·x where positive, else λ·α·(exp(x) - 1). Ref: arXiv:1706.02515, section 2 and its appendix's digits."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return scale * np.where(x > 0.0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def exp(x: Reals) -> Reals:
    """exp(x)."""
    return np.exp(np.minimum(x, LARGEST_EXPONENT))


def exp_nonpositive(x: Reals) -> Reals:
    """exp(min(x, 0)): a softmax subtracts the largest element first, so that its exponents are never positive."""
    return np.exp(np.minimum(x, 0.0))


def expm1(x: Reals) -> Reals:
    """exp(x) - 1."""
    return np.expm1(np.minimum(x, LARGEST_EXPONENT))


def expm1_nonpositive(x: Reals) -> Reals:
    """exp(min(x, 0)) - 1: the negative side of elu and selu."""
    return np.expm1(np.minimum(x, 0.0))


def reciprocal(x: Reals) -> Reals:
    """1 / x."""
    return 1.0 / x


def reciprocal_from_one(x: Reals) -> Reals:
    """1 / max(x, 1): the sum of a softmax's exponentials is never below 1."""
    return 1.0 / np.maximum(x, 1.0)


FUNCTIONS: dict[str, RealFunction] = {
    "sigmoid": RealFunction(sigmoid, Symmetry.COMPLEMENT),
    "tanh": RealFunction(np.tanh, Symmetry.ODD),
    "softsign": RealFunction(softsign, Symmetry.ODD),
    "softplus": RealFunction(softplus),
    "softplus_tail": RealFunction(softplus_tail, Symmetry.EVEN, turning_points=(0.0,)),
    "silu": RealFunction(silu, turning_points=(-1.2784645427610738,)),
    "elu": RealFunction(elu),
    "selu": RealFunction(selu),
    "exp": RealFunction(exp),
    "exp_nonpositive": RealFunction(exp_nonpositive),
    "expm1": RealFunction(expm1),
    "expm1_nonpositive": RealFunction(expm1_nonpositive),
    "reciprocal": RealFunction(reciprocal, defined_above=0.0),
    "reciprocal_from_one": RealFunction(reciprocal_from_one),
}
