"""How errors are told: one red line on standard error, exit status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from loopwire.errors import LoopwireError
from loopwire.project import NO_SPACE
from loopwire.text.names import printable


class Failure(click.ClickException):
    """One red line on standard error, exit status 1."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.secho(f"error: {printable(' '.join(self.message.split()))}", fg="red", err=True)


@contextmanager
def errors_told() -> Iterator[None]:
    try:
        yield
    except LoopwireError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        place = error.filename or "temporary files"
        raise Failure(f"{place}: {error.strerror}. Free some space, or set TMPDIR to a folder that has some") from error
