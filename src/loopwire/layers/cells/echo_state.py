"""Echo state network: leaky units with fixed random weights, of which the read-out alone is trained.

Ref: Jaeger et al. 2007, "Optimization and applications of echo state networks with leaky-integrator neurons", eq. 2:

    h' = (1 - α) h + α φ(W x + U h + b)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, affine, blend, gate, recurrent, state
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class EchoState(Recurrent):
    """A reservoir; `leak` is α, in 0…1. Zeros in the recurrent kernel cost nothing."""

    _: KW_ONLY
    leak: float = 1.0

    kind: ClassVar[str] = "EchoState"
    roles: ClassVar[tuple[str, ...]] = GATED

    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations."""
        (h,) = states
        from_h = recurrent(e, self.recurrent_kernel, h)
        total = e.b.add(affine(e, self.kernel, x, self.bias), from_h, "sum", "W x + b + U h")
        n = gate(e, self.activation, total, "n")
        if self.leak == 1.0:
            return (state(e, n, "h", "h' = n"),)
        leak = e.weights(self.leak, Role.WEIGHT, "alpha")
        return (state(e, blend(e, leak, n, h), "h", "h' = (1 - α) h + α n"),)
