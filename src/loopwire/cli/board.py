"""`loopwire board`: a written project's design on a board, real or simulated."""

from __future__ import annotations

from pathlib import Path

import click

from loopwire.cli.console import JSON, next_step, print_json, progress_bars, step
from loopwire.cli.failures import errors_reported

BAUD = 3_000_000


@click.command("board", short_help="Write the sources that put PROJECT on a board.")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--board", default="ulx3s-85f", show_default=True, help="Name of the board.")
@click.option(
    "--clock-mhz", type=float, help="Highest clock frequency. [default: the one that PROJECT was compiled for]"
)
@click.option("--baud", type=int, default=BAUD, show_default=True, help="Speed of the serial line.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. [default: PROJECT/boards/<board>]")
@click.option("--simulate", is_flag=True, help="Instead, run a simulated board on a pseudo-terminal until Ctrl-C.")
@JSON
def board_command(
    project: Path, board: str, clock_mhz: float | None, baud: int, out: Path | None, simulate: bool, as_json: bool
) -> None:
    """Write the sources that put PROJECT, a folder written by `loopwire compile`, on a board."""
    with errors_reported():
        if simulate:
            _simulate(project, as_json)
        else:
            _write(project, board, clock_mhz, baud, out or project / "boards" / board, as_json)


def _write(project: Path, board: str, clock_mhz: float | None, baud: int, out: Path, as_json: bool) -> None:
    from loopwire.boards.project import write_board

    written = write_board(project, board, out, clock_mhz, baud)
    if as_json:
        design = {"name": written.identity.name, "digest": written.identity.digest}
        facts = {"design": design, "part": written.part, "clock_mhz": written.clock_mhz, "baud": baud}
        print_json({**facts, "folder": str(out)})
        return
    click.echo(f"Design: {written.identity.name} {written.identity.digest}, clock {written.clock_mhz:g} MHz, {baud} Bd")
    click.echo(f"Sources: {out}")
    next_step("loopwire", "route", out)


def _simulate(project: Path, as_json: bool) -> None:
    from rich.console import Console

    from loopwire.boards.hosted import hosted_module
    from loopwire.boards.project import hosted_sources
    from loopwire.boards.simulated import build_model, simulated_board
    from loopwire.system.folders import temporary_folder

    with temporary_folder() as folder:
        with progress_bars(Console()) as progress, step(progress, "Building the simulation"):
            identity, sources = hosted_sources(project)
            for name, text in sources.items():
                (folder / name).write_text(text)
            program = build_model(hosted_module(identity), sorted(folder.glob("*.sv")), folder / "simulation")
        with simulated_board(program, folder) as (process, terminal):
            if as_json:
                print_json({"port": terminal})
            else:
                click.echo(f"Simulated board: {terminal}")
            next_step("loopwire", "run", "DATA", "--port", terminal)
            try:
                process.wait()
            except KeyboardInterrupt:
                click.echo("Stopped", err=True)
