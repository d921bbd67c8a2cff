"""Measures HLS C++: bits that differ from the emulator on real models, and how fast C simulation compiles and runs.

    python bench/hls.py bits <folder of models and data> [model ...]
    python bench/hls.py speed

`speed` has hls4ml 1.3.0's compiled emulation beside it where bench/hls4ml_environment.sh has been run.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import loopwire
from emulator import HLS4ML_PROJECTS, HLS4ML_PYTHON, ROUNDS, TITLES, _start
from emulator_cases import CASES
from emulator_worker import graph_of
from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.ir.fixed_point import quantise
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType
from loopwire.synth import hls_compile
from loopwire.targets.evaluate import evaluate_integers
from loopwire.targets.fast_emulator import try_build
from loopwire.targets.vitis_hls import generate

Reals = npt.NDArray[np.float64]
PART = "xcku115-flvb2104-2-i"
SPEED_BATCH = {"jet": 4000, "quickdraw": 100}
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


def build(graph: Graph, folder: Path, **knobs: Mapping[str, Any]) -> Path:
    """Write a project and return its folder."""
    project = generate(graph, folder.name, part=PART, clock_period_ns=5.0, **knobs)  # type: ignore[arg-type]
    for name, text in project.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def bits(data: Path, chosen: list[str]) -> None:
    """Print, for each model and combination, the sequences run and the elements that differ."""
    for name in chosen or MODELS:
        case = MODELS[name]
        model = loopwire.load(data / "models" / case.file)
        config = CompileConfig(model=PrecisionConfig(FixedType.parse(case.precision)))
        graph = loopwire.compile(model, config).graph
        x = quantise(case.inputs(data)[: case.sequences], graph.inputs[0].type.element)
        lengths = np.full(len(x), model.input_shape[0])
        lengths[1::2] = np.random.default_rng(0).integers(1, model.input_shape[0], len(lengths[1::2]), endpoint=True)
        emulator = try_build(graph)
        assert emulator is not None
        combinations = knobs_of(model.input_shape[0])
        with tempfile.TemporaryDirectory() as folder:
            projects = [build(graph, Path(folder, f"p{k}"), **v) for k, v in enumerate(combinations.values())]
            compiled = hls_compile.compile_all(projects)
        for (title, knobs), firmware in zip(combinations.items(), compiled, strict=True):
            steps = lengths if knobs["io"] == "stream" else None
            expected = emulator.run(x, steps, threads=1).reshape(len(x), -1)
            few = slice(0, CHECKED_BY_DEFINITION)
            (defined,) = evaluate_integers(graph, (x[few],), None if steps is None else steps[few])
            assert np.array_equal(defined.reshape(expected[few].shape), expected[few]), "the emulators agree"
            assert len(np.unique(expected)) > 100, "the results differ from sequence to sequence"
            different = int((firmware.predict(x, steps) != expected).sum())
            short = " (half of them short)" if knobs["io"] == "stream" else ""
            print(
                f"{name:<20} {title:<22} {len(x):>5} sequences{short}: {different} of {expected.size} elements differ"
            )
            sys.stdout.flush()


def children_cpu() -> float:
    """Return the CPU seconds of all processes started and ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def speed() -> None:
    """Print compile times and rates, both in CPU seconds; the runs of the two are interleaved."""
    for name, batch in SPEED_BATCH.items():
        case = CASES[name]()
        graph = graph_of(case)
        x = quantise(case.inputs[:batch], graph.inputs[0].type.element)
        worker = _start(name, "hls4ml", min(os.sched_getaffinity(0))) if HLS4ML_PYTHON.exists() else None
        if worker is not None:
            assert worker.answer() == "ready\n"
        compile_times: dict[str, list[float]] = {"Loopwire": [], "hls4ml 1.3.0": []}
        with tempfile.TemporaryDirectory() as folder:
            project = build(graph, Path(folder, name), io="parallel")  # type: ignore[arg-type]
            for _ in range(3):
                before = children_cpu()
                firmware = hls_compile.compile(project)
                compile_times["Loopwire"].append(children_cpu() - before)
                if worker is not None:
                    before = children_cpu()
                    script = HLS4ML_PROJECTS / name / "build_lib.sh"
                    subprocess.run(["bash", script.name], cwd=script.parent, check=True, capture_output=True)
                    compile_times["hls4ml 1.3.0"].append(children_cpu() - before)
        rates: dict[str, list[float]] = {"Loopwire": [], "hls4ml 1.3.0": []}
        for _ in range(ROUNDS):
            before = time.process_time()
            firmware.predict(x)
            rates["Loopwire"].append(len(x) / (time.process_time() - before))
            if worker is not None:
                worker.run()
                rates["hls4ml 1.3.0"].append(worker.rates[-1])
        if worker is not None:
            worker.process.terminate()
            worker.process.wait()
        print(f"{TITLES[name]}, fixed<16,6>: C simulation with g++")
        for who, times in compile_times.items():
            if times:
                print(
                    f"  {who:<14} compiles in {statistics.median(times):5.1f} CPU-s, "
                    f"runs {statistics.median(rates[who]):8.4g} sequences/CPU-s"
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["bits"] and len(sys.argv) > 2:
        bits(Path(sys.argv[2]), sys.argv[3:])
    elif sys.argv[1:] == ["speed"]:
        speed()
    else:
        raise SystemExit(__doc__)
