"""`loopwire build`: the vendor's tool on a written project, and its figures in the project's report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwire.cli.console import JSON, OPEN, next_step, open_page, print_report, progress_bars, step
from loopwire.cli.failures import errors_reported, report_kept

if TYPE_CHECKING:
    from loopwire.report.summary import Report


@click.command("build", short_help="Run Vivado, Quartus or Vitis HLS on PROJECT.")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--tool", help="Tool: vivado, quartus or vitis_hls. [default: that of the part's vendor]")
@click.option("--part", help="FPGA part, for Vivado and Quartus. [default: that of the project]")
@JSON
@OPEN
def build_command(project: Path, tool: str | None, part: str | None, as_json: bool, opens: bool) -> None:
    """Run the vendor's tool on PROJECT, a folder written by `loopwire compile`, and add its figures to the report."""
    from loopwire.project.folder import reserved

    with errors_reported(), reserved(project):
        _build(project, tool, part, as_json)
        if opens:
            open_page(project / "report.html")


def _build(project: Path, name: str | None, part: str | None, as_json: bool) -> None:
    from rich.console import Console

    from loopwire.builders.registry import find_builder
    from loopwire.project.written import add_built, read_facts, read_report

    facts = read_facts(project)
    read_report(project)  # refuses now, not after hours, what has no report to add to
    tool = find_builder(name, facts, part)
    console = Console()
    with progress_bars(console) as progress, step(progress, "Building"):
        built = tool.run(project, facts, part)
        report = add_built(project, built)
        report_kept(f"the report, {project / 'report.html'}")
    if as_json:
        click.echo(report.to_json(), nl=False)
        return
    print_report(console, report)
    click.echo(f"Report: {project / 'report.html'}")
    _next(report)


def _next(report: Report) -> None:
    """Name the compilation that allows for delays as the tool found them, or what explores cheaper designs."""
    period_ns = report.built[-1].clock_period_ns
    command = shlex.split(report.command)
    excess = 0.0 if period_ns is None else period_ns / report.clock_period_ns
    if excess > 1 and report.target == "verilog" and command:
        factor = report.delay_factor * excess
        next_step(*command, "--delay-factor", f"{factor:.4g}")
    else:
        next_step("loopwire", "explore", "MODEL", "--data", "DATA", "--part", report.part)
