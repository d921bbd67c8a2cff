"""Mutated model files: `.h5` as Keras 2 and Keras 3 write it, and `.keras` archives."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import loopwire
from fuzz.archives import mutate_archive, on_member
from fuzz.files import FileCampaign, Files
from fuzz.hdf5 import mutate_hdf5
from fuzz.mutations import Mutator, mutate_bytes, mutate_json, mutate_text
from keras_files import SavedAs, dense, functional_config, input_layer, lstm, random_arrays, sequential_config, write_h5
from loopwire.config import CompileConfig

ARCHIVE, ARCHITECTURE, WEIGHTS = "model.keras", "model.json", "weights.h5"
TYPES = CompileConfig.from_dict({"model": {"precision": "fixed<8,3,RND,SAT>"}})
"""Few bits, whose tables take milliseconds."""
LARGEST_PREDICTED = 4096
"""Weights of a model that is compiled and run: larger ones are only read."""


class Models(FileCampaign):
    """Each is read as `loopwire.load` reads it; what it becomes is compiled, and gives finite numbers.

    Most files are read in the campaign's own workers, as trusted ones, which is a hundred times quicker than a process
    for each. One that hangs there, crashes or takes too much is read again as users' files are, which must refuse it.
    """

    name = "models"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """Chains of all kinds of layers, in all kinds of files."""
        return [
            *({"model.h5": _h5(layers, version)} for layers in _chains() for version in ("2.5.0", "3.5.0")),
            *({"model.h5": _h5(layers, "2.15.0", functional=True)} for layers in _chains()),
            *({ARCHIVE: _archive(layers)} for layers in _chains()),
            *({ARCHITECTURE: _architecture(layers), WEIGHTS: _h5(layers, "2.15.0")} for layers in _chains()),
        ]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Structure more often than bytes."""
        if file == ARCHIVE:
            inside = on_member({".json": mutate_json, ".h5": mutate_hdf5})
            return inside, inside, inside, on_member({}), mutate_archive, mutate_bytes
        if file == ARCHITECTURE:
            return mutate_json, mutate_json, mutate_text, mutate_bytes
        return mutate_hdf5, mutate_hdf5, mutate_hdf5, mutate_hdf5, mutate_bytes

    def check(self, folder: Path) -> None:
        """Load, and where that gives a model, compile it and predict."""
        self._check(folder, trust=True)

    def check_apart(self, folder: Path) -> None:
        """The same, read in a process of its own."""
        self._check(folder, trust=False)

    def _check(self, folder: Path, trust: bool) -> None:
        if (folder / ARCHITECTURE).exists():
            model = loopwire.load(folder / ARCHITECTURE, trust, weights=folder / WEIGHTS)
        else:
            (path,) = folder.iterdir()
            model = loopwire.load(path, trust)
        arrays = [value for layer in model.layers for value in vars(layer).values() if isinstance(value, np.ndarray)]
        assert all(np.isfinite(array).all() for array in arrays), "weights that are not finite"
        if sum(array.size for array in arrays) + int(np.prod(model.input_shape)) > LARGEST_PREDICTED:
            return
        design = loopwire.compile(model, TYPES)
        x = np.linspace(-2, 2, 2 * int(np.prod(model.input_shape))).reshape(2, *model.input_shape)
        y = design.predict(x)
        assert np.isfinite(y).all() and np.isfinite(design.predict_float(x)).all(), "results that are not finite"


def _chains() -> list[list[SavedAs]]:
    """Return layers of models that together have every reader of the frontend."""

    def recurrent(kind: str, gates: int, features: int, units: int, biases: int = 1, **options: Any) -> SavedAs:
        rows = gates * units
        bias = (rows,) if biases == 1 else (biases, rows)
        config = {"name": f"{kind.lower()}1", "units": units, "activation": "tanh", **options}
        return SavedAs(kind, config, random_arrays((features, rows), (units, rows), bias))

    gates = {"recurrent_activation": "sigmoid"}
    norm = SavedAs(
        "BatchNormalization",
        {"name": "norm", "axis": [2], "epsilon": 1e-3, "momentum": 0.99},
        [abs(array) + 0.1 for array in random_arrays(*[(2,)] * 4)],
    )
    inner = dense(2, 2, name="inside")
    timed = SavedAs(
        "TimeDistributed",
        {"name": "timed", "layer": {"class_name": "Dense", "config": inner.config}},
        inner.arrays,
    )
    return [
        [input_layer((4, 3)), lstm(), dense(2, 2, activation="softmax")],
        [
            input_layer((3, 2)),
            recurrent("GRU", 3, 2, 2, 2, reset_after=True, return_sequences=True, **gates),
            norm,
            SavedAs("Flatten", {"name": "flat"}),
            dense(6, 2, activation="relu"),
        ],
        [
            input_layer((3, 2)),
            timed,
            SavedAs("Activation", {"name": "act", "activation": "hard_sigmoid"}),
            recurrent("SimpleRNN", 1, 2, 2),
        ],
        [
            input_layer((4,)),
            dense(4, 6),
            SavedAs("ELU", {"name": "elu", "alpha": 0.3}),
            SavedAs("Reshape", {"name": "shaped", "target_shape": [3, 2]}),
            SavedAs("Dropout", {"name": "drop", "rate": 0.5}),
        ],
    ]


def _h5(layers: list[SavedAs], version: str, functional: bool = False) -> bytes:
    edges = {b.config["name"]: [a.config["name"]] for a, b in pairwise(layers)}
    with tempfile.TemporaryDirectory() as folder:
        config = functional_config(layers, edges) if functional else None
        return write_h5(Path(folder, "model.h5"), layers, config, version).read_bytes()


def _architecture(layers: list[SavedAs]) -> bytes:
    return json.dumps({**sequential_config(layers), "keras_version": "2.15.0", "backend": "tensorflow"}).encode()


def _archive(layers: list[SavedAs]) -> bytes:
    """Return an archive of Keras 3: groups by class, recurrent weights in a cell."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        seen: dict[str, int] = {}
        for layer in layers[1:]:
            base = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn", "ELU": "elu"}.get(
                layer.class_name, "".join(f"_{c}" if c.isupper() else c for c in layer.class_name).lower().strip("_")
            )
            group = file.require_group("layers").create_group(f"{base}_{seen[base]}" if base in seen else base)
            seen[base] = seen.get(base, 0) + 1
            group.create_group("vars").attrs["name"] = layer.config["name"]
            holder = {"LSTM": "cell", "GRU": "cell", "SimpleRNN": "cell", "TimeDistributed": "layer"}
            inside = holder.get(layer.class_name)
            variables = group.create_group(f"{inside}/vars") if inside else group["vars"]
            for k, array in enumerate(layer.arrays):
                variables.create_dataset(str(k), data=array)
    config = sequential_config(layers)
    config["config"]["layers"][0]["config"] = {"name": "input", "batch_shape": layers[0].config["batch_input_shape"]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0", "date_saved": "2026-11-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return buffer.getvalue()


CAMPAIGN = Models()
