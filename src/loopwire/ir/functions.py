"""The real functions that tables carry, by name: the float reference, and what the design of a table must know."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from loopwire.errors import ConfigError

Reals = npt.NDArray[np.float64]

LARGEST_EXPONENT = 700.0
"""exp of it is near the largest float64; no fixed-point type in use reaches so far."""
SELU_SCALE = 1.0507009873554804934193349852946
"""λ of selu, its slope where x is positive. Ref: arXiv:1706.02515, digits from its appendix."""
SELU_ALPHA = 1.6732632423543772848170429916717
"""α of selu, from the same place."""
SILU_LEAST, GELU_LEAST, GELU_TANH_LEAST = 1.2784645427610738, 0.7517915246935645, 0.7524614220710162
"""|x| where silu, gelu and gelu's tanh form are least: zeros of their derivatives, by bisection."""
MISH_LEAST, MISH_TAIL_LEAST = 1.1924312143650377, 0.7957685935551981
"""-x where mish is least, and x > 0 where mish(x) - x is: zeros of their derivatives, by bisection."""
RSQRT_RATIO = 4
RSQRT_POWERS = range(-12, 17)
"""Where the parts of a normalisation's factor begin: at 4**k."""
SQRT_POWERS = range(-24, 17)
"""Where the parts of a square root begin: at 4**k."""
RECIPROCAL_RATIO = 4
RECIPROCAL_LOWS = tuple(RECIPROCAL_RATIO**k for k in range(8))
"""Where the parts of a softmax's reciprocal begin; they reach to 65536."""


class Symmetry(Enum):
    """How f(-x) follows from f(x)."""

    ODD = "f(-x) = -f(x)"
    COMPLEMENT = "f(-x) = 1 - f(x)"
    EVEN = "f(-x) = f(x)"


@dataclass(frozen=True)
class RealFunction:
    """A function of one real number, monotone between its `turning_points` and defined above `defined_above`.

    What can be interpolated lies in -2…2 and has a `curvature`, the largest |f''| where f'' is defined; `bends` are
    where f'' changes its sign, kinks included, which are at multiples of 1/4.
    """

    real: Callable[[Reals], Reals]
    symmetry: Symmetry | None = None
    turning_points: tuple[float, ...] = ()
    defined_above: float = -np.inf
    curvature: float | None = None
    bends: tuple[float, ...] = ()


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


def silu_tail(x: Reals) -> Reals:
    """-|x| · sigmoid(-|x|), which is silu(x) - max(x, 0), silu(x) = x · sigmoid(x). Ref: arXiv:1702.03118."""
    magnitude = np.abs(x)
    return -magnitude * sigmoid(-magnitude)


def gelu_tail(x: Reals) -> Reals:
    """-|x| · Φ(-|x|), which is gelu(x) - max(x, 0), gelu(x) = x · Φ(x), Φ the normal one. Ref: arXiv:1606.08415."""
    magnitude = np.abs(x)
    tail: Reals = -0.5 * magnitude * _erfc(magnitude / np.sqrt(2.0))
    return tail


def gelu_tanh_tail(x: Reals) -> Reals:
    """As gelu_tail, with (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2 for Φ(x). Ref: arXiv:1606.08415, section 2."""
    magnitude = np.abs(x)
    argument = np.sqrt(2.0 / np.pi) * (magnitude + 0.044715 * magnitude**3)
    # (1 - tanh(u)) / 2 = 1 / (1 + exp(2u)), which loses no digits where tanh(u) is near 1.
    tail: Reals = -magnitude / (1.0 + np.exp(np.minimum(2.0 * argument, LARGEST_EXPONENT)))
    return tail


def mish_tail(x: Reals) -> Reals:
    """mish(x) - max(x, 0), mish(x) = x · tanh(softplus(x)). Ref: arXiv:1908.08681."""
    return x * np.tanh(softplus(x)) - np.maximum(x, 0.0)


