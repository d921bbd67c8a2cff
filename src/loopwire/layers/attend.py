"""What attention of one sequence to another is made of: shares of the keys' steps for each query, and sums by them.

The keys, and the values, are kept whole, while the queries come step by step:

    s_j = score(q, k_j)      α = softmax(s)      y = Σ α_j v_j
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import parts
from loopwire.layers.model import Tensor
from loopwire.layers.roles import Role, own_role
from loopwire.layers.softmax import softmax

MOST_STEPS = 64
"""That a query attends to: all of their scores are there at once."""
QUERY = own_role("query")
SCORE = own_role("score")

Score = Callable[[Emitter, Value, Value], Sequence[Value]]
"""Given a query and all keys, row by row as one vector: the exact scores (T,) of each head."""


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
        raise UnsupportedError(where, problem, "Give it shorter sequences, such as by pooling before it")
    return query, value, key


def attend(e: Emitter, query: Value, keys: Value, values: Value, score: Score, role: str, note: str) -> Value:
    """Add the sums of the values (T, H·n), by each query's shares of their steps, in the type of `role`.

    Each of H heads has its scores, and n elements of the values.
    """
    steps, size = values.type.shape

    def shared(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        (kept,), (q,) = states, given
        scores = [e.cast(s, SCORE, "s", "s_j = score(q, k_j)") for s in score(e, q, kept)]
        shares = [softmax(e, s, Role.GATE, "alpha") for s in scores]
        return (kept,), (_joined(e, shares, "alphas"),)

    def summed(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        (kept,), (shares,) = states, given
        heads = shares.type.size // steps
        columns = e.b.transpose(kept, steps, "columns")
        sums = []
        for own, alpha in zip(parts(e, columns, ["v_h"] * heads), parts(e, shares, ["alpha_h"] * heads), strict=True):
            sums.append(e.b.matvec(e.b.reshape(own, (size // heads, steps), "v"), alpha, "sum", "Σ α_j v_j"))
        return (kept,), (e.cast(_joined(e, sums, "sums"), role, "y", note),)

    _, shares = e.scan((_whole(e, keys, "keys"),), (query,), shared, names=("keys_kept", "shares"))
    _, y = e.scan((_whole(e, values, "values"),), (shares,), summed, names=("values_kept", "y"))
    return y


def _whole(e: Emitter, sequence: Value, name: str) -> Value:
    return e.b.reshape(sequence, (sequence.type.size,), name)


def _joined(e: Emitter, heads: Sequence[Value], name: str) -> Value:
    return heads[0] if len(heads) == 1 else e.b.concat(heads, name)
