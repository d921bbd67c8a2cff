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
    timeout_s: float | None = None,
) -> str:
    """Run a program to its end and return what it printed, which is also kept in the file `log`.

    Where the wait for it is interrupted, or lasts longer than `timeout_s`, the program is ended.

    Raises:
        ToolError: the program could not be started, takes too long, or its exit status is not 0: then with its first
            error.
    """
    with log.open("wb") as printed:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise ToolError(name, f"{command[0]} cannot be started ({error.strerror})", "Install it again") from None
        try:
            status = process.wait(timeout_s)
        except BaseException as stop:
            process.kill()
            process.wait()
            if not isinstance(stop, subprocess.TimeoutExpired):
                raise
            remedy = f"Allow it more with --timeout-minutes, or read its log, {log}"
            raise ToolError(name, f"it was not done after {timeout_s:g} s", remedy) from None
    text = log.read_text(errors="replace")
    if status != 0:
        raise ToolError(name, f"it failed: {first_error(text, status)}", f"Read its log, {log}")
    return text


def first_error(printed: str, status: int) -> str:
    """Return the first line that speaks of an error, else the signal that killed it, the last line or the status."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    killed = [f"killed by signal {-status}, as where memory runs out"] if status < 0 else []
    return next(iter([*errors, *killed, *lines[-1:]]), f"exit status {status}")
