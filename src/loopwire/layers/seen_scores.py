"""The scores of an attention without those of steps that a query does not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.attend import Seen, require_constant, seen_by, where_seen
from loopwire.layers.emitter import Emitter
from loopwire.layers.masking import require_mask
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.steps import require_sequence


@dataclass(frozen=True, eq=False)
class SeenScores(Callable):
    """scores (Tq, T) → (Tq, T), far below all others where a query does not see a step: softmax gives it no share.

    `sees` (Tq, T) is a constant mask; behind the scores may come the mask (T, 1) of the steps that count: one of both.
    """

    name: str
    sees: npt.NDArray[np.bool_] | None = None

    kind: ClassVar[str] = "SeenScores"
    roles: ClassVar[tuple[str, ...]] = ()

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the scores."""
        scores, *masks = inputs
        queries, steps = require_sequence(self.name, self.kind, scores.shape), scores.shape[1]
        for mask in masks:
            require_mask(self.name, mask, Tensor("keys", (steps, 1)))
        require_constant(self.name, self.sees, (queries, steps))
        return {"": scores.shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the choice, for each query."""
        scores, *masks = inputs
        kept = [e.b.reshape(mask, (mask.type.size,), "keys_count") for mask in masks]
        constant = Seen(constant=self.sees).orders(e, *scores.type.shape)

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            s, *bits = given
            return states, (where_seen(e, s, seen_by(e, [*states, *bits])),)

        return e.scan(kept, (scores, *constant), body, names=(*["counts_kept"] * len(kept), "y"))[-1:]
