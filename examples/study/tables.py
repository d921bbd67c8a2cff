"""The study's tables, from what its stages measured: each a head and rows of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]
Studies = Mapping[str, Facts]
KEPT = 0.995
"""Least AUC, fixed to float, of the cheapest uniform type."""


@dataclass(frozen=True)
class Table:
    """A table with its title and what its figures rest on."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(studies: Studies) -> Iterator[Table]:
    """Yield all tables, without those that have no row."""
    made = (_numbers, _designs, _built, _knobs, _hls4ml)
    for table in (*(make(studies) for make in made), QUOTED, _seconds(studies)):
        if table.rows:
            yield table


def _numbers(studies: Studies) -> Table:
    rows = []
    for name, facts in studies.items():
        curves = facts["curves"]
        rows.append(
            (
                name,
                _spaced(facts["training"]["parameters"]),
                " ".join(f"{label} {area:.3f}" for label, area in facts["training"]["auc"].items()),
                *(f"{_worst(curves[kind]):.4f}" for kind in ("ap_fixed<16,6>", "default", "found")),
                *(f"{curves[kind]['same_class']:.2%}" for kind in ("ap_fixed<16,6>", "default", "found")),
                _uniform(facts["bits"]["points"]),
                f"{facts['types']['weight_bits']:.1f}, {facts['types']['activation_bits']:.1f}",
                f"{facts['types']['cost_share']:.0%}",
            )
        )
    kinds = ("ap_fixed<16,6>", "default", "found")
    head = (
        "network",
        "parameters",
        "AUC, float",
        *(f"worst AUC, fixed / float: {kind}" for kind in kinds),
        *(f"same class: {kind}" for kind in kinds),
        f"narrowest uniform type, AUC ≥ {KEPT}",
        "found: bits a weight, a number",
        "cost of these",
    )
    note = (
        "Measured on the test events. ap_fixed<16,6> truncates and wraps; Loopwire's default is fixed<16,6> that "
        "rounds and saturates. Cost: estimated, of the default's."
    )
    return Table("Numbers, emulated bit for bit", note, head, rows)


def _designs(studies: Studies) -> Table:
    rows = []
    for name, facts in studies.items():
        for goal, design in facts["goals"].items():
            if "refused" in design:
                rows.append((name, goal, design["refused"], *[""] * 7))
                continue
            cycles, interval, period = design["latency_cycles"], design["interval_cycles"], design["clock_period_ns"]
            rows.append(
                (
                    name,
                    f"{goal}, {_short(design['part'])}",
                    "; ".join(design["knobs"]),
                    f"{cycles} cycles, {_time(cycles * period)}",
                    f"{interval:g} cycles, {_spaced(1e9 / (interval * period))} /s",
                    *(_used(design["resources"].get(kind)) for kind in RESOURCES),
                    design["proof"],
                )
            )
    head = ("network", "goal", "knobs chosen", "latency", "interval", *RESOURCES, "proof")
    note = (
        "In the types found. Cycles: predicted, and the same in simulation (Verilator) where the last column says so. "
        "Times: of the clock that the delay model holds for possible. Resources: estimated."
    )
    return Table("Designs for the goals", note, head, rows)


def _built(studies: Studies) -> Table:
    rows = [
        (
            name,
            what,
            f"{built['tool']}, {built['stage']}",
            *(_used(built["resources"].get(kind)) for kind in RESOURCES),
            "" if built["clock_period_ns"] is None else f"{built['clock_period_ns']:.2f} ns",
        )
        for name, facts in studies.items()
        for what, built in facts["built"].items()
    ]
    head = ("network", "goal: command, part", "tool, stage", *RESOURCES, "clock")
    return Table("The same designs, built", "", head, rows)


