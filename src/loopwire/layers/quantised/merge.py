"""Layers with quantisers that make one tensor of several, element by element, and their joining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import ClassVar, Literal, assert_never

from loopwire.ir.builder import Builder
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.merge import Concatenate, Merge
from loopwire.layers.model import Tensor
from loopwire.layers.quantised.quantised import Quantised
from loopwire.layers.quantised.quantiser import Quantiser, joined

Operation = Literal["sum", "difference", "product", "maximum", "minimum"]


@dataclass(frozen=True, eq=False)
class QuantisedMerge(Quantised, Merge):
    """y = Q(factor · (Q(a) ∘ Q(b) ∘ …)), each input quantised by its own of `input_quantisers`.

    `factor` is a power of two. No quantiser is the first thing done to all inputs, so `input_quantiser` is None.
    """

    operation: Operation = field(kw_only=True)
    input_quantisers: tuple[Quantiser | None, ...] = field(kw_only=True)
    factor: float = field(default=1.0, kw_only=True)
    result_quantiser: Quantiser | None = field(default=None, kw_only=True)
    input_quantiser: Quantiser | None = field(default=None, init=False)

    kind: ClassVar[str] = "QMerge"
    roles: ClassVar[tuple[str, ...]] = ()
    multiplies: ClassVar[bool] = False

    def size(self, inputs: Sequence[Tensor]) -> int:
        """Return the elements of a vector of the result; there is a quantiser for each input."""
        if len(inputs) != len(self.input_quantisers) or (self.operation == "difference" and len(inputs) != 2):
            self.refuse(inputs)
        return super().size(inputs)

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the quantisers and the operation, which rounds nothing."""
        given = [
            x if quantiser is None else quantiser.emit(e, x, f"x_{number}_q", "Q(x)")
            for number, (quantiser, x) in enumerate(zip(self.input_quantisers, vectors, strict=True))
        ]
        y = reduce(lambda a, b: _operated(e.b, self.operation, a, b), given)
        if self.factor != 1.0:
            y = e.b.mul(y, e.scalar(self.factor, "factor"), "scaled")
        return y if self.result_quantiser is None else self.result_quantiser.emit(e, y, "y", "Q(y)")


def _operated(b: Builder, operation: Operation, left: Value, right: Value) -> Value:
    match operation:
        case "sum":
            return b.add(left, right, "sum")
        case "difference":
            return b.sub(left, right, "difference")
        case "product":
            return b.mul(left, right, "product")
        case "maximum":
            return b.max(left, right, "maximum")
        case "minimum":
            return b.min(left, right, "minimum")
    assert_never(operation)


@dataclass(frozen=True, eq=False)
class QuantisedConcatenate(Quantised, Concatenate):
    """y = [a, b, …], along the features, in the type that holds all."""

    input_quantiser: Quantiser | None = field(default=None, init=False)

    kind: ClassVar[str] = "QConcatenate"
    roles: ClassVar[tuple[str, ...]] = ()
    multiplies: ClassVar[bool] = False

    def merged(self, e: Emitter, vectors: Sequence[Value]) -> Value:
        """Add the joining."""
        return joined(e, vectors, "y")
