"""How many stages schedules are above the least that an exact solver finds: python tests/schedule_gap.py [COUNT]

Of the bundled jet tagger and, where they are (`LOOPWIRE_DATA`), of the jets' other networks, as they are written to the
firmware: with counters of bits, sums of three, tables in block RAM and long wires. And of COUNT random datapaths.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loopwire
from loopwire.devices.delay_model import DelayModel
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.scheduler import schedule
from schedule_oracle import Least, least
from test_scheduler import DELAYS, some_datapath

ROOT = Path(__file__).parents[1]
MODELS = Path(os.environ.get("LOOPWIRE_DATA", ROOT.parent / "shared" / "data")) / "models"
DESIGNS = [
    (ROOT / "examples" / "jets" / "jet_lstm20.keras", None),
    (MODELS / "jet_lstm20_flat.h5", None),
    (MODELS / "jet_gru20_flat.h5", None),
    (MODELS / "jet_lstm20_flat.h5", "jet_lstm"),
    (MODELS / "jet_gru20_flat.h5", "jet_gru"),
]
CLOCKS = {"xcku115": 5.0, "xcvu13p": 5.0}


def gap(pipeline: Pipeline, delays: DelayModel, clock_period_ns: float, input_ns: float = 0.0) -> tuple[int, int]:
    """Return by how many stages a pipeline's loop, and its depth, are above the least of its operations."""
    found = least(pipeline.datapath, delays, clock_period_ns, input_ns)
    return pipeline.loop_latency - found.loop_latency, pipeline.depth - pipeline.input_stage - found.depth


def designs() -> Iterator[tuple[str, tuple[int, int], Least]]:
    """Yield the gap and the stages of each engine of each design, with what the design is."""
    for path, types in DESIGNS:
        given: dict[str, Any] = {}
        if types:
            given = tomllib.loads((ROOT / "bench" / "types" / f"{types}.toml").read_text())
        for part, clock_period_ns in CLOCKS.items() if path.exists() else ():
            design = loopwire.compile(path, {**given, "part": part, "clock_period_ns": clock_period_ns})
            name = f"{path.name}, {types or 'fixed<16,6>'}, {part}, {clock_period_ns:g} ns"
            for pipeline in design.firmware.pipelines:
                above = gap(pipeline, DelayModel(design.device), clock_period_ns)
                yield name, above, Least(pipeline.loop_latency, pipeline.depth)


def main() -> None:
    """Print the gaps."""
    for name, above, stages in designs():
        print(f"{name}: loop {stages.loop_latency}, depth {stages.depth}; above the least: {above[0]}, {above[1]}")
    gaps: Counter[tuple[int, int]] = Counter()
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        datapath = some_datapath(seed, "trees" if seed % 2 else "multipliers")
        pipeline = schedule(datapath, DELAYS, 5.0, (0, DELAYS.gate()))
        gaps[gap(pipeline, DELAYS, 5.0, DELAYS.gate())] += 1
    for above, count in sorted(gaps.items()):
        print(f"{count} random datapaths: above the least: {above[0]}, {above[1]}")


if __name__ == "__main__":
    main()
