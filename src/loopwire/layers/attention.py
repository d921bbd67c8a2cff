"""Attention of one sequence to another, without matrices of its own.

Ref: Luong et al. 2015 (arXiv:1508.04025), eq. 7-8, the score of a product; Bahdanau et al. 2015 (arXiv:1409.0473), the
one of a sum:

    s_j = c q · k_j      or      s_j = w · tanh(c (q + k_j))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.activation import TANH
from loopwire.layers.attend import (
    QUERY,
    SCORE,
    Seen,
    attend,
    require_constant,
    require_masks,
    require_sequences,
    split_masks,
)
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, gate
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Attention(Callable):
    """query (Tq, n), value (T, m), key (T, n), or the value → (Tq, m). `scale` is c.

    Where `masked` says so of an input, its mask (steps, 1) comes behind the inputs. The value's hides steps, the
    query's makes its results 0, and that of a key says nothing, as in Keras. `causal`: no query sees later steps. Of
    those that a constant `sees` (Tq, T) leaves out, it has no share either. A query that sees none takes the mean of
    all values, as in Keras; with `none_is_zero` 0, as in PyTorch.
    """

    name: str
    scale: float = 1.0
    masked: tuple[bool, ...] = ()
    causal: bool = False
    sees: npt.NDArray[np.bool_] | None = None
    none_is_zero: bool = False

    kind: ClassVar[str] = "Attention"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, QUERY, SCORE, Role.GATE, Role.RESULT)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        given, masks = split_masks(inputs, self.masked)
        query, value, key = require_sequences(self.name, self.kind, given)
        require_masks(self.name, given, masks)
        if query.shape[1] != key.shape[1]:
            problem = f"its query has {query.shape[1]} features, its keys {key.shape[1]}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give both the same number of features")
        require_constant(self.name, self.sees, (query.shape[0], value.shape[0]))
        return {"": (query.shape[0], value.shape[1])}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the equations."""
        given, masks = split_masks(inputs, self.masked)
        query, values, keys = (*given, given[1])[:3]
        seen = Seen(
            (masks[1],) if 1 in masks else (),
            masks.get(0),
            self.causal,
            constant=self.sees,
            none_is_zero=self.none_is_zero,
        )
        return (attend(e, query, keys, values, self.scores, Role.RESULT, "y = Σ α_j v_j", seen),)

    def scores(self, e: Emitter, q: Value, keys: Value) -> Sequence[Value]:
        """Add the scores of a query."""
        if self.scale != 1.0:
            scale = e.weights(np.float64(self.scale), Role.WEIGHT, "c")
            q = e.cast(e.b.mul(scale, q, "cq"), QUERY, "q_scaled", "c q")
        size = q.type.size
        return [e.b.matvec(e.b.reshape(keys, (keys.type.size // size, size), "k"), q, "qk", "k_j · q")]


@dataclass(frozen=True, eq=False)
class AdditiveAttention(Attention):
    """query (Tq, n), value (T, m), key (T, n), or the value → (Tq, m). `weights` (n,) are w, `scale` is c."""

    weights: Array = field(kw_only=True)

    kind: ClassVar[str] = "AdditiveAttention"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.PREACTIVATION, SCORE, Role.GATE, Role.RESULT)

    def scores(self, e: Emitter, q: Value, keys: Value) -> Sequence[Value]:
        """Add the scores of a query."""
        steps = keys.type.size // q.type.size
        total = e.b.add(e.b.concat([q] * steps, "q_each"), keys, "q_k", "q + k_j")
        if self.scale != 1.0:
            total = e.b.mul(e.weights(np.float64(self.scale), Role.WEIGHT, "c"), total, "c_q_k", "c (q + k_j)")
        seen = gate(e, TANH, total, "seen")
        matrix = e.b.reshape(seen, (steps, q.type.size), "seen_j")
        return [e.b.matvec(matrix, e.weights(self.weights, Role.WEIGHT, "w"), "score", "w · tanh(c (q + k_j))")]
