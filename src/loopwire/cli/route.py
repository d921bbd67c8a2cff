"""`loopwire route`: a written project on an ECP5, to its clock and a bitstream."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.cli.console import print_table, progress_bars, step
from loopwire.cli.failures import errors_told, keep_told
from loopwire.text.names import printable

if TYPE_CHECKING:
    from loopwire.tools.routing import Sources

FOLDER = "routed"
"""Of bitstream and logs, in the project."""
CLOCK_MISSED = 3
"""Exit status."""


@click.command("route")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--part", help="An ECP5, such as LFE5U-85F-8BG381C. [default: the project's]")
@click.option("--seed", default=1, show_default=True, help="Of the placer.")
@click.option("--timeout-minutes", type=click.FloatRange(min=0, min_open=True), help="For each tool. [default: none]")
@click.option(
    "--retime", is_flag=True, help="Where the clock is missed, compile with the delays that the route taught."
)
def route_command(project: Path, part: str | None, seed: int, timeout_minutes: float | None, retime: bool) -> None:
    """Place and route PROJECT, which `loopwire compile` or `loopwire board` has written, and pack a bitstream."""
    from loopwire.cli.retime import commands_of, retimed
    from loopwire.project.folder import reserved

    with errors_told(), reserved(project):
        compilation = commands_of(project) if retime else None
        keep_told("finished steps, in the cache")
        slack_ns = _route(project, part, seed, timeout_minutes)
        if compilation is not None and slack_ns < 0:
            slack_ns = retimed(compilation, slack_ns, lambda folder: _route(folder, part, seed, timeout_minutes))
        if slack_ns < 0:
            click.get_current_context().exit(CLOCK_MISSED)


def _route(project: Path, part: str | None, seed: int, timeout_minutes: float | None) -> float:
    """Route a project; return by how many nanoseconds its clock period is shorter than the one asked for."""
    from rich.console import Console

    from loopwire.devices import find_part
    from loopwire.project.folder import add_files
    from loopwire.project.written import add_built, read_report, read_verilog_facts
    from loopwire.report.summary import FACTS
    from loopwire.tools import nextpnr
    from loopwire.tools.routing import route
    from loopwire.tools.yosys import find_yosys

    facts = read_verilog_facts(project)
    on_board = "board" in facts
    if not on_board:
        read_report(project)  # refuses now what has no report to add to
    device = find_part(part or facts["part"])
    nextpnr.part_options(device)
    nextpnr.version()
    find_yosys()
    clock_mhz: float = facts["board"]["clock_mhz"] if on_board else 1e3 / facts["clock_period_ns"]
    timeout_s = None if timeout_minutes is None else 60 * timeout_minutes
    console = Console()
    with progress_bars(console) as progress, step(progress, "Placing and routing") as update:
        routed = route(_sources(project, facts), device, clock_mhz, seed, timeout_s, progress=update)
    found = project / FOLDER
    add_files(project, {f"{FOLDER}/{name}": content for name, content in routed.files.items()})
    keep_told(str(found))
    built = routed.built
    asked_ns = 1e3 / clock_mhz
    if on_board:
        print_table(console, project.name, FACTS, built.rows(asked_ns))
    else:
        report = add_built(project, built)
        print_table(console, report.model, FACTS, report.rows())
    click.echo("Slowest path:")
    for line in built.critical_path:
        click.echo(f"  {printable(line)}")
    assert built.clock_period_ns is not None
    slack_ns = asked_ns - built.clock_period_ns
    if slack_ns < 0:
        click.echo(f"The clock of {asked_ns:.4g} ns is missed by {-slack_ns:.3g} ns")
    click.echo(f"Bitstream: {found / nextpnr.BITSTREAM}")
    return slack_ns


def _sources(project: Path, facts: Mapping[str, Any]) -> Sources:
    """Return what is routed: a board's folder as it is, a bare design behind shift registers."""
    from loopwire.bounded import read_project_text
    from loopwire.text.names import FileName
    from loopwire.tools import harness
    from loopwire.tools.routing import Sources

    top = facts["top"]
    written = [project / name for name in facts["loopwire"]["files"]]
    if "board" in facts:
        pins = project / f"{top}.lpf"
        files = {FileName(path.name): read_project_text(path) for path in written if path != pins}
        return Sources(files, top, read_project_text(pins))
    files = {FileName(path.name): read_project_text(path) for path in written if path.parent.name == "rtl"}
    text = harness.harness_text(top, files.get(FileName(f"{top}.sv"), ""))
    return Sources({**files, FileName(f"{harness.NAME}.sv"): text}, harness.NAME)
