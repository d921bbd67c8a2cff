"""Attention of several heads, each to its own projections of query, key and value.

Ref: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; of each head, with n elements of a key:

    q = W_q x + b_q      k_j = W_k z_j + b_k      v_j = W_v z_j + b_v
    s_j = q · k_j / √n      α = softmax(s)      c = Σ α_j v_j      y = W_o [c_1 … c_H] + b_o
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.attend import QUERY, SCORE, Seen, attend, require_masks, require_sequences, split_masks
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, affine, parts
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role, own_role

KEY = own_role("key")
VALUE = own_role("value")
CONTEXT = own_role("context")


@dataclass(frozen=True, eq=False)
class Projection:
    """y = W x + b: kernel (m, n), bias (m,)."""

    kernel: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class MultiHeadAttention(Callable):
    """query (Tq, ·), value (T, ·), key (T, ·), or the value → (Tq, E).

    Projections of query and key have H·n rows, that of the value H·m, head by head; `output` makes E elements of H·m.
    Weights of the query are carried divided by √n.

    Where `masked` says so of an input, its mask (steps, 1) comes behind the inputs. Steps hidden by those of value and
    key have no share, and a query that does not count sees nothing. `causal`: no query sees later steps.
    """

    name: str
    heads: int
    query: Projection
    key: Projection
    value: Projection
    output: Projection
    masked: tuple[bool, ...] = ()
    causal: bool = False

    kind: ClassVar[str] = "MultiHeadAttention"
    roles: ClassVar[tuple[str, ...]] = (
        Role.WEIGHT,
        Role.BIAS,
        QUERY,
        KEY,
        VALUE,
        SCORE,
        Role.GATE,
        CONTEXT,
        Role.RESULT,
    )

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        inputs, masks = split_masks(inputs, self.masked)
        given = require_sequences(self.name, self.kind, inputs)
        require_masks(self.name, inputs, masks)
        for what, x in zip(("query", "value", "key"), given, strict=True):
            features = getattr(self, what).kernel.shape[1]
            if x.shape[1] != features:
                problem = f"its {what} takes {features} features, and gets a sequence of shape {x.shape}"
                raise UnsupportedError(f"layer {self.name!r}", problem, "Check the layer before it")
        return {"": (given[0].shape[0], len(self.output.bias))}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the projections of each input in one product, the attention, and the projection of the heads together."""
        inputs, masks = split_masks(inputs, self.masked)
        of_query, of_value, of_key = (*inputs, inputs[1])[:3]
        share = 1 / sqrt(len(self.query.bias) // self.heads)
        scaled = Projection(self.query.kernel * share, self.query.bias * share)
        wanted = ((of_query, scaled, QUERY), (of_value, self.value, VALUE), (of_key, self.key, KEY))
        made: dict[str, Value] = {}
        for source in dict.fromkeys(inputs):
            read = [(projection, role) for x, projection, role in wanted if x is source]
            made |= dict(zip((role for _, role in read), _projected(e, source, read), strict=True))
        hiding = tuple(masks[number] for number in (1, 2) if number in masks)
        seen = Seen(hiding, masks.get(0), self.causal, query_sees_none=0 in masks)
        context = attend(e, made[QUERY], made[KEY], made[VALUE], self._scores, CONTEXT, "c = Σ α_j v_j", seen)
        return (e.each_step(self._result, context, name="y"),)

    def _scores(self, e: Emitter, q: Value, keys: Value) -> Sequence[Value]:
        size, steps = q.type.size // self.heads, keys.type.size // q.type.size
        columns = e.b.transpose(keys, steps, "k_columns")
        heads = zip(parts(e, columns, ["k_h"] * self.heads), parts(e, q, ["q_h"] * self.heads), strict=True)
        rows = ((e.b.reshape(e.b.transpose(own, size, "k_rows"), (steps, size), "k"), query) for own, query in heads)
        return [e.b.matvec(matrix, query, "qk", "k_j · q") for matrix, query in rows]

    def _result(self, e: Emitter, context: Value) -> Value:
        total = affine(e, self.output.kernel, context, self.output.bias)
        return e.cast(total, Role.RESULT, "y", "y = W_o c + b_o")


def _projected(e: Emitter, x: Value, wanted: Sequence[tuple[Projection, str]]) -> Sequence[Value]:
    """Add several projections of a sequence, each in the type of its role."""
    kernel = np.concatenate([projection.kernel for projection, _ in wanted])
    bias = np.concatenate([projection.bias for projection, _ in wanted])
    ends = np.cumsum([len(projection.bias) for projection, _ in wanted]).tolist()

    def body(e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        total = affine(e, kernel, steps[0], bias)
        found = []
        for (_, role), start, stop in zip(wanted, [0, *ends], ends, strict=False):
            piece = e.b.slice(total, start, stop, f"a_{role}")
            found.append(e.cast(piece, role, str(role), f"{role} = W x + b"))
        return states, found

    return e.scan((), (x,), body, names=[f"{role}_sequence" for _, role in wanted])
