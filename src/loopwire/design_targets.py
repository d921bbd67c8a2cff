"""What a design shall not exceed, given instead of the knobs, or the clock, that decide it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from loopwire.arguments import check_fields, number, whole
from loopwire.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DesignTargets:
    """Upper bounds; None where there is none.

    Attributes:
        max_latency_ns: cycles of a lone full sequence times the clock period asked for.
        max_interval_cycles: from a sequence to the next at full rate, the mean.
        max_luts, max_ffs, max_dsps, max_brams: by estimate; block RAMs are of 18 kbit.
        max_share: of any of the part's resources, by estimate; at most 1.
        min_clock_ns: the clock period is chosen too, from this one on. Alone it leaves all knobs as they are.

    Raises:
        ConfigError: a bound is out of range.
    """

    max_latency_ns: float | None = None
    max_interval_cycles: float | None = None
    max_luts: int | None = None
    max_ffs: int | None = None
    max_dsps: int | None = None
    max_brams: int | None = None
    max_share: float | None = None
    min_clock_ns: float | None = None

    def __post_init__(self) -> None:
        counted = ("max_luts", "max_ffs", "max_dsps", "max_brams")
        check_fields(self, {field.name: whole if field.name in counted else number for field in fields(self)})
        given = self.given()
        if not given:
            raise ConfigError("targets", "none is given", f"Choose from {', '.join(f.name for f in fields(self))}")
        for name, value in given.items():
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"targets, {name}", f"{value} is out of range", "Give 0 or more")
        if self.min_clock_ns == 0:
            raise ConfigError("targets, min_clock_ns", "0 is out of range", "Give a clock period in ns, such as 2.5")
        if self.max_share is not None and self.max_share > 1:
            likely = f". Did you mean {self.max_share:g}%?" if 2 <= self.max_share <= 100 else ""
            problem = f"{self.max_share:.0%} is more than the whole part"
            raise ConfigError("targets, max_share", problem, f"Give at most 100%{likely}")

    def given(self) -> dict[str, float]:
        """Return what is given, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def bounds(self) -> dict[str, float]:
        """Return the bounds that are given on what a design reaches, by name."""
        return {name: value for name, value in self.given().items() if name != "min_clock_ns"}


def read_share(where: str, value: Any) -> float:
    """Return a share given as a number up to 1 or as a text such as '60%'.

    Raises:
        ConfigError: it is neither.
    """
    try:
        if isinstance(value, str):
            return float(value.rstrip().removesuffix("%")) / 100 if value.rstrip().endswith("%") else float(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise ConfigError(where, f"{value!r} is not a share", "Give a number up to 1, or percents such as '60%'")
