"""As emulator_worker.py, but hls4ml's compiled emulation: `hls4ml_worker.py <case> <project folder>`.

Runs in the environment that hls4ml_environment.sh makes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import hls4ml
import keras
import numpy as np

from emulator_cases import CASES, Case
from serve_runs import serve_runs


def keras_model(case: Case) -> Any:
    """Return the case as a live Keras model."""
    if case.file:
        return keras.saving.load_model(case.file)
    kernel, _, _ = case.lstm
    layers = [keras.layers.Input(case.inputs.shape[1:]), keras.layers.LSTM(kernel.shape[1] // 4)]
    layers += [keras.layers.Dense(dense.bias.size, activation=dense.activation) for dense in case.dense]
    model = keras.Sequential(layers)
    model.set_weights([*case.lstm, *(array for dense in case.dense for array in (dense.kernel, dense.bias))])
    return model


def main(name: str, folder: Path) -> None:
    """Build the project, then serve."""
    case = CASES[name]()
    model = keras_model(case)
    # hls4ml talks on standard output, which is the answers' alone.
    answers, sys.stdout = sys.stdout, sys.stderr
    config = hls4ml.utils.config_from_keras_model(
        model, granularity="name", default_precision="ap_fixed<16,6>", backend="Vivado"
    )
    project = hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, output_dir=str(folder), backend="Vivado", io_type="io_parallel"
    )
    project.compile()
    x = np.ascontiguousarray(case.inputs[: case.hls4ml_sequences], np.float32)
    serve_runs(lambda: project.predict(x), len(x), answers)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
