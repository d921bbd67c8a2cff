"""What attention of one sequence to another is made of: shares of the keys' steps for each query, and sums by them.

The keys, and the values, are kept whole, while the queries come step by step:

    s_j = score(q, k_j)      α = softmax(s)      y = Σ α_j v_j

A step that a mask hides has a score far below all others, so no share; where all are hidden, all have the same share,
as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import parts
from loopwire.layers.masking import masked, require_mask
from loopwire.layers.model import Tensor
from loopwire.layers.roles import Role, own_role
from loopwire.layers.select import BIT
from loopwire.layers.softmax import softmax

MOST_STEPS = 64
"""That a query attends to: all of their scores are there at once."""
QUERY = own_role("query")
SCORE = own_role("score")

Score = Callable[[Emitter, Value, Value], Sequence[Value]]
"""Given a query and all keys, row by row as one vector: the exact scores (T,) of each head."""


HIDDEN = -1e9
"""What Keras adds to a score that a mask hides: in single precision nothing of the score is left."""
HIDDEN_BITS = 6
"""A hidden score is at most -2^6, and below all others by 2^5 or more: e^-32 is no share."""


@dataclass(frozen=True)
class Seen:
    """Which steps of the keys a query sees: those that count in all masks (T, 1) and in the `constant` one (Tq, T), and
    with `causal` none after its own.

    Of a query that does not count (`query` (Tq, 1)) the result is 0; with `query_sees_none` all keys are hidden. A
    query that sees none takes the mean of all; with `none_is_zero` its result is 0.
    """

    keys: tuple[Value, ...] = ()
    query: Value | None = None
    causal: bool = False
    query_sees_none: bool = False
    constant: npt.NDArray[np.bool_] | None = None
    none_is_zero: bool = False

    def orders(self, e: Emitter, queries: int, steps: int) -> list[Value]:
        """Return the masks (Tq, T) that depend on nothing."""
        found = [np.tri(queries, steps)] if self.causal else []
        found += [] if self.constant is None else [np.broadcast_to(self.constant, (queries, steps))]
        return [e.b.const(mask, BIT, "not_later" if self.causal else "sees") for mask in found]


Given = TypeVar("Given")


def split_masks(inputs: Sequence[Given], masked: Sequence[bool]) -> tuple[list[Given], dict[int, Given]]:
    """Return the inputs of an attention, and the masks behind them by the number of the input that each belongs to."""
    of = [number for number, has in enumerate(masked) if has]
    count = len(inputs) - len(of)
    return list(inputs[:count]), dict(zip(of, inputs[count:], strict=True))


def require_masks(name: str, inputs: Sequence[Tensor], masks: dict[int, Tensor]) -> None:
    """Require a mask of as many steps for each input that has one; the value may be the key, too.

    Raises:
        UnsupportedError: one is of another shape.
    """
    for number, mask in masks.items():
        require_mask(name, mask, inputs[min(number, len(inputs) - 1)])


def require_sequences(name: str, kind: str, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the query (Tq, ·), the value (T, ·) and the key (T, ·), which is the value where no key is given.

    Raises:
        UnsupportedError: they are no such sequences, or attention is of more steps than fit.
    """
    where, shapes = f"layer {name!r}", ", ".join(str(x.shape) for x in inputs)
    if len(inputs) not in (2, 3) or any(len(x.shape) != 2 for x in inputs):
        problem = f"a {kind} layer got inputs of shapes {shapes}"
        raise UnsupportedError(where, problem, "It needs sequences (steps, features): query and value, and maybe a key")
    query, value, key = (*inputs, inputs[1])[:3]
    if key.shape[0] != value.shape[0]:
        problem = f"its keys have {key.shape[0]} steps, its values {value.shape[0]}"
        raise UnsupportedError(where, problem, "Give each value a key")
    if value.shape[0] > MOST_STEPS:
        problem = f"it attends to {value.shape[0]} steps, and hardware keeps at most {MOST_STEPS}"
        raise UnsupportedError(where, problem, "Shorten the sequences, for example by pooling before it")
    return query, value, key


