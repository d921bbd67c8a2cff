"""Measures the emulators in sequences per second: ours on one core and on all, its definition in numpy, and hls4ml's.

Each is a process of its own; the runs are interleaved, so that all meet the same load of the machine, and medians are
given. hls4ml 1.3.0 takes part where bench/hls4ml_environment.sh has been run: its compiled emulation (`predict`), which
uses one thread.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
HLS4ML_PYTHON = ROOT / ".venv-hls4ml" / "bin" / "python"
HLS4ML_PROJECTS = ROOT / "build" / "bench-hls4ml"
ROUNDS = 7
EMULATORS = {
    "fast": "fast path, 1 core",
    "fast-all-cores": "fast path, all cores",
    "numpy": "definition (numpy), 1 core",
    "hls4ml": "hls4ml 1.3.0, 1 core",
}
TITLES = {"jet": "jet LSTM(20), 20 steps", "quickdraw": "QuickDraw LSTM(128), 100 steps"}


@dataclass
class Emulator:
    """A worker process and what it measured, in sequences per second."""

    name: str
    process: subprocess.Popen[str]
    rates: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Run it once: by CPU seconds on one core, by the clock on all cores."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        sequences, cpu, wall = map(float, self.answer().split())
        self.rates.append(sequences / (wall if self.name == "fast-all-cores" else cpu))

    def answer(self) -> str:
        """Return the worker's next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker of {self.name} ended with status {self.process.wait()}")
        return line


def _start(case: str, name: str, core: int) -> Emulator:
    if name == "hls4ml":
        HLS4ML_PROJECTS.mkdir(parents=True, exist_ok=True)
        command = [str(HLS4ML_PYTHON), str(BENCH / "hls4ml_worker.py"), case, str(HLS4ML_PROJECTS / case)]
    else:
        command = [sys.executable, str(BENCH / "emulator_worker.py"), case, name]
    pinned = None if name == "fast-all-cores" else lambda: os.sched_setaffinity(0, {core})
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=pinned,
    )
    return Emulator(name, process)


def measure(case: str) -> dict[str, float]:
    """Return the median rate of each emulator on one model, in sequences per second."""
    names = [name for name in EMULATORS if name != "hls4ml" or HLS4ML_PYTHON.exists()]
    core = min(os.sched_getaffinity(0))
    emulators = []
    try:
        for name in names:  # one after another: building them takes a core each
            emulators.append(_start(case, name, core))
            assert emulators[-1].answer() == "ready\n"
        for _ in range(ROUNDS):
            for emulator in emulators:
                emulator.run()
    finally:
        for emulator in emulators:
            emulator.process.terminate()
            emulator.process.wait()
    return {emulator.name: statistics.median(emulator.rates) for emulator in emulators}


def main() -> None:
    """Print the table."""
    for case, title in TITLES.items():
        rates = measure(case)
        print(f"{title}, fixed<16,6>")
        for name, rate in rates.items():
            unit = "sequences/s" if name == "fast-all-cores" else "sequences/CPU-s"
            line = f"  {EMULATORS[name]:<28} {rate:>10.4g} {unit:<16}"
            if "hls4ml" in rates:
                line += f"{rate / rates['hls4ml']:>8.1f} x hls4ml"
            print(line.rstrip())
    if not HLS4ML_PYTHON.exists():
        print("hls4ml is not installed for comparison: bench/hls4ml_environment.sh does it")


if __name__ == "__main__":
    main()
