"""Normalisations of each step by what its own features are: layer, group, RMS and unit normalisation.

    y = γ∘(x - μ) / √(v + ε) + β

with the mean μ and the variance v of the features, or of a group of them. The factor 1 / √v bends sharply where v is
small, so it is a sum of tables, each for a factor of 4 of its argument and constant beyond, as a softmax's reciprocal.
Each is as fine as the result asks where |x - μ| is as large as it can be: √(n v).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.functions import RSQRT_POWERS, rsqrt_part
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role

GUARD_BITS = 1
"""Of means and factors, beyond what the result has."""


@dataclass(frozen=True, eq=False)
class LayerNormalization(OneToOne):
    """scale γ (n,), offset β (n,), epsilon ε; the features in `groups` of one size, each normalised by itself.

    Without `centred` μ is 0, which makes it an RMS normalisation. With `summed` v is the sum of the squares instead of
    their mean, and `epsilon` its least value instead of what is added: unit normalisation.

    Ref: Ba et al. 2016, arXiv:1607.06450; Wu & He 2018, arXiv:1803.08494; Zhang & Sennrich 2019, arXiv:1910.07467.
    """

    name: str
    scale: Array
    offset: Array
    epsilon: float
    groups: int = 1
    centred: bool = True
    summed: bool = False

    kind: ClassVar[str] = "LayerNormalization"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, Role.RESULT)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        if input_shape[-1] != len(self.scale) or len(self.scale) % self.groups:
            problem = f"it normalises {len(self.scale)} features in {self.groups} groups, its input has {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Normalise the last axis, in groups of one size")
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Normalise the vector, or each step."""
        return e.each_step(self._vector, x, name="y")

    def _vector(self, e: Emitter, x: Value) -> Value:
        size = x.type.size // self.groups
        if self.groups == 1:
            normal = self._group(e, x)
        else:
            parts = [e.b.slice(x, start, start + size, "group") for start in range(0, x.type.size, size)]
            normal = e.b.concat([e.cast(self._group(e, part), Role.RESULT, "normal_part") for part in parts], "normal")
        scaled = e.b.mul(e.weights(self.scale, Role.WEIGHT, "gamma"), normal, "scaled")
        shifted = e.b.add(scaled, e.weights(self.offset, Role.BIAS, "beta"), "shifted")
        return e.cast(shifted, Role.RESULT, "y", "y = γ∘(x - μ) / √(v + ε) + β")

    def _group(self, e: Emitter, x: Value) -> Value:
        """Return (x - μ) / √(v + ε), exact but for μ and the factor."""
        given, count = x.type.element, x.type.size
        if self.centred:
            fine = FixedType(given.width + GUARD_BITS, given.integer, given.signed, Rounding.RND, Overflow.SAT)
            mean = e.b.mul(e.b.reduce_sum(x, "sum"), share(e, count, given.width), "mean_exact")
            x = e.b.sub(x, e.b.cast(mean, fine, "mean", "μ"), "centred", "x - μ")
        total = e.b.reduce_sum(e.b.mul(x, x, "squares"), "squares_sum")
        if self.summed:
            spread = e.b.max(total, e.scalar(self.epsilon, "epsilon"), "v")
        else:
            mean = e.b.mul(total, share(e, count, e.type_of(Role.RESULT).width), "v")
            spread = e.b.add(mean, e.scalar(self.epsilon, "epsilon"), "v_epsilon", "v + ε")
        root_bits = 0 if self.summed else root_bits_of(count)
        return e.b.mul(x, inverse_root(e, spread, self.epsilon, root_bits), "normal", "(x - μ) / √(v + ε)")


def share(e: Emitter, count: int, bits: int) -> Value:
    """Return 1 / n to a given number of bits."""
    return e.b.const(1 / count, FixedType(bits + count.bit_length() + 1, 1, signed=False), "share")


def root_bits_of(count: int) -> int:
    """Return the bits that |x - μ| of so many elements has beyond √v."""
    return math.ceil(math.log2(count) / 2)


def fine_bits(e: Emitter, least: float, root_bits: int) -> tuple[int, int, int]:
    """Return the power of 4 from which on a spread counts, the least being given, and fraction bits of 1 / √v and v."""
    first = min(max(math.floor(math.log(least, 4)), RSQRT_POWERS[0]), RSQRT_POWERS[-1])
    fine = max(e.type_of(Role.RESULT).fraction, 0) + GUARD_BITS + root_bits
    return first, fine, fine + GUARD_BITS - 2 * first


def inverse_root(e: Emitter, spread: Value, least: float, root_bits: int) -> Value:
    """Add 1 / √v, a sum of parts that begin at powers of 4; below 4**-12, and below `least`, it grows no more.

    It has `root_bits` fraction bits more than the result.
    """
    exact = spread.type.element
    least, most = max(least, exact.step), exact.max_integer * exact.step
    first, fine, bits = fine_bits(e, least, root_bits)
    bits = min(bits, exact.fraction)
    spread = e.b.cast(
        spread, FixedType(bits + exact.integer, exact.integer, False, Rounding.RND, Overflow.SAT), "v_rounded"
    )
    powers = range(first, max(min(math.ceil(math.log(most, 4)), RSQRT_POWERS[-1] + 1), first + 1))
    factor: Value | None = None
    for power in powers:
        fraction = max(fine + power + 1, power)
        type = FixedType(fraction + 1 - power, 1 - power, False, Rounding.RND, Overflow.SAT)
        part = e.table(rsqrt_part(power), spread, type, f"factor_{power - first}", f"1 / √v from 4^{power}")
        if factor is None:
            factor = part
        else:
            # Below where it begins a part is 2^-power: what was counted already.
            own = e.b.sub(part, e.scalar(2.0**-power, "begin"), f"factor_{power - first}_more")
            factor = e.b.add(factor, own, f"factor_to_{power - first}")
    assert factor is not None
    return factor


def root_mean_square(name: str, scale: Array, epsilon: float) -> LayerNormalization:
    """Return an RMS normalisation: y = γ∘x / √(mean of x² + ε)."""
    return LayerNormalization(name, scale, np.zeros_like(scale), epsilon, centred=False)


def unit(name: str, features: int, epsilon: float = 1e-12) -> LayerNormalization:
    """Return what makes a vector one of length 1: y = x / √max(sum of x², ε)."""
    ones = np.ones(features)
    return LayerNormalization(name, ones, np.zeros(features), epsilon, centred=False, summed=True)
