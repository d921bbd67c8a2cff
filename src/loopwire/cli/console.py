"""What moves and stands on the terminal: progress bars and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loopwire.text.names import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def progress_bars(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console
    )


@contextmanager
def step(progress: Progress, name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a step runs; it moves as the step calls the function it is given, else it pulses."""
    task = progress.add_task(name, total=None)
    yield lambda done, of: progress.update(task, completed=done, total=of)
    total = progress.tasks[task].total or 1
    progress.update(task, completed=total, total=total)


def print_table(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
