"""Attention over the steps of a sequence.

Ref: Yang et al. 2016, "Hierarchical attention networks for document classification", eq. 5-7:

    s_t = q · tanh(W x_t + b)      α = softmax(s)      y = Σ α_t x_t
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.activation import TANH
from loopwire.layers.attend import MOST_STEPS
from loopwire.layers.dot import sum_of_products
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, affine, gate
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role
from loopwire.layers.softmax import softmax
from loopwire.layers.steps import require_sequence


@dataclass(frozen=True, eq=False)
class AttentionPooling(OneToOne):
    """(T, n) → (n,): kernel W (m, n), bias b (m,), query q (m,). All T steps count, in a short sequence too."""

    name: str
    kernel: Array
    bias: Array
    query: Array

    kind: ClassVar[str] = "AttentionPooling"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, Role.PREACTIVATION, Role.GATE, Role.RESULT)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of a step."""
        steps = require_sequence(self.name, self.kind, input_shape)
        if self.kernel.shape[1] != input_shape[1] or steps > MOST_STEPS:
            problem = f"it attends to at most {MOST_STEPS} steps of {self.kernel.shape[1]} features, not {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give it shorter sequences, of these features")
        return input_shape[1:]

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the scores of all steps, their softmax, and the weighted sum."""
        steps = x.type.shape[0]
        scores = e.b.reshape(e.each_step(self._score, x, name="scores"), (steps,), "all_scores")
        shares = softmax(e, scores, Role.GATE, "alpha")
        total = sum_of_products(e, e.b.reshape(shares, (steps, 1), "alphas"), x)
        return e.cast(total, Role.RESULT, "y", "y = Σ α_t x_t")

    def _score(self, e: Emitter, x: Value) -> Value:
        seen = gate(e, TANH, affine(e, self.kernel, x, self.bias), "seen")
        score = e.b.matvec(e.weights(self.query[np.newaxis], Role.WEIGHT, "q"), seen, "score")
        return e.cast(score, Role.RESULT, "s", "s_t = q · tanh(W x_t + b)")
