"""Looks at a path before any frontend does: is there a file, how does it begin, what do foreign files look like?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwire.errors import ModelFileError

READS = "Loopwire reads Keras .h5 and .keras files, PyTorch .pt2 files and .onnx files"
HEAD_BYTES = 512
ZIP_NAME_LENGTH, ZIP_NAME = 26, 30
"""Places in a zip archive's first header: two bytes of the first member's name's length, and the name."""


def require_path(path: Path) -> None:
    """Raise ModelFileError where there is neither a file nor a folder."""
    with _reported(path):
        if not path.exists():
            raise ModelFileError(str(path), "there is no such file", "Check the path")
        if not path.is_dir() and not path.is_file():
            raise ModelFileError(str(path), "it is not a regular file", "Give the path of a file")


def is_folder(path: Path) -> bool:
    """Say whether there is a folder.

    Raises:
        ModelFileError: the system does not tell.
    """
    with _reported(path):
        return path.is_dir()


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn what the system refuses to tell of a path into an error about it."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ModelFileError(str(path), f"it cannot be read ({error})", "Check the path") from None


def require_file(path: Path) -> None:
    """Raise ModelFileError where there is no file."""
    require_path(path)
    if is_folder(path):
        raise ModelFileError(str(path), *describe_folder(path))


def head_of(path: Path) -> bytes:
    """Return how a file begins: nothing of a folder.

    Raises:
        ModelFileError: it cannot be read.
    """
    if is_folder(path):
        return b""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise ModelFileError(str(path), f"it cannot be read ({error.strerror or error})", "Check the file") from error


def first_member(head: bytes) -> str:
    """Return the name of the first member of the zip archive that begins so; '' where it is none.

    Only these few bytes are looked at, since the directory of an archive from outside may be as large as it likes.
    """
    if not head.startswith(b"PK\x03\x04"):
        return ""
    length = int.from_bytes(head[ZIP_NAME_LENGTH : ZIP_NAME_LENGTH + 2], "little")
    return head[ZIP_NAME : ZIP_NAME + length].decode("utf-8", "replace")


def describe_folder(path: Path) -> tuple[str, str]:
    """Return the problem and the remedy of a folder given in place of a model file."""
    if (path / "saved_model.pb").exists():
        return "it is a TensorFlow SavedModel folder", "Load it with Keras 2 and save it as .h5"
    if (path / "config.json").exists() and (path / "model.weights.h5").exists():
        return "it is an unpacked .keras archive", "Zip its files, or save the model again as .keras"
    if (path / "design.json").exists():
        problem = "it is a project that loopwire compile has written, not a model"
        return problem, "Run loopwire synth, route or build on it, or give the file of the model"
    return "it is a folder", f"{READS}; give the path of one"


def describe_file(path: Path, head: bytes, members: Collection[str] = ()) -> tuple[str, str]:
    """Return the problem and the remedy of a foreign file with these first bytes and, if it is a zip, these members."""
    remedy = f"{READS}; save the model as one of these"
    if not head:
        return "it is empty", "Save the model again, or copy the file again"
    if any(member.endswith("data.pkl") for member in members):
        return "it looks like a PyTorch checkpoint", remedy
    if members and all(member.endswith(".npy") for member in members):
        return "it looks like a NumPy .npz archive", remedy
    if head.startswith(b"PK"):
        return "it is a zip archive without config.json and metadata.json, not a .keras file", remedy
    if head.startswith(b"\x80") or path.suffix in (".pt", ".pth", ".pkl"):
        return "it looks like a Python pickle, such as an old PyTorch checkpoint", f"Pickles are never read; {remedy}"
    if head[4:8] == b"TFL3":
        return "it looks like a TensorFlow Lite model", remedy
    if path.suffix == ".pb":
        return "it looks like a TensorFlow graph", remedy
    if head.lstrip()[:1] in (b"{", b"["):
        return "it looks like JSON, which at best is an architecture without weights", remedy
    return "it is neither HDF5 nor a zip archive, or its first bytes are lost", remedy
