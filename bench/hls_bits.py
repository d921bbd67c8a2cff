"""Compares HLS C++ with the emulator, bit for bit, on trained and published models: `hls_bits.py [model ...]`.

The models and data are those of the folder $LOOPWIRE_DATA, else of ../shared/data.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import loopwire
from compile import DATA
from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.devices import find_part
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.ir.fixed_point import quantise
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType
from loopwire.knobs import Knobs
from loopwire.simulate import hls_compile
from loopwire.targets.vitis_hls import generate

Reals = npt.NDArray[np.float64]
PART = "xcku115-flvb2104-2-i"
CHECKED_BY_DEFINITION = 20
"""Sequences on which the definition in numpy is asked too, beside the fast emulator."""


@dataclass(frozen=True)
class RealModel:
    """A model file, its inputs and the number of them."""

    file: str
    inputs: Callable[[Path], Reals]
    sequences: int
    precision: str = "fixed<16,6,RND,SAT>"


def arrays(file: str, key: str = "X") -> Callable[[Path], Reals]:
    """Return what reads inputs from a file."""
    return lambda folder: np.load(folder / file)[key].astype(np.float64)


def drawings(scale: float) -> Callable[[Path], Reals]:
    """Return what reads the first 100 strokes of drawings, shorter ones padded with zeros."""

    def read(folder: Path) -> Reals:
        data = np.load(folder / "quickdraw345_stroke3.npz")
        strokes = np.zeros((1000, 100, 3))
        for number, (start, stop) in enumerate(zip(data["offset"][:1000], data["offset"][1:1001], strict=True)):
            part = data["stroke3"][start:stop][:100]
            strokes[number, : len(part)] = part
        real = np.load(folder / "quickdraw_real.npz")["X_stroke3"].astype(np.float64)
        return np.concatenate([real, strokes]) * (scale, scale, 1.0)

    return read


def normal(*shape: int) -> Callable[[Path], Reals]:
    """Return what makes inputs from the normal distribution, for a model whose data are not public."""
    return lambda folder: np.random.default_rng(0).normal(0, 1, shape)


MODELS = {
    "jet_lstm20_flat": RealModel("jet_lstm20_flat.keras", arrays("jets_test20k.npz"), 2000),
    "jet_gru20_flat": RealModel("jet_gru20_flat.keras", arrays("jets_test20k.npz"), 2000),
    "jet_lstm20_64": RealModel("jet_lstm20_64.keras", arrays("jets_test20k.npz"), 2000),
    "flav_gru120": RealModel("flav_gru120.keras", arrays("flavour_test21k.npz"), 1000),
    "qd_gru128": RealModel("qd_gru128_256_128.keras", drawings(1 / 64), 1000),
    "published_top": RealModel("paper/5tagLSTM6FeatFINAL.h5", arrays("jets_test20k.npz"), 2000),
    "published_flavour": RealModel("paper/lstmNORMALVERYSMALL.h5", normal(1000, 15, 44), 1000),
    "published_quickdraw": RealModel("paper/Quickdraw5ClassLSTMFinL.h5", drawings(1.0), 1000, "fixed<20,10,RND,SAT>"),
}


def knobs_of(steps: int) -> dict[str, dict[str, Any]]:
    """Return the combinations: both io styles, R = 1 and more, C = 1 and more, U = 1 and T."""
    return {
        "parallel": {"io": "parallel"},
        "stream": {"io": "stream"},
        "parallel, R = 8": {"io": "parallel", "reuse_factor": 8},
        "stream, R = 8, C = 4": {"io": "stream", "reuse_factor": 8, "interleave": 4},
        "parallel, U = T": {"io": "parallel", "copies": steps},
        "stream, R = 8, U = T": {"io": "stream", "reuse_factor": 8, "copies": steps},
    }


def build(graph: Graph, folder: Path, **knobs: Any) -> Path:
    """Write a project, named after its folder, and return the folder."""
    project = generate(graph, find_part(PART), 5.0, folder.name, Knobs(**knobs))
    for name, text in project.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def differences(case: RealModel) -> dict[str, int]:
    """Return how many elements of the results differ, under each combination of knobs; streams have short sequences."""
    model = loopwire.load(DATA / "models" / case.file)
    steps = model.input_shape[0]
    config = CompileConfig(model=PrecisionConfig(FixedType.parse(case.precision)))
    graph = loopwire.compile(model, config).graph
    x = quantise(case.inputs(DATA)[: case.sequences], graph.inputs[0].type.element)
    assert len(x) == case.sequences
    lengths = np.full(len(x), steps)
    lengths[1::2] = np.random.default_rng(0).integers(1, steps, len(lengths[1::2]), endpoint=True)
    emulator = try_build(graph)
    assert emulator is not None
    combinations = knobs_of(steps)
    with tempfile.TemporaryDirectory() as folder:
        projects = [build(graph, Path(folder, f"p{k}"), **v) for k, v in enumerate(combinations.values())]
        compiled = hls_compile.compile_all(projects)
    found = {}
    for (title, knobs), firmware in zip(combinations.items(), compiled, strict=True):
        taken = lengths if knobs["io"] == "stream" else None
        expected = emulator.run(x, taken, threads=1).reshape(len(x), -1)
        few = slice(0, CHECKED_BY_DEFINITION)
        (defined,) = evaluate_integers(graph, (x[few],), None if taken is None else taken[few])
        assert np.array_equal(defined.reshape(expected[few].shape), expected[few]), "the emulators agree"
        assert len(np.unique(expected)) > 100, "the results differ from sequence to sequence"
        found[title] = int((firmware.predict(x, taken) != expected).sum())
    return found


def main(chosen: list[str]) -> None:
    """Print a row for each model."""
    if not DATA.is_dir():
        print(f"no models at {DATA}: set LOOPWIRE_DATA")
        return
    titles = list(knobs_of(1))
    print(f"| model | type | sequences, each | {' | '.join(titles)} |")
    print("|---" * (3 + len(titles)) + "|")
    for name in chosen or MODELS:
        case = MODELS[name]
        found = differences(case)
        cells = [f"`{case.file}`", f"`{case.precision}`", str(case.sequences), *map(str, found.values())]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
