"""Routes trained models on an ECP5, with the types that the search found: `python bench/route.py [case ...]`.

The models are in the folder $LOOPWIRE_DATA. One takes minutes to an hour; what was routed once is kept in the cache.
"""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compile import DATA, ROOT
from loopwire.cli import main as loopwire
from loopwire.config import CompileConfig
from loopwire.optimise.config_file import to_toml
from loopwire.report.built import Built
from loopwire.report.stored import from_json
from loopwire.report.summary import Report

TYPES = Path(__file__).with_name("types")
OUT = ROOT / "build" / "routed"
PART = "LFE5U-85F-8BG381C"


@dataclass(frozen=True)
class Case:
    """A model, and what is set beside its types."""

    model: str
    settings: Mapping[str, Any]


NEAR_BY = {"layer_lut_product_bits": {"dense1": 16}}
"""The softmax's products of look-up tables: DSP blocks are far from the rest."""
CASES = {
    "jet_lstm": Case("jet_lstm20_flat.h5", {"clock_period_ns": 23.5, **NEAR_BY}),
    "jet_gru": Case("jet_gru20_flat.h5", {"clock_period_ns": 24.5, **NEAR_BY}),
    "quickdraw_lstm": Case(
        "paper/Quickdraw5ClassLSTMFinL.h5",
        {
            "reuse_factor": 1024,
            "layer_reuse_factor": {"dense_8": 1024, "dense_9": 896, "rnn_densef": 160},
            "clock_period_ns": 7,
        },
    ),
}


def written_config(case: str, folder: Path, settings: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write a configuration of a model with the types found for it; return the paths of both."""
    file = folder / f"{case}.toml"
    types = tomllib.loads((TYPES / f"{case}.toml").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(to_toml(CompileConfig.from_dict({**types, **settings})))
    return DATA / "models" / CASES[case].model, file


def route(case: str) -> Report:
    """Compile and route one model; return the project's report."""
    project = OUT / case
    settings = {"part": PART, **CASES[case].settings}
    model, file = written_config(case, OUT, settings)
    for command in (("compile", model, "--config", file, "--simulate", 0, "--out", project), ("route", project)):
        loopwire([str(word) for word in command], standalone_mode=False)
    return from_json((project / "report.json").read_text())


def row(report: Report, built: Built) -> str:
    """Return a row of the table: what it takes, the clock, and how long a sequence takes at that clock."""
    assert report.predicted is not None
    assert built.clock_period_ns is not None
    used = {use.name: use.used for use in built.resources}
    latency_us = report.predicted.latency_cycles * built.clock_period_ns / 1e3
    return (
        f"| {report.model} | {used['LUTs']} | {used['FFs']} | {used['DSPs']} | {used['BRAM 18k']} "
        f"| {1e3 / built.clock_period_ns:.1f} | {report.predicted.latency_cycles} | {latency_us:.2f} "
        f"| {report.clock_period_ns / built.clock_period_ns:.2f} |"
    )


def main() -> None:
    for case in sys.argv[1:] or CASES:
        start = time.perf_counter()
        report = route(case)
        (built,) = (built for built in report.built if built.stage == "routed")
        print(f"\n{case}: {built.origin}, {time.perf_counter() - start:.0f} s")
        print("| model | LUTs | FFs | DSPs | BRAM 18k | MHz | cycles | µs | clock asked for / routed |")
        print(row(report, built), flush=True)


if __name__ == "__main__":
    main()
