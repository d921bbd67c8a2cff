"""Measures one compiler at many sizes: multipliers, cycles and bits, folded, as one cell, and in copies.

The models and data are those of the folder $LOOPWIRE_DATA, else of ../shared/data. Every design is simulated as
`loopwire compile` does, with gaps, stalls, short sequences and resets.
"""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import loopwire
from compile import DATA, table
from loopwire.area.multipliers import Multipliers

QUICKDRAW = "paper/Quickdraw5ClassLSTMFinL.h5"
WIDE_INPUT = {"model": {"precision": "fixed<16,6,RND,SAT>", "input": "fixed<16,9,RND,SAT>"}}
"""What holds drawings, whose coordinates go up to ±255."""
TYPES_FOUND = tomllib.loads(Path(__file__).with_name("types").joinpath("quickdraw_lstm.toml").read_text())


@dataclass(frozen=True)
class Case:
    """A model with its settings, and how many sequences are simulated."""

    model: str
    sequences: int
    reuse_factor: int
    heads: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> loopwire.CompileConfig:
        """Return the settings."""
        settings = {"multipliers": "dsp", "reuse_factor": self.reuse_factor, "layer_reuse_factor": self.heads}
        return loopwire.CompileConfig.from_dict({**settings, **self.more})


CASES = [
    Case("jet_lstm20_flat.h5", 200, 1, more={"copies": 4, "io": "parallel"}),
    Case("jet_lstm20_flat.h5", 100, 1, more={"copies": 20, "io": "parallel"}),
    Case("jet_lstm20_flat.h5", 1000, 1),
    Case("jet_lstm20_flat.h5", 1000, 4),
    Case("jet_lstm20_flat.h5", 1000, 16, {"dense1": 20}),
    Case("jet_lstm20_flat.h5", 400, 80, {"dense1": 100}),
    Case("flav_gru120.keras", 200, 40, {"dense3": 30}),
    Case(
        QUICKDRAW,
        40,
        60,
        {"dense_8": 896, "dense_9": 896, "rnn_densef": 160},
        {"part": "xcvu13p-flga2577-2-e", **WIDE_INPUT},
    ),
    Case(
        QUICKDRAW,
        40,
        60,
        {"dense_8": 832, "dense_9": 1024, "rnn_densef": 1},
        {"multipliers": "auto", **WIDE_INPUT},
    ),
    Case(
        QUICKDRAW,
        16,
        1024,
        {"dense_8": 1024, "dense_9": 896, "rnn_densef": 160},
        {"part": "LFE5U-85F-8BG381C", "clock_period_ns": 12.5, **WIDE_INPUT},
    ),
    Case(
        QUICKDRAW,
        16,
        1024,
        {"dense_8": 1024, "dense_9": 896, "rnn_densef": 160},
        {"multipliers": "auto", "part": "LFE5U-85F-8BG381C", "clock_period_ns": 7, **TYPES_FOUND},
    ),
]


def inputs(model: str) -> npt.NDArray[np.float64]:
    """Return real inputs of a model."""
    if model.startswith("jet"):
        return np.load(DATA / "jets_test20k.npz")["X"].astype(np.float64)
    if model.startswith("flav"):
        return np.load(DATA / "flavour_test21k.npz")["X"].astype(np.float64)
    return np.load(DATA / "quickdraw_real.npz")["X_stroke3"].astype(np.float64)


def row(case: Case) -> list[str]:
    """Compile and verify a case; return its row."""
    print(f"{case.model}, R = {case.reuse_factor}", file=sys.stderr)
    start = time.perf_counter()
    design = loopwire.compile(loopwire.load(DATA / "models" / case.model), case.config())
    firmware = design.firmware
    planned_s = time.perf_counter() - start
    checked = loopwire.verify(design, inputs(case.model), case.sequences)
    made = sum((engine.multipliers for engine in design.report().engines), Multipliers())
    knobs = ", ".join(map(str, [case.reuse_factor, *case.heads.values()]))
    if design.config.copies > 1:
        knobs += f"; {design.config.copies} copies, {design.config.io} input"
    cycles, simulated = firmware.latency_cycles, checked.simulated
    return [
        f"`{case.model}`",
        knobs,
        design.config.part,
        f"{made.matrix} + {made.elementwise}",
        f"{cycles} / {simulated.latency_cycles}, {cycles * design.config.clock_period_ns / 1000:.2f} µs",
        f"{firmware.initiation_interval_cycles:g} / {simulated.initiation_interval_cycles:g}",
        f"0 on {checked.sequences} sequences, {checked.stressed_sequences} with gaps or stalls, "
        f"{checked.short_sequences} short, {checked.resets} resets",
        f"{planned_s:.0f} s, {sum(map(len, firmware.files.values())) / 1e6:.2f} MB",
    ]


def main() -> None:
    """Print the table."""
    if not DATA.is_dir():
        print(f"No folder {DATA} (LOOPWIRE_DATA): sizes are not measured.\n")
        return
    head = (
        "model",
        "reuse factors: loop, others",
        "part",
        "multipliers: matrices + element by element",
        "latency, cycles, predicted / simulated",
        "interval, cycles, predicted / simulated",
        "bits that differ",
        "planned and written in",
    )
    table(head, [row(case) for case in CASES])


if __name__ == "__main__":
    main()
