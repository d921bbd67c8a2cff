"""The closed set of primitive operations.

An op holds what is fixed when the graph is built; its operands and results are on the `Node`. Each docstring defines
the result on exact numbers. `Cast` and `Table` are the only ops that round: every other result is exact, and its type
is wide enough for it. In a float evaluation a Cast is the identity, unless it belongs to the model, and a Table is its
real function.

Handle ops with ``match`` and ``assert_never``, so that the type checker lists each place a new op must be added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import Integers, quantise
from loopwire.ir.types import FixedType

if TYPE_CHECKING:
    from loopwire.ir.graph import Graph


class Movement:
    """An op whose result has its operands' elements in other places."""

    __slots__ = ()


class Arithmetic:
    """An op that computes exactly."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Const:
    """() → array: `reals` as trained, carried by firmware as the integers `quantise(reals, type)`."""

    reals: npt.NDArray[np.float64]
    type: FixedType

    @cached_property
    def integers(self) -> Integers:
        """The constant counted in steps of its type."""
        return quantise(self.reals, self.type)


@dataclass(frozen=True, slots=True)
class MatVec(Arithmetic):
    """(matrix (m, n), vector (n,)) → (m,): the product, accumulated exactly."""


@dataclass(frozen=True, slots=True)
class Add(Arithmetic):
    """(a, b) → a + b, element by element; a scalar operand is repeated."""


@dataclass(frozen=True, slots=True)
class Sub(Arithmetic):
    """(a, b) → a - b, element by element; a scalar operand is repeated."""


@dataclass(frozen=True, slots=True)
class Mul(Arithmetic):
    """(a, b) → a · b, element by element; a scalar operand is repeated."""


@dataclass(frozen=True, slots=True)
class Max(Arithmetic):
    """(a, b) → the larger, element by element; a scalar operand is repeated."""


@dataclass(frozen=True, slots=True)
class Min(Arithmetic):
    """(a, b) → the smaller, element by element; a scalar operand is repeated."""


@dataclass(frozen=True, slots=True)
class Greater(Arithmetic):
    """(a, b) → 1 where a > b, else 0, element by element; a scalar operand is repeated."""


@dataclass(frozen=True, slots=True)
class Where(Arithmetic):
    """(condition, a, b) → a where the condition is 1, b where it is 0, element by element; a scalar is repeated."""


@dataclass(frozen=True, slots=True)
class Lookup(Arithmetic):
    """(table (n, m), index ()) → (m,): the row of that number, zeros beyond the last; an index is whole, 0 or more."""


@dataclass(frozen=True, slots=True)
class ReduceSum(Arithmetic):
    """(vector (n,)) → (): the sum of all elements."""


@dataclass(frozen=True, slots=True)
class ReduceMax(Arithmetic):
    """(vector (n,)) → (): the largest element."""


@dataclass(frozen=True, slots=True)
class Cast:
    """(a) → a in type `to`, rounded and brought into range by that type's modes (`fixed_point.cast`).

    With `in_reals` it is part of the model itself, such as a trained quantiser, and a float evaluation does it too.
    """

    to: FixedType
    in_reals: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """(a) → function(a) in type `to`, element by element, as `tables.design_table` approximates it.

    The table covers the whole range of the operand's type; its error stays below `max_error_steps` steps of `to`, or,
    if `max_entries` bounds its size, is the least that this many entries allow.
    """

    function: str
    to: FixedType
    max_error_steps: float = 1.0
    max_entries: int | None = None


@dataclass(frozen=True, slots=True)
class Slice(Movement):
    """(a (n, …)) → (stop - start, …): elements start…stop-1 of the first axis."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Concat(Movement):
    """(a (n1, …), b (n2, …), …) → (n1 + n2 + …, …), along the first axis; elements of one type."""


@dataclass(frozen=True, slots=True)
class Reshape(Movement):
    """(a) → the same elements in row-major order under another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transpose(Movement):
    """(a (rows · n,)) → (n · rows,): a matrix with this number of rows, in row-major order, is transposed."""

    rows: int


@dataclass(frozen=True, slots=True)
class Reverse(Movement):
    """(a (T, …)) → the steps in reverse order; of a short sequence, its own steps, still at the front."""


@dataclass(frozen=True, eq=False)
class Scan:
    """(states…, sequences…) → (final states…, stacked results…): `body` run once a step, as jax.lax.scan.

    Body inputs are the `states` carried values, then one step of each sequence; body outputs are the next states, then
    one step of each result. A sequence has shape (length, …). A short sequence of n steps ends after n: states keep
    their values, further results are 0.

    The states whose numbers are in `carried` are those of a stream: its next sequence starts from what they are at
    the end of this one. The operands are what its first starts from.
    """

    body: Graph
    states: int
    length: int
    carried: frozenset[int] = frozenset()


Op = (
    Const
    | MatVec
    | Add
    | Sub
    | Mul
    | Max
    | Min
    | Greater
    | Where
    | Lookup
    | ReduceSum
    | ReduceMax
    | Cast
    | Table
    | Slice
    | Concat
    | Reshape
    | Transpose
    | Reverse
    | Scan
)
