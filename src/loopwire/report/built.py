"""What a vendor's tool reports of a design."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.text.table import Table, grouped


@dataclass(frozen=True)
class ResourceUse:
    """How much of a resource a design takes, and how much the part has, if the tool tells."""

    name: str
    used: int
    available: int | None = None

    def __str__(self) -> str:
        if self.share is None or self.available is None:
            return grouped(self.used)
        return f"{grouped(self.used)} of {grouped(self.available)} ({self.percent})"

    @property
    def percent(self) -> str:
        """The share as people write it; '-' where it is not known."""
        if self.share is None:
            return "-"
        return f"{self.share:.2g}%" if self.share < 99.5 else f"{grouped(round(self.share))}%"

    @property
    def share(self) -> float | None:
        """Percents of what the part has; None where that is not known, or nothing."""
        return 100 * self.used / self.available if self.available else None


@dataclass(frozen=True)
class LayerUse:
    """What one layer takes, or what is between the layers."""

    layer: str
    resources: tuple[ResourceUse, ...]


@dataclass(frozen=True, repr=False)
class Built:
    """The report of one tool.

    Attributes:
        tool: its name and version.
        stage: 'synthesised' or 'routed'.
        clock_period_ns: that the design can run at, as the tool estimates or times it.
        latency_cycles: of a sequence, the worst case; None where the tool does not know.
        initiation_interval_cycles: from a sequence, or a call that takes several, to the next; the worst case.
        resources: what it takes of the part.
        part: the part, or the family, that it was built for; empty: that of the project.
        layers: the same layer by layer, where the tool tells.
        critical_path: the slowest path between two registers, a line for its start, for each cell and wire, and for its
            end, where the tool tells.
        limits: what the numbers do not tell.
    """

    tool: str
    stage: str
    clock_period_ns: float | None = None
    latency_cycles: int | None = None
    initiation_interval_cycles: int | None = None
    resources: tuple[ResourceUse, ...] = ()
    part: str = ""
    layers: tuple[LayerUse, ...] = ()
    critical_path: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Stage, tool, and the part where it is known."""
        return f"{self.stage}, {self.tool}{self.part and f', for {self.part}'}"

    def table(self) -> Table:
        """Return what each layer takes, or the whole where the tool does not tell, as a table."""
        head = ("Layer", *(use.name for use in self.resources))
        layers = [(one.layer, {use.name: grouped(use.used) for use in one.resources}) for one in self.layers]
        rows = [(layer, *(used.get(name, "-") for name in head[1:])) for layer, used in layers]
        return Table(f"{self!r}"[1:-1], head, (*rows, ("all", *map(str, self.resources))))

    def __repr__(self) -> str:
        clock = "" if self.clock_period_ns is None else f", {self.clock_period_ns:.4g} ns"
        return f"<{self.origin}{clock}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def rows(self, asked_clock_period_ns: float) -> list[tuple[str, ...]]:
        """Return (quantity, value, stage) of what is known; nanoseconds are cycles times the clock period asked for."""
        stage = self.origin
        rows = [
            (quantity, f"{grouped(cycles)} cycles, {grouped(cycles * asked_clock_period_ns)} ns", stage)
            for quantity, cycles in (
                ("Latency", self.latency_cycles),
                ("Initiation interval", self.initiation_interval_cycles),
            )
            if cycles is not None
        ]
        if self.clock_period_ns is not None:
            fmax = f" ({1e3 / self.clock_period_ns:.4g} MHz)" if self.stage == "routed" else ""
            period = f"{self.clock_period_ns:.4g} ns of {asked_clock_period_ns:.4g} ns{fmax}"
            rows.append(("Clock period", period, stage))
        return [*rows, *((use.name, str(use), stage) for use in self.resources)]
