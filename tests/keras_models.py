"""Real Keras models with random weights, and the float outputs of what Loopwire read of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from loopwire.emulator.evaluate import evaluate_real
from loopwire.frontends.keras.model import read_keras
from loopwire.frontends.reading import Reading
from loopwire.ir.types import FixedType
from loopwire.layers.model import Model
from loopwire.layers.roles import LayerTypes, Role
from loopwire.passes.lower import lower

ANY_TYPE = FixedType(16, 6)
"""The real evaluation casts nothing, so the types do not matter."""
TYPES = LayerTypes(dict.fromkeys(Role, ANY_TYPE))


def sequential(shape: tuple[int, ...], layers: Sequence[Any], seed: int = 0) -> Any:
    """Return a Sequential of these layers with weights that leave no array at its initial zeros or ones."""
    return randomise(keras.Sequential([keras.Input(shape), *layers]), seed)


def randomise(model: Any, seed: int = 0) -> Any:
    """Give a model random weights, variances positive."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False):
        if layer._layers and not isinstance(layer, keras.layers.TimeDistributed):
            continue
        arrays = [rng.normal(0.0, 0.5, array.shape) for array in layer.get_weights()]
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.layers.BatchNormalization):
            arrays[-1] = np.abs(arrays[-1]) + 0.1
        layer.set_weights(arrays)
    return model


def inputs_for(model: Any, count: int = 8, seed: int = 1) -> npt.NDArray[np.float32]:
    """Return random inputs of both signs, some beyond every activation's corners."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 3.0, (count, *model.input_shape[1:])).astype(np.float32)


def predict(model: Any, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return Keras's own outputs."""
    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)), np.float64)


def real_outputs(model: Model, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return Loopwire's float outputs."""
    graph = lower(model, ANY_TYPE, lambda layer: TYPES)
    (y,) = evaluate_real(graph, (x.astype(np.float64).reshape(len(x), *graph.inputs[0].type.shape),))
    return y.reshape(len(x), *model.output_shape())


def read_every_way(model: Any, folder: Path) -> dict[str, Model]:
    """Read a Keras model live, and from each kind of file."""
    ways = {"live": read_keras(model)}
    for suffix in ("h5", "keras"):
        path = folder / f"model.{suffix}"
        model.save(path)
        ways[suffix] = read_keras(path, Reading(trust=True))
    return ways