def squareplus_tail(x: Reals) -> Reals:
    """(√(x² + 4) - |x|) / 2, which is squareplus(x) - max(x, 0) where its b is 4. Ref: arXiv:2112.11687."""
    return 2.0 / (np.sqrt(x * x + 4.0) + np.abs(x))


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
erf = np.vectorize(math.erf, otypes=[np.float64])
"""2/√π times the integral of exp(-t²) from 0 to x."""


def elu(x: Reals) -> Reals:
    """x where positive, else exp(x) - 1. Ref: arXiv:1511.07289."""
    return np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))


def selu_nonpositive(x: Reals) -> Reals:
    """λ·α·(exp(min(x, 0)) - 1): the negative side of selu. Ref: arXiv:1706.02515, digits from its appendix."""
    return SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0.0))


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
    """exp(min(x, 0)) - 1: the negative side of elu."""
    return np.expm1(np.minimum(x, 0.0))


def reciprocal(x: Reals) -> Reals:
    """1 / x."""
    return 1.0 / x


def reciprocal_between(low: float, high: float) -> Callable[[Reals], Reals]:
    """Return 1 / x with x clipped to low…high: a part of a reciprocal, whose last one has no upper end."""
    return lambda x: 1.0 / np.clip(x, low, high)


def rsqrt_between(low: float, high: float) -> Callable[[Reals], Reals]:
    """Return 1 / √x with x clipped to low…high: a part of a normalisation's factor, whose last one has no upper end."""
    return lambda x: 1.0 / np.sqrt(np.clip(x, low, high))


def rsqrt_part(power: int) -> str:
    """Return the name of the part of 1 / √x that begins at 4**power."""
    return f"rsqrt_{'below_' if power < 0 else ''}{abs(power)}"


def sqrt_between(low: float, high: float) -> Callable[[Reals], Reals]:
    """Return √x with x clipped to low…high: a part of a square root."""
    return lambda x: np.sqrt(np.clip(x, low, high))


def sqrt_part(low: int | None, high: int | None) -> str:
    """Return the name of the part of √x from 4**low to 4**high: from 0, and without an end, where they are None."""
    start, end = ("" if power is None else f"{'below_' if power < 0 else ''}{abs(power)}" for power in (low, high))
    return "_".join(filter(None, ("sqrt", start and f"from_{start}", end and f"to_{end}")))


def log_between(low: float, high: float) -> Callable[[Reals], Reals]:
    """Return log(x) with x clipped to low…high: a part of the logarithm of a softmax's sum."""
    return lambda x: np.log(np.clip(x, low, high))


SILU_BEND, GELU_TANH_BEND = 2.399357, 1.418504
"""|x| > 0 where the second derivatives of silu and of gelu's tanh form are 0, by bisection; gelu's is at √2."""

