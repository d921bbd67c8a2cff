"""Reports of Vivado: utilization, flat and by hierarchy, and timing.

Ref: AMD UG835, report_utilization and report_timing_summary; their form is that of Vivado 2018 to 2023.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from loopwire.errors import ToolError
from loopwire.report.built import Built, LayerUse, ResourceUse
from loopwire.tools.fabrics import BRAMS, DSPS, FFS, LUTS, URAMS
from loopwire.tools.synthesis import BETWEEN

UTILIZATION, HIERARCHY, TIMING = (
    f"reports/{name}.rpt" for name in ("utilization", "utilization_hierarchical", "timing")
)
REPORTS = (UTILIZATION, HIERARCHY, TIMING)
SITES = {
    "CLB LUTs": LUTS,
    "Slice LUTs": LUTS,
    "CLB Registers": FFS,
    "Slice Registers": FFS,
    "DSPs": DSPS,
    "Block RAM Tile": BRAMS,
    "URAM": URAMS,
}
"""What the flat report calls them, by family."""
BRAM18_PER_TILE = 2
COLUMNS = {
    "Total LUTs": (LUTS, 1),
    "FFs": (FFS, 1),
    "DSP Blocks": (DSPS, 1),
    "DSP48 Blocks": (DSPS, 1),
    "RAMB36": (BRAMS, BRAM18_PER_TILE),
    "RAMB18": (BRAMS, 1),
    "URAM": (URAMS, 1),
}
"""What the columns of the report by hierarchy count, and how often."""
INDENT = 2
"""Spaces before an instance, for each level."""


def read_reports(folder: Path, layers: Mapping[str, str]) -> Built:
    """Return what the reports of a run tell.

    Args:
        folder: in which Vivado ran.
        layers: the layer of each module that is one's.

    Raises:
        ToolError: they are missing, or not what Vivado writes.
    """
    utilization, hierarchy, timing = (
        (folder / name).read_text() if (folder / name).exists() else "" for name in REPORTS
    )
    version = re.search(r"^\| Tool Version\s*: Vivado v\.(\S+)", utilization, re.M)
    part = re.search(r"^\| Device\s*: (\S+)", utilization, re.M)
    if version is None or part is None:
        raise ToolError("Vivado", "it wrote no utilization report", f"Run it again in {folder}")
    return Built(
        f"Vivado {version[1]}",
        "routed",
        clock_period_ns=_clock_period_ns(timing, folder),
        resources=tuple(_resources(utilization)),
        part=part[1],
        layers=tuple(_layers(hierarchy, layers)),
    )


def _resources(report: str) -> Iterator[ResourceUse]:
    """Yield the first row of each resource."""
    found: set[str] = set()
    for row in _rows(report, "Site Type"):
        ours = SITES.get(row["Site Type"].strip().rstrip("*"))
        if ours is None or ours in found:
            continue
        found.add(ours)
        scale = BRAM18_PER_TILE if ours == BRAMS else 1
        used, available = (round(scale * float(row[column])) for column in ("Used", "Available"))
        yield ResourceUse(ours, used, available)


def _layers(report: str, layers: Mapping[str, str]) -> Iterator[LayerUse]:
    """Yield what each layer takes, all its modules and copies together, and then what is between them."""
    total: dict[str, int] = {}
    used: dict[str, dict[str, int]] = {}
    counted_at: int | None = None  # level of the layer whose rows these are
    for row in _rows(report, "Instance"):
        instance = row["Instance"]
        level = (len(instance) - len(instance.lstrip()) - 1) // INDENT
        if instance.strip().startswith("(") or (counted_at is not None and level > counted_at):
            continue
        counted_at = None
        counts = _counts(row)
        layer = layers.get(_module(row["Module"].strip(), layers))
        if level == 0:
            total = counts
        elif layer is not None:
            counted_at = level
            before = used.setdefault(layer, dict.fromkeys(counts, 0))
            used[layer] = {name: before[name] + count for name, count in counts.items()}
    if not used:
        return
    between = {name: count - sum(row[name] for row in used.values()) for name, count in total.items()}
    for layer, taken in {**used, BETWEEN: between}.items():
        yield LayerUse(layer, tuple(ResourceUse(name, count) for name, count in taken.items()))


def _counts(row: Mapping[str, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for column, (name, scale) in COLUMNS.items():
        if column in row:
            counts[name] = counts.get(name, 0) + scale * int(row[column])
    return counts


def _module(name: str, known: Mapping[str, str]) -> str:
    """Return a module's name without what tells its copies apart."""
    plain = re.sub(r"__\w+$", "", name)
    return plain if plain in known else re.sub(r"_\d+$", "", plain)


def _rows(report: str, first: str) -> Iterator[dict[str, str]]:
    """Yield the rows of all tables whose first column is called `first`, by column; the first cell keeps its spaces."""
    columns: list[str] = []
    for line in report.splitlines():
        if not line.startswith("|"):
            continue
        cells = line.strip().strip("|").split("|")
        plain = [cell.strip() for cell in cells]
        if plain[0] == first:
            columns = plain
        elif len(columns) == len(plain) > 1:
            yield {**dict(zip(columns, plain, strict=True)), first: cells[0]}


def _clock_period_ns(report: str, folder: Path) -> float:
    """Return the period that would leave no slack: that of the clock less the worst slack."""
    slack = re.search(r"^\s*WNS\(ns\).*\n[\s-]+\n\s*(-?[\d.]+)\s", report, re.M)
    period = re.search(r"^aclk\s+\{[^}]*\}\s+([\d.]+)", report, re.M)
    if slack is None or period is None:
        raise ToolError("Vivado", "it wrote no timing report for aclk", f"Run it again in {folder}")
    return round(float(period[1]) - float(slack[1]), 3)
