"""What the registry asks of the ONNX frontend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwire.frontends.file_kinds import head_of, is_folder
from loopwire.frontends.reading import Reading
from loopwire.layers.model import Model

VERSION_OF_IR, PRODUCER = b"\x08", b"\x12"
"""The first fields of an ONNX file as exporters write it: a number of one byte, then a text."""


def accepts(source: Path | Any) -> str | None:
    """Return that a file is of ONNX, by its suffix or its first bytes."""
    if not isinstance(source, Path) or is_folder(source):
        return None
    head = head_of(source)
    if source.suffix == ".onnx" or (head[:1] == VERSION_OF_IR and head[2:3] == PRODUCER):
        return "ONNX file"
    return None


def read(source: Path | Any, reading: Reading) -> Model:
    """Return the model.

    Raises:
        ConfigError, ModelFileError, ToolError, UnsupportedError: as `loopwire.frontends.onnx.model.read_onnx`.
    """
    from loopwire.frontends.onnx.model import read_onnx

    reading.refuse("example_inputs", remedy="An ONNX file knows its inputs: leave them out")
    reading.refuse("weights", remedy="An ONNX file has its weights, or names the file beside it that does")
    return read_onnx(source, reading)
