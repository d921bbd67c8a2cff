"""Layers that make one tensor of several, element by element: sums, products, means, extremes; and their joining.

Sequences are merged step by step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, TypeVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.masking import masked, require_mask
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role

_T = TypeVar("_T")
MEAN_GUARD_BITS = 2
"""Fraction bits that the factor 1/n of a mean has beyond its result's and those that n inputs take."""


@dataclass(frozen=True)
class Merge(Callable, ABC):
    """What merging layers are: vectors in, one vector out, in the type of the result.

    `masked` says which inputs have a mask; these follow the inputs. Only layers that Keras computes by them take any.
    """

    name: str
    masked: tuple[bool, ...] = ()

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        inputs, masks = self._apart(inputs)
        for mask in masks:
            require_mask(self.name, mask, inputs[0])
        if len(inputs) < 2 or len({len(x.shape) for x in inputs}) > 1 or len({x.shape[:-1] for x in inputs}) > 1:
            self.refuse(inputs)
        return {"": (*inputs[0].shape[:-1], self.size(inputs))}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the equations, for each step where the inputs are sequences."""

        def step(e: Emitter, *given: Value) -> Value:
            vectors, masks = self._apart(given)
            if not masks:
                return self.merged(e, vectors)
            bits = iter(e.b.reshape(mask, (), "counts") for mask in masks)
            return self.merged_where(e, vectors, [next(bits) if has else None for has in self.masked])

        return (e.each_step(step, *inputs, name="y"),)

    def _apart(self, inputs: Sequence[_T]) -> tuple[Sequence[_T], Sequence[_T]]:
        """Return what is merged, and the masks."""
        count = len(inputs) - sum(self.masked)
        return inputs[:count], inputs[count:]

    def size(self, inputs: Sequence[Tensor]) -> int:
        """Return the elements of a vector of the result: as many as each input has."""
        if len({x.shape for x in inputs}) > 1:
            self.refuse(inputs)
        return inputs[0].shape[-1]

    def refuse(self, inputs: Sequence[Tensor]) -> None:
        """Refuse inputs that do not fit together.

        Raises:
            UnsupportedError: always.
        """
        met = ", ".join(map(repr, inputs))
        raise UnsupportedError(
            f"layer {self.name!r}",
            f"{self.kind} cannot merge {met}",
            "Give it two inputs or more, all vectors or all sequences with the same number of steps, of sizes that fit",
        )

    @abstractmethod
    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the equations on vectors."""

    def merged_where(self, e: Emitter, vectors: Sequence[Value], masks: Sequence[Value | None]) -> Value:
        """Add the equations on vectors of which some have a bit that says whether they count."""
        raise AssertionError(f"{self.kind} does not read masks")


class Add(Merge):
    """y = a + b + …"""

    kind = "Add"

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the exact sum, then its cast."""
        return e.cast(reduce(lambda a, b: e.b.add(a, b, "sum"), vectors), Role.RESULT, "y", "y = a + b")


class Subtract(Merge):
    """y = a - b"""

    kind = "Subtract"

    def size(self, inputs: Sequence[Tensor]) -> int:
        """Return the elements of a vector of the result; there are two inputs."""
        if len(inputs) != 2:
            self.refuse(inputs)
        return super().size(inputs)

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the exact difference, then its cast."""
        a, b = vectors
        return e.cast(e.b.sub(a, b), Role.RESULT, "y", "y = a - b")


class Multiply(Merge):
    """y = a∘b∘…"""

    kind = "Multiply"

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the exact product, then its cast."""
        return e.cast(reduce(lambda a, b: e.b.mul(a, b), vectors), Role.RESULT, "y", "y = a∘b")

    def merged_where(self, e: Emitter, vectors: Sequence[Value], masks: Sequence[Value | None]) -> Value:
        """Take 1 for what does not count; where nothing does, the product is 0."""
        one, zero, known = e.scalar(1.0, "one"), e.scalar(0.0, "zero"), [mask for mask in masks if mask is not None]
        counted = [v if m is None else e.b.where(m, v, one, "counted") for v, m in zip(vectors, masks, strict=True)]
        product = self.merged(e, counted)
        if len(known) < len(masks):
            return product
        any_counts = reduce(lambda a, b: e.b.max(a, b, "any"), known)
        return masked(e, any_counts, product, zero, "y")


class Average(Merge):
    """y = (a + b + …) / n"""

    kind = "Average"

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the exact sum, its product with 1/n, then the cast."""
        total = reduce(lambda a, b: e.b.add(a, b, "sum"), vectors)
        count = len(vectors)
        if count & (count - 1) == 0:
            factor = e.scalar(1 / count, "share")
        else:
            fraction = max(e.type_of(Role.RESULT).fraction, 0) + 2 * count.bit_length() + MEAN_GUARD_BITS
            factor = e.b.const(1 / count, FixedType(fraction, 0, signed=False), "share")
        return e.cast(e.b.mul(total, factor, "mean"), Role.RESULT, "y", f"y = sum / {count}")


class Extreme(Merge):
    """What maximum and minimum are, of which neither has a number that changes nothing."""

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the chosen elements, then their cast."""
        return e.cast(reduce(lambda a, b: self.chosen(e, a, b), vectors), Role.RESULT, "y", self.__doc__ or "")

    def merged_where(self, e: Emitter, vectors: Sequence[Value], masks: Sequence[Value | None]) -> Value:
        """Take the others for what does not count."""
        found, counts = vectors[0], masks[0]
        for vector, mask in zip(vectors[1:], masks[1:], strict=True):
            other = vector if mask is None else e.b.where(mask, vector, found, "counted")
            found = found if counts is None else e.b.where(counts, found, other, "counted")
            found = self.chosen(e, found, other)
            counts = None if counts is None or mask is None else e.b.max(counts, mask, "any")
        return e.cast(found, Role.RESULT, "y", self.__doc__ or "")

    @abstractmethod
    def chosen(self, e: Emitter, a: Value, b: Value) -> Value:
        """Add the larger, or the smaller, of two vectors."""


class Maximum(Extreme):
    """y = max(a, b)"""

    kind = "Maximum"

    def chosen(self, e: Emitter, a: Value, b: Value) -> Value:
        """Add the larger elements."""
        return e.b.max(a, b)


class Minimum(Extreme):
    """y = min(a, b)"""

    kind = "Minimum"

    def chosen(self, e: Emitter, a: Value, b: Value) -> Value:
        """Add the smaller elements."""
        return e.b.min(a, b)


class Concatenate(Merge):
    """y = [a, b, …], along the features"""

    kind = "Concatenate"

    def size(self, inputs: Sequence[Tensor]) -> int:
        """Return the elements of all inputs together."""
        return sum(x.shape[-1] for x in inputs)

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the casts, then their joining."""
        return e.b.concat([e.cast(vector, Role.RESULT, "part") for vector in vectors], "y")
