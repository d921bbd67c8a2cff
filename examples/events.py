"""Events of the examples: what the scripts that make them write, and those that train read. `.npz` files with

X            (N, steps, features) float32, zeros behind the last step that an event has
y            (N,) int8, the index into class_names
class_names, feature_names
mu, sd       (features,) float64: X = (feature - mu) / sd
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Events:
    """Inputs (N, steps, features) float32 and the class of each (N,), an index into `class_names`."""

    inputs: Array
    labels: Array
    class_names: tuple[str, ...]

    def first(self, count: int) -> Events:
        """Return the first events, at most `count`."""
        return Events(self.inputs[:count], self.labels[:count], self.class_names)

    def part(self, rows: Array) -> Events:
        """Return some of the events, by their places."""
        return Events(self.inputs[rows], self.labels[rows], self.class_names)


def read_events(path: Path, class_names: Sequence[str]) -> Events:
    """Read `X` and `y` of an `.npz` file.

    Raises:
        SystemExit: the file is missing or does not hold events of all the classes.
    """
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file. Make the data first: see the README beside the script")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = sorted({"X", "y"} - set(arrays.files))
            if missing:
                raise SystemExit(f"{path}: it holds no array {missing[0]!r}, only {', '.join(arrays.files)}")
            inputs, labels = np.asarray(arrays["X"], np.float32), arrays["y"].astype(np.int64)
    except (EOFError, OSError, TypeError, ValueError, BadZipFile) as error:
        raise SystemExit(f"{path}: it is no .npz file of numbers, or is cut off ({error}). Make it again") from None
    return checked(str(path), Events(inputs, labels, tuple(class_names)))


def checked(where: str, events: Events) -> Events:
    """Return the events.

    Raises:
        SystemExit: the labels do not fit the inputs or the classes, or a class has no event.
    """
    inputs, labels, names = events.inputs, events.labels, events.class_names
    if inputs.ndim != 3 or labels.shape != (len(inputs),):
        raise SystemExit(f"{where}: X of shape {inputs.shape} and y of {labels.shape} are not events and their classes")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        raise SystemExit(f"{where}: y reaches from {labels.min()} to {labels.max()}; there are {len(names)} classes")
    empty = [name for name, count in zip(names, np.bincount(labels, minlength=len(names)), strict=True) if not count]
    if empty:
        raise SystemExit(f"{where}: there is no event of class {empty[0]!r}. Give events of each class")
    if not np.isfinite(inputs).all():
        raise SystemExit(f"{where}: X holds numbers that are not finite")
    return events


def mirrored(events: Events, odd: Sequence[int]) -> Events:
    """Return the events and their mirror images: the `odd` features, by their places, change their sign.

    The reflection must leave physics as it is. Such features have the mean zero, so that scaled ones change sign too.
    """
    images = events.inputs.copy()
    images[..., list(odd)] *= -1
    return Events(
        np.concatenate([events.inputs, images]), np.concatenate([events.labels, events.labels]), events.class_names
    )


def scaling(events: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return each feature's mean and standard deviation over all steps of `events`, each (features,)."""
    everything = np.concatenate(events)
    return everything.mean(axis=0), everything.std(axis=0)


def scaled_and_padded(
    events: Sequence[FloatArray], mean: FloatArray, deviation: FloatArray, steps: int
) -> NDArray[np.float32]:
    """Return (N, steps, features): (feature - mean) / deviation, then zeros where an event has fewer steps."""
    padded = np.zeros((len(events), steps, len(mean)), dtype=np.float32)
    for row, features in zip(padded, events, strict=True):
        row[: len(features)] = (features - mean) / deviation
    return padded


def write_events(
    path: Path,
    inputs: Array,
    labels: Array,
    class_names: Sequence[str],
    feature_names: Sequence[str],
    mean: FloatArray,
    deviation: FloatArray,
) -> None:
    """Write a file; one that is there before stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"new_{path.name}")
    np.savez_compressed(
        new,
        X=inputs,
        y=labels,
        class_names=np.array(class_names),
        feature_names=np.array(feature_names),
        mu=mean,
        sd=deviation,
    )
    new.replace(path)
    print(f"{path}: {len(inputs)} events, largest |X| {float(np.abs(inputs).max(initial=0.0)):.1f}", flush=True)
