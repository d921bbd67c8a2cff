"""What `loopwire explore` writes: the front as a page, as JSON, and each design's settings as a file."""

from __future__ import annotations

import shlex
from pathlib import Path

from loopwire.optimise.config_file import to_toml
from loopwire.optimise.model_judge import criteria_text
from loopwire.report.html import rendered
from loopwire.system.outputs import failures_reported, write_file
from loopwire.tradeoff.exploration import Exploration

AXES = ("latency, ns", "share of the part, %", "loss", "interval, ns", "LUTs", "DSPs")
COLUMNS = ("latency", "interval", "share", "loss", "LUTs", "DSPs", "clock", "part")


def write(found: Exploration, folder: Path, model: Path) -> list[Path]:
    """Write the front to a folder.

    Args:
        found: what was explored.
        folder: that exists.
        model: file of the model, for the commands.

    Returns:
        The files: the page first.

    Raises:
        OutputError: a file cannot be written.
    """
    with failures_reported(folder):
        (folder / "points").mkdir(exist_ok=True)
        for old in (folder / "points").glob("*.toml"):
            old.unlink()
    files = {folder / "index.html": page(found, folder, model), folder / "front.json": found.to_json()}
    files |= {settings_file(folder, k): to_toml(point.config) for k, point in enumerate(found.front)}
    for path, text in files.items():
        write_file(path, text.encode())
    return list(files)


def settings_file(folder: Path, place: int) -> Path:
    """Return the path of a design's settings."""
    return folder / "points" / f"{place:03}.toml"


def page(found: Exploration, folder: Path, model: Path) -> str:
    """Return the front as a page of HTML that needs nothing else."""
    points = []
    for place, point in enumerate(found.front):
        reached, config = point.outcome, point.config
        luts, dsps = (reached.resources.get(name, 0) for name in ("LUTs", "DSPs"))
        cells = (
            f"{reached.latency_ns:,.1f} ns",
            f"{reached.interval_ns:,.1f} ns",
            f"{reached.share:.2%}",
            f"{reached.loss:.4f}",
            f"{luts:,}",
            f"{dsps:,}",
            f"{config.clock_period_ns:g} ns",
            config.part,
        )
        values = (reached.latency_ns, 100 * reached.share, reached.loss, reached.interval_ns, luts, dsps)
        settings = settings_file(folder, place)
        command = shlex.join(
            ["loopwire", "compile", str(model), "--config", str(settings), "--out", f"build/{place:03}"]
        )
        points.append({"cells": cells, "values": values, "command": command, "settings": to_toml(config)})
    return rendered(
        "page.html.j2",
        "loopwire.tradeoff",
        model=found.model.name,
        keep=criteria_text(found.criteria),
        tried=found.tried,
        refused=found.refused,
        columns=COLUMNS,
        axes=AXES,
        points=points,
    )
