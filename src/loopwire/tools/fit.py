"""Whether a part holds a design."""

from __future__ import annotations

from collections.abc import Iterable

from loopwire.errors import ToolError
from loopwire.report.built import Built, ResourceUse
from loopwire.tools.fabrics import BRAMS, DSPS, FFS, LUTS, URAMS

FEWER_PRODUCTS = "compile with a reuse factor about {factor} times as large (--reuse-factor)"
REMEDIES = {
    LUTS: FEWER_PRODUCTS + ", narrower types (loopwire precision) or --multipliers dsp",
    FFS: FEWER_PRODUCTS + ", fewer sequences at once (--interleave 1) or a longer clock period (--clock-ns)",
    DSPS: FEWER_PRODUCTS + " or --multipliers shift_add",
    BRAMS: "compile with narrower weights (loopwire precision), or choose a part with more block RAM",
    URAMS: "compile with narrower weights (loopwire precision), or choose a part with more UltraRAM",
}


def require_fit(built: Built) -> None:
    """Refuse a design that is larger than its part.

    Raises:
        ToolError: of some resource it takes more than the part has; the error names the one that is short most.
    """
    found = shortage(built.resources)
    if found is not None:
        problem, remedy = found
        raise ToolError(f"part {built.part}", f"the design is too large: it takes {problem}", remedy)


def shortage(resources: Iterable[ResourceUse]) -> tuple[str, str] | None:
    """Return how much is taken of the resource that a part is short of most, and what would make the design fit.

    None where the part has enough of everything.
    """
    used = [use for use in resources if use.available is not None and use.used > use.available]
    if not used:
        return None
    worst = max(used, key=lambda use: use.used / use.available if use.available else float("inf"))
    ratio = worst.used / worst.available if worst.available else float("inf")
    excess = f"{ratio:.2f} times the {worst.available} of the part" if worst.available else "and the part has none"
    factor = f"{ratio:.1f}" if worst.available else "any number of"
    return f"{worst.used} {worst.name}, {excess}", f"To make it fit, {REMEDIES[worst.name].format(factor=factor)}"
