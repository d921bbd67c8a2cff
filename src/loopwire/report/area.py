"""What a design is estimated to take of its part, and how many multipliers are in it."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.area.cells import Resources
from loopwire.area.engine_area import EngineArea
from loopwire.area.multipliers import Multipliers
from loopwire.devices import Device
from loopwire.report.built import ResourceUse
from loopwire.text.table import grouped

NAMES = {"luts": "LUTs", "ffs": "FFs", "dsps": "DSPs", "bram18s": "BRAM 18k", "urams": "URAMs"}
ENGINES = ("Engine", "Layers", "Copies", "Reuse factor", "Multipliers", *NAMES.values())


def estimated_use(areas: Sequence[EngineArea], device: Device) -> tuple[ResourceUse, ...]:
    """Return what all engines together take of the device; what they do not need is left out."""
    total = sum((area.resources for area in areas), Resources())
    used = {field: getattr(total, field) for field in NAMES}
    return tuple(ResourceUse(NAMES[f], count, getattr(device, f)) for f, count in used.items() if count)


def area_rows(areas: Sequence[EngineArea], estimated: Sequence[ResourceUse]) -> list[tuple[str, ...]]:
    """Return (quantity, value, stage)."""
    if not areas:
        return []
    total = sum((area.multipliers for area in areas), Multipliers())
    counts = [grouped(count) for count in (total.total, total.matrix, total.elementwise)]
    multipliers = "{}: {} for matrices, {} element by element".format(*counts)
    return [("Multipliers", multipliers, "scheduled"), *((use.name, str(use), "estimated") for use in estimated)]


def engine_rows(areas: Sequence[EngineArea]) -> list[tuple[str, ...]]:
    """Return a row an engine, under the head `ENGINES`."""
    return [
        (
            area.engine,
            ", ".join(area.layers),
            str(area.copies),
            str(area.reuse_factor),
            grouped(area.multipliers.total),
            *(grouped(getattr(area.resources, field)) for field in NAMES),
        )
        for area in areas
    ]