FUNCTIONS: dict[str, RealFunction] = {
    "sigmoid": RealFunction(sigmoid, Symmetry.COMPLEMENT, curvature=0.0963, bends=(0.0,)),
    "tanh": RealFunction(np.tanh, Symmetry.ODD, curvature=0.7699, bends=(0.0,)),
    "erf": RealFunction(erf, Symmetry.ODD, curvature=0.9679, bends=(0.0,)),
    "arctan": RealFunction(np.arctan, Symmetry.ODD, curvature=0.6496, bends=(0.0,)),
    "softsign": RealFunction(softsign, Symmetry.ODD, curvature=2.0, bends=(0.0,)),
    "softplus": RealFunction(softplus),
    "softplus_tail": RealFunction(softplus_tail, Symmetry.EVEN, turning_points=(0.0,), curvature=0.25, bends=(0.0,)),
    "silu_tail": RealFunction(
        silu_tail,
        Symmetry.EVEN,
        turning_points=(-SILU_LEAST, 0.0, SILU_LEAST),
        curvature=0.5,
        bends=(-SILU_BEND, 0.0, SILU_BEND),
    ),
    "gelu_tail": RealFunction(
        gelu_tail,
        Symmetry.EVEN,
        turning_points=(-GELU_LEAST, 0.0, GELU_LEAST),
        curvature=0.798,
        bends=(-math.sqrt(2.0), 0.0, math.sqrt(2.0)),
    ),
    "gelu_tanh_tail": RealFunction(
        gelu_tanh_tail,
        Symmetry.EVEN,
        turning_points=(-GELU_TANH_LEAST, 0.0, GELU_TANH_LEAST),
        curvature=0.798,
        bends=(-GELU_TANH_BEND, 0.0, GELU_TANH_BEND),
    ),
    "mish_tail": RealFunction(mish_tail, turning_points=(-MISH_LEAST, 0.0, MISH_TAIL_LEAST)),
    "squareplus_tail": RealFunction(squareplus_tail, Symmetry.EVEN, turning_points=(0.0,)),
    "elu": RealFunction(elu),
    "selu_nonpositive": RealFunction(selu_nonpositive, curvature=1.7581, bends=(0.0,)),
    "exp": RealFunction(exp),
    "exp_nonpositive": RealFunction(exp_nonpositive, curvature=1.0, bends=(0.0,)),
    "expm1": RealFunction(expm1),
    "expm1_nonpositive": RealFunction(expm1_nonpositive, curvature=1.0, bends=(0.0,)),
    "reciprocal": RealFunction(reciprocal, defined_above=0.0),
    **{
        f"reciprocal_{low}_to_{low * RECIPROCAL_RATIO}": RealFunction(
            reciprocal_between(low, low * RECIPROCAL_RATIO),
            curvature=2.0 / low**3,
            bends=(low, low * RECIPROCAL_RATIO),
        )
        for low in RECIPROCAL_LOWS
    },
    **{
        f"reciprocal_from_{low}": RealFunction(reciprocal_between(low, np.inf), curvature=2.0 / low**3, bends=(low,))
        for low in RECIPROCAL_LOWS
    },
    **{
        f"log_{low}_to_{low * RECIPROCAL_RATIO}": RealFunction(log_between(low, low * RECIPROCAL_RATIO))
        for low in RECIPROCAL_LOWS
    },
    **{
        sqrt_part(low, high): RealFunction(
            sqrt_between(0.0 if low is None else 4.0**low, np.inf if high is None else 4.0**high)
        )
        for power in SQRT_POWERS
        for low, high in ((None, power), (power, power + 1), (power, None))
    },
    **{f"log_from_{low}": RealFunction(log_between(low, np.inf)) for low in RECIPROCAL_LOWS},
    **{
        rsqrt_part(power): RealFunction(
            rsqrt_between(4.0**power, np.inf if power == RSQRT_POWERS[-1] else 4.0 ** (power + 1))
        )
        for power in RSQRT_POWERS
    },
}
MOST_SEGMENT_BITS = 14
"""Segments of an interpolation are 2**-k wide, k up to so many."""


def chord_of(function: str, segment_bits: int) -> str:
    """Return the name of the slope of a function's chords: (f(x + h) - f(x)) / h with h = 2**-segment_bits."""
    return f"{function}_chord_{segment_bits}"


def _chord(real: RealFunction, segment_bits: int) -> RealFunction:
    width = 2.0**-segment_bits

    def slope(x: Reals) -> Reals:
        return (real.real(x + width) - real.real(x)) / width

    # Where f'' changes its sign inside a segment, or in the joint of two, the chords before and after are steepest.
    return RealFunction(slope, turning_points=tuple(bend - width / 2 for bend in real.bends))


MOST_ROUNDED_BITS, MOST_GRID_BITS = 16, 40
"""Fraction bits of a result, and of an operand, for which a function is rounded exactly."""
UNREACHED = 64.0
"""Stands for an infinite threshold: no sigmoid or tanh changes beyond in `MOST_ROUNDED_BITS` fraction bits."""


def below_of(function: str, fraction: int) -> str:
    """Return the name of f(x) - h/2, h = 2**-fraction."""
    return f"{function}_below_{fraction}"


