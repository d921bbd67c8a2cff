"""`loopwire route`: a written project on an ECP5, to its clock and a bitstream."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwire.cli.console import (
    JSON,
    OPEN,
    next_step,
    open_page,
    print_json,
    print_report,
    print_table,
    progress_bars,
    step,
)
from loopwire.cli.failures import errors_reported, report_kept
from loopwire.text.names import printable

if TYPE_CHECKING:
    from loopwire.implementation import Routed

CLOCK_MISSED = 3
"""Exit status."""


@click.command("route", short_help="Place and route PROJECT for an ECP5; make a bitstream.")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--part", help="ECP5 part, such as LFE5U-85F-8BG381C. [default: that of the project]")
@click.option("--seed", default=1, show_default=True, help="Random seed of the placer.")
@click.option(
    "--timeout-minutes", type=click.FloatRange(min=0, min_open=True), help="Time limit for each tool. [default: none]"
)
@click.option(
    "--retime",
    is_flag=True,
    help="If the clock is missed, compile again with the delays measured in the route, up to 3 times.",
)
@JSON
@OPEN
def route_command(
    project: Path,
    part: str | None,
    seed: int,
    timeout_minutes: float | None,
    retime: bool,
    as_json: bool,
    opens: bool,
) -> None:
    """Place and route PROJECT, a folder written by `loopwire compile` or `loopwire board`, and make a bitstream."""
    from loopwire.cli.retime import compilation_of, retimed
    from loopwire.project.folder import reserved

    def route(folder: Path) -> Routed:
        return _route(folder, part, seed, timeout_minutes)

    with errors_reported(), reserved(project):
        compilation = compilation_of(project) if retime else None
        report_kept("finished steps, in the cache")
        # Standard output is for the JSON alone.
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            routed = route(project)
            if compilation is not None and routed.slack_ns < 0:
                routed = retimed(compilation, routed, route)
        page = project / "report.html"
        if opens and page.is_file():
            open_page(page)
        if as_json:
            print_json(routed.facts())
        if routed.slack_ns < 0:
            if compilation is None and routed.report is not None:
                next_step("loopwire", "route", project, "--retime")
            click.get_current_context().exit(CLOCK_MISSED)
        if routed.report is not None:
            next_step("loopwire", "board", project)
        else:
            next_step("loopwire", "run", "DATA", "--port", "PORT")


def _route(project: Path, part: str | None, seed: int, timeout_minutes: float | None) -> Routed:
    """Route a project and print what was found."""
    from rich.console import Console

    from loopwire.implementation import FOLDER, route
    from loopwire.report.summary import FACTS

    console = Console()
    with progress_bars(console) as progress, step(progress, "Placing and routing") as update:
        routed = route(project, part, seed=seed, timeout_minutes=timeout_minutes, progress=update)
    report_kept(str(project / FOLDER))
    if routed.report is None:
        print_table(console, project.name, FACTS, routed.built.rows(routed.asked_clock_period_ns))
    else:
        print_report(console, routed.report)
    click.echo("Slowest path:")
    for line in routed.built.critical_path:
        click.echo(f"  {printable(line)}")
    if routed.slack_ns < 0:
        click.echo(f"The clock of {routed.asked_clock_period_ns:.4g} ns is missed by {-routed.slack_ns:.3g} ns")
    load = "" if routed.report is not None else ", which openFPGALoader or fujprog loads"
    click.echo(f"Bitstream: {routed.bitstream}{load}")
    return routed
