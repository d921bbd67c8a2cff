"""Writes a Keras file again with other weights; all else in it stays as it is.

The file is opened for that by HDF5 once more, so this too is done in a process with limits, on a copy.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from loopwire.frontends.containers import Array, damage_reported, extract, refuse_too_big
from loopwire.frontends.keras.files import read_file
from loopwire.frontends.keras.saved import SavedModel
from loopwire.frontends.keras.weights import by_layer, weights_in
from loopwire.frontends.reading import Reading
from loopwire.sandbox import MAX_ARRAY_BYTES, Description, read_apart
from loopwire.system.folders import temporary_folder

MODEL, WEIGHTS, ARRAYS = "model", "weights", "arrays.npz"
ARCHIVED = "model.weights.h5"


def with_weights(source: Path, reading: Reading, arrays: Mapping[str, Sequence[Array]]) -> bytes:
    """Return the content of a model's file with other weights; where they lie apart, of that file.

    Args:
        source: the model's file.
        reading: how it was read.
        arrays: of all layers, as `SavedModel.arrays` has them, in its order.

    Raises:
        ModelFileError: a file is missing or damaged, or it takes too much time or memory.
    """
    with temporary_folder() as place:
        shutil.copyfile(source, place / MODEL)
        if reading.weights is not None:
            shutil.copyfile(reading.weights, place / WEIGHTS)
        listed = [array for layer in arrays.values() for array in layer]
        np.savez(place / ARRAYS, *listed)
        description = rewritten(place) if reading.trust else read_apart(rewritten, place)
    return bytes(description.arrays["content"].tobytes())


def rewritten(place: Path) -> Description:
    """Return the bytes of a file, as the array `content`; `place` holds it, its weights, and the arrays for it.

    Raises:
        ModelFileError: a file is damaged.
        UnsupportedError: a Keras model of a version or kind that Loopwire does not read.
    """
    path, apart = place / MODEL, place / WEIGHTS
    with np.load(place / ARRAYS) as file:
        arrays = [file[name] for name in file.files]
    saved, _ = read_file(path)
    if apart.exists():
        content = _changed(saved, apart.read_bytes(), arrays)
    elif zipfile.is_zipfile(path):
        content = _changed_archive(saved, path, arrays)
    else:
        content = _changed(saved, path.read_bytes(), arrays)
    return Description({}, {"content": np.frombuffer(content, np.uint8)})


def _changed_archive(saved: SavedModel, path: Path, arrays: Sequence[Array]) -> bytes:
    changed = io.BytesIO()
    with damage_reported(saved.source), zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        refuse_too_big(saved.source, "its members", sum(info.file_size for info in old.infolist()))
        for info in old.infolist():
            content = extract(saved.source, old, info.filename, MAX_ARRAY_BYTES)
            if info.filename == ARCHIVED:
                content = _changed(saved, content, arrays)
            new.writestr(zipfile.ZipInfo(info.filename, info.date_time), content, info.compress_type)
    return changed.getvalue()


def _changed(saved: SavedModel, content: bytes, arrays: Sequence[Array]) -> bytes:
    """Return the bytes of an HDF5 file with other numbers in its arrays."""
    changed = io.BytesIO(content)
    with damage_reported(saved.source), h5py.File(changed, "r+") as file:
        layers = dict(by_layer(saved, weights_in(file, saved.source), saved.source))
        datasets = [dataset for layer in layers.values() for dataset in layer]
        for dataset, array in zip(datasets, arrays, strict=True):
            dataset[...] = array
    return changed.getvalue()
