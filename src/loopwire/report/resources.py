"""Tables of what a design takes, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopwire.report.built import Built, ResourceUse


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
        used = {use.name: str(use.used) for use in layer.resources}
        rows.append((layer.layer, *(used.get(name, "-") for name in names)))
    rows.append(("all", *(str(use.used) for use in built.resources)))
    if any(use.available for use in built.resources):
        rows.append(("share of the part", *map(_share, built.resources)))
    title = f"Resources, {built.origin}"
    return ResourceTable(title, ("Layer", *names), tuple(rows), built.limits)


def _share(use: ResourceUse) -> str:
    return "-" if use.share is None else f"{use.share:.2g} %"
