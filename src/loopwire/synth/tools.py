"""Calling external programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from loopwire.errors import ToolError


def run_tool(
    name: str,
    command: Sequence[object],
    log: Path,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed, which is also kept in the file `log`.

    Raises:
        ToolError: the program could not be started, or its exit status is not 0: then with its first error.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ToolError(name, f"{command[0]} cannot be started ({error.strerror})", "Install it again") from None
    log.write_text(done.stdout)
    if done.returncode != 0:
        raise ToolError(name, f"it failed: {first_error(done.stdout, done.returncode)}", f"Read its log, {log}")
    return done.stdout


def first_error(printed: str, status: int) -> str:
    """Return the first line that speaks of an error, else the last line, else the exit status."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    killed = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    return next(iter([*errors, *lines[-1:]]), killed)


def cache_directory() -> Path:
    """Return the folder of what is compiled once and used again.

    It is $LOOPWIRE_CACHE, else `loopwire` in $XDG_CACHE_HOME, else in ~/.cache.
    Ref: XDG Base Directory Specification 0.8.

    Raises:
        ToolError: the folder cannot be made.
    """
    own = os.environ.get("LOOPWIRE_CACHE")
    xdg = os.environ.get("XDG_CACHE_HOME")
    directory = Path(own) if own else (Path(xdg) if xdg else Path.home() / ".cache") / "loopwire"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"cache folder {directory}",
            f"it cannot be made ({error.strerror})",
            "Set LOOPWIRE_CACHE to a folder that can be written",
        ) from None
    return directory
