"""Writes files as HGQ2 and QKeras lay them out, without either, and computes what they mean with plain numpy."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
GROUPS = {"QDense": "q_dense", "QEinsumDense": "q_einsum_dense", "QGRU": "qgru", "QSimpleRNN": "q_simple_rnn"}
GROUPS |= {"QBatchNormalization": "q_batch_normalization", "Quantizer": "quantizer", "QAdd": "q_add"}
GROUPS |= {"QSubtract": "q_subtract", "QMultiply": "q_multiply", "QMaximum": "q_maximum", "QMinimum": "q_minimum"}
GROUPS |= {"QAveragePow2": "q_average_pow2"}
GROUPS |= {"QUnaryFunctionLUT": "q_unary_function_lut", "Flatten": "flatten"}


@dataclass
class Trained:
    """A quantiser of HGQ2: k, i and f are arrays; kif, or kbi, which keeps k + i + f without k as b."""

    k: Array
    i: Array
    f: Array
    kind: str = "kif"
    rounding: str = "RND"
    overflow: str = "SAT"
    options: Mapping[str, Any] = field(default_factory=dict)
    class_name: str = "QuantizerConfig"

    def saved_config(self) -> dict[str, Any]:
        modes = {"round_mode": self.rounding, "overflow_mode": self.overflow}
        config = {"q_type": self.kind, **modes, "place": "datalane", "i_decay_speed": float("inf"), "scaler": None}
        config |= {"affine": None, "trainable": True, "is_weight": False, "bw_mapper": None, **self.options}
        return {"module": "hgq.quantizer.config", "class_name": self.class_name, "config": config}

    def variables(self) -> list[Array]:
        i, f, k = self.i.astype(np.float32), self.f.astype(np.float32), self.k.astype(np.uint8)
        first = f if self.kind == "kif" else i + f
        decay = np.float32(0.01)
        if self.overflow == "WRAP":
            return [first, k, i, decay]
        return [i, first, k] if self.kind == "kif" else [first, i, k]

    def of(self, x: Array) -> Array:
        """Return what the framework makes of numbers, as the real function of its equations."""
        f, k = np.rint(self.f), self.k
        i = np.maximum(np.rint(self.i), -f)
        scaler, (gain, offset) = self.options.get("scaler") or 1.0, self.options.get("affine") or (1.0, 0.0)
        v = np.asarray(x, np.float64) / scaler
        round_ = {"RND": lambda v: np.floor(v + 0.5), "RND_CONV": np.rint, "TRN": np.floor}[self.rounding]
        high = 2.0**i - 2.0**-f
        if self.overflow == "WRAP":
            v = round_(v * 2.0**f) / 2.0**f
            if self.options.get("is_weight") and (self.kind == "kif" or self.rounding == "RND"):
                return v * scaler * gain + offset
            v = (v + k * 2.0**i) % 2.0 ** (k + i) - k * 2.0**i
        else:
            low = -k * (high if self.overflow == "SAT_SYM" else 2.0**i)
            v = round_(np.clip(v, low, high) * 2.0**f) / 2.0**f
        return np.where(k + i + f > 0, v, 0.0) * scaler * gain + offset


def trained(shape: tuple[int, ...], seed: int, **how: Any) -> Trained:
    """Return a quantiser of random types, a different one for each element."""
    rng = np.random.default_rng(seed)
    return Trained(rng.integers(0, 2, shape), rng.integers(-1, 4, shape), rng.integers(1, 6, shape), **how)


def uniform(k: int, i: int, f: int, **how: Any) -> Trained:
    """Return a quantiser of one type for all elements."""
    return Trained(np.array([[k]]), np.array([[i]]), np.array([[f]]), **how)


@dataclass
class SavedLayer:
    """A layer of HGQ2: its class, options, weights before they are quantised, and quantisers by their names."""

    class_name: str
    name: str
    options: dict[str, Any]
    arrays: Sequence[Array] = ()
    quantisers: Mapping[str, Trained] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        confs: dict[str, Any] = {
            "config" if name == "quantizer" else f"{name}_conf": quantiser.saved_config()
            for name, quantiser in self.quantisers.items()
            if not name.startswith("iq_")
        }
        if several := [q.saved_config() for name, q in self.quantisers.items() if name.startswith("iq_")]:
            confs["iq_confs"] = several
        is_hgq2 = self.class_name.startswith("Q")
        module = {"module": "hgq.layers", "registered_name": f"hgq>{self.class_name}"} if is_hgq2 else {}
        return {"class_name": self.class_name, "config": {"name": self.name, **self.options, **confs}, **module}


def write_hgq2(path: Path, input_shape: Sequence[int], *layers: SavedLayer) -> Path:
    """Write a `.keras` archive of a Sequential of these layers, one of each class."""
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, *input_shape]}}
    config = {"name": "model", "layers": [first, *(layer.entry() for layer in layers)]}
    return _write_archive(path, "Sequential", config, layers)


def write_hgq2_merge(path: Path, shapes: Sequence[Sequence[int]], merge: SavedLayer) -> Path:
    """Write a `.keras` archive of a layer that merges inputs x0, x1, … of these shapes."""
    names = [f"x{number}" for number in range(len(shapes))]
    inputs = [
        {"class_name": "InputLayer", "name": x, "inbound_nodes": [], "config": {"name": x, "batch_shape": [None, *s]}}
        for x, s in zip(names, shapes, strict=True)
    ]
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"shape": [None, *s], "keras_history": [x, 0, 0]}}
        for x, s in zip(names, shapes, strict=True)
    ]
    node = {**merge.entry(), "name": merge.name, "inbound_nodes": [{"args": [tensors], "kwargs": {}}]}
    ends = {"input_layers": [[x, 0, 0] for x in names], "output_layers": [[merge.name, 0, 0]]}
    return _write_archive(path, "Functional", {"name": "model", "layers": [*inputs, node], **ends}, [merge])


def _write_archive(path: Path, class_name: str, config: dict[str, Any], layers: Sequence[SavedLayer]) -> Path:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for layer in layers:
            group = file.create_group(f"layers/{GROUPS[layer.class_name]}")
            if "RNN" in layer.class_name or "GRU" in layer.class_name:
                _write(group.create_group("vars"), [np.float32(1e-5), np.int64(100)])
                group = group.create_group("cell")
            _write(group.create_group("vars"), layer.arrays)
            for name, quantiser in layer.quantisers.items():
                _write(group.create_group(f"{_place(name)}/vars"), quantiser.variables())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"class_name": class_name, "config": config}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def _place(name: str) -> str:
    """Return the group of a quantiser in that of its layer."""
    if name == "quantizer":
        return name
    number = name.removeprefix("iq_")
    own = "" if number == "0" else f"_{number}"
    return f"{name}/quantizer" if number == name else f"iq/quantizers/quantizer{own}/quantizer"


def _write(group: h5py.Group, arrays: Sequence[Array]) -> None:
    for number, array in enumerate(arrays):
        group.create_dataset(str(number), data=array)