def threshold_of(function: str, fraction: int, grid: int) -> str:
    """Return the name of t(y) + g/2 with f(t) = y - h/2, h = 2**-fraction, g = 2**-grid.

    Rounded to nearest, it is the least multiple of g from which on f(x) rounds to y or more.
    """
    return f"{function}_threshold_{fraction}_{grid}"


def _below(real: RealFunction, fraction: int) -> RealFunction:
    return RealFunction(lambda x: real.real(x) - 2.0 ** -(fraction + 1))


def _threshold(inverse: Callable[[Reals], Reals], fraction: int, grid: int) -> RealFunction:
    def raised(y: Reals) -> Reals:
        exact = inverse(y - 2.0 ** -(fraction + 1))
        return np.where(np.abs(exact) < UNREACHED, exact + 2.0 ** -(grid + 1), exact)

    return RealFunction(raised)


def atanh(y: Reals) -> Reals:
    """The inverse of tanh, `UNREACHED` beyond its results."""
    inside = np.abs(y) < 1.0
    return np.where(inside, np.arctanh(np.where(inside, y, 0.0)), np.copysign(UNREACHED, y))


def logit(y: Reals) -> Reals:
    """The inverse of sigmoid, `UNREACHED` beyond its results."""
    return np.clip(2.0 * atanh(2.0 * np.asarray(y) - 1.0), -UNREACHED, UNREACHED)


INVERSES: dict[str, Callable[[Reals], Reals]] = {"tanh": atanh, "sigmoid": logit}
"""Of the functions that are rounded exactly."""

TABULATED: dict[str, RealFunction] = {
    **FUNCTIONS,
    **{
        below_of(name, fraction): _below(FUNCTIONS[name], fraction)
        for name in INVERSES
        for fraction in range(1, MOST_ROUNDED_BITS + 1)
    },
    **{
        threshold_of(name, fraction, grid): _threshold(inverse, fraction, grid)
        for name, inverse in INVERSES.items()
        for fraction in range(1, MOST_ROUNDED_BITS + 1)
        for grid in range(fraction, MOST_GRID_BITS + 1)
    },
    **{
        chord_of(name, bits): _chord(real, bits)
        for name, real in FUNCTIONS.items()
        for bits in range(1, MOST_SEGMENT_BITS + 1)
        if real.curvature is not None
    },
}
"""All that a table may carry: the functions, and what interpolating them and rounding them exactly takes."""

OWN: set[str] = set()
"""The names of those that users registered."""


def register(
    name: str,
    real: Callable[[Reals], Reals],
    *,
    symmetry: Symmetry | None = None,
    turning_points: tuple[float, ...] = (),
    defined_above: float = -np.inf,
) -> None:
    """Let tables carry a function of one's own, by its name: in `Emitter.table`, and as an activation.

    Args:
        name: a plain word that no other function has.
        real: the function, of an array of float64; it must be the same whenever it is called.
        symmetry: how f(-x) follows from f(x), if it does: half of the table is then enough.
        turning_points: where it ceases to rise or to fall. Between them the table's error is judged at the ends of its
            cells alone, so a turning point that is left out can make it larger than it says.
        defined_above: the inputs that it is defined for.

    Raises:
        ConfigError: the name is none or taken, or `real` does not return as many finite numbers as it is given.
    """
    if not name.isidentifier():
        raise ConfigError("function", f"{name!r} is not a plain word", "Give a name such as 'cosine'")
    if name in TABULATED:
        raise ConfigError("function", f"{name!r} exists already", "Give it another name")
    sample = np.linspace(max(defined_above, -8.0) + 1 / 64, max(defined_above, -8.0) + 16, 257)
    found = np.asarray(real(sample))
    if found.shape != sample.shape or not np.isfinite(found).all():
        problem = f"{name!r} does not return a finite number for each element of an array of {len(sample)}"
        raise ConfigError(
            "function", problem, "Write it with numpy, element by element, and give the inputs that it is defined for"
        )
    OWN.add(name)
    FUNCTIONS[name] = TABULATED[name] = RealFunction(real, symmetry, turning_points, defined_above)
