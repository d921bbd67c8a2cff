"""The sums of the steps so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.global_pooling import sum_type
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role
from loopwire.layers.steps import require_sequence


@dataclass(frozen=True)
class RunningSum(OneToOne):
    """(T, n) → (T, n): y_t = x_0 + … + x_t, exact before its cast."""

    name: str

    kind: ClassVar[str] = "RunningSum"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        require_sequence(self.name, self.kind, input_shape)
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add a scan whose state is the sum."""
        wide = sum_type(x)
        none = e.b.const(np.zeros(x.type.shape[1:]), wide, "none")

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            total = e.b.cast(e.b.add(states[0], given[0], "more"), wide, "sum_next")
            return (total,), (e.cast(total, Role.RESULT, "y", "y_t = Σ x"),)

        return e.scan((none,), (x,), body, names=("sum", "y"))[1]
