"""Layers that make one tensor of several, element by element: sums, products, means, extremes; and their joining.

Sequences are merged step by step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role

MEAN_GUARD_BITS = 2
"""Fraction bits that the factor 1/n of a mean has beyond its result's and those that n inputs take."""


@dataclass(frozen=True)
class Merge(Callable, ABC):
    """What merging layers are: vectors in, one vector out, in the type of the result."""

    name: str

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        if len(inputs) < 2 or len({len(x.shape) for x in inputs}) > 1 or len({x.shape[:-1] for x in inputs}) > 1:
            self.refuse(inputs)
        return {"": (*inputs[0].shape[:-1], self.size(inputs))}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the equations, for each step where the inputs are sequences."""
        return (e.each_step(lambda e, *vectors: self.merged(e, vectors), *inputs, name="y"),)

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
            "Give it two inputs or more, all vectors or all sequences of as many steps, of sizes that fit",
        )

    @abstractmethod
    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the equations on vectors."""


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


class Maximum(Merge):
    """y = max(a, b, …)"""

    kind = "Maximum"

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the larger elements, then their cast."""
        return e.cast(reduce(lambda a, b: e.b.max(a, b), vectors), Role.RESULT, "y", "y = max(a, b)")


class Minimum(Merge):
    """y = min(a, b, …)"""

    kind = "Minimum"

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the smaller elements, then their cast."""
        return e.cast(reduce(lambda a, b: e.b.min(a, b), vectors), Role.RESULT, "y", "y = min(a, b)")


class Concatenate(Merge):
    """y = [a, b, …], along the features"""

    kind = "Concatenate"

    def size(self, inputs: Sequence[Tensor]) -> int:
        """Return the elements of all inputs together."""
        return sum(x.shape[-1] for x in inputs)

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the casts, then their joining."""
        return e.b.concat([e.cast(vector, Role.RESULT, "part") for vector in vectors], "y")


class Dot(Merge):
    """y = a · b, the inner product of two vectors, as a vector of one element"""

    kind = "Dot"

    def size(self, inputs: Sequence[Tensor]) -> int:
        """Return 1."""
        if len(inputs) != 2 or len(inputs[0].shape) != 1 or inputs[0].shape != inputs[1].shape:
            self.refuse(inputs)
        return 1

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the exact sum of products, then its cast."""
        a, b = vectors
        return e.b.reshape(e.cast(e.b.reduce_sum(e.b.mul(a, b)), Role.RESULT, "y", "y = a · b"), (1,))
