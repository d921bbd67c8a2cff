"""How errors are told: one red line on standard error, exit status 1."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from loopwire.errors import LoopwireError, LoopwireWarning
from loopwire.project import NO_SPACE
from loopwire.text.names import printable


class Failure(click.ClickException):
    """One red line on standard error, exit status 1."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.secho(f"error: {printable(' '.join(self.message.split()))}", fg="red", err=True)


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning, as `warnings.showwarning`: Loopwire's as a line, others as Python does."""
    if issubclass(category, LoopwireWarning):
        click.secho(f"warning: {printable(' '.join(str(message).split()))}", fg="yellow", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), file=file, err=True, nl=False)


@contextmanager
def errors_told() -> Iterator[None]:
    """Tell warnings and errors of Loopwire as lines on standard error."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            yield
    except LoopwireError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        place = error.filename or "temporary files"
        raise Failure(f"{place}: {error.strerror}. Free some space, or set TMPDIR to a folder that has some") from error
