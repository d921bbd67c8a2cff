"""Measures how fast the C simulation of HLS C++ compiles and runs.

hls4ml 1.3.0's compiled emulation of the same model stands beside it where bench/hls4ml_environment.sh has been run.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from emulator import HLS4ML_PROJECTS, HLS4ML_PYTHON, ROUNDS, TITLES, _start
from emulator_cases import CASES
from emulator_worker import graph_of
from hls_bits import build
from loopwire.ir.fixed_point import quantise
from loopwire.simulate import hls_compile

BATCH = {"jet": 4000, "quickdraw": 100}


def children_cpu() -> float:
    """Return the CPU seconds of all processes started and ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print compile times and rates, both in CPU seconds; the runs of the two are interleaved."""
    for name, batch in BATCH.items():
        case = CASES[name]()
        graph = graph_of(case)
        x = quantise(case.inputs[:batch], graph.inputs[0].type.element)
        worker = _start(name, "hls4ml", min(os.sched_getaffinity(0))) if HLS4ML_PYTHON.exists() else None
        if worker is not None:
            assert worker.answer() == "ready\n"
        compile_times: dict[str, list[float]] = {"Loopwire": [], "hls4ml 1.3.0": []}
        with tempfile.TemporaryDirectory() as folder:
            project = build(graph, Path(folder, name), io="parallel")
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
    main()
