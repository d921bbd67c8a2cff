"""A lookup of vectors by numbers: what an index selects of a trained table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow
from loopwire.layers.each_step import EachStep
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array
from loopwire.layers.masking import StepMask
from loopwire.layers.model import Model, OneToOne, Shape, Tensor
from loopwire.layers.roles import Role
from loopwire.layers.shape import Flatten, Reshape


@dataclass(frozen=True, eq=False)
class Embedding(OneToOne):
    """(T, 1) → (T, m), or (1,) → (m,): row x_t of the table (n, m); zeros where it has no such row.

    An input of the model that only embeddings read has the type of its indices (`count_of`), unsigned and whole; what
    a layer computes is rounded towards 0.
    """

    name: str
    table: Array

    kind: ClassVar[str] = "Embedding"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT,)

    @property
    def index_type(self) -> FixedType:
        """The narrowest type of a row's number."""
        return whole_type(len(self.table))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with a row in place of each index."""
        if input_shape[-1] != 1:
            problem = f"it looks up one index per step, but its input has shape {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give it indices of shape (steps, 1)")
        return (*input_shape[:-1], self.table.shape[1])

    def emit(self, e: Emitter, x: Value) -> Value:
        """Look up each index."""
        return e.each_step(self._row, x, name="y")

    def _row(self, e: Emitter, x: Value) -> Value:
        index, exact = e.b.reshape(x, (), "index"), self.index_type
        if (x.type.element.integer, x.type.element.fraction, x.type.element.signed) != (exact.integer, 0, False):
            index = e.b.cast(index, exact, "row")
        return e.b.lookup(e.weights(self.table, Role.WEIGHT, "table"), index, "y", "y = row x of the table")


def whole_type(count: int) -> FixedType:
    """Return the narrowest type of the whole numbers from 0 to count - 1."""
    bits = max((count - 1).bit_length(), 1)
    return FixedType(bits, bits, signed=False, overflow=Overflow.SAT)


def count_of(model: Model, tensor: Tensor) -> int | None:
    """Return how many whole numbers, from 0 on, an input of a model may hold; None of an input of real numbers.

    It is the rows of the largest table, where embeddings alone read it, and 2 where masks read it as truth values.
    """
    counts = list(_counts(model, tensor))
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None


def _counts(model: Model, tensor: Tensor) -> Iterator[int | None]:
    """Yield how many numbers each layer reads in a tensor, its shape and masks of an index aside; None for others."""
    for call in model.calls:
        layer = call.layer.layer if isinstance(call.layer, EachStep) else call.layer
        if tensor not in call.inputs:
            continue
        match layer:
            case StepMask(truths=truths):
                yield from [2] if truths else []
            case Embedding(table=table):
                yield len(table)
            case Flatten() | Reshape():
                yield from _counts(model, call.outputs[0])
            case _:
                yield None
    if tensor in model.outputs:
        yield None
