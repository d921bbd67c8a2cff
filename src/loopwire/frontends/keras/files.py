"""Reads the files that Keras saves: a configuration, and arrays for each layer.

Nothing is executed and no Keras is imported: a file is JSON and HDF5. `describe` reads it, in a process of its own
unless the file is trusted (`loopwire.sandbox`). These containers exist:

* `.h5` of Keras 2 and 3: the configuration is an attribute, the arrays lie in groups named after the layers
  (https://github.com/keras-team/keras/blob/master/keras/src/legacy/saving/legacy_h5_format.py).
* `.keras` of Keras 2.12 and later: a zip of `config.json`, `metadata.json` and `model.weights.h5`, whose groups are
  named after the layers' classes (https://github.com/keras-team/keras/blob/master/keras/src/saving/saving_lib.py).
* an architecture as `.json` (`model.to_json()`) with its weights apart: a file of `save_weights`, whose groups are
  named in one of these two ways, or a whole model's.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from loopwire.bounded import MAX_TEXT_BYTES
from loopwire.errors import ModelFileError
from loopwire.frontends.containers import damage_reported, damaged, extract, refuse_too_big
from loopwire.frontends.file_kinds import describe_file
from loopwire.frontends.keras.hdf5 import attribute, text_of
from loopwire.frontends.keras.saved import SavedModel, json_of, model_of
from loopwire.frontends.keras.weights import by_layer, load_all, weights_in
from loopwire.sandbox import MAX_ARRAY_BYTES, Description


def describe(path: Path) -> Description:
    """Return a file's configuration and arrays; the facts are `keras_version`, `class_name`, `config`, and the names of
    each layer's arrays in Keras's order, as `layers`: None where the file holds the architecture alone.

    Raises:
        ModelFileError: the file is damaged, or not a Keras model.
        UnsupportedError: a Keras model of a version or kind that Loopwire does not read.
    """
    saved, has_weights = read_file(path)
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
        raise ModelFileError(source, "it is not an HDF5 file, so no weights can be read from it", remedy)
    with damage_reported(source), h5py.File(path, "r") as file:
        weights = weights_in(file, source)
        arrays = load_all(source, weights.groups)
    names = {group: [f"{group}[{k}]" for k in range(len(of_group))] for group, of_group in arrays.items()}
    facts = {"groups": names, "owners": weights.owners, "names": weights.names, "by_class": weights.by_class}
    named = {name: array for group in names for name, array in zip(names[group], arrays[group], strict=True)}
    return Description(facts, named)


def read_file(path: Path) -> tuple[SavedModel, bool]:
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


def _read_h5(path: Path) -> SavedModel:
    source = str(path)
    with damage_reported(source), h5py.File(path, "r") as file:
        text, version = (text_of(attribute(file, name, source) or "") for name in ("model_config", "keras_version"))
        if not text:
            raise ModelFileError(
                source,
                "it is an HDF5 file without a model's configuration",
                "If it holds weights only, save the whole model: model.save('model.keras')",
            )
        model = model_of(source, version, *_class_and_config(source, json_of(source, text)))
        datasets = by_layer(model, weights_in(file, source), source)
        return replace(model, arrays=load_all(source, dict(datasets)))


def _read_architecture(path: Path) -> SavedModel:
    """Read what `model.to_json()` gives: Keras 2 names its version in it, Keras 3 the modules of its classes."""
    source = str(path)
    with path.open("rb") as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    refuse_too_big(source, "its text", len(content), MAX_TEXT_BYTES)
    top = json_of(source, content)
    version = top.get("keras_version") or ("3" if "module" in top else "")
    return model_of(source, str(version), *_class_and_config(source, top))


def _read_archive(path: Path) -> SavedModel:
    source = str(path)
    with damage_reported(source), zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
        if "config.json" not in members or "metadata.json" not in members:
            raise ModelFileError(source, *describe_file(path, b"PK", members))
        metadata = json_of(source, extract(source, archive, "metadata.json", MAX_TEXT_BYTES))
        version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
        top = json_of(source, extract(source, archive, "config.json", MAX_TEXT_BYTES))
        model = model_of(source, version, *_class_and_config(source, top))
        if "model.weights.h5" not in members:
            raise ModelFileError(
                source, "it holds no model.weights.h5", "Save the model with its weights: model.save(...)"
            )
        weights = extract(source, archive, "model.weights.h5", MAX_ARRAY_BYTES)
        with h5py.File(io.BytesIO(weights), "r") as file:
            datasets = by_layer(model, weights_in(file, source), source)
            return replace(model, arrays=load_all(source, dict(datasets)))


def _class_and_config(source: str, top: Any) -> tuple[str, Any]:
    if not isinstance(top, dict) or "config" not in top:
        raise damaged(source, "its configuration is not that of a model")
    return str(top.get("class_name")), top["config"]
