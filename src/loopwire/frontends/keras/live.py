"""Takes a live Keras model as a saved one: `get_config()`, and `get_weights()` of each layer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.frontends.containers import Array
from loopwire.frontends.keras.saved import KERAS_PACKAGES, TIME_DISTRIBUTED, SavedModel, json_of, model_of


class LiveModel(Protocol):
    """What is asked of a live `keras.Model`."""

    name: str

    @property
    def layers(self) -> Sequence[Any]: ...

    def get_config(self) -> Mapping[str, Any]: ...


def read_live(model: LiveModel) -> SavedModel:
    """Return a live model's configuration and arrays.

    Raises:
        UnsupportedError: it is not a model of Keras, or one of a kind that Loopwire does not read.
    """
    packages = {base.__module__.split(".")[0] for base in type(model).__mro__}
    package = next((name for name in KERAS_PACKAGES if name in packages), None)
    if package is None or not hasattr(model, "layers"):
        raise UnsupportedError(
            f"a {type(model).__module__}.{type(model).__qualname__}",
            "it is not a Keras model",
            "Give a keras.Model, or the path of a .h5 or .keras file",
        )
    source = f"live model {model.name!r}"
    version = "2" if package == "tensorflow" else str(sys.modules[package].__version__)
    class_name = type(model).__name__
    if class_name not in ("Sequential", "Functional"):
        return model_of(source, version, class_name, None)
    config = json_of(source, json.dumps(model.get_config(), default=_plain))
    return replace(model_of(source, version, class_name, config), arrays=dict(_live_arrays(model)))


def _live_arrays(model: LiveModel, path: str = "") -> Iterator[tuple[str, list[Array]]]:
    """Yield each layer's arrays, those of nested models under `model/layer`."""
    for layer in model.layers:
        held = layer.layer if type(layer).__name__ == TIME_DISTRIBUTED else layer
        if type(held).__name__ in ("Sequential", "Functional") and held is not model:
            yield from _live_arrays(held, f"{path}{layer.name}/")
        else:
            yield f"{path}{layer.name}", [np.asarray(array) for array in layer.get_weights()]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else repr(value)