def _knobs(studies: Studies) -> Table:
    rows = []
    for name, facts in studies.items():
        for place, point in enumerate(facts["knobs"]["points"]):
            config, proof = point["config"], facts["proofs"].get(str(place))
            kinds = {"static": "static", "interleaved": "interleaved", "copies": f"{config['copies']} copies"}
            emulated = f"{point['differing']} numbers differ, emulated"
            rows.append(
                (
                    name,
                    str(config["reuse_factor"]),
                    kinds[point["kind"]],
                    str(point["latency_cycles"]),
                    f"{point['interval_cycles']:g}",
                    *(_used(point["resources"].get(kind)) for kind in ("LUTs", "DSPs")),
                    f"{proof['simulated_latency_cycles']} cycles, 0 bits differ, simulated" if proof else emulated,
                )
            )
    head = ("network", "R", "", "latency, cycles", "interval, cycles", "LUTs", "DSPs", "compared")
    parts = ", ".join(f"{name} {_short(facts['knobs']['part'])}" for name, facts in studies.items())
    note = (
        f"In the default types, at 5 ns ({parts}). R is that of the recurrent layers; static: one sequence in the "
        "loop; interleaved: as many as fit, where that is more than one. Cycles: predicted. Resources: estimated. "
        "Compared: with the first point's numbers, bit by bit, or in simulation."
    )
    return Table("Knobs: static, interleaved, copies", note, head, rows)


def _hls4ml(studies: Studies) -> Table:
    rows = []
    for name, facts in studies.items():
        for how, told in facts.get("hls4ml", {}).items():
            if isinstance(told, Mapping):
                rate = float(f"{told['samples_per_cpu_second']:.3g}")
                rows.append((name, str(facts["hls4ml"]["events"]), how, f"{told['same_class']:.2%}", _spaced(rate)))
    head = ("network", "events", "emulated by", "same class as float", "samples a CPU-second")
    note = (
        "Run on the same file and events. hls4ml's C simulation with ap_fixed<16,6>: `model` sets it for everything, "
        "`name` is the granularity that its tutorials recommend. Loopwire: its emulator, fixed<16,6>."
    )
    return Table("hls4ml 1.3.0 beside Loopwire", note, head, rows)


def _seconds(studies: Studies) -> Table:
    rows = [(name, *(f"{_total(facts.get(stage, {})):.0f}" for stage in STAGES)) for name, facts in studies.items()]
    return Table("Time of the stages, CPU s", "Of all processes together.", ("network", *STAGES), rows)


def _total(facts: Facts) -> float:
    """Return the CPU seconds of a stage, or of all in a group of stages."""
    if "cpu_seconds" in facts:
        return float(facts["cpu_seconds"])
    return sum(_total(part) for part in facts.values() if isinstance(part, Mapping))


def _uniform(points: list[Facts]) -> str:
    """Return the narrowest type of the scan that keeps the AUC of every class."""
    kept = [
        (point["integer"] + point["fraction"], point["integer"])
        for point in points
        if min(measure["value"] for measure in point["measures"]) >= KEPT
    ]
    return "fixed<{},{}>".format(*min(kept)) if kept else "none tried"


def _worst(curves: Facts) -> float:
    return min(curves["fixed"][name] / real for name, real in curves["float"].items())


def _spaced(number: float) -> str:
    return f"{number:,.{0 if number >= 100 else 1}f}".replace(",", " ")


def _time(time_ns: float) -> str:
    return f"{time_ns:.4g} ns" if time_ns < 10_000 else f"{time_ns / 1000:.4g} µs"


def _short(part: str) -> str:
    return part.split("-")[0]


def _used(use: list[int] | None) -> str:
    if use is None:
        return "0"
    used, available = use
    return f"{used} ({used / available:.1%})" if available else str(used)


STAGES = ("training", "types", "bits", "curves", "knobs", "proofs", "goals", "built", "hls4ml")
RESOURCES = ("LUTs", "FFs", "DSPs", "BRAM 18k")
QUOTED = Table(
    "Quoted for hls4ml, not measured here",
    "Other networks of the same tasks, other parts and clocks: an order of magnitude, not a race.",
    ("figure", "value", "source"),
    [
        ("LSTM(20) top tagger, a step", "80 ns", "arXiv:2207.00559, synthesised"),
        ("QuickDraw LSTM(128), drawings a second", "4 300 to 9 700", "arXiv:2207.00559"),
        ("top-tagging LSTM(20), same class as float in C simulation", "89.0 %", "hls4ml 1.3.0, random inputs"),
        ("QuickDraw LSTM(128), the same", "98.3 %", "hls4ml 1.3.0, random inputs"),
    ],
)
