"""Reading and checking the data that a model is judged with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from loopwire.arguments import shown
from loopwire.array_files import REMEDY, Array, ArrayFile
from loopwire.errors import DataError, nearest
from loopwire.labels import Labels, check_labels, labels_by_output, labels_in, read_labels, require_outputs
from loopwire.text.names import take_in

ROWS_CHECKED_AT_ONCE = 4096
LARGEST_INPUT = np.float64(np.finfo(np.float32).max)


class Port(Protocol):
    """An input of a model: its name, and its shape without the batch."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Batch:
    """Arrays of as many rows each: what N sequences have at each of a model's inputs, or outputs, in their order."""

    arrays: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> Batch:
        return Batch(tuple(array[rows] for array in self.arrays))

    @property
    def only(self) -> Array:
        """The array where there is one."""
        (array,) = self.arrays
        return array

    @staticmethod
    def joined(parts: Sequence[Batch]) -> Batch:
        """Return the rows of all parts, one after another."""
        return Batch(tuple(np.concatenate(arrays) for arrays in zip(*(p.arrays for p in parts), strict=True)))

    def each(self, function: Callable[..., Array], *others: Sequence[Any]) -> Batch:
        """Return function(array, …) of each array, with the items that belong to it."""
        return Batch(tuple(function(*items) for items in zip(self.arrays, *others, strict=True)))


Inputs = npt.ArrayLike | Mapping[str, npt.ArrayLike] | Batch
"""The array of a model's only input; of several a dictionary by their names, or a list of arrays in their order."""


