"""Reads what Keras saved, or a live Keras model, into one common form: a configuration, and arrays for each layer.

Nothing is executed and no Keras is imported: a file is JSON and HDF5. Three containers exist:

* `.h5` of Keras 2 and 3: the configuration is an attribute, the arrays lie in groups named after the layers
  (https://github.com/keras-team/keras/blob/master/keras/src/legacy/saving/legacy_h5_format.py).
* `.keras` of Keras 3: a zip of `config.json`, `metadata.json` and `model.weights.h5`, whose groups are named after the
  layers' classes (https://github.com/keras-team/keras/blob/master/keras/src/saving/saving_lib.py).
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.file_kinds import describe_file, describe_folder

Array = npt.NDArray[Any]

MAX_BYTES = 1 << 30
"""Most that the weights, or one member of an archive, may expand to: 2^28 float32 numbers, beyond any FPGA's memory."""

DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What h5py and zipfile raise on damaged bytes."""

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
    Keras's order."""

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


def read_saved(source: Path | str | LiveModel) -> SavedModel:
    """Read a file, or take a live model.

    Raises:
        ModelFileError: no such file, damaged, or not a Keras model.
        UnsupportedError: a Keras model of a version or kind that Loopwire does not read.
    """
    if not isinstance(source, str | Path):
        return _read_live(source)
    path = Path(source)
    if path.is_dir():
        raise ModelFileError(str(path), *describe_folder(path))
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if zipfile.is_zipfile(path) or head.startswith(b"PK\x03\x04"):
            return _read_archive(path)
        if h5py.is_hdf5(path):
            return _read_h5(path)
    except FileNotFoundError:
        raise ModelFileError(str(path), "there is no such file", "Check the path") from None
    except OSError as error:
        raise ModelFileError(str(path), f"it cannot be read ({error.strerror or error})", "Check the file") from error
    raise ModelFileError(str(path), *describe_file(path, head))


def layer_entry(where: str, raw: Any) -> LayerEntry:
    """Read one serialised layer: {"class_name": …, "config": {…}, …}."""
    if not (isinstance(raw, dict) and isinstance(raw.get("config"), dict)):
        raise _damaged(where, "a layer of its configuration has no 'config'")
    class_name, module = str(raw.get("class_name")), raw.get("module")
    if module is None:
        custom = ">" in class_name or raw.get("registered_name") is not None
    else:
        custom = str(module).split(".")[0] not in KERAS_PACKAGES
    name = raw.get("name") or raw["config"].get("name") or class_name
    nodes = raw.get("inbound_nodes")
    return LayerEntry(class_name, str(name), raw["config"], nodes if isinstance(nodes, list) else (), custom)


def _model(source: str, version: str, class_name: str, raw: Any) -> SavedModel:
    if class_name not in ("Sequential", "Functional", "Model"):
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
        raise _damaged(source, "its configuration lists no layers")
    entries = tuple(layer_entry(source, layer) for layer in layers)
    for name, uses in Counter(entry.name for entry in entries).items():
        if uses > 1:
            raise _damaged(source, f"{uses} of its layers are called {name!r}")
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
    config = json.loads(json.dumps(model.get_config(), default=_plain))
    arrays = {layer.name: [np.asarray(array) for array in layer.get_weights()] for layer in model.layers}
    return replace(_model(source, version, class_name, config), arrays=arrays)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else repr(value)


