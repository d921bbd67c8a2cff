"""Sums of products along an axis of each of two tensors, such as the shares of an attention with what they weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import parts
from loopwire.layers.matrix_product import multiplied, require_kept
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role
from loopwire.layers.steps import transposed

STEPS, FEATURES = 1, 2
"""Axes of a sequence, counted as Keras counts them: the batch is axis 0. A vector has axis 1 alone."""


@dataclass(frozen=True)
class Dot(Callable):
    """y = Σ_k a_k b_k along axis `axes[0]` of a and axis `axes[1]` of b: their other axes, a's first.

    * (n,) and (n,), axes 1, 1: (1,)
    * (T,) and (T, m), axes 1, 1: (m,)
    * (m,) and (T, m), axes 1, 2: (T,)
    * (T, n) and (T, m), axes 1, 1: (n, m)
    * (T, n) and (S, n), axes 2, 2: (T, S)
    * (T, n) and (n, m), axes 2, 1: (T, m)
    * (T, n) and (m, T), axes 1, 2: (n, m)

    and a with b, and their axes, the other way round. Along the steps of both, the sum is there one step after the
    last; else all of one of them is kept.
    """

    name: str
    axes: tuple[int, int] = (STEPS, STEPS)

    kind: ClassVar[str] = "Dot"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        where, met = f"layer {self.name!r}", " and ".join(map(repr, inputs))
        fits = len(inputs) == 2 and all(1 <= k <= len(x.shape) <= 2 for x, k in zip(inputs, self.axes, strict=True))
        if not fits or len({x.shape[k - 1] for x, k in zip(inputs, self.axes, strict=True)}) > 1:
            problem = f"it cannot multiply {met} along axes {self.axes[0]} and {self.axes[1]}"
            remedy = "Give it two vectors or sequences, and axes of one length; axis 0 is the batch"
            raise UnsupportedError(where, problem, remedy)
        if FEATURES in self.axes:
            require_kept(self.name, inputs[1 - self.axes.index(FEATURES)])
        rest = [x.shape[: k - 1] + x.shape[k:] for x, k in zip(inputs, self.axes, strict=True)]
        return {"": (*rest[0], *rest[1]) or (1,)}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the product."""
        a, b = inputs
        if a.type.shape == b.type.shape and len(a.type.shape) == 1:
            return (e.b.reshape(e.cast(e.b.reduce_sum(e.b.mul(a, b)), Role.RESULT, "y", "y = a · b"), (1,)),)
        if FEATURES not in self.axes:
            total = sum_of_products(e, _by_steps(e, a), _by_steps(e, b))
            y = e.cast(total, Role.RESULT, "y", "y = Σ a_t b_t")
            shape = (*a.type.shape[1:], *b.type.shape[1:])
            return (y if y.type.shape == shape else e.b.reshape(y, shape, "y"),)
        taken = self.axes.index(FEATURES)
        steps, kept = inputs[taken], inputs[1 - taken]
        if len(kept.type.shape) == 1:
            product = multiplied(e, steps, e.b.reshape(kept, (1, kept.type.size), "row"), transposed=True)
            return (e.b.reshape(product, (product.type.size,), "y"),)
        product = multiplied(e, steps, kept, transposed=self.axes[1 - taken] == FEATURES)
        return (product if taken == 0 else transposed(e, product),)


def sum_of_products(e: Emitter, a: Value, b: Value) -> Value:
    """Return Σ_t a_t b_t, exact: all products of an element of a (T, n) with one of b (T, m), in a vector (n·m,)."""
    (steps, rows), (_, columns) = a.type.shape, b.type.shape
    left, right = a.type.element, b.type.element
    ends = [p * q for p in (left.min_integer, left.max_integer) for q in (right.min_integer, right.max_integer)]
    wide = FixedType.holding(steps * min(*ends, 0), steps * max(ends), left.fraction + right.fraction)

    def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        (total,), (weights, vector) = states, given
        scalars = [e.b.reshape(part, (), "a_t") for part in parts(e, weights, ["a_t"] * rows)]
        products = [e.b.mul(scalar, vector, "product") for scalar in scalars]
        product = products[0] if rows == 1 else e.b.concat(products, "products")
        return (e.b.cast(e.b.add(total, product, "more"), wide, "sum_next"),), ()

    none = e.b.const(np.zeros(rows * columns), wide, "none")
    return e.scan((none,), (a, b), body, names=("sum",))[0]


def _by_steps(e: Emitter, x: Value) -> Value:
    """Return a vector (T,) as a sequence of scalars (T, 1)."""
    return x if len(x.type.shape) == 2 else e.b.reshape(x, (x.type.size, 1), "by_steps")