@dataclass(frozen=True)
class Data:
    """Inputs (N, *input shape), and labels (N,) from 0 with the classes' names where the file has them.

    Of a model with several inputs they are a `Batch`. Of one with several outputs, `by_output` holds the labels of
    those that have some. `where` names the data in messages.
    """

    inputs: Any
    labels: npt.NDArray[np.int64] | None = None
    class_names: tuple[str, ...] | None = None
    where: str = "data"
    by_output: Mapping[str, Labels] = field(default_factory=dict)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The array of each input."""
        return self.inputs.arrays if isinstance(self.inputs, Batch) else (self.inputs,)

    def labels_of(self, output: str) -> Labels | None:
        """Return the labels of an output, the only one or one of several; None where it has none."""
        return Labels(self.labels, self.class_names) if self.labels is not None else self.by_output.get(output)

    def digest(self) -> bytes:
        """Return a digest of all numbers."""
        found = hashlib.sha256()
        labels = {"": self.labels_of("")} | dict(self.by_output)
        for array in (*self.arrays, *(given.classes for _, given in sorted(labels.items()) if given is not None)):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.digest()

    def part(self, rows: npt.NDArray[np.int64], where: str) -> Data:
        """Return some of the sequences."""
        labels = None if self.labels is None else self.labels[rows]
        by_output = {name: Labels(given.classes[rows], given.names) for name, given in self.by_output.items()}
        return Data(self.inputs[rows], labels, self.class_names, where, by_output)


def read_data(
    path: str | Path, ports: Sequence[Port], outputs: Sequence[Port], labels: str | Path | None = None
) -> Data:
    """Read a .npz or .npy file; no pickled object is ever loaded.

    Args:
        path: a .npz file with each input under its name, or an only one as `X`, or as its only array with one axis more
            than the input's shape; or a .npy file of an only input. Labels, whole numbers or one-hot, are `y`, and
            their names `classes` or `class_names`; of several outputs y.<output> and classes.<output>. What else the
            file holds is left.
        ports: the inputs. One that is called y, or y.<output>, is no labels.
        outputs: of the model; none where labels are not asked for.
        labels: another file, of which they are taken, if given.

    Raises:
        DataError: a file cannot be read, does not fit the model, or has labels for one of several outputs.
    """
    data = _read_data(path, ports, outputs)
    return data if labels is None else _with_labels(data, labels, outputs)


def _read_data(path: str | Path, ports: Sequence[Port], outputs: Sequence[Port]) -> Data:
    where, file = str(path), ArrayFile.of(path)
    if None in file.headers:
        return Data(_only(check_batch(where, file.load(None), ports)), where=where)
    if len(ports) == 1 and ports[0].name not in file.headers:
        key = _inputs_key(where, file, ports[0].shape)
        batch, arrays = Batch((check_inputs(f"{where}, {key!r}", file.load(key), ports[0].shape),)), [key]
    else:
        found = {port.name: file.load(port.name) for port in ports if port.name in file.headers}
        batch, arrays = check_batch(where, found, ports), list(found)
    if "y" in arrays or not outputs:
        return Data(_only(batch), where=where)
    if len(outputs) == 1:
        return Data(_only(batch), *labels_in(where, file, len(batch), outputs[0].shape[-1]), where)
    by_output = labels_by_output(where, file, arrays, len(batch), _sizes(outputs))
    return Data(_only(batch), where=where, by_output=by_output)


def _with_labels(data: Data, path: str | Path, outputs: Sequence[Port]) -> Data:
    count = len(data.inputs)
    if len(outputs) == 1:
        return replace(data, labels=read_labels(path, count, outputs[0].shape[-1]))
    found = labels_by_output(str(path), ArrayFile.of(path), (), count, _sizes(outputs))
    if not found:
        names = ", ".join(f"y.{output.name}" for output in outputs)
        raise DataError(str(path), "it has no labels of any output", f"Name them after the outputs: {names}")
    return replace(data, by_output=found)


def _sizes(outputs: Sequence[Port]) -> dict[str, int]:
    """Return how many numbers each output has, by its name."""
    return {output.name: output.shape[-1] for output in outputs}


def _only(batch: Batch) -> Any:
    """Return the array of an only input, which needs no batch around it."""
    return batch.only if len(batch.arrays) == 1 else batch


def given_data(where: str, given: Any, ports: Sequence[Port], outputs: Sequence[Port]) -> Data:
    """Return the data that a caller in Python gives.

    Args:
        where: they are given, for messages.
        given: the path of a file; `Data`; inputs; a pair of inputs and labels; or a dictionary, such as an open .npz
            file: `X`, or each of several inputs by its name, with `y` and `classes` where they are known: of several
            outputs dictionaries by the outputs' names, or keys y.<output> and classes.<output> as in a file.
        ports: the model's inputs.
        outputs: its outputs.

    Raises:
        DataError: they cannot be read, or do not fit the model.
    """
    if isinstance(given, str | os.PathLike):
        return read_data(os.fspath(given), ports, outputs)
    labels: Any = None
    names: Any = None
    if isinstance(given, Data):
        where, labels, names = given.where, given.labels, given.class_names
        if len(outputs) > 1 and given.by_output:
            labels = {name: known.classes for name, known in given.by_output.items()}
            names = {name: known.names for name, known in given.by_output.items()}
        given = given.inputs
    elif isinstance(given, tuple) and len(given) == 2 and (len(ports) == 1 or isinstance(given[1], Mapping)):
        given, labels = given
    elif isinstance(given, Mapping):
        labels = given.get("y") if all(port.name != "y" for port in ports) else None
        names = given.get("classes", given.get("class_names"))
        if len(outputs) > 1 and labels is None:
            inputs = [port.name for port in ports]
            labels = {key[2:]: given[key] for key in given if key.startswith("y.") and key not in inputs} or None
            names = {key[8:]: given[key] for key in given if key.startswith("classes.")}
        given = (
            given["X"]
            if "X" in given and len(ports) == 1
            else {p.name: given[p.name] for p in ports if p.name in given}
        )
    batch = check_batch(where, given, ports)
    if labels is None:
        return Data(_only(batch), where=where)
    if len(outputs) == 1:
        return Data(_only(batch), *_checked_labels(where, labels, names, len(batch), outputs[0].shape[-1]), where)
    if not isinstance(labels, Mapping):
        raise DataError(
            where,
            "it has labels, but the model has several outputs",
            f"Give a dictionary of them: {{{', '.join(f'{output.name!r}: …' for output in outputs)}}}",
        )
    require_outputs(where, [f"y.{name}" for name in labels], [output.name for output in outputs])
    names = names or {}
    found = {
        o.name: Labels(
            *_checked_labels(f"{where}, {o.name!r}", labels[o.name], names.get(o.name), len(batch), o.shape[-1])
        )
        for o in outputs
        if labels.get(o.name) is not None
    }
    return Data(_only(batch), where=where, by_output=found)


def _checked_labels(
    where: str, labels: Any, names: Any, count: int, outputs: int
) -> tuple[npt.NDArray[np.int64], tuple[str, ...] | None]:
    """Return labels and the names of their classes as a caller gives them."""
    checked = check_labels(f"{where}, labels", _array(f"{where}, labels", labels), count, outputs)
    if names is None:
        return checked, None
    classes = tuple(take_in(str(name), where, "a class", DataError) for name in names)
    if len(classes) != max(outputs, 2):
        raise DataError(f"{where}, classes", f"there are {len(classes)} names", f"Give {max(outputs, 2)} names")
    return checked, classes


def check_batch(where: str, x: Inputs, ports: Sequence[Port]) -> Batch:
    """Return what is given for each input of a model, as many sequences of each.

    Raises:
        DataError: an input is missing or unknown, has another shape, or holds what is no finite number.
    """
    if isinstance(x, Batch):
        x = dict(zip((port.name for port in ports), x.arrays, strict=True))
    names = [port.name for port in ports]
    known = ", ".join(repr(name) for name in names)
    if isinstance(x, Mapping):
        for name in x:
            if name not in names:
                raise DataError(where, f"the model has no input {name!r}", f"{nearest(str(name), names)}It has {known}")
        missing = [name for name in names if name not in x]
        if missing:
            raise DataError(where, f"it lacks the input {missing[0]!r}", f"Give all of {known}")
        given = [x[name] for name in names]
    elif len(ports) == 1:
        return Batch((check_inputs(where, x, ports[0].shape),))
    elif isinstance(x, list | tuple) and len(x) == len(ports):
        given = list(x)
    else:
        what = f"{len(x)} arrays" if isinstance(x, list | tuple) else "one array"
        raise DataError(where, f"it is {what}", f"The model has {len(ports)} inputs: give {known} by name, or in order")
    arrays = [check_inputs(f"{where}, {p.name!r}", array, p.shape) for p, array in zip(ports, given, strict=True)]
    counts = {port.name: len(array) for port, array in zip(ports, arrays, strict=True)}
    if len(set(counts.values())) > 1:
        raise DataError(
            where, f"its inputs have different numbers of sequences, {counts}", "Give the same number for each"
        )
    return Batch(tuple(arrays))


def check_inputs(where: str, x: npt.ArrayLike, input_shape: tuple[int, ...]) -> Array:
    """Return inputs as an array (N, *input_shape) of real numbers that float32 can hold, N at least 1.

    Raises:
        DataError: they are not.
    """
    array = _array(where, x)
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise DataError(where, f"its elements are of dtype {array.dtype}", "Give whole or floating-point numbers")
    if array.shape[1:] != input_shape or array.ndim == 0:
        expected = f"(N, {', '.join(map(str, input_shape))})"
        raise DataError(where, f"it has shape {array.shape}", f"The model takes {expected}")
    if not len(array):
        raise DataError(where, "it holds no sequence", "Give at least one")
    for start in range(0, len(array), ROWS_CHECKED_AT_ONCE):
        sound = np.abs(array[start : start + ROWS_CHECKED_AT_ONCE]) <= LARGEST_INPUT
        if not sound.all():
            index = tuple(int(i) for i in np.argwhere(~sound)[0])
            place = (index[0] + start, *index[1:])
            remedy = "Remove or replace values that are not finite, or beyond float32"
            raise DataError(where, f"element {place} is {array[place]}", remedy)
    return array


def check_whole(where: str, x: Array, count: int) -> None:
    """Require whole numbers from 0 to count - 1, such as rows of a table or truth values.

    Raises:
        DataError: one is none.
    """
    wrong = np.argwhere((x < 0) | (x >= count) | (x != np.floor(x)))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        problem = f"element {place} is {x[place]:g}, and this input has {count} values"
        raise DataError(where, problem, f"Give whole numbers from 0 to {count - 1}")


def check_results(where: str, results: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return results (N, *output shape) of the network in floating point.

    Raises:
        DataError: one is not finite: the values on the way to it are beyond double precision.
    """
    lost = np.flatnonzero(~np.isfinite(results.reshape(len(results), -1)).all(axis=1))
    if len(lost):
        raise DataError(
            where,
            f"the float result of sequence {lost[0]} is beyond double precision, or not a number",
            "Check the scale of these inputs and of the weights; firmware saturates where this overflows",
        )
    return results


