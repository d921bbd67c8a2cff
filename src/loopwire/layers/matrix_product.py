"""The product of two sequences, each step of the one with all of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.attend import MOST_STEPS
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role


@dataclass(frozen=True)
class MatrixProduct(Callable):
    """a (T, n), b (n, m) → a b (T, m); with `transposed`, b (m, n) → a bᵀ (T, m), such as a query's scores."""

    name: str
    transposed: bool

    kind: ClassVar[str] = "MatrixProduct"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the product."""
        where, shapes = f"layer {self.name!r}", " and ".join(str(x.shape) for x in inputs)
        a, b = (x.shape for x in inputs) if len(inputs) == 2 else ((), ())
        if len(a) != 2 or len(b) != 2 or a[1] != b[self.transposed]:
            raise UnsupportedError(where, f"it cannot multiply {shapes}", "Give it two sequences whose sizes fit")
        if b[0] > MOST_STEPS:
            problem = f"it multiplies by a sequence of {b[0]} steps, and hardware keeps at most {MOST_STEPS}"
            raise UnsupportedError(where, problem, "Shorten the sequences, for example by pooling before it")
        return {"": (a[0], b[not self.transposed])}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the product of each step of a with b, which is kept whole."""
        a, b = inputs
        steps, size = b.type.shape

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            (kept,), (vector,) = states, given
            rows = kept if self.transposed else e.b.transpose(kept, steps, "columns")
            shape = (steps, size) if self.transposed else (size, steps)
            product = e.b.matvec(e.b.reshape(rows, shape, "matrix"), vector, "product")
            note = "y_j = b_j · a" if self.transposed else "y = Σ a_j b_j"
            return (kept,), (e.cast(product, Role.RESULT, "y", note),)

        whole = e.b.reshape(b, (steps * size,), "whole")
        _, y = e.scan((whole,), (a,), body, names=("kept", "y"))
        return (y,)
