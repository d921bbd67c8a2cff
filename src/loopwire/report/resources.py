"""Tables of what a design takes, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopwire.report.built import Built, ResourceUse
from loopwire.text.table import grouped


@dataclass(frozen=True)
class ResourceTable:
    """One tool's counts: a row a layer, their sum, and the share of the part.

    Attributes:
        title: stage, tool and part.
        head: names of the columns.
        rows: as many cells each.
        notes: what the numbers do not tell.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def resource_tables(built: Sequence[Built]) -> list[ResourceTable]:
    """Return a table for each tool that tells what layers take."""
    return [_table(one) for one in built if one.layers]


def _table(built: Built) -> ResourceTable:
    names = [use.name for use in built.resources]
    rows = []
    for layer in built.layers:
        used = {use.name: grouped(use.used) for use in layer.resources}
        rows.append((layer.layer, *(used.get(name, "-") for name in names)))
    rows.append(("all", *(grouped(use.used) for use in built.resources)))
    if any(use.available for use in built.resources):
        rows.append(("share of the part", *(use.percent for use in built.resources)))
    title = f"Resources, {built.origin}"
    return ResourceTable(title, ("Layer", *names), tuple(rows), built.limits)


@dataclass(frozen=True)
class StageCell:
    """What one stage says of a resource: its count, its share of the part, and that as a number for a bar."""

    count: str
    percent: str
    share: float


@dataclass(frozen=True)
class StageTable:
    """The resources of a design as estimated, synthesised, routed: a row each, a cell a stage, None where unknown.

    Attributes:
        stages: estimate, then what tools found, with their parts.
        rows: name, how many the part has, and the cells.
    """

    stages: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[StageCell | None, ...]], ...]


def stage_table(estimated: Sequence[ResourceUse], built: Sequence[Built]) -> StageTable:
    """Return all stages side by side."""
    found = [("estimated", estimated)] if estimated else []
    found += [(one.origin, one.resources) for one in built if one.resources]
    uses = [{use.name: use for use in resources} for _, resources in found]
    names = dict.fromkeys(name for stage in uses for name in stage)
    rows = []
    for name in names:
        known = [stage[name] for stage in uses if name in stage]
        if not any(use.used for use in known):
            continue
        available = next((use.available for use in known if use.available is not None), None)
        cells = tuple(_cell(stage.get(name)) for stage in uses)
        rows.append((name, "-" if available is None else grouped(available), cells))
    return StageTable(tuple(stage for stage, _ in found), tuple(rows))


def _cell(use: ResourceUse | None) -> StageCell | None:
    return None if use is None else StageCell(grouped(use.used), use.percent, use.share or 0.0)
