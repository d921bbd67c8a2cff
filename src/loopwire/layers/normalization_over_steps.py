"""A normalisation over the steps of a sequence, which are summed up while they come and normalised one by one then.

Of N elements with the sum S and the sum of squares Q

    μ = S / N      v = (N Q - S²) / N²      y_t = γ_t∘(x_t - μ) / √(v + ε) + β_t

S, Q and N Q - S² are exact, so nothing is lost where μ is large beside √v.

Ref: Ba et al. 2016, arXiv:1607.06450; Wu & He 2018, arXiv:1803.08494, eq. 1-7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, parts
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.normalization import GUARD_BITS, LayerNormalization, fine_bits, inverse_root, root_bits_of, share
from loopwire.layers.roles import Role
from loopwire.layers.steps import require_sequence

NAMES = ("factors", "means")
"""Of what is the same in all steps."""


@dataclass(frozen=True, eq=False)
class NormalizationOverSteps(OneToOne):
    """(T, n) → (T, n): `groups` of features, each normalised over all steps.

    scale γ (T, n), offset β (T, n), epsilon ε. N counts all T steps, in a short sequence too. Without `centred` μ and S
    are 0.
    """

    name: str
    scale: Array
    offset: Array
    epsilon: float
    groups: int = 1
    centred: bool = True

    kind: ClassVar[str] = "NormalizationOverSteps"
    roles: ClassVar[tuple[str, ...]] = LayerNormalization.roles

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        require_sequence(self.name, self.kind, input_shape)
        if {self.scale.shape, self.offset.shape} != {input_shape} or input_shape[1] % self.groups:
            given = f"scale {self.scale.shape}, offset {self.offset.shape}"
            problem = f"it has {given} and {self.groups} groups, its input has {input_shape}"
            remedy = "Give both arrays the input's shape, and groups of as many features each"
            raise UnsupportedError(f"layer {self.name!r}", problem, remedy)
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the sums, what follows from them, and the normalisation of each step."""
        each = zip(*(self._by_group(e, sums, "group_sum") for sums in self._sums(e, x)), strict=True)
        found = [self._factor_and_mean(e, x, *sums) for sums in each]
        known = [
            e.b.concat([e.b.reshape(value, (1,), name) for value in values], name)
            for values, name in zip(zip(*found, strict=True), NAMES, strict=False)
        ]
        return self._normalised(e, x, known)

    def _sums(self, e: Emitter, x: Value) -> tuple[Value, ...]:
        """Return the sums (groups,) of the squares of all elements of a group, and of themselves if centred: exact."""
        given, count = x.type.element, x.type.size // self.groups
        most = max(given.min_integer**2, given.max_integer**2)
        wide = FixedType.holding(count * given.min_integer, count * given.max_integer, given.fraction)
        wider = FixedType.holding(0, count * most, 2 * given.fraction)
        none = [e.b.const(np.zeros(self.groups), type, "none") for type in (wider, wide)[: 1 + self.centred]]

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            (x,) = given
            terms = {"Q": e.b.mul(x, x, "squares"), **({"S": x} if self.centred else {})}
            following = [
                e.b.cast(
                    e.b.add(state, self._totals(e, more, name), f"{name}_more"), state.type.element, f"{name}_next"
                )
                for state, (name, more) in zip(states, terms.items(), strict=True)
            ]
            return following, ()

        return e.scan(none, (x,), body, names="QS"[: 1 + self.centred])

    def _totals(self, e: Emitter, x: Value, name: str) -> Value:
        sums = [e.b.reduce_sum(part, f"{name}_t") for part in parts(e, x, ["group"] * self.groups)]
        return e.b.concat([e.b.reshape(total, (1,), f"{name}_t") for total in sums], f"{name}_each")

    def _by_group(self, e: Emitter, x: Value, name: str) -> list[Value]:
        return [e.b.reshape(part, (), name) for part in parts(e, x, [name] * self.groups)]

    def _factor_and_mean(self, e: Emitter, x: Value, squares: Value, *total: Value) -> tuple[Value, ...]:
        """Return 1 / √(v + ε) of a group, and μ if it is centred."""
        given, count = x.type.element, x.type.size // self.groups
        fine = FixedType(given.width + GUARD_BITS, given.integer, given.signed, Rounding.RND, Overflow.SAT)
        spread, means = e.b.mul(squares, e.scalar(count, "N"), "NQ"), list[Value]()
        for each in total:
            mean = e.b.mul(each, share(e, count, given.width), "mean_exact")
            means.append(e.b.cast(mean, fine, "mean", "μ = S / N"))
            spread = e.b.sub(spread, e.b.mul(each, each, "S_squared"), "NQ_S", "N Q - S²")
        root_bits = root_bits_of(count)
        # Finer than what 1 / √v is looked up by, once it is divided.
        _, _, bits = fine_bits(e, max(self.epsilon, 2.0**-100), root_bits)
        exact, fraction = spread.type.element, bits + GUARD_BITS - math.floor(2 * math.log2(count))
        if fraction < exact.fraction:
            rounded = FixedType(exact.integer + 1 + fraction, exact.integer + 1, exact.signed, Rounding.RND)
            spread = e.b.cast(spread, rounded, "NQ_S_rounded")
        spread = e.b.mul(spread, share(e, count * count, e.type_of(Role.RESULT).width), "v", "v = (N Q - S²) / N²")
        spread = e.b.max(e.b.add(spread, e.scalar(self.epsilon, "epsilon"), "v_epsilon", "v + ε"), e.scalar(0, "zero"))
        return inverse_root(e, spread, self.epsilon, root_bits), *means

    def _normalised(self, e: Emitter, x: Value, known: Sequence[Value]) -> Value:
        """Return the steps, normalised by what is the same in each."""
        arrays = [(self.scale, Role.WEIGHT, "gamma"), (self.offset, Role.BIAS, "beta")]
        differ = [bool((array != array[0]).any()) for array, _, _ in arrays]
        sequences = [e.weights(*each) for each, differs in zip(arrays, differ, strict=True) if differs]

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            x, *some = given
            steps = iter(some)
            scale, offset = (
                next(steps) if differs else e.weights(array[0], role, name)
                for (array, role, name), differs in zip(arrays, differ, strict=True)
            )
            groups = zip(
                parts(e, x, ["group"] * self.groups), *(self._by_group(e, s, "of_group") for s in states), strict=True
            )
            normal = [
                e.b.mul(
                    e.b.sub(part, mean[0], "centred", "x - μ") if mean else part, factor, "normal", "(x - μ) / √(v + ε)"
                )
                for part, factor, *mean in groups
            ]
            whole = normal[0] if len(normal) == 1 else e.b.concat(normal, "normal")
            shifted = e.b.add(e.b.mul(scale, whole, "scaled"), offset, "shifted")
            return states, (e.cast(shifted, Role.RESULT, "y", "y = γ∘(x - μ) / √(v + ε) + β"),)

        return e.scan(known, (x, *sequences), body, names=(*NAMES[: len(known)], "y"))[-1]
