"""Reads drawings of "Quick, Draw!" and gives them as the network takes them: 100 steps (dx, dy, pen lifted).

Two public forms are read, from any folder: the simplified and the raw `.ndjson` (a drawing a line, strokes of absolute
coordinates) and the `.npz` of sketch-rnn (stroke-3 in arrays `train`, `valid` and `test`). Drawings longer than 100
points are cut, shorter ones padded with zeros. X = (dx, dy, pen lifted) · (1/64, 1/64, 1).

Data: https://github.com/googlecreativelab/quickdraw-dataset, by Google, CC BY 4.0. `sample.ndjson` beside this file
holds a few of its drawings.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.events import Events, checked

CLASSES = ("ant", "bee", "butterfly", "mosquito", "snail")
STEPS = 100
SCALE = np.array([1 / 64, 1 / 64, 1.0], np.float32)
SAMPLE = Path(__file__).with_name("sample.ndjson")
POINTS_MAX = 100_000
"""Points of a drawing beyond which its line is refused; the data set's longest have some thousands."""

Strokes = NDArray[np.float32]
"""(points, 3): dx, dy, pen lifted behind the point."""


def read_folder(folder: Path, per_class: int | None = None) -> Events:
    """Read all drawings of the five classes in `<class>.ndjson`, `full_simplified_<class>.ndjson` or `<class>.npz`.

    Raises:
        SystemExit: a class has no file, or a file is damaged.
    """
    drawings, labels = [], []
    for place, name in enumerate(CLASSES):
        for drawing in _limited(_read(_file_of(folder, name), name), per_class):
            drawings.append(as_input(drawing))
            labels.append(place)
    return checked(str(folder), Events(np.stack(drawings), np.array(labels, np.int64), CLASSES))


def read_ndjson(path: Path) -> Iterator[tuple[str, Strokes]]:
    """Yield word and strokes of each drawing.

    Raises:
        SystemExit: a line is not a drawing, as where a download was cut off.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                yield str(entry["word"]), _from_absolute(entry["drawing"])
            except (ValueError, KeyError, TypeError, RecursionError):
                raise SystemExit(
                    f"{path}, line {number}: this is not a drawing of Quick, Draw!. Was the download cut off?"
                ) from None


def read_sketch_rnn(path: Path) -> Iterator[Strokes]:
    """Yield the strokes of each drawing of an `.npz` file of sketch-rnn, whose arrays hold nothing but arrays.

    Raises:
        SystemExit: the file is damaged, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for part in ("train", "valid", "test"):
                with archive.open(f"{part}.npy") as stream:
                    version = np.lib.format.read_magic(stream)
                    read_header = {
                        (1, 0): np.lib.format.read_array_header_1_0,
                        (2, 0): np.lib.format.read_array_header_2_0,
                    }[version]
                    read_header(stream)
                    arrays = _ArraysOnly(stream, encoding="latin1").load()
                    for array in arrays:
                        yield _checked(np.asarray(array, np.float32).reshape(-1, 3))
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise SystemExit(f"{path}: this is no file of sketch-rnn ({error}). Was the download cut off?") from None


def as_input(drawing: Strokes) -> NDArray[np.float32]:
    """Return (100, 3), scaled."""
    steps = np.zeros((STEPS, 3), np.float32)
    steps[: len(drawing)] = drawing[:STEPS] * SCALE
    return steps


def varied(events: Events, copies: int, random: np.random.Generator) -> Events:
    """Return `copies` variants of each drawing: turned, stretched, mirrored; for where drawings are few."""
    inputs = np.repeat(events.inputs, copies, axis=0)
    count = len(inputs)
    angle, stretch = random.normal(0.0, 0.15, count), random.normal(1.0, 0.12, (count, 2))
    stretch[:, 0] *= random.choice((-1.0, 1.0), count)
    x, y = inputs[..., 0] * stretch[:, :1], inputs[..., 1] * stretch[:, 1:]
    cosine, sine = np.cos(angle)[:, np.newaxis], np.sin(angle)[:, np.newaxis]
    turned = np.stack((x * cosine - y * sine, x * sine + y * cosine, inputs[..., 2]), axis=-1)
    order = random.permutation(count)
    return Events(turned.astype(np.float32)[order], np.repeat(events.labels, copies)[order], events.class_names)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays and refuses everything else, so that a file runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the few things that a pickled array names."""
        match (module.replace("numpy._core", "numpy.core"), name):
            case ("numpy.core.multiarray", "_reconstruct"):
                return np.empty(0).__reduce__()[0]
            case ("numpy", "ndarray"):
                return np.ndarray
            case ("numpy", "dtype"):
                return np.dtype
            case other:
                raise pickle.UnpicklingError(f"it names {'.'.join(other)}, which no array needs")


def _file_of(folder: Path, name: str) -> Path:
    candidates = [folder / f"{name}.ndjson", folder / f"full_simplified_{name}.ndjson", folder / f"{name}.npz"]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise SystemExit(
            f"{folder}: there are no drawings of {name!r}. Put {name}.ndjson (of the simplified drawings) or "
            f"{name}.npz (of sketch-rnn) there, from https://github.com/googlecreativelab/quickdraw-dataset"
        )
    return found


def _read(path: Path, name: str) -> Iterator[Strokes]:
    if path.suffix == ".npz":
        yield from read_sketch_rnn(path)
    else:
        yield from (drawing for word, drawing in read_ndjson(path) if word == name)


def _limited(drawings: Iterator[Strokes], count: int | None) -> Iterator[Strokes]:
    for index, drawing in enumerate(drawings):
        if index == count:
            return
        yield drawing


def _from_absolute(strokes: list[list[list[float]]]) -> Strokes:
    """Return stroke-3 of strokes with rows x and y (and time, which is left out)."""
    points = []
    for stroke in strokes:
        x, y = (np.asarray(row, np.float32) for row in stroke[:2])
        lifted = np.zeros(len(x), np.float32)
        lifted[-1:] = 1
        points.append(np.stack((x, y, lifted), axis=1))
    drawing = np.concatenate(points)
    drawing[:, :2] = np.diff(drawing[:, :2], axis=0, prepend=drawing[:1, :2])
    return _checked(drawing)


def _checked(drawing: Strokes) -> Strokes:
    if not 1 <= len(drawing) <= POINTS_MAX or not np.isfinite(drawing).all():
        raise ValueError("no drawing")
    return drawing
