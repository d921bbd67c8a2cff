"""Reading and checking the data that a model is judged with."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import DataError

Array = npt.NDArray[Any]

ROWS_CHECKED_AT_ONCE = 4096


@dataclass(frozen=True)
class Data:
    """Inputs (N, *input shape), and labels (N,) from 0 with the classes' names where the file has them."""

    inputs: Array
    labels: npt.NDArray[np.int64] | None = None
    class_names: tuple[str, ...] | None = None


def read_data(path: str | Path, input_shape: tuple[int, ...], outputs: int) -> Data:
    """Read a .npz or .npy file; no pickled object is ever loaded.

    Args:
        path: a .npy file of inputs, or a .npz file with the inputs as `X`, or as its only array with one axis more than
            `input_shape`, and if it has them the labels as `y`, whole numbers or one-hot, and their names as `classes`
            or `class_names`.
        input_shape: of the model, without the batch.
        outputs: numbers in the model's result.

    Raises:
        DataError: the file cannot be read, or does not fit the model.
    """
    where = str(path)
    arrays = _load(where, path)
    if not isinstance(arrays, dict):
        return Data(check_inputs(where, arrays, input_shape))
    key = _inputs_key(where, arrays, input_shape)
    inputs = check_inputs(f"{where}, {key!r}", arrays[key], input_shape)
    if "y" not in arrays:
        return Data(inputs)
    labels = check_labels(f"{where}, 'y'", arrays["y"], len(inputs), outputs)
    names = arrays.get("classes", arrays.get("class_names"))
    named = names is not None and names.shape == (max(outputs, 2),) and names.dtype.kind == "U"
    return Data(inputs, labels, tuple(map(str, names)) if named else None)  # type: ignore[arg-type]


def read_labels(path: str | Path, count: int, outputs: int) -> npt.NDArray[np.int64]:
    """Read labels (N,) from 0, whole numbers or one-hot: a .npy file of nothing else, or `y` of a .npz file.

    Raises:
        DataError: the file cannot be read, or its labels do not fit `count` inputs and the model.
    """
    arrays = _load(str(path), path)
    if isinstance(arrays, dict) and "y" not in arrays:
        raise DataError(str(path), f"it has no 'y' (it holds {', '.join(arrays) or 'nothing'})", "Name the labels 'y'")
    return check_labels(str(path), arrays["y"] if isinstance(arrays, dict) else arrays, count, outputs)


def check_inputs(where: str, x: npt.ArrayLike, input_shape: tuple[int, ...]) -> Array:
    """Return inputs as an array (N, *input_shape) of real, finite numbers, N at least 1.

    Raises:
        DataError: they are not.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "iuf":
        raise DataError(where, f"its elements are of dtype {array.dtype}", "Give whole or floating-point numbers")
    if array.shape[1:] != input_shape or array.ndim == 0:
        expected = f"(N, {', '.join(map(str, input_shape))})"
        raise DataError(where, f"it has shape {array.shape}", f"The model takes {expected}")
    if not len(array):
        raise DataError(where, "it holds no sequence", "Give at least one")
    for start in range(0, len(array), ROWS_CHECKED_AT_ONCE):
        finite = np.isfinite(array[start : start + ROWS_CHECKED_AT_ONCE])
        if not finite.all():
            index = tuple(int(i) for i in np.argwhere(~finite)[0])
            place = (index[0] + start, *index[1:])
            raise DataError(where, f"element {place} is {array[place]}", "Remove or replace values that are not finite")
    return array


def check_lengths(where: str, lengths: npt.ArrayLike, count: int, steps: int) -> npt.NDArray[np.int64]:
    """Return the steps of each sequence as an array (N,).

    Raises:
        DataError: there are not `count` of them, or one is not a whole number from 1 to `steps`.
    """
    array = np.asarray(lengths)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise DataError(where, f"its shape is {array.shape}, its dtype {array.dtype}", f"Give {count} whole numbers")
    if array.size and not 1 <= array.min() <= array.max() <= steps:
        raise DataError(where, f"it holds {array.min()} to {array.max()} steps", f"Give from 1 to {steps}")
    return array.astype(np.int64)


def check_fresh(where: str, fresh: npt.ArrayLike | None, count: int, remembers: bool) -> npt.NDArray[np.bool_]:
    """Return which sequences forget their channel's past (N,): none where `fresh` is None.

    Raises:
        DataError: there are not `count` truth values, or they are given to a design that remembers nothing.
    """
    if fresh is None:
        return np.zeros(count, np.bool_)
    if not remembers:
        remedy = "Compile it with 'stateful' or 'sliding_window'"
        raise DataError(where, "nothing lasts from one sequence of this design to the next", remedy)
    array = np.asarray(fresh)
    if array.shape != (count,) or array.dtype != np.bool_:
        raise DataError(where, f"its shape is {array.shape}, its dtype {array.dtype}", f"Give {count} truth values")
    return array


def _load(where: str, path: str | Path) -> Array | dict[str, Array]:
    """Return the array of a .npy file, or those of a .npz file by their names."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            return {key: loaded[key] for key in loaded.files}
        array: Array = loaded
    except FileNotFoundError:
        raise DataError(where, "there is no such file", "Check the path") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        # Numpy takes any unknown file for a pickle, and tells how to load it "unsafely".
        pickled = "allow_pickle" in str(error)
        reason = "it is no array, or a pickle" if pickled else " ".join(str(error).split()) or type(error).__name__
        remedy = "Give a .npz or .npy file of plain numbers, written by numpy.savez or numpy.save"
        raise DataError(where, f"it cannot be read as arrays ({reason})", remedy) from None
    return array


def _inputs_key(where: str, arrays: dict[str, Array], input_shape: tuple[int, ...]) -> str:
    if "X" in arrays:
        return "X"
    axes = len(input_shape) + 1
    keys = [key for key, array in arrays.items() if array.ndim == axes]
    if len(keys) == 1:
        return keys[0]
    held = ", ".join(f"{key!r} {array.shape}" for key, array in arrays.items()) or "nothing"
    which = f"several arrays of {axes} axes" if keys else f"no array of {axes} axes"
    raise DataError(where, f"it has no 'X' and {which} (it holds {held})", "Name the inputs 'X'")


def check_labels(where: str, y: Array, count: int, outputs: int) -> npt.NDArray[np.int64]:
    """Return whole numbers from 0 or one-hot rows as classes (N,).

    Raises:
        DataError: they are not, or there are not `count` of them.
    """
    classes = max(outputs, 2)
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
            f"its labels, of dtype {y.dtype}, are no whole numbers",
            "Give classes from 0 on (numpy.unique(y, return_inverse=True) numbers them), or leave out 'y'",
        )
    if y.min() < 0 or y.max() >= classes:
        raise DataError(
            where, f"its labels are {y.min()} to {y.max()}", f"The model tells {classes} classes: 0 to {classes - 1}"
        )
    return y.astype(np.int64)
