"""Mutated ONNX files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import onnx
from google.protobuf import json_format

from fuzz.files import FileCampaign, Files
from fuzz.loaded import check_loaded
from fuzz.mutations import Mutator, mutate_bytes, mutate_json
from onnx_graphs import WRITTEN
from onnx_layers import LAYERS
from onnx_loops import LOOPS

TRIES = 8
"""Of changes to the tree of a file, of which many are of no message's kind."""


def mutate_onnx(content: bytes, source: random.Random) -> bytes:
    """Change one place of the tree of messages, as `mutate_json` does."""
    try:
        text = json_format.MessageToJson(onnx.load_model_from_string(content)).encode()
    except Exception:  # whatever damaged bytes do to the parser
        return mutate_bytes(content, source)
    for _ in range(TRIES):
        try:
            changed = json_format.Parse(mutate_json(text, source), onnx.ModelProto(), ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, RecursionError, TypeError, OverflowError):
            continue
        return bytes(changed.SerializeToString())
    return mutate_bytes(content, source)


class OnnxModels(FileCampaign):
    """Each is read as `loopwire.load` reads it; what it becomes is compiled, and gives finite numbers."""

    name = "onnx"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """Graphs of all operators that are read."""
        written = [make().model() for make in (*WRITTEN.values(), *LAYERS.values())]
        protos = [*written, *(make() for make in LOOPS.values())]
        return [{"model.onnx": proto.SerializeToString()} for proto in protos]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Structure more often than bytes."""
        return mutate_onnx, mutate_onnx, mutate_onnx, mutate_onnx, mutate_bytes

    def check(self, folder: Path) -> None:
        """Load, and where that gives a model, compile it and predict."""
        check_loaded(folder / "model.onnx", trust=True)

    def check_apart(self, folder: Path) -> None:
        """The same, read in a process of its own."""
        check_loaded(folder / "model.onnx", trust=False)


CAMPAIGN = OnnxModels()
