"""Mutated ONNX files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from google.protobuf import json_format

import loopwire
from fuzz.files import FileCampaign, Files
from fuzz.models import LARGEST_PREDICTED, TYPES
from fuzz.mutations import Mutator, mutate_bytes, mutate_json
from onnx_graphs import WRITTEN

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
        return [{"model.onnx": written().model().SerializeToString()} for written in WRITTEN.values()]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Structure more often than bytes."""
        return mutate_onnx, mutate_onnx, mutate_onnx, mutate_onnx, mutate_bytes

    def check(self, folder: Path) -> None:
        """Load, and where that gives a model, compile it and predict."""
        self._check(folder, trust=True)

    def check_apart(self, folder: Path) -> None:
        """The same, read in a process of its own."""
        self._check(folder, trust=False)

    def _check(self, folder: Path, trust: bool) -> None:
        model = loopwire.load(folder / "model.onnx", trust)
        arrays = [value for layer in model.layers for value in vars(layer).values() if isinstance(value, np.ndarray)]
        assert all(np.isfinite(array).all() for array in arrays), "weights that are not finite"
        if sum(array.size for array in arrays) + sum(int(np.prod(x.shape)) for x in model.inputs) > LARGEST_PREDICTED:
            return
        design = loopwire.compile(model, TYPES)
        given = [np.linspace(-2, 2, 2 * int(np.prod(x.shape))).reshape(2, *x.shape) for x in model.inputs]
        x = given if len(given) > 1 else given[0]
        for results in (design.predict(x), design.predict_float(x)):
            found = results.values() if isinstance(results, dict) else [results]
            assert all(np.isfinite(y).all() for y in found), "results that are not finite"


CAMPAIGN = OnnxModels()
