"""Measures how many designs a minute `loopwire explore` tries with two workers, against one.

    python bench/workers.py MODEL --data FILE.npz [--trials 300] [--pairs 3]

runs both in turn, each as a process of its own, and prints the trials a minute of the whole command and of what comes
after the first outcome, the ratio of each pair, and whether the fronts are the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from loopwire.compiler import compile_silently, load
from loopwire.config import CompileConfig
from loopwire.data import read_data
from loopwire.design_targets import DesignTargets
from loopwire.tradeoff.exploration import explore

PART = "xcvu13p-flga2577-2-e"
EVENTS = 4000


def measured(model: str, data: str, keep: str, trials: int, processes: int) -> dict[str, Any]:
    """Return the trials a minute of a search, and its front."""
    loaded = compile_silently(load(Path(model))).model
    events = read_data(Path(data), loaded.inputs, loaded.outputs)
    first: list[float] = []
    begin_s = time.perf_counter()
    found = explore(
        loaded,
        events.part(np.arange(min(EVENTS, len(events.inputs))), data),
        CompileConfig(part=PART),
        keep=keep,
        targets=DesignTargets(max_share=1.0, min_clock_ns=2.0),
        trials=trials,
        processes=processes,
        progress=lambda done, _: first.append(time.perf_counter()) if not first else None,
    )
    end_s = time.perf_counter()
    return {
        "whole": 60 * trials / (end_s - begin_s),
        "after the first": 60 * (trials - 1) / (end_s - first[0]),
        "front": [point.to_dict() for point in found.front],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--keep", default="auc>=0.97")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--one", type=int, help="how many workers, of a single run: prints JSON")
    chosen = parser.parse_args()
    if chosen.one is not None:
        print(json.dumps(measured(chosen.model, chosen.data, chosen.keep, chosen.trials, chosen.one)))
        return
    same = ["--data", chosen.data, "--keep", chosen.keep, "--trials", str(chosen.trials)]
    command = [sys.executable, __file__, chosen.model, *same, "--one"]
    ratios: dict[str, list[float]] = {"whole": [], "after the first": []}
    for _ in range(chosen.pairs):
        one, two = (json.loads(subprocess.check_output([*command, str(count)])) for count in (1, 2))
        assert one["front"] == two["front"], "the fronts differ"
        for part, found in ratios.items():
            found.append(two[part] / one[part])
            print(f"{part}: {one[part]:.0f} and {two[part]:.0f} trials a minute, {found[-1]:.2f} times", flush=True)
    for part, found in ratios.items():
        print(f"{part}: {median(found):.2f} times, the median of {len(found)} pairs; the fronts are the same")


if __name__ == "__main__":
    main()
