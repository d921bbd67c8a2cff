"""The stage that runs hls4ml's C simulation on the same model and events, in an environment of its own.

`bench/hls4ml_environment.sh` makes that environment; where it is missing, the stage is left out and says so.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import loopwire
from examples.events import Array
from examples.study.stages import Facts

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-hls4ml" / "bin" / "python"
WORKER = Path(__file__).with_name("hls4ml_worker.py")


def is_installed() -> bool:
    """Return whether the environment is there."""
    return PYTHON.is_file()


def compare(model: Path, inputs: Array) -> Facts:
    """Return top-1 agreement with float, and samples a CPU-second, of hls4ml with two usual settings and of Loopwire.

    Raises:
        SystemExit: the environment's Python ends with an error.
    """
    design = loopwire.compile(loopwire.load(model))
    classes = design.predict_float(inputs).argmax(axis=1)
    design.emulate(inputs[:1])  # makes the emulator
    start = time.process_time()
    fixed = design.emulate(inputs)
    seconds = time.process_time() - start
    facts: Facts = {"events": len(inputs), "Loopwire, default": _told(fixed, classes, seconds)}
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "inputs.npy"
        np.save(events, inputs)
        command = [str(PYTHON), str(WORKER), str(model), str(events), folder]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"hls4ml failed. Its command: {' '.join(command)}")
        facts["version"] = json.loads((Path(folder) / "version.json").read_text())
        for name, seconds in json.loads((Path(folder) / "seconds.json").read_text()).items():
            facts[f"hls4ml, {name}"] = _told(np.load(Path(folder) / f"{name}.npy"), classes, seconds)
    return facts


def _told(outputs: Array, classes: Array, seconds: float) -> Facts:
    agreement = float((outputs.argmax(axis=1) == classes).mean())
    return {"same_class": agreement, "samples_per_cpu_second": len(outputs) / max(seconds, 1e-9)}
