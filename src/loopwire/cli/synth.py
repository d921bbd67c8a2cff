"""`loopwire synth`: what a written project takes of a part, by open synthesis."""

from __future__ import annotations

from pathlib import Path

import click

from loopwire.cli.console import print_table, progress_bars, step
from loopwire.cli.failures import errors_told, keep_told


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

    from loopwire.implementation import synthesise
    from loopwire.report.resources import resource_tables
    from loopwire.tools.fit import require_fit

    console = Console()
    with progress_bars(console) as progress, step(progress, "Synthesising") as update:
        keep_told("finished layers, in the cache")
        built = synthesise(project, part, family=family, timeout_minutes=timeout_minutes, progress=update)
        keep_told(f"the report, {project / 'report.html'}")
    for table in resource_tables((built,)):
        print_table(console, table.title, table.head, table.rows)
    for limit in built.limits:
        click.echo(limit + ".")
    click.echo(f"Report: {project / 'report.html'}")
    require_fit(built)
