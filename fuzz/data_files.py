"""Mutated data: `.npz` and `.npy` files of inputs and labels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np

from fuzz.archives import mutate_archive, on_member
from fuzz.files import FileCampaign, Files
from fuzz.mutations import Mutator, mutate_bytes, mutate_text
from loopwire.data import read_data, read_labels
from loopwire.layers.model import Tensor

INPUT_SHAPE, OUTPUTS, COUNT = (4, 3), 2, 6
HEADER_BYTES = 128
"""Of a .npy file that numpy writes: magic number, version and a Python dictionary as text."""


class DataFiles(FileCampaign):
    """Inputs that are read are finite and fit the model; labels are classes of it."""

    name = "data"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """Inputs of all dtypes, labels as numbers and one-hot."""
        random = np.random.default_rng(1)
        inputs = [random.normal(size=(COUNT, *INPUT_SHAPE)).astype(dtype) for dtype in ("f4", "f8", "f2")]
        inputs.append(random.integers(-9, 9, (COUNT, *INPUT_SHAPE)))
        labels = random.integers(0, OUTPUTS, COUNT)
        files = []
        for x in inputs:
            files.append({"data.npy": _npy(x)})
            files.append({"data.npz": _npz(X=x, y=labels, classes=np.array(["a", "b"]))})
            files.append({"data.npz": _npz(X=x, y=np.eye(OUTPUTS)[labels])})
        return files

    def mutators(self, file: str) -> Sequence[Mutator]:
        """The header of an array more often than its numbers."""
        if file.endswith(".npy"):
            return _mutate_npy, _mutate_npy, mutate_bytes
        inside = on_member({".npy": _mutate_npy})
        return inside, inside, mutate_archive, mutate_bytes

    def check(self, folder: Path) -> None:
        """Read them as inputs with labels."""
        (path,) = folder.iterdir()
        data = read_data(path, [Tensor("x", INPUT_SHAPE)], [Tensor("y", (OUTPUTS,))])
        assert data.inputs.shape[1:] == INPUT_SHAPE and np.isfinite(data.inputs).all()
        if path.suffix == ".npz":
            labels = read_labels(path, len(data.inputs), OUTPUTS)
            assert labels.shape == (len(data.inputs),) and labels.min() >= 0 and labels.max() < OUTPUTS


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _mutate_npy(content: bytes, source: Random) -> bytes:
    """Change a word of the header, a byte of it, or keep it and change the numbers."""
    head, numbers = content[:HEADER_BYTES], content[HEADER_BYTES:]
    kind = source.choice(("word", "word", "padded", "byte", "numbers", "numbers"))
    if kind == "numbers":
        return head + mutate_bytes(numbers, source)
    if kind == "byte":
        return mutate_bytes(head, source) + numbers
    text = mutate_text(head[10:].rstrip(), source)
    if kind == "padded":  # so that the length told is the true one
        text = text.ljust(HEADER_BYTES - 11)[: HEADER_BYTES - 11] + b"\n"
    else:
        text = text[:60_000]
        head = head[:8] + len(text).to_bytes(2, "little")
    return head[:10] + text + numbers


CAMPAIGN = DataFiles()