def check_lengths(where: str, lengths: npt.ArrayLike, count: int, steps: int) -> npt.NDArray[np.int64]:
    """Return the steps of each sequence as an array (N,).

    Raises:
        DataError: there are not `count` of them, or one is not a whole number from 1 to `steps`.
    """
    array = _array(where, lengths)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise DataError(where, f"its shape is {array.shape}, its dtype {array.dtype}", f"Give {count} whole numbers")
    if array.size and not 1 <= array.min() <= array.max() <= steps:
        raise DataError(where, f"it holds {array.min()} to {array.max()} steps", f"Give from 1 to {steps}")
    return array.astype(np.int64)


def check_fresh(where: str, fresh: npt.ArrayLike | None, count: int, remembers: bool) -> npt.NDArray[np.bool_]:
    """Return which sequences forget their channel's past (N,): none where `fresh` is None.

    Raises:
        DataError: there are not `count` Booleans, or they are given to a design that remembers nothing.
    """
    if fresh is None:
        return np.zeros(count, np.bool_)
    if not remembers:
        remedy = "Compile it with 'stateful' or 'sliding_window'"
        raise DataError(where, "this design keeps no state from one sequence to the next", remedy)
    array = _array(where, fresh)
    if array.shape != (count,) or array.dtype != np.bool_:
        raise DataError(where, f"its shape is {array.shape}, its dtype {array.dtype}", f"Give {count} Booleans")
    return array


def _inputs_key(where: str, file: ArrayFile, input_shape: tuple[int, ...]) -> str:
    if "X" in file.headers:
        return "X"
    axes = len(input_shape) + 1
    keys = [key for key, header in file.headers.items() if key is not None and len(header.shape) == axes]
    if len(keys) == 1:
        return keys[0]
    if not file.headers:
        raise DataError(where, "it holds no array", REMEDY)
    held = ", ".join(f"{key!r} {header.shape}" for key, header in file.headers.items())
    which = f"several arrays of {axes} axes" if keys else f"no array of {axes} axes"
    raise DataError(where, f"it has no 'X' and {which} (it holds {held})", "Name the inputs 'X'")


def _array(where: str, values: npt.ArrayLike) -> Array:
    """Return an array.

    Raises:
        DataError: lists that differ in length, or something that numpy cannot take.
    """
    if isinstance(values, str | os.PathLike | np.lib.npyio.NpzFile) or values is None:
        raise DataError(where, f"{shown(values)} is not an array", "Give the array: numpy.load(file)['X']")
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            where, f"it is not an array ({reason})", "Give lists of equal lengths, or a numpy array"
        ) from None
