"""Measures `loopwire compile` on trained models: bits, AUC, cycles, seconds, memory; and how quickly Loopwire starts.

The models and jets are those of the folder $LOOPWIRE_DATA, else of ../shared/data; the bundled ones are always there.
Every run starts with an empty cache, as on a new machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("LOOPWIRE_DATA", ROOT.parent / "shared" / "data"))
JETS = ROOT / "examples" / "jets"
PROJECTS = ROOT / "build" / "bench"
LOOPWIRE = Path(sys.executable).with_name("loopwire")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STARTS = 11


@dataclass(frozen=True)
class Case:
    """A model and its jets. `labelled` says whether the model's classes and scaling are those of the jets."""

    model: Path
    jets: Path
    labelled: bool = True


BUNDLED = Case(JETS / "jet_lstm20.keras", JETS / "jets_test2k.npz")
OTHERS = [
    Case(DATA / "models" / name, DATA / "jets_test20k.npz", labelled=not name.startswith("paper"))
    for name in ("jet_lstm20_flat.h5", "jet_gru20_flat.h5", "jet_lstm20_64.keras", "paper/5tagLSTM6FeatFINAL.h5")
]


@dataclass(frozen=True)
class Run:
    """What one command took; memory is the sum of all its processes, the compiler's included."""

    wall_s: float
    cpu_s: float
    memory_bytes: int


def measured(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; SystemExit with what it printed if it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        peaks = [0]
        watch = threading.Thread(target=_watch, args=(child.pid, peaks), daemon=True)
        watch.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
        if child.returncode:
            printed.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))}\n{printed.read().decode()}")
    return Run(wall_s, usage.ru_utime + usage.ru_stime, max(peaks[0], usage.ru_maxrss * 1024))


def _watch(session: int, peaks: list[int]) -> None:
    """Keep the largest sum of the resident sets of a session's processes, looking 20 times a second."""
    while Path(f"/proc/{session}").exists():
        resident = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[3]) == session:
                resident += int(fields[21]) * PAGE_BYTES
        peaks[0] = max(peaks[0], resident)
        time.sleep(0.05)


def compiled(case: Case) -> tuple[Run, dict[str, Any]]:
    """Compile a model; return what it took and its report."""
    out = PROJECTS / case.model.stem
    with tempfile.TemporaryDirectory() as cache:
        command = [LOOPWIRE, "compile", case.model, "--data", case.jets, "--out", out]
        run = measured(command, {"LOOPWIRE_CACHE": cache})
    return run, json.loads((out / "report.json").read_text())


def _aucs(case: Case, report: dict[str, Any]) -> str:
    """Return the lowest ratio of a class's AUC, fixed to float, with these."""
    if not case.labelled:
        return "not applicable"
    lowest = min(report["aucs"], key=lambda auc: auc["fixed"] / auc["real"])
    real, fixed = lowest["real"], lowest["fixed"]
    return f"{fixed / real:.4f} (class {lowest['name']}: {fixed:.4f} to {real:.4f})"


def _start_s(command: Sequence[str | Path]) -> float:
    """Return the median time that a command takes."""
    return statistics.median(measured(command).wall_s for _ in range(STARTS))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")
    print()


def main() -> None:
    """Print the tables."""
    cases = [BUNDLED]
    if DATA.is_dir():
        cases += OTHERS
    else:
        print(f"No folder {DATA} (LOOPWIRE_DATA): only the bundled model is measured.\n")
    numbers, costs = [], []
    for case in cases:
        print(f"compiling {case.model.name}", file=sys.stderr)
        run, report = compiled(case)
        checked, predicted = report["verification"], report["predicted"]
        simulated, agreement = checked["simulated"], report["agreement"]
        numbers.append(
            [
                f"`{case.model.name}`",
                f"0 on {checked['sequences']} sequences, {checked['stressed_sequences']} with gaps or stalls, "
                f"{checked['short_sequences']} short, {checked['resets']} resets",
                f"{predicted['latency_cycles']} / {simulated['latency_cycles']}",
                f"{predicted['initiation_interval_cycles']:g} / {simulated['initiation_interval_cycles']:g}",
                _aucs(case, report),
                f"{agreement['top1']:.2%} of {agreement['sequences']}",
            ]
        )
        costs.append(
            [f"`{case.model.name}`", f"{run.wall_s:.0f}", f"{run.cpu_s:.0f}", f"{run.memory_bytes / 2**20:.0f}"]
        )
    table(
        (
            "model",
            "RTL against emulator: bits that differ",
            "latency, cycles, predicted / simulated",
            "interval, cycles, predicted / simulated",
            "lowest AUC ratio, fixed to float",
            "same class",
        ),
        numbers,
    )
    table(("`loopwire compile`", "wall, s", "CPU, s", "peak memory, MiB"), costs)
    starts = (
        ("`import loopwire`", [sys.executable, "-c", "import loopwire"]),
        ("`loopwire --help`", [LOOPWIRE, "--help"]),
    )
    table(("start", f"median of {STARTS}, s"), [(name, f"{_start_s(command):.2f}") for name, command in starts])


if __name__ == "__main__":
    main()
