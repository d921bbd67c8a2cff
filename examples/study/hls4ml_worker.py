"""Runs hls4ml's C simulation: `hls4ml_worker.py <model> <inputs.npy> <folder>`, in its own environment.

Writes the outputs of each setting, CPU seconds that its predictions took, and the version. `model` sets
`ap_fixed<16,6>` everywhere; `name` is the configuration that hls4ml's tutorials recommend.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import hls4ml
import keras
import numpy as np


def main(model_path: str, inputs_path: str, folder: Path) -> None:
    """Emulate a model with both settings."""
    inputs = np.ascontiguousarray(np.load(inputs_path), np.float32)
    seconds = {}
    for granularity in ("model", "name"):
        model = keras.saving.load_model(model_path, compile=False)
        config = hls4ml.utils.config_from_keras_model(
            model, granularity=granularity, default_precision="ap_fixed<16,6>", backend="Vivado"
        )
        project = hls4ml.converters.convert_from_keras_model(
            model, hls_config=config, output_dir=str(folder / granularity), backend="Vivado", io_type="io_parallel"
        )
        project.compile()
        start = time.process_time()
        outputs = project.predict(inputs)
        seconds[granularity] = time.process_time() - start
        np.save(folder / f"{granularity}.npy", outputs.reshape(len(inputs), -1))
    (folder / "seconds.json").write_text(json.dumps(seconds))
    (folder / "version.json").write_text(json.dumps(hls4ml.__version__))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
