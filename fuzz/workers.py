"""Runs untrusted cases at a high rate in forked workers, and survives what they do: hangs, signals, memory.

A worker takes the cases of a range one after another. An alarm ends a case that takes too long in Python; one that
hangs in a call that no alarm interrupts, or dies by a signal, is seen by the parent, which goes on with the next case
in a new worker.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from loopwire.errors import LoopwireError

MEMORY_BYTES = 2 << 30
"""That a case may allocate, beyond what the worker has when it begins."""
GRACE_S = 1.0
"""After which a case that its alarm did not end is killed."""
SLEEP_FACTOR = 10
"""By which a case may last longer on the clock than the time of the processor that it may take: machines are shared."""
_STATE = struct.Struct("<qdd")
"""Number of the case that a worker is at, when it began it (CLOCK_MONOTONIC, s), and the time that it had computed."""


@dataclass(frozen=True)
class Limits:
    """What one case may take: time of the processor, and memory."""

    seconds: float = 10.0
    memory_bytes: int = MEMORY_BYTES


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        kind: 'refused' with an error of ours, 'sound', or 'failed'.
        text: the error or what it failed by, in one line.
        place: where it failed, so that the same fault has the same place.
        seconds: that it computed.
    """

    kind: str
    text: str = ""
    place: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it is a fault of Loopwire."""
        return self.kind == "failed"


class TooLongError(BaseException):
    """Raised by the alarm; no `except Exception` of the code under test catches it."""


def outcome_of(check: Callable[[], None], seconds: float) -> Outcome:
    """Run one case in this process, under an alarm."""
    begin = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        check()
        kind, text, place = "sound", "", ""
    except LoopwireError as error:
        kind, text, place = "refused", f"{type(error).__name__}: {error}", ""
    except TooLongError as error:
        kind, text, place = "failed", f"it took longer than {seconds:g} s", _place(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        kind, text, place = "failed", f"{type(error).__name__}: {error}".split("\n")[0][:300], _place(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return Outcome(kind, text, place, time.process_time() - begin)


def run_cases(
    check: Callable[[int], None], numbers: range, limits: Limits, deadline: float
) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcome of each case until the deadline (CLOCK_MONOTONIC, s).

    Args:
        check: one case, by its number: it raises an error of ours, or nothing where the result is sound.
        numbers: of the cases.
        limits: of each.
        deadline: no case begins after it.
    """
    following = numbers.start
    while following < numbers.stop and time.monotonic() < deadline:
        for number, outcome in _worker(check, range(following, numbers.stop), limits, deadline):
            yield number, outcome
            following = number + 1


def _worker(
    check: Callable[[int], None], numbers: range, limits: Limits, deadline: float
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes until the range ends or the worker does; the last one then tells how."""
    context = get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    state = mmap.mmap(-1, _STATE.size)
    state[:] = _STATE.pack(numbers.start, time.monotonic(), 0.0)
    process = context.Process(target=_work, args=(check, numbers, limits, deadline, state, writer))
    process.start()
    writer.close()
    try:
        while True:
            if reader.poll(0.2):
                try:
                    yield reader.recv()
                    continue
                except EOFError:
                    break
            at, began, computed_s = _STATE.unpack(state[:])
            most_s = limits.seconds + GRACE_S
            if _computed_s(process.pid) - computed_s > most_s or time.monotonic() - began > SLEEP_FACTOR * most_s:
                process.kill()
                process.join()
                text = f"it took longer than {limits.seconds:g} s in a call that no signal interrupts"
                yield at, Outcome("failed", text, "hang", limits.seconds + GRACE_S)
                return
        process.join()
        if process.exitcode:
            at, *_ = _STATE.unpack(state[:])
            name = signal.Signals(-process.exitcode).name if process.exitcode < 0 else str(process.exitcode)
            yield at, Outcome("failed", f"the process died: {name}", name)
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        reader.close()
        state.close()


def _work(
    check: Callable[[int], None], numbers: range, limits: Limits, deadline: float, state: mmap.mmap, writer: Any
) -> None:
    prepare(limits)
    for number in numbers:
        now = time.monotonic()
        if now > deadline:
            break
        state[:] = _STATE.pack(number, now, time.process_time())
        writer.send((number, outcome_of(partial(check, number), limits.seconds)))
    writer.close()
    os._exit(0)


def prepare(limits: Limits) -> None:
    """Limit this process, and silence what the code under test prints."""

    def too_long(*_: object) -> None:
        raise TooLongError

    signal.signal(signal.SIGPROF, too_long)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_virtual_bytes() + limits.memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(1000)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _computed_s(process: int | None) -> float:
    """Return the time of the processor that a process has taken (proc(5), /proc/pid/stat, fields 14 and 15)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _virtual_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _place(error: BaseException) -> str:
    """Return the innermost line of Loopwire's that an error passed, and its kind."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/loopwire/" in frame.filename]
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} in {last.filename.rpartition('/loopwire/')[2]}:{last.name}"


def alone(check: Callable[[], None], limits: Limits) -> Outcome:
    """Return the outcome of one case in a process of its own."""
    ((_, outcome),) = run_cases(lambda _: check(), range(1), limits, time.monotonic() + limits.seconds + 60)
    return outcome
