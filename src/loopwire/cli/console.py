"""What is on the terminal: progress bars, or a line a step where there is no terminal, and tables."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwire.text.names import printable
from loopwire.text.table import grouped, unbroken

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from loopwire.report.summary import Report

QUIET = "loopwire.quiet"
LINE_S = 30.0
"""Between two lines of one step, where there is no terminal."""
_began_s = time.monotonic()


class Update:
    """Shows the progress of a step."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name
        self._task = progress.add_task(name, total=None)
        self._told_s = 0.0
        self._line()

    def __call__(self, done: int, of: int | None = None, doing: str = "") -> None:
        """Show how much of a step is done, of how much if that is known, and what is being done."""
        self._progress.update(self._task, completed=done, total=of, description=doing or self._name)
        if time.monotonic() - self._told_s >= LINE_S:
            self._line(f": {doing}" if doing else f": {done}" + ("" if of is None else f" of {of}"))

    def done(self) -> None:
        """Fill the bar."""
        total = self._progress.tasks[self._task].total or 1
        self._progress.update(self._task, completed=total, total=total)

    def _line(self, what: str = "") -> None:
        if not self._progress.console.is_terminal and not is_quiet():
            self._told_s = time.monotonic()
            click.echo(f"[{self._told_s - _began_s:7.1f} s] {self._name}{what}")


def progress_bars(console: Console) -> Progress:
    """Return what shows steps; on a terminal they are bars."""
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class Counts(ProgressColumn):
        """How many are done, of how many, where that is known."""

        def render(self, task: Task) -> Text:
            return Text("" if task.total is None else f"{grouped(int(task.completed))} of {grouped(int(task.total))}")

    name = TextColumn("{task.description:<24}")
    columns = (name, BarColumn(), TaskProgressColumn(), Counts(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=is_quiet() or not console.is_terminal)


@contextmanager
def step(progress: Progress, name: str) -> Iterator[Update]:
    """Show a step while it runs; its bar moves as the step calls the function it is given, else it pulses."""
    update = Update(progress, name)
    yield update
    update.done()


def print_table(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(unbroken(printable(cell))) for cell in row))
    console.print(table)


def print_report(console: Console, report: Report) -> None:
    """Print a report's facts as a table, and below it the verdicts, each answer in its colour."""
    from loopwire.report.summary import FACTS

    print_table(console, report.model, FACTS, report.rows())
    colours = {"good": "green", "doubtful": "yellow", "bad": "red"}
    for verdict in report.verdicts:
        click.echo(f"{click.style(verdict.answer, fg=colours[verdict.state], bold=True)}: {printable(verdict.why)}")


def print_json(facts: object) -> None:
    """Print facts as JSON: what `--json` asks for."""
    import json

    click.echo(json.dumps(facts, indent=2))


def next_step(*words: object) -> None:
    """Name on standard error, where only results are not asked for, the command that makes sense next."""
    if not is_quiet():
        click.echo(f"next: {printable(shlex.join(map(str, words)))}", err=True)


def open_page(page: Path) -> None:
    """Open a page in the user's browser."""
    click.launch(page.absolute().as_uri())


def with_verbosity(command: click.Command) -> click.Command:
    """Give a command, or the group of all before their names, the options -q and -v."""
    command.params += [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_quiet,
            help="Print results, warnings and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_verbose,
            help="Log the programs that run, and what the cache provides, on standard error.",
        ),
    ]
    return command


def _quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.meta[QUIET] = True


def _verbose(_: click.Context, __: click.Parameter, value: bool) -> None:
    if value:
        import logging

        logging.basicConfig(format="%(message)s")
        logging.getLogger("loopwire").setLevel(logging.INFO)


def _quiet_too(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value:
        context.meta[QUIET] = True
    return value


JSON = click.option(
    "--json", "as_json", is_flag=True, callback=_quiet_too, help="Print the result as JSON, and nothing else."
)
OPEN = click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")


def is_quiet() -> bool:
    """Say whether -q was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))
