"""Reads what Keras saved, or a live Keras model, into one common form: a configuration, and arrays for each layer.

Nothing is executed and no Keras is imported: a file is JSON and HDF5. `describe` reads it, in a process of its own
unless the file is trusted (`loopwire.sandbox`). These containers exist:

* `.h5` of Keras 2 and 3: the configuration is an attribute, the arrays lie in groups named after the layers
  (https://github.com/keras-team/keras/blob/master/keras/src/legacy/saving/legacy_h5_format.py).
* `.keras` of Keras 2.12 and later: a zip of `config.json`, `metadata.json` and `model.weights.h5`, whose groups are
  named after the layers' classes (https://github.com/keras-team/keras/blob/master/keras/src/saving/saving_lib.py).
* an architecture as `.json` (`model.to_json()`) with its weights apart: a file of `save_weights`, whose groups are
  named in one of these two ways, or a whole model's.
* a live model: `get_config()`, and `get_weights()` of each layer.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from loopwire.bounded import MAX_TEXT_BYTES, parse_json
from loopwire.errors import ConfigError, ModelFileError, UnsupportedError
from loopwire.frontends.file_kinds import describe_file, describe_folder
from loopwire.frontends.hdf5 import (
    Array,
    attribute,
    damaged,
    dataset_in,
    group_in,
    load,
    names_in,
    refuse_too_big,
    text_of,
)
from loopwire.frontends.reading import AS_IT_IS, Reading
from loopwire.sandbox import MAX_ARRAY_BYTES, MAX_ARRAYS, Description, read_apart

DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    OverflowError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What h5py and zipfile raise on damaged bytes."""

MAX_VARIABLES = 64
"""Of a layer; those that are read have at most 4."""

CLASS_GROUPS = ("layers", "_layer_checkpoint_dependencies")
"""Groups that hold a group for each layer, named by its class; the second one is that of some Keras 2."""

DIRECTIONS = ("forward_layer", "backward_layer")
"""Groups of the layers in a Bidirectional."""

MODELS = ("Functional", "Sequential", "Model")
"""Classes of models, which may stand in others."""
MAX_NESTED = 32

KERAS_PACKAGES = ("keras", "tf_keras", "tensorflow")


