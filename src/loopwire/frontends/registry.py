"""Finds the frontend of a source: those of this folder, and those that other packages register.

A package from outside names a module with `accepts` and `read` (see `loopwire.frontends`) as an entry point:

    [project.entry-points."loopwire.frontends"]
    myframework = "my_package.loopwire_frontend"
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.file_kinds import (
    READS,
    describe_file,
    describe_folder,
    first_member,
    head_of,
    is_folder,
    require_path,
)
from loopwire.frontends.reading import Reading
from loopwire.layers.model import Model
from loopwire.plugins import FRONTENDS


class Frontend(Protocol):
    """The module of a frontend."""

    @staticmethod
    def accepts(source: Path | Any) -> str | None:
        """Return what a source is, in words, if it is one of this framework's; a path exists."""

    @staticmethod
    def read(source: Path | Any, reading: Reading) -> Model:
        """Return the model; raise errors of `loopwire.errors`."""


def read(source: Path | str | Any, reading: Reading) -> Model:
    """Read a model with the frontend that accepts it; its `format` tells what that found it to be.

    Args:
        source: a path, or an object in memory.
        reading: how to read it.

    Raises:
        ModelFileError: there is no such file, or it is of no kind that is read.
        UnsupportedError: an object that is no model; or as the frontend.
        ToolError: a frontend from outside cannot be imported.
    """
    if isinstance(source, str | Path):
        source = Path(source)
        require_path(source)
    for name in FRONTENDS.names:
        frontend = cast(Frontend, FRONTENDS.load(name))
        kind = frontend.accepts(source)
        if kind:
            return replace(frontend.read(source, reading), format=kind)
    if not isinstance(source, Path):
        kind = f"{type(source).__module__}.{type(source).__qualname__}".removeprefix("builtins.")
        raise UnsupportedError(
            "model",
            f"an object of class {kind} is not a model",
            f"Give a keras.Model, a torch.nn.Module with example_inputs, or the path of a file: {READS}",
        )
    if is_folder(source):
        raise ModelFileError(str(source), *describe_folder(source))
    head = head_of(source)
    member = first_member(head)
    raise ModelFileError(str(source), *describe_file(source, head, (member,) if member else ()))
