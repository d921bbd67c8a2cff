"""`loopwire build`: the vendor's tool on a written project, and its figures in the project's report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.cli.console import print_table, progress_bars, step
from loopwire.cli.failures import errors_told, keep_told

if TYPE_CHECKING:
    from loopwire.report.built import Built


@dataclass(frozen=True)
class Tool:
    """What takes projects of one `target`; `run` gets the project's folder, its facts, and the part if another one."""

    target: str
    run: Callable[[Path, Mapping[str, Any], str | None], Built]


def _vitis_hls(project: Path, facts: Mapping[str, Any], part: str | None) -> Built:
    from loopwire.errors import ConfigError
    from loopwire.tools import hls_tool

    if part is not None:
        raise ConfigError("--part", "HLS C++ is written for one part", "Compile the model for it: --part")
    return hls_tool.run(project, facts["top"])


def _vivado(project: Path, facts: Mapping[str, Any], part: str | None) -> Built:
    from loopwire.project.vendor import write_vendor_project
    from loopwire.tools import vivado
    from loopwire.tools.rtl_files import RtlFiles

    folder = project / "vivado"
    files = RtlFiles.read(project / "rtl", facts["top"])
    write_vendor_project(folder, vivado.project_files(files, part or facts["part"], facts["clock_period_ns"]))
    return vivado.run(folder, facts["layer_modules"])


def _quartus(project: Path, facts: Mapping[str, Any], part: str | None) -> Built:
    from loopwire.project.vendor import write_vendor_project
    from loopwire.tools import quartus
    from loopwire.tools.rtl_files import RtlFiles

    folder = project / "quartus"
    files = RtlFiles.read(project / "rtl", facts["top"])
    write_vendor_project(folder, quartus.project_files(files, part or facts["part"], facts["clock_period_ns"]))
    return quartus.run(folder, facts["top"])


TOOLS = {
    "vitis_hls": Tool("vitis_hls", _vitis_hls),
    "vivado": Tool("verilog", _vivado),
    "quartus": Tool("verilog", _quartus),
}
"""By what `--tool` calls them; the first that takes a project's target is the default."""


@click.command("build")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--tool", help=f"{', '.join(TOOLS)}. [default: the first that takes the project]")
@click.option("--part", help="FPGA, for Vivado and Quartus. [default: the project's]")
def build_command(project: Path, tool: str | None, part: str | None) -> None:
    """Run the vendor's tool on PROJECT, a folder that `loopwire compile` has written, and report what it finds."""
    from loopwire.project.folder import reserved

    with errors_told(), reserved(project):
        _build(project, tool, part)


def _build(project: Path, name: str | None, part: str | None) -> None:
    from rich.console import Console

    from loopwire.project.written import add_built, read_facts, read_report
    from loopwire.report.summary import FACTS

    facts = read_facts(project)
    read_report(project)  # what has no report to add to is told now, not after hours
    tool = _choose(name, facts.get("target", "verilog"))
    console = Console()
    with progress_bars(console) as progress, step(progress, "Building"):
        built = tool.run(project, facts, part)
        report = add_built(project, built)
        keep_told(f"the report, {project / 'report.html'}")
    print_table(console, report.model, FACTS, report.rows())
    click.echo(f"Report: {project / 'report.html'}")


def _choose(name: str | None, target: str) -> Tool:
    from loopwire.errors import ConfigError, nearest

    fitting = [tool for tool, properties in TOOLS.items() if properties.target == target]
    if name is not None and name not in TOOLS:
        raise ConfigError("--tool", f"{name!r} is unknown", f"{nearest(name, TOOLS)}Choose from {', '.join(TOOLS)}")
    chosen = name or next(iter(fitting), None)
    if chosen not in fitting:
        remedy = f"Choose from {', '.join(fitting)}" if fitting else "Compile with --target vitis_hls for Vitis HLS"
        what = f"{name} does not take" if name else "no tool here takes"
        raise ConfigError("the project", f"{what} a project of target {target!r}", remedy)
    return TOOLS[chosen]