def _read_h5(path: Path) -> SavedModel:
    source = str(path)
    with _damage_reported(source), h5py.File(path, "r") as file:
        text = _text(file.attrs.get("model_config", ""))
        version = _text(file.attrs.get("keras_version", ""))
        if not text:
            raise ModelFileError(
                source,
                "it is an HDF5 file without a model's configuration",
                "If it holds weights only, save the whole model: model.save('model.keras')",
            )
        top = _json(source, text)
        model = _model(source, version, *_class_and_config(source, top))
        weights = _member(file, "model_weights", source)
        groups = {name: _member(weights, name, source) for name in _names(weights, "layer_names")}
        datasets = {
            name: [_member(group, weight, source) for weight in _names(group, "weight_names")]
            for name, group in groups.items()
        }
        return replace(model, arrays=_load(source, datasets))


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Return a list of names; one too long for an attribute is split over `attribute`0, `attribute`1, …"""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    chunks = takewhile(lambda chunk: chunk in group.attrs, (f"{attribute}{k}" for k in count()))
    return [_text(name) for chunk in chunks for name in group.attrs[chunk]]


def _read_archive(path: Path) -> SavedModel:
    source = str(path)
    with _damage_reported(source), zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
        if "config.json" not in members or "metadata.json" not in members:
            raise ModelFileError(source, *describe_file(path, b"PK", members))
        metadata = _json(source, _extract(source, archive, "metadata.json"))
        version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
        top = _json(source, _extract(source, archive, "config.json"))
        model = _model(source, version, *_class_and_config(source, top))
        if model.keras_major < 3:
            raise UnsupportedError(
                source, f"it is a .keras archive of Keras {version}", "Save it as .h5 there, or with Keras 3"
            )
        if "model.weights.h5" not in members:
            raise ModelFileError(
                source, "it holds no model.weights.h5", "Save the model with its weights: model.save(...)"
            )
        with h5py.File(io.BytesIO(_extract(source, archive, "model.weights.h5")), "r") as file:
            datasets = dict(_archived_datasets(model, file))
            return replace(model, arrays=_load(source, datasets))


def _archived_datasets(model: SavedModel, file: h5py.File) -> Iterator[tuple[str, list[Any]]]:
    """Yield each layer's datasets.

    Groups carry the class's name in snake case, numbered from the second layer of a class on; a Sequential does not
    count its InputLayer.
    """
    seen: Counter[str] = Counter()
    layers = _member(file, "layers", model.source)
    for entry in model.entries:
        if model.class_name == "Sequential" and entry.class_name == "InputLayer":
            continue
        base = _snake_case(entry.class_name)
        group = f"{base}_{seen[base]}" if seen[base] else base
        seen[base] += 1
        if group not in layers:
            yield entry.name, []
            continue
        member = _member(layers, group, model.source)
        saved_name = _text(member["vars"].attrs.get("name", entry.name)) if "vars" in member else entry.name
        if saved_name != entry.name:
            raise _damaged(model.source, f"the weights of layer {saved_name!r} stand where {entry.name!r} belongs")
        yield entry.name, list(_variables(member, model.source))


def _variables(group: h5py.Group, source: str) -> Iterator[Any]:
    """Yield a layer's own variables, then its cell's (recurrent layers) or its inner layer's (TimeDistributed)."""
    if "vars" in group:
        variables = _member(group, "vars", source)
        yield from (_member(variables, str(k), source) for k in range(len(variables)))
    for child in ("cell", "layer"):
        if child in group:
            yield from _variables(_member(group, child, source), source)


def _snake_case(class_name: str) -> str:
    """As Keras derives it: LSTM → lstm, SimpleRNN → simple_rnn, SpatialDropout1D → spatial_dropout1d, ReLU → re_lu."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _load(source: str, datasets: Mapping[str, Sequence[Any]]) -> dict[str, list[Array]]:
    """Read the arrays, once their declared sizes are known to fit."""
    everything = [dataset for layer in datasets.values() for dataset in layer]
    for dataset in everything:
        if not isinstance(dataset, h5py.Dataset):
            raise _damaged(source, f"{dataset.name!r} is not an array")
        if dataset.external or dataset.is_virtual:
            raise _damaged(source, f"the array {dataset.name!r} lies in another file")
    _refuse_too_big(source, "its weights", sum(dataset.nbytes for dataset in everything))
    return {name: [np.asarray(dataset[()]) for dataset in layer] for name, layer in datasets.items()}


def _extract(source: str, archive: zipfile.ZipFile, member: str) -> bytes:
    """Expand a member, never beyond the size it declares."""
    _refuse_too_big(source, member, archive.getinfo(member).file_size)
    return archive.read(member)


def _refuse_too_big(source: str, what: str, size_bytes: int) -> None:
    if size_bytes > MAX_BYTES:
        raise ModelFileError(
            source,
            f"{what} would take {size_bytes} bytes, more than the {MAX_BYTES} that are read",
            "Check the file",
        )


def _member(group: Any, path: str, source: str) -> Any:
    """Return group[path], refusing links that lead out of the file."""
    for part in path.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            raise _damaged(source, f"{path!r} is missing")
        if not isinstance(link, h5py.HardLink):
            raise _damaged(source, f"{path!r} is a link to another place")
        group = group[part]
    return group


def _class_and_config(source: str, top: Any) -> tuple[str, Any]:
    if not isinstance(top, dict) or "config" not in top:
        raise _damaged(source, "its configuration is not that of a model")
    return str(top.get("class_name")), top["config"]


def _json(source: str, text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(source, "its configuration is not readable JSON") from error


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextmanager
def _damage_reported(source: str) -> Iterator[None]:
    """Turn what damaged bytes raise into an error about the file."""
    try:
        yield
    except DAMAGE as error:
        raise _damaged(source, "it is damaged or truncated") from error


def _damaged(source: str, problem: str) -> ModelFileError:
    return ModelFileError(source, problem, "Save the model again, or copy the file again")
