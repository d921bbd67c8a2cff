"""Designs of a front, written, simulated and synthesised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.implementation import synthesise
from loopwire.layers.model import Model
from loopwire.project.written import report_files
from loopwire.report.built import Built
from loopwire.report.drawings import draw
from loopwire.report.summary import Verification
from loopwire.system.progress import Progress
from loopwire.system.workers import Here, Workers
from loopwire.tradeoff.exploration import Exploration
from loopwire.verification import verify


@dataclass(frozen=True)
class Proof:
    """What became of a design: where it is, what its simulation showed, and what synthesis found, where asked for."""

    place: int
    folder: Path
    verification: Verification
    built: Built | None


def spread(designs: int, count: int) -> list[int]:
    """Return `count` places of a front, or all of fewer, evenly from its first to its last."""
    if count >= designs:
        return list(range(designs))
    return sorted({round(k * (designs - 1) / max(count - 1, 1)) for k in range(count)})


def prove(
    found: Exploration,
    data: Any,
    folder: Path,
    verified: int,
    synthesised: int,
    sequences: int,
    progress: Progress,
    workers: Workers | None = None,
) -> list[Proof]:
    """Write, simulate and synthesise designs that are spread over a front.

    Args:
        found: the front.
        data: inputs for the simulation.
        folder: where each design gets a folder, by its place.
        verified, synthesised: how many; what is synthesised is verified too.
        sequences: of each simulation.
        progress: called with the designs done, of how many.
        workers: of `system.workers`, which simulate designs and synthesise layers; None: this machine.

    Raises:
        OutputError: a design cannot be written.
        ToolError: a tool is missing or fails.
    """
    to_build = set(spread(len(found.front), synthesised)) if synthesised else set()
    places = sorted(to_build | set(spread(len(found.front), verified) if verified else ()))
    proofs = []
    shared, configs = _Shared(found.model, data, sequences), [found.front[place].config for place in places]
    for done, (simulated, verification) in enumerate((workers or Here()).run(_verified, shared, configs), 1):
        place = places[simulated]
        design = found.design(place)
        report = design.report(verification)
        written = design.write(folder / f"{place:03}", data, report_files(report, draw(report, design.pictures())))
        built = synthesise(written, workers=workers) if place in to_build else None
        proofs.append(Proof(place, written, verification, built))
        progress(done, len(places))
    return sorted(proofs, key=lambda proof: proof.place)


@dataclass(frozen=True, eq=False)
class _Shared:
    model: Model
    data: Any
    sequences: int


def _verified(shared: _Shared, config: CompileConfig) -> Verification:
    """Simulate a design: what runs on a worker."""
    return verify(compile_silently(shared.model, config), shared.data, shared.sequences)