class LiveModel(Protocol):
    """What is asked of a live `keras.Model`."""

    name: str

    @property
    def layers(self) -> Sequence[Any]: ...

    def get_config(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class LayerEntry:
    """One layer as the configuration lists it.

    `inbound_nodes` says where its inputs come from (functional models); `custom`, that its class is not one of Keras.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    inbound_nodes: Sequence[Any] = ()
    custom: bool = False


@dataclass(frozen=True)
class SavedModel:
    """A model as saved: `config` is the Sequential's or Functional's own, `arrays` holds each layer's by its name, in
    Keras's order; `model/layer` names one of a nested model."""

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


@dataclass(frozen=True)
class SavedWeights:
    """Arrays in groups named after layers, or, where `by_class`, after their classes; `owners` may name the layers.

    Of nested models the class's group is `model/layer`, by class; else `names` tells each array's own name, in which
    its layer's stands.
    """

    groups: Mapping[str, Sequence[Any]]
    owners: Mapping[str, str]
    names: Mapping[str, Sequence[str]]
    by_class: bool


def read_saved(source: Path | str | LiveModel, reading: Reading = AS_IT_IS) -> SavedModel:
    """Read a file, or take a live model.

    Args:
        source: a file or a live model.
        reading: where its weights are, and how to read both.

    Raises:
        ConfigError: weights are given beside a model that has its own.
        ModelFileError: no such file, damaged, not a Keras model, or it takes too much time or memory to read.
        UnsupportedError: a Keras model of a version or kind that Loopwire does not read.
    """
    if not isinstance(source, str | Path):
        _refuse_weights(reading)
        return _read_live(source)
    path = Path(source)
    description = _described(describe, path, reading)
    with _answer_checked(path):
        model = _saved(str(path), description)
        has_weights = description.facts["layers"] is not None
    if has_weights:
        _refuse_weights(reading)
        return model
    if reading.weights is None:
        raise ModelFileError(
            str(path),
            "it is an architecture without weights",
            "Give the file of its weights as well: --weights FILE, from Python loopwire.load(path, weights=file)",
        )
    description = _described(describe_weights, reading.weights, reading)
    with _answer_checked(reading.weights):
        groups = {
            group: [description.arrays[name] for name in names] for group, names in description.facts["groups"].items()
        }
        facts = description.facts
        weights = SavedWeights(groups, facts["owners"], facts["names"], bool(facts["by_class"]))
    return replace(model, arrays=dict(_by_layer(model, weights, str(reading.weights))))


def _described(reader: Callable[[Path], Description], path: Path, reading: Reading) -> Description:
    _require_file(path)
    return reader(path) if reading.trust else read_apart(reader, path)


def _refuse_weights(reading: Reading) -> None:
    if reading.weights is not None:
        raise ConfigError("weights", "the model has weights of its own", "Leave out one of the two files")


@contextmanager
def _answer_checked(path: Path) -> Iterator[None]:
    """Turn what a description that is not laid out as it should be raises into an error about its file."""
    try:
        yield
    except (LookupError, TypeError, AttributeError):
        raise damaged(str(path), "the process that reads it gives no sound answer") from None


def describe(path: Path) -> Description:
    """Return a file's configuration and arrays; the facts are `keras_version`, `class_name`, `config`, and the names of
    each layer's arrays in Keras's order, as `layers`: None where the file holds the architecture alone.

    Raises:
        ModelFileError: the file is damaged, or not a Keras model.
        UnsupportedError: a Keras model of a version or kind that Loopwire does not read.
    """
    saved, has_weights = _read_file(path)
    names = {layer: [f"{layer}[{k}]" for k in range(len(arrays))] for layer, arrays in saved.arrays.items()}
    facts = {
        "keras_version": saved.keras_version,
        "class_name": saved.class_name,
        "config": saved.config,
        "layers": names if has_weights else None,
    }
    arrays = {name: array for layer in names for name, array in zip(names[layer], saved.arrays[layer], strict=True)}
    return Description(facts, arrays)


def describe_weights(path: Path) -> Description:
    """Return the arrays of a file of weights; the facts are those of `SavedWeights`, arrays by their names.

    Raises:
        ModelFileError: the file is damaged, or holds no weights of Keras.
    """
    source = str(path)
    if not h5py.is_hdf5(path):
        remedy = "Give what model.save_weights wrote, a .weights.h5 or .h5, or a whole model's .h5"
        raise ModelFileError(source, "it is no HDF5 file, so it holds no weights that are read", remedy)
    with _damage_reported(source), h5py.File(path, "r") as file:
        weights = _weights_in(file, source)
        arrays = _load(source, weights.groups)
    names = {group: [f"{group}[{k}]" for k in range(len(of_group))] for group, of_group in arrays.items()}
    facts = {"groups": names, "owners": weights.owners, "names": weights.names, "by_class": weights.by_class}
    named = {name: array for group in names for name, array in zip(names[group], arrays[group], strict=True)}
    return Description(facts, named)


def _saved(source: str, description: Description) -> SavedModel:
    """Return what a file holds, given its description."""
    facts = description.facts
    model = _model(source, text_of(facts["keras_version"]), text_of(facts["class_name"]), facts["config"])
    layers = (facts["layers"] or {}).items()
    return replace(model, arrays={layer: [description.arrays[name] for name in names] for layer, names in layers})


def _require_file(path: Path) -> None:
    """Raise ModelFileError where there is nothing to read."""
    try:
        if path.is_dir():
            raise ModelFileError(str(path), *describe_folder(path))
        if not path.exists():
            raise ModelFileError(str(path), "there is no such file", "Check the path")
        if not path.is_file():
            raise ModelFileError(str(path), "it is no regular file", "Give the path of a file")
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ModelFileError(str(path), f"it cannot be read ({error})", "Check the path") from None


def _read_file(path: Path) -> tuple[SavedModel, bool]:
    """Return what a file holds, and whether weights are among it."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if zipfile.is_zipfile(path) or head.startswith(b"PK\x03\x04"):
            return _read_archive(path), True
        if h5py.is_hdf5(path):
            return _read_h5(path), True
        if head.lstrip()[:1] == b"{":
            return _read_architecture(path), False
    except OSError as error:
        raise ModelFileError(str(path), f"it cannot be read ({error.strerror or error})", "Check the file") from error
    raise ModelFileError(str(path), *describe_file(path, head))


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
    return LayerEntry(class_name, str(name), raw["config"], nodes if isinstance(nodes, list) else (), custom)


def _model(source: str, version: str, class_name: str, raw: Any) -> SavedModel:
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


def _read_live(model: LiveModel) -> SavedModel:
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
        return _model(source, version, class_name, None)
    config = _json(source, json.dumps(model.get_config(), default=_plain))
    return replace(_model(source, version, class_name, config), arrays=dict(_live_arrays(model)))


def _live_arrays(model: LiveModel, path: str = "") -> Iterator[tuple[str, list[Array]]]:
    """Yield each layer's arrays, those of nested models under `model/layer`."""
    for layer in model.layers:
        if type(layer).__name__ in ("Sequential", "Functional") and layer is not model:
            yield from _live_arrays(layer, f"{path}{layer.name}/")
        else:
            yield f"{path}{layer.name}", [np.asarray(array) for array in layer.get_weights()]


def nested_model(model: SavedModel, entry: LayerEntry) -> SavedModel:
    """Return a model that stands in another, as a model of its own."""
    inner = _model(model.source, model.keras_version, entry.class_name, entry.config)
    prefix = f"{entry.name}/"
    arrays = {name.removeprefix(prefix): found for name, found in model.arrays.items() if name.startswith(prefix)}
    return replace(inner, arrays=arrays)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else repr(value)


def _read_h5(path: Path) -> SavedModel:
    source = str(path)
    with _damage_reported(source), h5py.File(path, "r") as file:
        text, version = (text_of(attribute(file, name, source) or "") for name in ("model_config", "keras_version"))
        if not text:
            raise ModelFileError(
                source,
                "it is an HDF5 file without a model's configuration",
                "If it holds weights only, save the whole model: model.save('model.keras')",
            )
        model = _model(source, version, *_class_and_config(source, _json(source, text)))
        datasets = _by_layer(model, _weights_in(file, source), source)
        return replace(model, arrays=_load(source, dict(datasets)))


def _read_architecture(path: Path) -> SavedModel:
    """Read what `model.to_json()` gives: Keras 2 names its version in it, Keras 3 the modules of its classes."""
    source = str(path)
    with path.open("rb") as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    refuse_too_big(source, "its text", len(content), MAX_TEXT_BYTES)
    top = _json(source, content)
    version = top.get("keras_version") or ("3" if "module" in top else "")
    return _model(source, str(version), *_class_and_config(source, top))


def _read_archive(path: Path) -> SavedModel:
    source = str(path)
    with _damage_reported(source), zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
        if "config.json" not in members or "metadata.json" not in members:
            raise ModelFileError(source, *describe_file(path, b"PK", members))
        metadata = _json(source, _extract(source, archive, "metadata.json", MAX_TEXT_BYTES))
        version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
        top = _json(source, _extract(source, archive, "config.json", MAX_TEXT_BYTES))
        model = _model(source, version, *_class_and_config(source, top))
        if "model.weights.h5" not in members:
            raise ModelFileError(
                source, "it holds no model.weights.h5", "Save the model with its weights: model.save(...)"
            )
        weights = _extract(source, archive, "model.weights.h5", MAX_ARRAY_BYTES)
        with h5py.File(io.BytesIO(weights), "r") as file:
            datasets = _by_layer(model, _weights_in(file, source), source)
            return replace(model, arrays=_load(source, dict(datasets)))


def _weights_in(file: h5py.File, source: str) -> SavedWeights:
    """Return the datasets of a file, of the whole model or of its weights alone, not read yet."""
    listed = group_in(file, "model_weights", source) if "model_weights" in file else file
    if listed is not file or any(name in listed.attrs for name in ("layer_names", "layer_names0")):
        groups = {name: group_in(listed, name, source) for name in names_in(listed, "layer_names", source)}
        names = {name: names_in(group, "weight_names", source) for name, group in groups.items()}
        datasets = {
            name: [dataset_in(group, weight, source) for weight in names[name]] for name, group in groups.items()
        }
        return SavedWeights(datasets, {}, names, by_class=False)
    by_class = next((name for name in CLASS_GROUPS if name in file), None)
    if by_class is None:
        raise ModelFileError(
            source, "it is an HDF5 file without weights of Keras", "Give what model.save_weights wrote"
        )
    members = dict(_members(group_in(file, by_class, source), source))
    if len(members) > MAX_ARRAYS:
        raise damaged(source, f"it holds weights of {len(members)} layers")
    owners = {
        name: attribute(group_in(member, "vars", source), "name", source)
        for name, member in members.items()
        if "vars" in member
    }
    return SavedWeights(
        {name: list(_variables(member, source)) for name, member in members.items()},
        {name: text_of(owner) for name, owner in owners.items() if owner is not None},
        {},
        by_class=True,
    )


def _members(layers: h5py.Group, source: str, path: str = "") -> Iterator[tuple[str, h5py.Group]]:
    """Yield the groups of layers by name, those of nested models as `model/layer`."""
    if path.count("/") > MAX_NESTED:
        raise damaged(source, "models are nested in it without end")
    for name in layers:
        member = group_in(layers, name, source)
        yield f"{path}{name}", member
        if "layers" in member:
            yield from _members(group_in(member, "layers", source), source, f"{path}{name}/")


def _by_layer(model: SavedModel, weights: SavedWeights, source: str) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each layer's arrays.

    Groups may carry the class's name in snake case, numbered from the second layer of a class on; a Sequential does not
    count its InputLayer.
    """
    if weights.by_class:
        yield from _by_class(model, weights, source)
        return
    entries = {entry.name: entry for entry in model.entries}
    for name, arrays in weights.groups.items():
        nested = _paths(entries[name]) if name in entries else []
        found: dict[str, list[Any]] = {path: [] for path in nested or [name]}
        for array, own in zip(arrays, weights.names[name], strict=True):
            owner = (path for path in nested if f"/{path.rsplit('/', 1)[-1]}/" in f"/{own}")
            found[next(owner, next(iter(found)))].append(array)
        yield from found.items()


def _paths(entry: LayerEntry, prefix: str = "") -> list[str]:
    """Return the layers of a nested model as `model/layer`, of an ordinary layer none."""
    layers = entry.config.get("layers")
    if entry.class_name not in MODELS or not isinstance(layers, list):
        return []
    own = f"{prefix}{entry.name}/"
    inner = [layer_entry(entry.name, layer) for layer in layers]
    return [path for layer in inner for path in _paths(layer, own) or [f"{own}{layer.name}"]]


def _by_class(
    model: SavedModel, weights: SavedWeights, source: str, place: str = "", path: str = ""
) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each layer's arrays, of a model whose groups stand under `place`, and its layers' names under `path`."""
    seen: Counter[str] = Counter()
    for entry in model.entries:
        if model.class_name == "Sequential" and entry.class_name == "InputLayer":
            continue
        base = _snake_case(entry.class_name)
        group = f"{base}_{seen[base]}" if seen[base] else base
        seen[base] += 1
        owner = weights.owners.get(f"{place}{group}", entry.name)
        if owner != entry.name:
            raise damaged(source, f"the weights of layer {owner!r} stand where {entry.name!r} belongs")
        if entry.class_name in MODELS:
            inner = nested_model(model, entry)
            yield from _by_class(inner, weights, source, f"{place}{group}/", f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", weights.groups.get(f"{place}{group}", ())


def _variables(layer: h5py.Group, source: str) -> Iterator[h5py.Dataset]:
    """Yield a layer's own variables, then its cell's (recurrent layers) and those of the layers inside it."""
    holders = [layer, *(group_in(layer, child, source) for child in ("cell", "layer") if child in layer)]
    for inner in (group_in(layer, child, source) for child in DIRECTIONS if child in layer):
        holders += [inner, *([group_in(inner, "cell", source)] if "cell" in inner else [])]
    for holder in holders:
        if "vars" in holder:
            variables = group_in(holder, "vars", source)
            if len(variables) > MAX_VARIABLES:
                raise damaged(source, f"{len(variables)} arrays are said to be one layer's")
            yield from (dataset_in(variables, str(k), source) for k in range(len(variables)))


def _snake_case(class_name: str) -> str:
    """As Keras derives it: LSTM → lstm, SimpleRNN → simple_rnn, SpatialDropout1D → spatial_dropout1d, ReLU → re_lu."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _load(source: str, datasets: Mapping[str, Sequence[h5py.Dataset]]) -> dict[str, list[Array]]:
    arrays = iter(load([dataset for layer in datasets.values() for dataset in layer], source))
    return {name: list(islice(arrays, len(layer))) for name, layer in datasets.items()}


def _extract(source: str, archive: zipfile.ZipFile, member: str, most_bytes: int) -> bytes:
    """Expand a member, never beyond the size it declares.

    Python's other decompressors expand whatever they are given at once.
    """
    info = archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise damaged(source, f"{member} is compressed in a way that Keras does not use")
    refuse_too_big(source, member, info.file_size, most_bytes)
    return archive.read(member)


def _class_and_config(source: str, top: Any) -> tuple[str, Any]:
    if not isinstance(top, dict) or "config" not in top:
        raise damaged(source, "its configuration is not that of a model")
    return str(top.get("class_name")), top["config"]


def _json(source: str, text: str | bytes) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise damaged(source, "its configuration is not readable JSON") from error
    except ValueError as error:
        raise damaged(source, f"its configuration is not sound: {error}") from error


@contextmanager
def _damage_reported(source: str) -> Iterator[None]:
    """Turn what damaged bytes raise into an error about the file."""
    try:
        yield
    except DAMAGE as error:
        raise damaged(source, "it is damaged or truncated") from error
