"""Measures `loopwire synth` on trained models with the types that the search found: `python bench/synth.py [case ...]`.

The models are in the folder $LOOPWIRE_DATA. Every run starts with an empty cache.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from compile import LOOPWIRE, ROOT, measured, table
from route import written_config

CASES = {"jet_lstm": {}, "jet_lstm_80": {"dsp_budget": 80}, "jet_gru": {}}
"""What is set beside the types; a number at the end of a name is no part of the model's."""
PART, CLOCK_NS = "xcvu13p", 5
OUT = ROOT / "build" / "synthesised"


def synthesised(case: str) -> list[str]:
    """Compile and synthesise a model; return what it took, a row of the table."""
    project = OUT / case / "project"
    settings = {"part": PART, "clock_period_ns": CLOCK_NS, **CASES[case]}
    model, config = written_config(case.removesuffix("_80"), OUT / case, settings)
    measured([LOOPWIRE, "compile", model, "--config", config, "--simulate", "0", "--out", project])
    with tempfile.TemporaryDirectory() as cache:
        run = measured([LOOPWIRE, "synth", project], {"LOOPWIRE_CACHE": cache})
    (built,) = json.loads((project / "report.json").read_text())["built"]
    used = {resource["name"]: resource["used"] for resource in built["resources"]}
    counts = [str(used[name]) for name in ("LUTs", "FFs", "DSPs", "BRAM 18k")]
    return [case, *counts, f"{run.wall_s:.0f}", f"{run.cpu_s:.0f}", f"{run.memory_bytes / 2**20:.0f}", built["tool"]]


def main() -> None:
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    head = ("model", "LUTs", "FFs", "DSPs", "BRAM 18k", "wall, s", "CPU, s", "peak memory, MiB", "with")
    table(head, [synthesised(case) for case in sys.argv[1:] or CASES])


if __name__ == "__main__":
    main()
