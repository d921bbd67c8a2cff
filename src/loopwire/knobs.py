"""What a user can choose of how a graph becomes hardware, whatever its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from loopwire.errors import ConfigError, nearest

Multipliers = Literal["auto", "shift_add", "dsp"]
MULTIPLIERS: tuple[str, ...] = get_args(Multipliers)


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """The shape of the hardware.

    Attributes:
        interleave: sequences that are in the loop at once, C; None: as many as fit without adding latency.
        reuse_factor: products that a multiplier serves in each step, R; 1: fully parallel.
        layer_reuse_factor: the same for single layers, by name.
        multipliers: how products with constants are made: 'shift_add', 'dsp', or 'auto', whichever takes the smaller
            share of the device.

    Raises:
        ConfigError: a value is impossible.
    """

    interleave: int | None = None
    reuse_factor: int = 1
    layer_reuse_factor: Mapping[str, int] = field(default_factory=dict)
    multipliers: Multipliers = "auto"

    def __post_init__(self) -> None:
        if self.interleave is not None and self.interleave < 1:
            raise ConfigError("interleave", f"{self.interleave} sequences are impossible", "Give 1 or more")
        factors = {"reuse_factor": self.reuse_factor}
        factors |= {f"layer_reuse_factor.{name}": factor for name, factor in self.layer_reuse_factor.items()}
        for where, factor in factors.items():
            if factor < 1:
                raise ConfigError(where, f"{factor} is impossible", "Give 1 (fully parallel) or more")
        if self.multipliers not in MULTIPLIERS:
            raise ConfigError(
                "multipliers",
                f"{self.multipliers!r} is unknown",
                f"Choose from {', '.join(MULTIPLIERS)}.{nearest(self.multipliers, MULTIPLIERS)}",
            )

    @property
    def folds(self) -> bool:
        """Whether any layer reuses its multipliers: then each has an engine of its own."""
        return max(self.reuse_factor, *self.layer_reuse_factor.values(), 1) > 1
