"""What the registry asks of the PyTorch frontend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwire.frontends.file_kinds import first_member, head_of, is_folder
from loopwire.frontends.reading import Reading
from loopwire.layers.model import Model

PACKAGE = "torch"
SUFFIXES = {
    ".pt2": "PyTorch exported program",
    **dict.fromkeys((".pt", ".pth", ".pkl", ".ckpt", ".ts"), "PyTorch file that is no exported program"),
}
FOREIGN = "PyTorch file that is no exported program"
PICKLE = b"\x80"
PROGRAM_MEMBERS = ("archive_format", "models/", "data/weights/", "data/constants/", "data/aotinductor/")
FOREIGN_MEMBERS = ("data.pkl", "code/", "constants.pkl", "serialized_state_dict.", "serialized_exported_program.")


def accepts(source: Path | Any) -> str | None:
    """Return what a file or an object of PyTorch's is; also one that is refused with how to export it."""
    if not isinstance(source, Path):
        packages = {base.__module__.split(".")[0] for base in type(source).__mro__}
        return "live PyTorch module" if PACKAGE in packages or _is_state_dict(source) else None
    if is_folder(source):
        return None
    head = head_of(source)
    member = first_member(head)
    inner = member.partition("/")[2] or member
    if inner.startswith(PROGRAM_MEMBERS):
        return SUFFIXES[".pt2"]
    if inner.startswith(FOREIGN_MEMBERS) or head.startswith(PICKLE):
        return FOREIGN
    return SUFFIXES.get(source.suffix)


def _is_state_dict(source: Any) -> bool:
    values = list(source.values()) if isinstance(source, dict) else []
    return bool(values) and all(type(value).__module__.split(".")[0] == PACKAGE for value in values)


def read(source: Path | Any, reading: Reading) -> Model:
    """Return the model.

    Raises:
        ConfigError, ModelFileError, UnsupportedError: as `loopwire.frontends.torch.model.read_torch`.
    """
    from loopwire.frontends.torch.model import read_torch

    return read_torch(source, reading)
