"""The labels of data: the true classes, checked, and read from files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loopwire.array_files import Array, ArrayFile
from loopwire.errors import DataError
from loopwire.text.names import take_in


@dataclass(frozen=True)
class Labels:
    """The true classes (N,) of an output, from 0, and their names where they are known."""

    classes: npt.NDArray[np.int64]
    names: tuple[str, ...] | None = None


def labels_by_output(
    where: str, file: ArrayFile, inputs: Collection[str], count: int, outputs: Mapping[str, int]
) -> dict[str, Labels]:
    """Return the labels of those of several outputs of which a file has some.

    Args:
        where: the file.
        file: with labels of an output in y.<output>, and their classes' names in classes.<output>.
        inputs: keys of arrays that are no labels.
        count: of the inputs' rows.
        outputs: how many numbers each has, by its name.

    Raises:
        DataError: labels do not fit, or belong to no output.
    """
    require_outputs(where, [key for key in file.headers if key is not None and key not in inputs], outputs)
    found = {name: labels_in(where, file, count, size, f".{name}") for name, size in outputs.items()}
    return {name: Labels(labels, names) for name, (labels, names) in found.items() if labels is not None}


def require_outputs(where: str, keys: Sequence[str], names: Collection[str]) -> None:
    """Refuse labels that belong to none of several outputs.

    Raises:
        DataError: there are such.
    """
    remedy = f"Name them after the outputs that they belong to: {', '.join(f'y.{name}' for name in names)}"
    if "y" in keys:
        raise DataError(where, "it has labels 'y', but the model has several outputs", remedy)
    for name in (key.removeprefix("y.") for key in keys if key.startswith("y.")):
        if name not in names:
            raise DataError(where, f"it has labels of {name!r}, but the model has no such output", remedy)


def labels_in(
    where: str, file: ArrayFile, count: int, outputs: int, of: str = ""
) -> tuple[npt.NDArray[np.int64] | None, tuple[str, ...] | None]:
    """Return the labels of a file, if it has any, and the names of their classes, if it has those.

    Their keys end in `of`.
    """
    key = f"y{of}"
    if key not in file.headers:
        return None, None
    labels = check_labels(f"{where}, {key!r}", file.load(key), count, outputs)
    key = f"classes{of}" if f"classes{of}" in file.headers else f"class_names{of}"
    names = file.headers.get(key)
    if names is None or names.shape != (max(outputs, 2),) or names.dtype.kind != "U":
        return labels, None
    classes = tuple(take_in(str(name), where, "a class", DataError) for name in file.load(key))
    twice = next((name for name in classes if classes.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}, {key!r}", f"two classes are called {twice!r}", "Give each a name of its own")
    return labels, classes


def read_labels(path: str | Path, count: int, outputs: int) -> npt.NDArray[np.int64]:
    """Read labels (N,) from 0, whole numbers or one-hot: a .npy file of nothing else, or `y` of a .npz file.

    Raises:
        DataError: the file cannot be read, or its labels do not fit `count` inputs and the model.
    """
    file = ArrayFile.of(path)
    if None in file.headers:
        return check_labels(str(path), file.load(None), count, outputs)
    if "y" not in file.headers:
        held = ", ".join(map(str, file.headers)) or "nothing"
        raise DataError(str(path), f"it has no 'y' (it holds {held})", "Name the labels 'y'")
    return check_labels(str(path), file.load("y"), count, outputs)


def check_labels(where: str, y: Array, count: int, outputs: int) -> npt.NDArray[np.int64]:
    """Return whole numbers from 0 or one-hot rows as classes (N,).

    Raises:
        DataError: they are not, or there are not `count` of them.
    """
    classes = max(outputs, 2)
    if y.dtype.kind not in "iufb":
        raise DataError(where, f"its elements are of dtype {y.dtype}", "Give whole numbers or one-hot rows")
    if len(y.shape) not in (1, 2) or len(y) != count:
        raise DataError(where, f"it has shape {y.shape}", f"Give one label for each of the {count} inputs")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        if y.shape[1] != classes or not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(where, f"its rows, of {y.shape[1]} numbers, are not one-hot", f"Give {classes} classes")
        return np.asarray(y.argmax(axis=1), np.int64)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        index = int(np.flatnonzero(~np.isfinite(y))[0])
        raise DataError(where, f"label {index} is {y[index]}", "Remove the events without a label, or leave out 'y'")
    whole = y.dtype.kind in "iub" or (y.dtype.kind == "f" and bool((y == np.floor(y)).all()))
    if not whole:
        raise DataError(
            where,
            f"its labels, of dtype {y.dtype}, are not whole numbers",
            "Give classes from 0 on (numpy.unique(y, return_inverse=True) numbers them), or leave out 'y'",
        )
    if y.min() < 0 or y.max() >= classes:
        raise DataError(
            where, f"its labels are {y.min()} to {y.max()}", f"The model has {classes} classes: 0 to {classes - 1}"
        )
    return y.astype(np.int64)
