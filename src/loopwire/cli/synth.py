"""`loopwire synth`: what a written project uses of a part, by open synthesis."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from loopwire.cli.console import JSON, OPEN, next_step, open_page, print_json, print_table, progress_bars, step
from loopwire.cli.failures import errors_reported, report_kept
from loopwire.cli.settings import where_to_run


@click.command("synth", short_help="Synthesise PROJECT with Yosys.")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--part", help="FPGA part. [default: that of the project]")
@click.option(
    "--family", help="Family, for a part that Loopwire does not know: xc7, xcu, xcup, ecp5, nexus or cyclonev."
)
@click.option(
    "--timeout-minutes", type=click.FloatRange(min=0, min_open=True), help="Time limit for each layer. [default: none]"
)
@where_to_run
@JSON
@OPEN
def synth_command(project: Path, opens: bool, **options: Any) -> None:
    """Synthesise PROJECT, a folder written by `loopwire compile`, with Yosys, and report its resources."""
    from loopwire.project.folder import reserved

    with errors_reported(), reserved(project):
        _synth(project, **options)
        if opens:
            open_page(project / "report.html")


def _synth(
    project: Path,
    part: str | None,
    family: str | None,
    timeout_minutes: float | None,
    processes: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    from rich.console import Console

    from loopwire.devices import find_part
    from loopwire.implementation import synthesise
    from loopwire.report.resources import resource_tables
    from loopwire.system.workers import workers
    from loopwire.tools.fit import require_fit

    console = Console()
    with (
        workers(processes, scheduler) as several,
        progress_bars(console) as progress,
        step(progress, "Synthesising") as update,
    ):
        report_kept("finished layers, in the cache")
        built = synthesise(
            project, part, family=family, timeout_minutes=timeout_minutes, progress=update, workers=several
        )
        report_kept(f"the report, {project / 'report.html'}")
    if as_json:
        print_json(asdict(built))
        require_fit(built)
        return
    for table in resource_tables((built,)):
        print_table(console, table.title, table.head, table.rows)
    for limit in built.limits:
        click.echo(limit + ".")
    click.echo(f"Report: {project / 'report.html'}")
    require_fit(built)
    is_routable = family is None and find_part(built.part).synthesis == "ecp5"
    next_step("loopwire", "route" if is_routable else "build", project)
