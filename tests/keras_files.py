"""Writes model files as Keras 2 lays them out, option by option, without Keras."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass
class SavedAs:
    """One layer of a file: its class, options and arrays; `extra` goes beside class_name and config."""

    class_name: str
    config: dict[str, Any]
    arrays: Sequence[Array] = ()
    extra: dict[str, Any] = field(default_factory=dict)


def random_arrays(*shapes: tuple[int, ...], seed: int = 0) -> list[Array]:
    """Return float32 arrays of these shapes."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def input_layer(shape: Sequence[int | None], **options: Any) -> SavedAs:
    """Return an input of this shape, the batch not included."""
    return SavedAs("InputLayer", {"name": "input_1", "batch_input_shape": [None, *shape], **options})


def lstm(features: int = 3, units: int = 2, **options: Any) -> SavedAs:
    """Return an LSTM called `lstm1`."""
    config = {
        "name": "lstm1",
        "units": units,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        **options,
    }
    return SavedAs("LSTM", config, random_arrays((features, 4 * units), (units, 4 * units), (4 * units,)))


def dense(features: int = 3, units: int = 2, name: str = "dense1", **options: Any) -> SavedAs:
    """Return a Dense layer."""
    config = {"name": name, "units": units, "activation": "linear", **options}
    return SavedAs("Dense", config, random_arrays((features, units), (units,)))


def sequential_config(layers: Sequence[SavedAs]) -> dict[str, Any]:
    """Return a Sequential's configuration."""
    return {
        "class_name": "Sequential",
        "config": {
            "name": "model_1",
            "layers": [{"class_name": layer.class_name, "config": layer.config, **layer.extra} for layer in layers],
        },
    }


def functional_config(layers: Sequence[SavedAs], edges: dict[str, list[str]], **ends: Any) -> dict[str, Any]:
    """Return a Functional's configuration; `edges` gives the sources of each layer by their names."""
    names = [layer.config["name"] for layer in layers]
    entries = [
        {
            "class_name": layer.class_name,
            "config": layer.config,
            "name": name,
            "inbound_nodes": [[[source, 0, 0, {}] for source in edges[name]]] if name in edges else [],
            **layer.extra,
        }
        for layer, name in zip(layers, names, strict=True)
    ]
    config = {
        "name": "model_1",
        "layers": entries,
        "input_layers": [[names[0], 0, 0]],
        "output_layers": [[names[-1], 0, 0]],
        **ends,
    }
    return {"class_name": "Functional", "config": config}


def write_h5(
    path: Path,
    layers: Sequence[SavedAs],
    config: dict[str, Any] | None = None,
    version: str | None = "2.5.0",
) -> Path:
    """Write a Keras 2 file of these layers, a Sequential where no configuration is given."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(sequential_config(layers) if config is None else config)
        if version is not None:
            file.attrs["keras_version"] = version
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer.config["name"].encode() for layer in layers]
        for layer in layers:
            name = layer.config["name"]
            members = group.create_group(name)
            members.attrs["weight_names"] = [f"{name}/array_{k}:0" for k in range(len(layer.arrays))]
            for k, array in enumerate(layer.arrays):
                members.create_dataset(f"{name}/array_{k}:0", data=array)
    return path


def write_keras(path: Path, layers: Sequence[SavedAs]) -> Path:
    """Write a Keras 3 archive of a Sequential of layers of one class each."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for layer in layers:
            if layer.class_name != "InputLayer":
                variables = file.create_group(f"layers/{layer.class_name.lower()}/vars")
                variables.attrs["name"] = layer.config["name"]
                for k, array in enumerate(layer.arrays):
                    variables.create_dataset(str(k), data=array)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.writestr("config.json", json.dumps(sequential_config(layers)))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path
