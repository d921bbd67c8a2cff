"""Reads `.npy` and `.npz` files of plain numbers, no more of them than is asked for, and never more than fits.

They are read in this process, as no native code but zlib's sees them. A header, which numpy reads as a Python literal,
is bounded before; the size that it declares is compared with the file's before anything is allocated.

Ref: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import DataError

Array = npt.NDArray[Any]

MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 1000
"""Numpy writes some 120 for an array of plain numbers."""
MAX_MEMBERS = 1000
MAX_EXPANDED_BYTES = 1 << 30
MAX_EXPANSION = 16
"""Of a file larger than that by itself: how often its size its arrays may take."""
REMEDY = "Give a .npz or .npy file of plain numbers, written by numpy.savez or numpy.save"

DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile, zlib and numpy raise on damaged bytes; NotImplementedError and RecursionError are RuntimeErrors."""


@dataclass(frozen=True)
class Header:
    """What a file declares of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class ArrayFile:
    """A file of arrays: one without a name (`.npy`), or some by their names (`.npz`)."""

    path: Path
    headers: Mapping[str | None, Header]

    @classmethod
    def of(cls, path: str | Path) -> ArrayFile:
        """Read what a file declares.

        Raises:
            DataError: it cannot be read, or holds no arrays.
        """
        path = Path(path)
        with _damage_reported(path):
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise ValueError("it is not a regular file")
            with path.open("rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    file.seek(0)
                    return cls(path, {None: _header(file)})
            if not zipfile.is_zipfile(path):
                raise ValueError("it is not an array, or a pickle")
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                if len(members) > MAX_MEMBERS:
                    raise ValueError(f"it has {len(members)} members, more than the {MAX_MEMBERS} that are read")
                headers: dict[str | None, Header] = {}
                for member in members:
                    with _opened(archive, member) as file:
                        if member.filename.endswith(".npy"):
                            headers[member.filename.removesuffix(".npy")] = _header(file)
                return cls(path, headers)

    def load(self, name: str | None) -> Array:
        """Return an array of plain numbers or texts.

        Raises:
            DataError: it holds something else, is damaged, or would take too much memory.
        """
        header = self.headers[name]
        with _damage_reported(self.path):
            if header.dtype.kind not in "biufcU":
                pickled = "it is not an array, or a pickle"
                raise ValueError(pickled if header.dtype.hasobject else f"it holds {header.dtype}")
            size = self.path.stat().st_size
            if header.size_bytes > max(MAX_EXPANDED_BYTES, MAX_EXPANSION * size):
                what = f"its arrays would take {header.size_bytes >> 20} MiB"
                raise ValueError(f"{what}, more than {MAX_EXPANDED_BYTES >> 20} and {MAX_EXPANSION} times the file")
            if name is None:
                if header.size_bytes > size:
                    raise ValueError("it is truncated")
                with self.path.open("rb") as file:
                    return _array(file)
            with zipfile.ZipFile(self.path) as archive:
                member = archive.getinfo(f"{name}.npy")
                if header.size_bytes > member.file_size:
                    raise ValueError("it is truncated")
                with _opened(archive, member) as file:
                    return _array(file)


def _header(file: IO[bytes]) -> Header:
    """Read the header that a file begins with."""
    start = file.read(len(MAGIC) + 2)
    version = tuple(start[len(MAGIC) :])
    if start[: len(MAGIC)] != MAGIC or version not in ((1, 0), (2, 0)):
        raise ValueError("a member is not an array of plain numbers")
    length = file.read(2 if version == (1, 0) else 4)
    length_bytes = int.from_bytes(length, "little")
    if length_bytes > MAX_HEADER_BYTES:
        raise ValueError(f"a header has {length_bytes} bytes, more than the {MAX_HEADER_BYTES} of plain numbers")
    text = io.BytesIO(length + file.read(length_bytes))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(text, max_header_size=MAX_HEADER_BYTES)
    if not all(type(length) is int and 0 <= length < 1 << 63 for length in shape):
        raise ValueError(f"an array has the shape {shape}")
    return Header(shape, dtype)


def _array(file: IO[bytes]) -> Array:
    array: Array = np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER_BYTES)
    if array.dtype.kind == "U" and array.size:
        order = array.dtype.str[0]
        codes = np.frombuffer(array.tobytes(), f"{order}u4")  # UTF-32
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError("it holds a text with an invalid character")
    return array


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member; Python expands what is compressed in other ways than numpy's without a bound."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is compressed in a way that numpy does not use")
    return archive.open(member)


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(str(path), "there is no such file", "Check the path") from None
    except IsADirectoryError:
        raise DataError(str(path), "it is a folder", REMEDY) from None
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(str(path), f"it cannot be read as arrays ({reason})", REMEDY) from None
