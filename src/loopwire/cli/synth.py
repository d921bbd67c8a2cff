"""`loopwire synth`: what a written project takes of a part, by open synthesis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwire.cli.console import print_table, progress_bars, step
from loopwire.cli.failures import errors_told, keep_told

if TYPE_CHECKING:
    from loopwire.devices import Device
    from loopwire.tools.fabrics import Fabric


@click.command("synth")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--part", help="FPGA. [default: the project's]")
@click.option("--family", help="xc7, xcu, xcup, ecp5, nexus or cyclonev, for a part that is not known: no shares.")
@click.option("--timeout-minutes", type=click.FloatRange(min=0, min_open=True), help="For each layer. [default: none]")
def synth_command(project: Path, part: str | None, family: str | None, timeout_minutes: float | None) -> None:
    """Synthesise PROJECT, a folder that `loopwire compile` has written, with Yosys, and report what it takes."""
    from loopwire.project.folder import reserved

    with errors_told(), reserved(project):
        _synth(project, part, family, timeout_minutes)


def _synth(project: Path, part: str | None, family: str | None, timeout_minutes: float | None) -> None:
    from rich.console import Console

    from loopwire.project.written import add_built, read_report, read_verilog_facts
    from loopwire.report.resources import resource_tables
    from loopwire.tools.fit import require_fit
    from loopwire.tools.synthesis import synthesise
    from loopwire.tools.yosys import find_yosys

    facts = read_verilog_facts(project)
    read_report(project)  # refuses now what has no report to add to
    fabric, device = _target(part, family, facts["part"])
    find_yosys()
    console = Console()
    with progress_bars(console) as progress, step(progress, "Synthesising") as update:
        keep_told("finished layers, in the cache")
        timeout_s = None if timeout_minutes is None else 60 * timeout_minutes
        built = synthesise(
            project / "rtl", facts["top"], facts["layer_modules"], fabric, device, timeout_s, progress=update
        )
        add_built(project, built)
        keep_told(f"the report, {project / 'report.html'}")
    for table in resource_tables((built,)):
        print_table(console, table.title, table.head, table.rows)
    for limit in built.limits:
        click.echo(limit + ".")
    click.echo(f"Report: {project / 'report.html'}")
    require_fit(built)


def _target(part: str | None, family: str | None, project_part: str) -> tuple[Fabric, Device | None]:
    """Return how to synthesise, and the part whose shares are printed."""
    from loopwire.devices import find_part
    from loopwire.errors import ConfigError, nearest
    from loopwire.tools.fabrics import FABRICS, fabric_of

    if family is not None:
        if part is not None:
            raise ConfigError("--family", "it is for a part that is not known, and --part names one", "Give one")
        if family not in FABRICS:
            hint = f"{nearest(family, FABRICS)}Choose from {', '.join(FABRICS)}"
            raise ConfigError("--family", f"{family!r} is unknown", hint)
        return FABRICS[family], None
    device = find_part(part or project_part)
    return fabric_of(device), device
