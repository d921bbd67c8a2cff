"""How multipliers, and all else, serve a step in turns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sharing:
    """How a step is spread over cycles: `chunks` groups of units one after another, each in `passes` over its products.

    A multiplier serves chunks · passes products: the reuse factor. One chunk in one pass is parallel hardware.
    """

    units: int
    chunks: int
    passes: int

    @property
    def lanes(self) -> int:
        """Units of a chunk; the last chunk may be padded."""
        return -(-self.units // self.chunks)

    @property
    def cycles(self) -> int:
        """Cycles in which a step occupies the multipliers."""
        return self.chunks * self.passes

    @property
    def gather_cycles(self) -> int:
        """Cycles from a step's first chunk until all of them are in registers."""
        return (self.chunks - 1) * self.passes + 1

    @property
    def is_parallel(self) -> bool:
        """Whether every product has a multiplier of its own."""
        return self.cycles == 1


PARALLEL = Sharing(units=1, chunks=1, passes=1)