def attend(
    e: Emitter,
    query: Value,
    keys: Value,
    values: Value,
    score: Score,
    role: str,
    note: str,
    seen: Seen,
) -> Value:
    """Add the sums of the values (T, H·n), by each query's shares of their steps, in the type of `role`.

    Each of H heads has its scores, and n elements of the values.
    """
    steps, size = values.type.shape
    kept_masks = [_whole(e, mask, "keys_count") for mask in dict.fromkeys(seen.keys)]
    of_query = [] if seen.query is None else [seen.query]
    order = seen.orders(e, query.type.shape[0], steps)

    def shared(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        kept, q, bits = states[0], given[0], [*states[1:], *given[1:]]
        scores = [e.cast(s, SCORE, "s", "s_j = score(q, k_j)") for s in score(e, q, kept)]
        sees = [seen_by(e, bits)] if bits else []
        if sees:
            scores = [where_seen(e, s, *sees) for s in scores]
        shares = [softmax(e, s, Role.GATE, "alpha") for s in scores]
        some = [_any(e, *sees)] if seen.none_is_zero and sees else []
        return states, (_joined(e, shares, "alphas"), *some)

    def summed(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        (kept,), (shares, *counts) = states, given
        heads = shares.type.size // steps
        columns = e.b.transpose(kept, steps, "columns")
        sums = []
        for own, alpha in zip(parts(e, columns, ["v_h"] * heads), parts(e, shares, ["alpha_h"] * heads), strict=True):
            sums.append(e.b.matvec(e.b.reshape(own, (size // heads, steps), "v"), alpha, "sum", "Σ α_j v_j"))
        y = e.cast(_joined(e, sums, "sums"), role, "y", note)
        return (kept,), (masked(e, counts[0], y, e.scalar(0.0, "zero"), "y") if counts else y,)

    kept = [_whole(e, keys, "keys"), *kept_masks]
    of_sees = of_query if seen.query_sees_none else []
    some = ["sees_any"] if seen.none_is_zero and [*kept_masks, *of_sees, *order] else []
    names = ["keys_kept", *(["counts_kept"] * len(kept_masks)), "shares", *some]
    shares, *found = e.scan(kept, (query, *of_sees, *order), shared, names=names)[len(kept) :]
    zeroed = found if seen.query_sees_none else [*of_query, *found]
    _, y = e.scan((_whole(e, values, "values"),), (shares, *zeroed), summed, names=("values_kept", "y"))
    return y


def seen_by(e: Emitter, masks: Sequence[Value]) -> Value:
    """Return the steps that one query sees: 1 in all of its masks (T,), or (1,)."""
    return reduce(lambda a, b: e.b.min(a, b, "sees"), [_bit(e, mask) for mask in masks])


def where_seen(e: Emitter, scores: Value, sees: Value) -> Value:
    """Return the scores (T,) of one query, far below all others where it does not see a step."""
    return e.b.where(sees, scores, hidden(e, scores), "s_seen")


def require_constant(name: str, sees: npt.NDArray[np.bool_] | None, shape: tuple[int, int]) -> None:
    """Require of a constant mask that it is of these queries and steps, or of these steps for all queries.

    Raises:
        UnsupportedError: it is not.
    """
    if sees is not None and sees.shape not in (shape, (1, shape[1])):
        problem = f"its constant mask has shape {sees.shape}, and {shape[0]} queries see {shape[1]} steps"
        raise UnsupportedError(f"layer {name!r}", problem, f"Give it shape {shape}")


def _bit(e: Emitter, bits: Value) -> Value:
    """Return a query's own bit as a number, which serves all keys."""
    return e.b.reshape(bits, (), "counts") if bits.type.size == 1 else bits


def _any(e: Emitter, sees: Value) -> Value:
    """Return, as a vector (1,), whether a query sees any step of those given, or the only one."""
    return e.b.reshape(e.b.reduce_max(sees, "sees_any") if sees.type.shape else sees, (1,), "sees_any")


def hidden(e: Emitter, score: Value) -> Value:
    """Return the score of a hidden step, far below all that a value may be."""
    bits = max(score.type.element.integer + 1, HIDDEN_BITS) + 1
    return e.b.const(HIDDEN, FixedType(bits, bits, overflow=Overflow.SAT), "hidden")


def _whole(e: Emitter, sequence: Value, name: str) -> Value:
    return e.b.reshape(sequence, (sequence.type.size,), name)


def _joined(e: Emitter, heads: Sequence[Value], name: str) -> Value:
    return heads[0] if len(heads) == 1 else e.b.concat(heads, name)
