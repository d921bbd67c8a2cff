"""Measures the search for types on real models and data: `python bench/precision.py [case …]`.

The data are in the folder $LOOPWIRE_DATA. Each case searches on one file and checks on another one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import loopwire
from loopwire.explore.events import Events
from loopwire.explore.precision import find_precision
from loopwire.explore.precision_file import summary, write_toml

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("LOOPWIRE_DATA", ROOT.parent / "shared" / "data"))
OUT = ROOT / "build" / "precision"
PROFILED_JETS = 20_000
QUICKDRAW_STRIDE = 4
"""The search looks at every fourth of the 8 600 drawings."""


def labelled(name: str, classes: str) -> Events:
    """Return the events of a file with inputs and labels."""
    with np.load(DATA / name) as arrays:
        return Events(arrays["X"], arrays["y"], tuple(classes), name)


def jets() -> tuple[Events, Events]:
    """Training jets for the search, test jets for the check."""
    return labelled("jets_train20k_sample.npz", "gqwzt"), labelled("jets_test20k.npz", "gqwzt")


def flavour() -> tuple[Events, Events]:
    """Training jets for the search, test jets for the check."""
    return labelled("flavour_train20k_sample.npz", "bcl"), labelled("flavour_test21k.npz", "bcl")


def quickdraw() -> tuple[Events, Events]:
    """Unlabelled drawings of all categories for the search, the labelled ones of the five classes for the check."""
    with np.load(DATA / "quickdraw345_stroke3.npz") as arrays:
        strokes, offsets = arrays["stroke3"], arrays["offset"]
    drawings = np.zeros((len(offsets) - 1, 100, 3), np.int16)
    for row, start, stop in zip(drawings, offsets, offsets[1:], strict=False):
        part = strokes[start:stop][:100]
        row[: len(part)] = part
    with np.load(DATA / "quickdraw_real.npz") as arrays:
        classes = tuple(map(str, arrays["classes"]))
        check = Events(arrays["X_stroke3"], arrays["y"].astype(np.int64), classes, "quickdraw_real.npz")
    return Events(drawings[::QUICKDRAW_STRIDE], where="quickdraw345_stroke3.npz"), check


CASES: dict[str, tuple[str, str, Callable[[], tuple[Events, Events]]]] = {
    "jet_lstm": ("jet_lstm20_flat.keras", "auc>=0.995", jets),
    "jet_gru": ("jet_gru20_flat.keras", "auc>=0.995", jets),
    "quickdraw": ("paper/Quickdraw5ClassLSTMFinL.h5", "mean_auc>=0.99", quickdraw),
    "flavour": ("flav_gru120.keras", "auc>=0.995", flavour),
}


def search(name: str) -> None:
    """Print what one search finds, and write its file."""
    file, keep, events = CASES[name]
    data, check = events()
    start, cpu = time.perf_counter(), time.process_time()
    found = find_precision(loopwire.load(DATA / "models" / file), data, keep, check=check)
    print(f"\n{name}: {file}, {len(data.inputs)} sequences, {_took(start, cpu)}")
    print("\n".join(summary(found)), flush=True)
    write_toml(found, OUT / f"{name}.toml")


def profile() -> None:
    """Print how long it takes to profile jets."""
    x = jets()[1].inputs[:PROFILED_JETS]
    design = loopwire.compile(loopwire.load(DATA / "models" / "jet_lstm20_flat.keras"))
    start, cpu = time.perf_counter(), time.process_time()
    design.profile(x)
    print(f"\nprofile of {len(x)} jets: {_took(start, cpu)}", flush=True)


def _took(start: float, cpu: float) -> str:
    return f"{time.perf_counter() - start:.1f} s, {time.process_time() - cpu:.1f} CPU seconds"


if __name__ == "__main__":
    for case in sys.argv[1:] or [*CASES, "profile"]:
        if case == "profile":
            profile()
        else:
            search(case)
