"""Calling external programs. No other module starts one, but the sandbox in which untrusted files are read."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loopwire.errors import ToolError
from loopwire.system.folders import keep, temporary_folder

Process = subprocess.Popen[str]

LAUNCH = """\
ulimit -S -s "$(ulimit -H -s)" 2>/dev/null
exec 3<&0 </dev/null
{ read -r _ <&3; kill -s KILL 0; } >/dev/null 2>&1 &
exec "$@" 3<&-
"""
"""What the shell does before it becomes the program. Verilator and g++ recurse as deep as expressions are, so the stack
may be as large as the system allows, as Verilator's own start script has it. Standard input is a pipe to which nobody
writes; it closes when this process dies, however it dies, and the program's whole process group is then killed."""
MEANINGS = {
    signal.SIGKILL: "as where memory runs out",
    signal.SIGABRT: "by which a program gives up on a fault of its own, or where memory runs out",
    signal.SIGSEGV: "a crash: a fault of the program, or its stack is too small (ulimit -s)",
    signal.SIGBUS: "a crash, as where a file shrinks or the disk is full while a program works in it",
    signal.SIGILL: "a crash: the program is made for another processor",
    signal.SIGXCPU: "a limit of CPU time (ulimit -t)",
    signal.SIGXFSZ: "a limit of the size of files (ulimit -f)",
}
"""Of signals that end a program."""

_log = logging.getLogger(__name__)
_running: set[Process] = set()
_stopped: weakref.WeakSet[Process] = weakref.WeakSet()


def run_tool(
    name: str,
    command: Sequence[object],
    log: Path,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> str:
    """Run a program to its end and return what it printed, which is also kept in the file `log`.

    Where the wait for it is interrupted, or lasts longer than `timeout_s`, it is killed with all that it has started.
    Its temporary files are in a folder that is removed at its end. Where it fails, its log outlives this process.

    Raises:
        ToolError: the program could not be started, takes too long, or its exit status is not 0: then with its first
            error.
    """
    began_s = time.monotonic()
    with log.open("w") as printed, temporary_folder() as scratch:
        settings = {**(environment or {}), "TMPDIR": str(scratch)}
        with started(name, command, directory, settings, printed.fileno(), subprocess.STDOUT) as process:
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                remedy = f"Allow it more with --timeout-minutes, or read its log, {keep(log)}"
                raise ToolError(name, f"it did not finish within {timeout_s:g} s", remedy) from None
        if process in _stopped:
            raise KeyboardInterrupt
    _log.info("%.1f s, status %d: %s", time.monotonic() - began_s, status, shlex.join(map(str, command)))
    text = log.read_text(errors="replace")
    if status != 0:
        remedy = f"Read its log, {keep(log)}" if text.strip() else "It printed nothing"
        raise ToolError(name, f"it failed: {first_error(text, status)}", remedy)
    return text


@contextlib.contextmanager
def started(
    name: str,
    command: Sequence[object],
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: int = subprocess.PIPE,
    errors: int | None = None,
) -> Iterator[Process]:
    """Start a program in a process group of its own, which is killed at the end.

    Raises:
        ToolError: there is no such program.
    """
    program, *arguments = map(str, command)
    if shutil.which(program) is None:
        raise ToolError(name, f"{program} cannot be started (it is missing, or not a program)", "Install it again")
    process = subprocess.Popen(
        ["/bin/sh", "-c", LAUNCH, "sh", program, *arguments],
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        text=True,
        process_group=0,
    )
    with process:
        _running.add(process)
        try:
            yield process
        finally:
            interrupted = process.poll() is None
            _kill(process)
            if interrupted:
                process.wait()
                _wait_for_group(process.pid)


def stop_all() -> None:
    """Kill all programs that run; `run_tool` then ends with KeyboardInterrupt in each of the threads that wait."""
    for process in list(_running):
        _stopped.add(process)
        _kill(process)


def require_output(name: str, file: Path, log: Path) -> None:
    """Refuse what a tool has not written though it says that it succeeded.

    Raises:
        ToolError: the file is not there, or empty.
    """
    if not file.is_file() or not file.stat().st_size:
        problem = f"it ended without an error but did not write {file.name}"
        raise ToolError(name, problem, f"Check that it works, or install it again. Its log is {keep(log)}")


def read_outputs(name: str, place: Path, outputs: Sequence[str], log: Path) -> dict[str, bytes]:
    """Return the files that a tool has written.

    Raises:
        ToolError: one of them is not there, or empty.
    """
    for output in outputs:
        require_output(name, place / output, log)
    return {output: (place / output).read_bytes() for output in outputs}


def first_error(printed: str, status: int) -> str:
    """Return the first line that speaks of an error, else the signal that killed it, the last line or the status."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    killed = [_killed(-status)] if status < 0 else []
    return next(iter([*errors, *killed, *lines[-1:]]), f"exit status {status}")


def _killed(number: int) -> str:
    meaning = f", {MEANINGS[signal.Signals(number)]}" if number in MEANINGS else ""
    return f"killed by signal {number} ({signal.Signals(number).name}){meaning}"


def _kill(process: Process) -> None:
    """Kill a program's process group, once: afterwards its number may become another's."""
    with contextlib.suppress(KeyError, ProcessLookupError):
        _running.remove(process)
        os.killpg(process.pid, signal.SIGKILL)


def _wait_for_group(group: int, longest_s: float = 0.5) -> None:
    """Wait until all of a killed process group have ended: before, one may still make a file in a folder that goes.

    Not for ever: where nobody waits for what has ended, it stays in its group.
    """
    deadline_s = time.monotonic() + longest_s
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: its number is another's now
        while time.monotonic() < deadline_s:
            os.killpg(group, 0)
            time.sleep(0.001)
