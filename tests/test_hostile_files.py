"""Files made to harm end in an error of ours, soon and in little memory, whether they are trusted or not."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from hostile_files import HOSTILE_DATA, HOSTILE_MODELS, INPUTS, header, npy, npz, plain
from loopwire.data import check_inputs, read_data
from loopwire.errors import DataError, ModelFileError, UnsupportedError
from loopwire.layers.activation import LINEAR
from loopwire.layers.dense import Dense
from loopwire.layers.model import Tensor, chain

CRASHERS = Path(__file__).parent / "crashers"
LONGEST_S = 10
MOST_BYTES = 512 << 20
"""That this process may grow by."""


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", HOSTILE_MODELS)
@pytest.mark.parametrize("trust", [False, True])
def test_hostile_models(name: str, trust: bool, tmp_path: Path) -> None:
    write: Callable[[Path], None] = HOSTILE_MODELS[name]
    write(tmp_path / name)
    before, begin = peak_bytes(), time.monotonic()
    with pytest.raises((ModelFileError, UnsupportedError)) as caught:
        loopwire.load(tmp_path / name, trust=trust)
    assert len(str(caught.value)) < 1000
    assert time.monotonic() - begin < LONGEST_S and peak_bytes() - before < MOST_BYTES


@pytest.mark.parametrize("name", HOSTILE_DATA)
def test_hostile_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(HOSTILE_DATA[name])
    before, begin = peak_bytes(), time.monotonic()
    with pytest.raises(DataError) as caught:
        read_data(tmp_path / name, [Tensor("x", (5, 3))], [Tensor("y", (2,))])
    assert str(caught.value).startswith(str(tmp_path / name)) and len(str(caught.value)) < 1000
    assert time.monotonic() - begin < LONGEST_S and peak_bytes() - before < MOST_BYTES
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(ModelFileError, match=r"pipe.h5: it is not a regular file. Give the path of a file"):
        loopwire.load(tmp_path / "pipe.h5")
    with pytest.raises(DataError, match=r"pipe.h5: it cannot be read as arrays \(it is not a regular file\)"):
        read_data(tmp_path / "pipe.h5", [Tensor("x", (5, 3))], [Tensor("y", (2,))])
    with pytest.raises(ModelFileError, match=r"there is no such file|it cannot be read"):
        loopwire.load("nul\0l.h5")


def test_arrays_beside_the_inputs_are_not_read(tmp_path: Path) -> None:
    other = npy(header("(4,)", "'|O'"), b"cos\nsystem\n(S'touch pwned'\ntR.")
    (tmp_path / "data.npz").write_bytes(npz(X=plain(INPUTS), notes=other))
    assert read_data(tmp_path / "data.npz", [Tensor("x", (5, 3))], [Tensor("y", (2,))]).inputs.shape == (4, 5, 3)


def test_a_float_result_beyond_double_precision() -> None:
    layers = tuple(Dense(f"dense{k}", np.full((3, 3), 3e38), np.zeros(3), LINEAR) for k in range(9))
    design = loopwire.compile(chain("deep", (3,), layers, "live"))
    with pytest.raises(DataError, match=r"the float result of sequence 1 is beyond double precision, or not a number"):
        design.predict_float([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0]])


@pytest.mark.parametrize("x", [[[[1.0]], [[1.0, 2.0]]], [[10**400]], [[1.0], [None]], [["a"]]])
def test_inputs_that_are_no_array(x: Any) -> None:
    with pytest.raises(DataError, match=r"x: (it is not an array|its elements are of dtype)"):
        check_inputs("x", x, (1,))


def test_a_file_on_which_hdf5_hangs() -> None:
    """16 zeroed bytes of an object's header: HDF5 2.0 never returns, and no signal of Python's interrupts it."""
    begin = time.monotonic()
    with pytest.raises(ModelFileError, match=r"zeroed_header.h5: (reading it takes (more|longer) than|it is damaged)"):
        loopwire.load(CRASHERS / "hdf5_hangs_on_zeroed_header.h5")
    assert time.monotonic() - begin < 2 * LONGEST_S
