"""Compares the area of HGQ2's GRU with what alkaid makes of it, all steps unrolled: `python bench/unrolled.py [SYNTH]`.

Needs HGQ2, Keras and PyTorch beside Loopwire (`pip install hgq2 keras torch`). The first model is the sample of a QGRU
of 5 units in $LOOPWIRE_DATA/quantised, the second a QGRU of 20 units with random weights of about 4 bits, both of 20
steps. alkaid reads them as its command line does, and all three must give the same numbers. Cost is alkaid's own count,
about the look-up tables of its adders; with SYNTH, Yosys synthesises both outputs for xcvu13p, flattened.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import numpy.typing as npt
from alkaid.codegen import RTLModel
from alkaid.converter import trace_model
from alkaid.trace import trace
from alkaid.types import CombLogic
from hgq.layers import QGRU

import loopwire
from alkaid_step import HARDWARE, counted
from compile import DATA, table
from loopwire.compiler import compile_silently
from loopwire.design import Design
from loopwire.tools.fabrics import LUTS, fabric_of
from loopwire.tools.yosys import find_yosys

PART = "xcvu13p"
UNITS, STEPS, FEATURES = 20, 20, 6
BITS = {"f": (2, 6), "i": (0, 3), "b": (3, 6)}
"""From and below, of a quantiser's variables: fraction and integer bits; all but the sign, of weights."""
Reals = npt.NDArray[np.float64]


def main(synthesise: bool) -> None:
    """Print the table of both models."""
    with TemporaryDirectory() as folder:
        made = Path(folder, f"qgru{UNITS}.keras")
        random_gru().save(made)
        models = (DATA / "quantised" / "hgq2_qgru.keras", made)
        rows = [[path.stem, *compared(path, Path(folder), synthesise)] for path in models]
    print(f"{PART}, alkaid {version('alkaid')}, HGQ2 {version('hgq2')}, {find_yosys()}\n")
    table(("model", "cost by alkaid", "LUTs estimated, ours", "LUTs, alkaid", "LUTs, ours"), rows)


def random_gru() -> keras.Model:
    """Return a GRU whose weights and quantisers are random, but for the seed."""
    source = np.random.default_rng(1)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), QGRU(UNITS, name="gru")])
    for variable in model.variables:
        name, old = variable.path.rpartition("/")[2], np.array(variable.numpy())
        if name in BITS:
            variable.assign(source.integers(*BITS[name], old.shape))
        elif old.dtype == np.float32 and old.ndim:
            variable.assign(source.normal(0, 0.4, old.shape))
    return model


def compared(path: Path, folder: Path, synthesise: bool) -> list[str]:
    """Return a row of figures.

    Raises:
        SystemExit: a number differs.
    """
    model = keras.models.load_model(path)
    logic = trace(*trace_model(model, HARDWARE))
    design = compile_silently(loopwire.load(path), loopwire.CompileConfig(part=PART))
    check_alike(model, logic, design)
    estimated = next(use.used for use in design.report().estimated if use.name == LUTS)
    counts = synthesised(logic, design, folder / path.stem) if synthesise else ("", "")
    return [f"{logic.cost:.0f}", str(estimated), *counts]


def check_alike(model: Any, logic: CombLogic, design: Design) -> None:
    """Compare all outputs on random inputs."""
    x = np.random.default_rng(2).normal(size=(500, *design.model.inputs[0].shape)).astype(np.float32)
    real = model.predict(x, verbose=0).astype(np.float64).reshape(len(x), -1)
    for name, found in (("alkaid", logic.predict(x.reshape(len(x), -1))), ("ours", design.predict(x))):
        differing = int((found.reshape(real.shape) != real).sum())
        if differing:
            raise SystemExit(f"{name}: {differing} of {real.size} numbers differ from HGQ2's")


def synthesised(logic: CombLogic, design: Design, place: Path) -> tuple[str, str]:
    """Return the look-up tables of alkaid's and of our output."""
    fabric = fabric_of(design.device)
    theirs, ours = place / "alkaid", place / "ours"
    for folder in (theirs, ours):
        folder.mkdir(parents=True)
    RTLModel(logic, theirs / "project", "unrolled").write()
    for source in (theirs / "project" / "src").rglob("*.v"):
        source.rename(theirs / source.name)
    for name, text in design.firmware.files.items():
        (ours / name).write_text(text)
    return (
        str(counted(theirs, "unrolled", fabric)[LUTS]),
        str(counted(ours, design.firmware.top, fabric)[LUTS]),
    )


if __name__ == "__main__":
    main(sys.argv[1:] == ["SYNTH"])
