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
        require_kept(self.name, inputs[1])
        return {"": (a[0], b[not self.transposed])}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the product."""
        return (multiplied(e, *inputs, transposed=self.transposed),)


def require_kept(name: str, x: Tensor) -> None:
    """Require of a sequence that it has as few steps as are kept whole.

    Raises:
        UnsupportedError: it has more.
    """
    if len(x.shape) == 2 and x.shape[0] > MOST_STEPS:
        problem = f"it multiplies by a sequence of {x.shape[0]} steps, and hardware keeps at most {MOST_STEPS}"
        raise UnsupportedError(f"layer {name!r}", problem, "Shorten the sequences, for example by pooling before it")


def multiplied(e: Emitter, a: Value, b: Value, *, transposed: bool) -> Value:
    """Return the product of each step of a (T, n) with b (n, m), or (m, n) transposed, which is kept whole: (T, m)."""
    steps, size = b.type.shape

    def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        (kept,), (vector,) = states, given
        rows = kept if transposed else e.b.transpose(kept, steps, "columns")
        shape = (steps, size) if transposed else (size, steps)
        product = e.b.matvec(e.b.reshape(rows, shape, "matrix"), vector, "product")
        note = "y_j = b_j · a" if transposed else "y = Σ a_j b_j"
        return (kept,), (e.cast(product, Role.RESULT, "y", note),)

    whole = e.b.reshape(b, (steps * size,), "whole")
    return e.scan((whole,), (a,), body, names=("kept", "y"))[1]
