"""A Keras model as saved, before any of its layers is read: a configuration, and arrays for each layer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loopwire.bounded import parse_json
from loopwire.errors import UnsupportedError
from loopwire.frontends.containers import Array, damaged

MODELS = ("Functional", "Sequential", "Model")
"""Classes of models, which may be in others."""
TIME_DISTRIBUTED = "TimeDistributed"

HGQ2_PREFIX = "hgq>"
"""Of its classes' names in `.h5` files."""
KERAS_PACKAGES = ("keras", "tf_keras", "tensorflow")


@dataclass(frozen=True)
class LayerEntry:
    """One layer as the configuration lists it.

    `inbound_nodes` says where its inputs come from (functional models); `custom`, that its class is not one of Keras;
    `is_operation`, that it is one of `keras.ops`, where the file tells.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    inbound_nodes: Sequence[Any] = ()
    custom: bool = False
    is_operation: bool = False


@dataclass(frozen=True)
class SavedModel:
    """A model as saved: `config` is the Sequential's or Functional's own, `arrays` holds each layer's by its name, in
    Keras's order; `model/layer` names one of a nested model, `layer/quantiser` a quantiser of a layer."""

    source: str
    keras_version: str
    class_name: str
    config: Mapping[str, Any]
    entries: tuple[LayerEntry, ...]
    arrays: Mapping[str, Sequence[Array]]

    @property
    def keras_major(self) -> int:
        """2 or 3."""
        return int(self.keras_version.split(".")[0])


def layer_entry(where: str, raw: Any) -> LayerEntry:
    """Read one serialised layer: {"class_name": …, "config": {…}, …}."""
    if not (isinstance(raw, dict) and isinstance(raw.get("config"), dict)):
        raise damaged(where, "a layer of its configuration has no 'config'")
    class_name, module = str(raw.get("class_name")), raw.get("module")
    if module is None:
        custom = ">" in class_name or raw.get("registered_name") is not None
    else:
        custom = str(module).split(".")[0] not in KERAS_PACKAGES
    name = raw.get("name") or raw["config"].get("name") or class_name
    nodes = raw.get("inbound_nodes")
    class_name = class_name.removeprefix(HGQ2_PREFIX)
    is_operation = str(module).startswith("keras.src.ops.")
    nodes = nodes if isinstance(nodes, list) else ()
    return LayerEntry(class_name, str(name), raw["config"], nodes, custom, is_operation)


def is_stacked(entry: LayerEntry) -> bool:
    """Say whether a layer is an RNN of several cells."""
    cell = entry.config.get("cell")
    return entry.class_name == "RNN" and isinstance(cell, Mapping) and cell.get("class_name") == "StackedRNNCells"


def model_in(entry: LayerEntry) -> LayerEntry | None:
    """Return the model that a layer is or, by the layer's name, that a TimeDistributed gives one step at a time."""
    if entry.class_name in MODELS:
        return entry
    inner = entry.config.get("layer")
    if entry.class_name != TIME_DISTRIBUTED or not isinstance(inner, Mapping) or inner.get("class_name") not in MODELS:
        return None
    return replace(layer_entry(entry.name, inner), name=entry.name)


def model_of(source: str, version: str, class_name: str, raw: Any) -> SavedModel:
    """Return a model of this class and configuration, without arrays.

    Raises:
        ModelFileError: the configuration is not that of a model.
        UnsupportedError: it is a model of a version or kind that Loopwire does not read.
    """
    if class_name not in MODELS:
        raise UnsupportedError(
            source,
            f"it is a model of class {class_name!r}",
            "Build it as keras.Sequential or with keras.Model(inputs, outputs), so that its layers can be listed",
        )
    if version.split(".")[0] not in ("2", "3"):
        raise UnsupportedError(
            source,
            f"it was saved by Keras {version or 'of unknown version'}",
            "Load it in Keras 2 or 3 and save it again",
        )
    config = {"layers": raw} if isinstance(raw, list) else raw
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list):
        raise damaged(source, "its configuration lists no layers")
    entries = tuple(layer_entry(source, layer) for layer in layers)
    for name, uses in Counter(entry.name for entry in entries).items():
        if uses > 1:
            raise damaged(source, f"{uses} of its layers are called {name!r}")
    return SavedModel(source, version, class_name, config, entries, {})


def nested_model(model: SavedModel, entry: LayerEntry) -> SavedModel:
    """Return a model that is in another, as a model of its own."""
    inner = model_of(model.source, model.keras_version, entry.class_name, entry.config)
    prefix = f"{entry.name}/"
    arrays = {name.removeprefix(prefix): found for name, found in model.arrays.items() if name.startswith(prefix)}
    return replace(inner, arrays=arrays)


def json_of(source: str, text: str | bytes) -> Any:
    """Return what the text of a configuration says.

    Raises:
        ModelFileError: it is not JSON, or beyond the bounds.
    """
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise damaged(source, "its configuration is not readable JSON") from error
    except ValueError as error:
        raise damaged(source, f"its configuration is not valid: {error}") from error
