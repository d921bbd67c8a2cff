"""What a vendor's tool reports of a design."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceUse:
    """How much of a resource a design takes, and how much the part has, if the tool tells."""

    name: str
    used: int
    available: int | None = None

    def __str__(self) -> str:
        return str(self.used) if not self.available else f"{self.used} of {self.available} ({self._share:.2g} %)"

    @property
    def _share(self) -> float:
        return 100 * self.used / (self.available or 1)


@dataclass(frozen=True)
class Built:
    """The report of one tool.

    Attributes:
        tool: its name and version.
        stage: 'synthesised' or 'routed'.
        clock_period_ns: that the design can run at, as the tool estimates or times it.
        latency_cycles: of a sequence, the worst case; None where the tool does not know.
        initiation_interval_cycles: from a sequence, or a call that takes several, to the next; the worst case.
        resources: what it takes of the part.
    """

    tool: str
    stage: str
    clock_period_ns: float | None = None
    latency_cycles: int | None = None
    initiation_interval_cycles: int | None = None
    resources: tuple[ResourceUse, ...] = ()

    def rows(self, asked_clock_period_ns: float) -> list[tuple[str, ...]]:
        """Return (quantity, value, stage) of what is known; nanoseconds are cycles times the clock period asked for."""
        stage = f"{self.stage}, {self.tool}"
        rows = [
            (quantity, f"{cycles} cycles, {cycles * asked_clock_period_ns:g} ns", stage)
            for quantity, cycles in (
                ("Latency", self.latency_cycles),
                ("Initiation interval", self.initiation_interval_cycles),
            )
            if cycles is not None
        ]
        if self.clock_period_ns is not None:
            rows.append(("Clock period", f"{self.clock_period_ns:g} ns of {asked_clock_period_ns:g} ns", stage))
        return [*rows, *((use.name, str(use), stage) for use in self.resources)]
