"""What the registry asks of the Keras frontend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwire.frontends.file_kinds import first_member, head_of, is_folder
from loopwire.frontends.reading import Reading
from loopwire.layers.model import Model

PACKAGES = ("keras", "tf_keras", "tensorflow")
HDF5 = b"\x89HDF\r\n\x1a\n"
MEMBERS = ("metadata.json", "config.json", "model.weights.h5", "assets/")
SUFFIXES = {".keras": "Keras archive", ".h5": "Keras HDF5 file", ".hdf5": "Keras HDF5 file"}


def accepts(source: Path | Any) -> str | None:
    """Return which of Keras's containers a file is, or that it is a live model."""
    if not isinstance(source, Path):
        packages = {base.__module__.split(".")[0] for base in type(source).__mro__}
        return "live Keras model" if packages.intersection(PACKAGES) else None
    if is_folder(source):
        return None
    head = head_of(source)
    if head.startswith(HDF5):
        return "Keras HDF5 file"
    if first_member(head).startswith(MEMBERS):
        return "Keras archive"
    if head.lstrip()[:1] == b"{":
        return "Keras architecture"
    return SUFFIXES.get(source.suffix)


def read(source: Path | Any, reading: Reading) -> Model:
    """Return the model.

    Raises:
        ConfigError, ModelFileError, UnsupportedError: as `loopwire.frontends.keras.model.read_keras`.
    """
    from loopwire.frontends.keras.model import read_keras

    reading.refuse("example_inputs", remedy="A model of Keras knows its inputs: leave them out")
    return read_keras(source, reading)
