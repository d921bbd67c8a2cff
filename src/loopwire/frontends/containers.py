"""What readers of model files share: errors about damage, and members of zip archives within bounds."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from loopwire.errors import ModelFileError
from loopwire.sandbox import MAX_ARRAY_BYTES

Array = npt.NDArray[Any]

DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What libraries of file formats raise on damaged bytes."""


@contextmanager
def damage_reported(source: str) -> Iterator[None]:
    """Turn what damaged bytes raise into an error about the file."""
    try:
        yield
    except DAMAGE as error:
        raise damaged(source, "it is damaged or truncated") from error


def damaged(source: str, problem: str) -> ModelFileError:
    """Return the error about a file that no version of a framework writes."""
    return ModelFileError(source, problem, "Save the model again, or copy the file again")


def refuse_too_big(source: str, what: str, size_bytes: int, most_bytes: int = MAX_ARRAY_BYTES) -> None:
    """Raise ModelFileError where something declares more bytes than are read."""
    if size_bytes > most_bytes:
        raise ModelFileError(
            source, f"{what} would take {size_bytes} bytes, more than the {most_bytes} that are read", "Check the file"
        )


def extract(source: str, archive: zipfile.ZipFile, member: str, most_bytes: int) -> bytes:
    """Expand a member, never beyond the size it declares.

    Python's other decompressors expand whatever they are given at once.

    Raises:
        ModelFileError: it is larger than what is read, or compressed in another way than frameworks do.
        LookupError, and others of `DAMAGE`: it is missing or damaged.
    """
    info = archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise damaged(source, f"{member} is compressed in a way that no framework uses")
    refuse_too_big(source, member, info.file_size, most_bytes)
    return archive.read(member)
