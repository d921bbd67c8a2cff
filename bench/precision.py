"""Measures the search for types on real models and data: `python bench/precision.py [case …]`.

The data are in the folder $LOOPWIRE_DATA. Each case searches on one file and checks on another one. `uniform` compares
the LUTs of types found for the GRU with those of uniform types that keep as much.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

import loopwire
from compile import DATA, ROOT
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.data import Data
from loopwire.optimise.precision import find_precision
from loopwire.optimise.precision_file import write_toml

OUT = ROOT / "build" / "precision"
PROFILED_JETS = 20_000
PART = "xcvu13p-flga2577-2-e"
QUICKDRAW_STRIDE = 4
"""The search looks at every fourth of the 8 600 drawings."""


def labelled(name: str, classes: str) -> Data:
    """Return the events of a file with inputs and labels."""
    with np.load(DATA / name) as arrays:
        return Data(arrays["X"], arrays["y"], tuple(classes), name)


def jets() -> tuple[Data, Data]:
    """Training jets for the search, test jets for the check."""
    return labelled("jets_train20k_sample.npz", "gqwzt"), labelled("jets_test20k.npz", "gqwzt")


def flavour() -> tuple[Data, Data]:
    """Training jets for the search, test jets for the check."""
    return labelled("flavour_train20k_sample.npz", "bcl"), labelled("flavour_test21k.npz", "bcl")


def quickdraw() -> tuple[Data, Data]:
    """Unlabelled drawings of all categories for the search, the labelled ones of the five classes for the check."""
    with np.load(DATA / "quickdraw345_stroke3.npz") as arrays:
        strokes, offsets = arrays["stroke3"], arrays["offset"]
    drawings = np.zeros((len(offsets) - 1, 100, 3), np.int16)
    for row, start, stop in zip(drawings, offsets, offsets[1:], strict=False):
        part = strokes[start:stop][:100]
        row[: len(part)] = part
    with np.load(DATA / "quickdraw_real.npz") as arrays:
        classes = tuple(map(str, arrays["classes"]))
        check = Data(arrays["X_stroke3"], arrays["y"].astype(np.int64), classes, "quickdraw_real.npz")
    return Data(drawings[::QUICKDRAW_STRIDE], where="quickdraw345_stroke3.npz"), check


CASES: dict[str, tuple[str, str, Callable[[], tuple[Data, Data]]]] = {
    "jet_lstm": ("jet_lstm20_flat.keras", "auc>=0.995", jets),
    "jet_gru": ("jet_gru20_flat.keras", "auc>=0.995", jets),
    "quickdraw": ("paper/Quickdraw5ClassLSTMFinL.h5", "mean_auc>=0.99", quickdraw),
    "flavour": ("flav_gru120.keras", "auc>=0.995", flavour),
}


def search(name: str) -> None:
    """Print what one search finds as a row of a table, and write its file."""
    file, keep, events = CASES[name]
    data, check = events()
    clock = Clock()
    found = find_precision(loopwire.load(DATA / "models" / file), data, keep, check=check)
    took = str(clock)
    write_toml(found, OUT / f"{name}.toml")
    worst = min(found.checked.measures, key=lambda measure: measure.value)
    taken_back = f"; {found.steps_taken_back} steps taken back" if found.steps_taken_back else ""
    row = (
        f"`{file}`",
        f"`{keep}`",
        f"{len(data.inputs)}",
        f"{took}, {found.judged} choices",
        f"{found.weight_bits:.1f}",
        f"{found.activation_bits:.1f}",
        f"{found.cost / found.baseline_cost:.1%}",
        f"{worst} on {len(check.inputs)}{taken_back}",
    )
    print(f"| {' | '.join(row)} |", flush=True)


def uniform() -> None:
    """Print what found types take, by what they keep on other jets, and the least uniform type that keeps as much."""
    _, events = jets()
    half = len(events.inputs) // 2
    assert events.labels is not None
    x, labels = events.inputs[half:], events.labels[half:]
    model = loopwire.load(DATA / "models" / CASES["jet_gru"][0])
    real = compile_silently(model).predict_float(x)

    def taken(types: CompileConfig) -> tuple[int, float]:
        """Return the LUTs of a design, estimated, and the lowest ratio of a class's AUC to the float one."""
        design = compile_silently(model, replace(types, part=PART))
        areas = ([roc_auc_score(labels == c, each[:, c]) for c in range(5)] for each in (design.predict(x), real))
        luts = next(use.used for use in design.report().estimated if use.name == "LUTs")
        return luts, min(ours / theirs for ours, theirs in zip(*areas, strict=True))

    types = [f"fixed<{width},{integer},RND,SAT>" for width in range(8, 14) for integer in (4, 5, 6)]
    uniforms = {each: taken(CompileConfig.from_dict({"model": {"precision": each}})) for each in types}
    print("\n| keep | types found: LUTs, AUC ratio | least uniform type: LUTs, AUC ratio | saved |\n|---|---|---|---|")
    for keep in ("auc>=0.995", "auc>=0.99"):
        found = find_precision(model, Data(events.inputs[:half], events.labels[:half], events.class_names), keep)
        luts, ratio = taken(found.config)
        least = min((each for each in types if uniforms[each][1] >= ratio), key=lambda each: uniforms[each][0])
        uniform_luts, uniform_ratio = uniforms[least]
        row = f"`{keep}` | {luts}, {ratio:.4f} | `{least}`: {uniform_luts}, {uniform_ratio:.4f}"
        print(f"| {row} | {1 - luts / uniform_luts:.0%} |", flush=True)


def profile() -> None:
    """Print how long it takes to profile jets."""
    x = jets()[1].inputs[:PROFILED_JETS]
    design = loopwire.compile(loopwire.load(DATA / "models" / "jet_lstm20_flat.keras"))
    clock = Clock()
    design.profile(x)
    print(f"\nProfile of {len(x)} jets: {clock}", flush=True)


class Clock:
    """Wall and CPU seconds since it was made, the C++ compiler's among them, and how busy the machine was."""

    def __init__(self) -> None:
        self._start = os.times()

    def __str__(self) -> str:
        now = os.times()
        spent = [end - start for start, end in zip(self._start, now, strict=True)]
        load = os.getloadavg()[1]
        return f"{spent[4]:.0f} s ({sum(spent[:4]):.0f} CPU s, load {load:.0f} on {os.cpu_count()} cores)"


if __name__ == "__main__":
    more = {"profile": profile, "uniform": uniform}
    for case in sys.argv[1:] or [*CASES, *more]:
        more[case]() if case in more else search(case)
