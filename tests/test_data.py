"""Reading data files, and the text of every error about data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopwire.data import check_inputs, check_lengths, given_data, read_data
from loopwire.errors import DataError
from loopwire.layers.model import Tensor

X = np.arange(5 * 4 * 2, dtype=np.float32).reshape(5, 4, 2)
Y = np.array([0, 1, 2, 1, 0])
X_ALONE = (Tensor("x", (4, 2)),)
KIND = (Tensor("kind", (3,)),)
HEADS = (*KIND, Tensor("prompt", (1,)), Tensor("mass", (2,)))


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def test_inputs_and_labels(tmp_path: Path) -> None:
    data = read_data(saved(tmp_path, X=X, y=Y, classes=np.array(["b", "c", "l"]), mu=np.ones(2)), X_ALONE, KIND)
    np.testing.assert_array_equal(data.inputs, X)
    assert data.labels is not None and data.labels.tolist() == Y.tolist()
    assert data.class_names == ("b", "c", "l")


def test_one_hot_labels_and_a_single_array(tmp_path: Path) -> None:
    data = read_data(saved(tmp_path, X_jets=X, y=np.eye(3)[Y]), X_ALONE, KIND)
    assert data.labels is not None and data.labels.tolist() == Y.tolist()
    assert data.class_names is None


def test_labels_of_a_single_output(tmp_path: Path) -> None:
    data = read_data(saved(tmp_path, X=X, y=(Y > 0)[:, None]), X_ALONE, (Tensor("prompt", (1,)),))
    assert data.labels is not None and data.labels.tolist() == [0, 1, 1, 1, 0]


def test_labels_beside_several_inputs(tmp_path: Path) -> None:
    ports = (Tensor("x", (4, 2)), Tensor("v", (1,)))
    arrays: dict[str, Any] = {"x": X, "v": X[:, 0, :1], "classes": np.array(["b", "c", "l"])}
    result = (Tensor("out", (3,)),)
    data = read_data(saved(tmp_path, **arrays, y=np.eye(3)[Y]), ports, result)
    assert data.labels is not None and data.labels.tolist() == Y.tolist()
    assert data.class_names == ("b", "c", "l") and len(data.inputs.arrays) == 2
    assert read_data(saved(tmp_path, **arrays), ports, result).labels is None
    called_y = (Tensor("x", (4, 2)), Tensor("y", (1,)))
    assert read_data(saved(tmp_path, x=X, y=X[:, 0, :1]), called_y, result).labels is None


def test_labels_of_several_outputs(tmp_path: Path) -> None:
    labels: dict[str, Any] = {"y.kind": np.eye(3)[Y], "y.prompt": Y > 0, "classes.kind": np.array(["b", "c", "l"])}
    both = (*X_ALONE, Tensor("v", (1,)))
    path = saved(tmp_path, x=X, v=X[:, 0, :1], **labels)
    np.savez(tmp_path / "alone.npz", X=X, **labels)
    np.save(tmp_path / "x.npy", X)
    given = {"kind": Y, "prompt": Y > 0}
    for data in (
        read_data(path, both, HEADS),
        given_data("data", tmp_path / "alone.npz", X_ALONE, HEADS),
        given_data("data", np.load(tmp_path / "alone.npz"), X_ALONE, HEADS),
        given_data("data", {"X": X, "y": given, "classes": {"kind": ["b", "c", "l"]}}, X_ALONE, HEADS),
        read_data(tmp_path / "x.npy", X_ALONE, HEADS, path),
    ):
        kind, prompt = data.labels_of("kind"), data.labels_of("prompt")
        assert kind is not None and kind.classes.tolist() == Y.tolist() and kind.names == ("b", "c", "l")
        assert prompt is not None and prompt.classes.tolist() == [0, 1, 1, 1, 0] and prompt.names is None
        assert data.labels_of("mass") is None and data.labels is None
    pair = given_data("data", (X, given), X_ALONE, HEADS)
    assert pair.by_output.keys() == given.keys() and isinstance(pair.inputs, np.ndarray)


NAMED = "Name them after the outputs that they belong to: y.kind, y.prompt, y.mass"
BAD_LABELS_OF_SEVERAL = [
    ({"y": Y}, f"it has labels 'y', but the model has several outputs. {NAMED}"),
    ({"y.charge": Y}, f"it has labels of 'charge', but the model has no such output. {NAMED}"),
    ({"y.kind": Y + 1}, "'y.kind': its labels are 1 to 3. The model has 3 classes: 0 to 2"),
    ({"y.mass": Y + 0.5}, "'y.mass': its labels, of dtype float64, are not whole numbers. Give classes from 0 on"),
]


@pytest.mark.parametrize(("labels", "message"), BAD_LABELS_OF_SEVERAL)
def test_labels_that_belong_to_no_output(labels: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, **labels)
    with pytest.raises(DataError) as caught:
        read_data(path, X_ALONE, HEADS)
    assert message in str(caught.value)


def test_a_file_of_labels_without_any(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", Y)
    np.save(tmp_path / "x.npy", X)
    for path in (saved(tmp_path, x=X), tmp_path / "y.npy"):
        with pytest.raises(DataError) as caught:
            read_data(tmp_path / "x.npy", X_ALONE, HEADS, path)
        assert str(caught.value) == (
            f"{path}: it has no labels of any output. Name them after the outputs: y.kind, y.prompt, y.mass"
        )


def test_labels_in_python_that_belong_to_no_output() -> None:
    with pytest.raises(DataError, match=r"Give a dictionary of them: \{'kind': …, 'prompt': …, 'mass': …\}"):
        given_data("data", (X, {"kind": Y}["kind"]), X_ALONE, HEADS)
    with pytest.raises(DataError, match="data: it has labels of 'charge', but the model has no such output"):
        given_data("data", (X, {"charge": Y}), X_ALONE, HEADS)


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    data = read_data(tmp_path / "x.npy", X_ALONE, KIND)
    np.testing.assert_array_equal(data.inputs, X)
    assert data.labels is None


BAD_ARRAYS = [
    ({"A": X, "B": X}, "it has no 'X' and several arrays of 3 axes (it holds 'A' (5, 4, 2), 'B' (5, 4, 2)). Name the"),
    ({"y": Y}, "it has no 'X' and no array of 3 axes (it holds 'y' (5,)). Name the inputs 'X'"),
    ({}, "it holds no array. Give a .npz or .npy file of plain numbers, written by numpy.savez"),
    ({"X": X[:, :3]}, "'X': it has shape (5, 3, 2). The model takes (N, 4, 2)"),
    ({"X": X.astype(complex)}, "'X': its elements are of dtype complex64"),
    ({"X": X.astype("U4")}, "'X': its elements are of dtype <U4. Give whole or floating-point numbers"),
    ({"X": X[:0]}, "'X': it holds no sequence. Give at least one"),
    (
        {"X": np.where(X == 13, np.nan, X)},
        "'X': element (1, 2, 1) is nan. Remove or replace values that are not finite",
    ),
    ({"X": np.where(X == 39, -np.inf, X)}, "'X': element (4, 3, 1) is -inf"),
    ({"X": X, "y": Y[:4]}, "'y': it has shape (4,). Give one label for each of the 5 inputs"),
    ({"X": X, "y": Y + 1}, "'y': its labels are 1 to 3. The model has 3 classes: 0 to 2"),
    ({"X": X, "y": Y - 0.5}, "'y': its labels, of dtype float64, are not whole numbers. Give classes from 0 on"),
    (
        {"X": X, "y": np.where(np.arange(5) == 2, np.nan, Y)},
        "'y': label 2 is nan. Remove the events without a label, or leave out 'y'",
    ),
    (
        {"X": X, "y": Y, "classes": np.array(["b", "c", "b"])},
        "'classes': two classes are called 'b'. Give each a name of its own",
    ),
    ({"X": X, "y": np.ones((5, 3))}, "'y': its rows, of 3 numbers, are not one-hot. Give 3 classes"),
]


@pytest.mark.parametrize(("arrays", "text"), BAD_ARRAYS)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_bad_arrays(arrays: dict[str, Any], text: str, tmp_path: Path) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(DataError) as error:
        read_data(path, X_ALONE, KIND)
    assert str(error.value).startswith(str(path)) and text in str(error.value).replace("complex128", "complex64")


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    path = saved(tmp_path, X=X)
    with pytest.raises(DataError, match=r"none.npz: there is no such file. Check the path"):
        read_data(tmp_path / "none.npz", X_ALONE, KIND)
    for content in (b"", b"\x80\x04pickle", path.read_bytes()[:-30], b"X,y\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"data.npz: it cannot be read as arrays \(.+\). Give a .npz or .npy file"):
            read_data(path, X_ALONE, KIND)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = saved(tmp_path, X=np.array([print, None], dtype=object))
    with pytest.raises(DataError, match=r"it cannot be read as arrays \(it is not an array, or a pickle\)"):
        read_data(path, X_ALONE, KIND)


def test_not_finite_far_into_large_data() -> None:
    x = np.zeros((5000, 2))
    x[4500, 1] = np.inf
    with pytest.raises(DataError, match=r"element \(4500, 1\) is inf"):
        check_inputs("x", x, (2,))


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([1, 2], r"lengths: its shape is \(2,\), its dtype int64. Give 3 whole numbers"),
        ([1.0, 2.0, 3.0], r"its dtype float64. Give 3 whole numbers"),
        ([1, 0, 3], "lengths: it holds 0 to 3 steps. Give from 1 to 4"),
        ([1, 5, 3], "lengths: it holds 1 to 5 steps. Give from 1 to 4"),
    ],
)
def test_bad_lengths(lengths: list[float], text: str) -> None:
    with pytest.raises(DataError, match=text):
        check_lengths("lengths", lengths, 3, 4)
