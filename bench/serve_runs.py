"""Shared by the workers of the emulator benchmark: a run for each line on standard input, answered with its cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO


def serve_runs(run: Callable[[], object], sequences: int, answers: TextIO = sys.stdout) -> None:
    """Say "ready" after a first run; then answer with the number of sequences, CPU seconds and seconds."""
    run()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        print(sequences, time.process_time() - cpu, time.perf_counter() - wall, file=answers, flush=True)
