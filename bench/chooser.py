"""Measures the choice of knobs for targets: what is chosen, in how long, and whether the hardware keeps to it.

The models and data are those of the folder $LOOPWIRE_DATA, else of ../shared/data. Every chosen design is simulated as
`loopwire compile` does. `python bench/chooser.py refusals` measures how long targets take that nothing meets, and
`python bench/chooser.py clocks` the choice of the clock alone, beside a scan of clocks.
"""

from __future__ import annotations

import contextlib
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import loopwire
from compile import DATA, table
from loopwire.compiler import compile_silently
from loopwire.design_targets import DesignTargets
from loopwire.errors import ConfigError
from loopwire.optimise.chooser import choose
from route import TYPES
from sizes import QUICKDRAW, WIDE_INPUT, inputs


@dataclass(frozen=True)
class Case:
    """A model with its targets, and how many sequences are simulated."""

    model: str
    sequences: int
    targets: DesignTargets
    more: Mapping[str, Any] = field(default_factory=dict)


ECP5 = {"part": "LFE5U-85F-8BG381C", "clock_period_ns": 12.5}
CASES = [
    Case("jet_lstm20_flat.h5", 200, DesignTargets(max_latency_ns=600)),
    Case("jet_lstm20_flat.h5", 200, DesignTargets(max_latency_ns=2000)),
    Case("jet_lstm20_flat.h5", 200, DesignTargets(max_interval_cycles=6), {"io": "parallel"}),
    Case("flav_gru120.keras", 100, DesignTargets(max_latency_ns=5000, max_dsps=2500)),
    Case(QUICKDRAW, 16, DesignTargets(max_interval_cycles=6600, max_latency_ns=42500), WIDE_INPUT),
    Case(QUICKDRAW, 8, DesignTargets(max_share=1.0), {**ECP5, **WIDE_INPUT}),
]
LEAST_CLOCK_NS, SCAN_NS = 2.0, 0.1
GRU = "qd_gru128_256_128.keras"
REFUSED = [
    Case(GRU, 0, DesignTargets(max_latency_ns=500)),
    Case(GRU, 0, DesignTargets(max_latency_ns=500, min_clock_ns=2.0)),
    Case(GRU, 0, DesignTargets(max_latency_ns=20_000, max_dsps=100, max_interval_cycles=1000)),
    Case(QUICKDRAW, 0, DesignTargets(max_latency_ns=500), WIDE_INPUT),
    Case(QUICKDRAW, 0, DesignTargets(max_latency_ns=20_000, max_dsps=100), WIDE_INPUT),
]


def refusal(case: Case) -> list[str]:
    """Return the row of a case that is refused."""
    asked = ", ".join(f"{name} {bound:g}" for name, bound in case.targets.given().items())
    model = loopwire.load(DATA / "models" / case.model)
    compiled = loopwire.compile(model, loopwire.CompileConfig.from_dict(case.more))
    start = time.process_time()
    try:
        choose(compiled, case.targets)
    except ConfigError as error:
        return [f"`{case.model}`", asked, f"{time.process_time() - start:.1f}", error.remedy]
    raise AssertionError(f"{asked} is met")


def clock(name: str, types: str) -> list[str]:
    """Return the row of a model: the clock chosen in xcvu13p, and the best of a scan."""
    model = loopwire.load(DATA / "models" / name)
    settings = tomllib.loads((TYPES / f"{types}.toml").read_text()) if types else {}
    design = compile_silently(model, loopwire.CompileConfig.from_dict({**settings, "part": "xcvu13p"}))
    start = time.process_time()
    chosen = choose(design, min_clock_ns=LEAST_CLOCK_NS).design
    chosen_s = time.process_time() - start
    scanned = {}
    for period_ns in np.arange(LEAST_CLOCK_NS, 15, SCAN_NS).round(2).tolist():
        clocked = replace(design, config=replace(design.config, clock_period_ns=period_ns))
        with contextlib.suppress(ConfigError):  # too fast for an operation
            scanned[period_ns] = clocked.predicted_cycles.latency_cycles * period_ns
    best = min(scanned, key=lambda period_ns: scanned[period_ns])
    period_ns = chosen.config.clock_period_ns
    latency_ns = period_ns * chosen.predicted_cycles.latency_cycles
    found = [f"{ns:.1f} ns at {at:g} ns" for ns, at in ((latency_ns, period_ns), (scanned[best], best))]
    return [f"`{name}`", types or "fixed<16,6>", *found, f"{chosen_s:.1f}"]


def row(case: Case) -> list[str]:
    """Choose and verify; return the case's row."""
    asked = ", ".join(f"{name} {bound:g}" for name, bound in case.targets.given().items())
    print(f"{case.model}, {asked}", file=sys.stderr)
    start = time.process_time()
    compiled = loopwire.compile(
        loopwire.load(DATA / "models" / case.model), loopwire.CompileConfig.from_dict(case.more)
    )
    choice = choose(compiled, case.targets)
    chosen_s = time.process_time() - start
    design, report = choice.design, choice.design.report()
    checked = loopwire.verify(design, inputs(case.model), case.sequences)
    shares = {use.name: use.used / use.available for use in report.estimated if use.available}
    largest = max(shares, key=lambda name: shares[name])
    return [
        f"`{case.model}`",
        f"{asked}, {design.config.part}",
        "; ".join(f"{knob.name} {knob.value}" for knob in choice.knobs),
        f"{chosen_s:.0f}",
        f"{checked.simulated.latency_cycles}, {checked.simulated.initiation_interval_cycles:g}",
        f"{sum(engine.multipliers.total for engine in report.engines)}",
        f"{largest} {shares[largest]:.1%}",
        f"0 on {checked.sequences} sequences, {checked.stressed_sequences} with gaps or stalls",
    ]


def main() -> None:
    """Print the table."""
    if not DATA.is_dir():
        print(f"No folder {DATA} (LOOPWIRE_DATA): choices are not measured.\n")
        return
    if sys.argv[1:] == ["refusals"]:
        table(("model", "targets", "CPU, s", "what is possible"), [refusal(case) for case in REFUSED])
        return
    if sys.argv[1:] == ["clocks"]:
        rows = [clock(f"jet_{cell}20_flat.h5", types) for cell in ("lstm", "gru") for types in ("", f"jet_{cell}")]
        table(("model", "types", "chosen", f"best of a scan by {SCAN_NS} ns", "choosing, CPU s"), rows)
        return
    head = (
        "model",
        "targets, part",
        "chosen",
        "CPU, s",
        "latency and interval, cycles, predicted and simulated",
        "multipliers",
        "largest share, estimated",
        "bits that differ",
    )
    table(head, [row(case) for case in CASES])


if __name__ == "__main__":
    main()
