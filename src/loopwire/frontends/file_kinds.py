"""Says what a file or folder that is not a Keras model looks like, and what to do with it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

READS = "Loopwire reads Keras .h5 and .keras files"


def describe_folder(path: Path) -> tuple[str, str]:
    """Return the problem and the remedy of a folder given in place of a model file."""
    if (path / "saved_model.pb").exists():
        return "it is a TensorFlow SavedModel folder", "Load it with Keras 2 and save it as .h5"
    if (path / "config.json").exists() and (path / "model.weights.h5").exists():
        return "it is an unpacked .keras archive", "Zip its files, or save the model again as .keras"
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
    if path.suffix == ".onnx" or (head.startswith(b"\x08") and head[2:3] == b"\x12"):
        return "it looks like an ONNX model", remedy
    if path.suffix == ".pb":
        return "it looks like a TensorFlow graph", remedy
    if head.lstrip()[:1] in (b"{", b"["):
        return "it looks like JSON, which at best is an architecture without weights", remedy
    return "it is neither HDF5 nor a zip archive, or its first bytes are lost", remedy
