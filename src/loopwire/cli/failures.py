"""How errors, warnings and interrupts are printed: one line each on standard error."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from loopwire.errors import LoopwireError, LoopwireWarning
from loopwire.text.names import printable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""All end a command as Ctrl-C does: programs that it has started are killed, temporary folders removed."""
KEPT = "loopwire.kept"


class Failure(click.ClickException):
    """One red line on standard error, exit status 1."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.secho(f"error: {printable(' '.join(self.message.split()))}", fg="red", err=True)


def report_kept(what: str) -> None:
    """Note what is kept of this command's work if a signal ends it from now on."""
    click.get_current_context().meta.setdefault(KEPT, []).append(what)


@contextmanager
def errors_reported() -> Iterator[None]:
    """Turn errors, warnings and signals of a command into lines, and leave no temporary folder behind."""
    from loopwire.system.folders import all_released
    from loopwire.system.outputs import NO_SPACE

    with _interrupts() as received, warnings.catch_warnings(), _ending(received), all_released():
        warnings.showwarning = _show_warning
        try:
            yield
        except LoopwireError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            place = error.filename or "temporary files"
            remedy = "Free some space, or set TMPDIR to a folder that has some"
            raise Failure(f"{place}: {error.strerror}. {remedy}") from error


@contextmanager
def _interrupts() -> Iterator[list[signal.Signals]]:
    """Let the first of `SIGNALS` raise KeyboardInterrupt, and later ones not disturb the end; yield what has come."""
    received: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def interrupt(number: int, _: object) -> None:
        received.append(signal.Signals(number))
        if len(received) == 1:
            raise KeyboardInterrupt

    # What is ignored, as by nohup, stays so.
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)


@contextmanager
def _ending(received: list[signal.Signals]) -> Iterator[None]:
    """Say what an interrupted command keeps, and end with the exit status that a shell gives for the signal."""
    try:
        yield
    except KeyboardInterrupt:
        number = received[0] if received else signal.SIGINT
        kept = click.get_current_context().meta.get(KEPT, [])
        by = "Ctrl-C" if number == signal.SIGINT else number.name
        click.echo(f"stopped by {by}. {'Kept: ' + '; '.join(kept) if kept else 'Nothing was written'}", err=True)
        raise SystemExit(128 + number) from None


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, LoopwireWarning):
        click.secho(f"warning: {printable(' '.join(str(message).split()))}", fg="yellow", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), nl=False, err=True)
