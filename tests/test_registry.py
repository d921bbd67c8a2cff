"""The registry of frontends: which one reads a source, those from outside, and that none is imported before."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import loopwire
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.errors import ConfigError, LoopwireError, ModelFileError, ToolError, UnsupportedError
from loopwire.frontends import registry
from loopwire.layers.activation import Activation, Function
from loopwire.layers.model import Model, chain

JETS = Path(__file__).parents[1] / "examples" / "jets"


def from_outside(source: Path, reading: Any) -> Model:
    return chain("outside", (3,), [Activation("a", Function("relu"))], str(source))


def register(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    """Let the installed packages have one entry point of a frontend."""
    entry = SimpleNamespace(name="mine", dist=SimpleNamespace(name="my-package"), load=load)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == registry.FRONTENDS.package else [])


def test_loading_names_what_it_found(tmp_path: Path) -> None:
    assert loopwire.load(JETS / "jet_lstm20.keras", trust=True).format == "Keras archive"
    path = write_h5(tmp_path / "any.name", [input_layer((5, 3)), lstm(), dense(2, 2)])
    assert loopwire.load(str(path), trust=True).format == "Keras HDF5 file"


def test_a_frontend_from_outside_reads_what_it_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def accepts(source: Any) -> str | None:
        return "my format" if isinstance(source, Path) and source.suffix == ".mine" else None

    register(monkeypatch, lambda: SimpleNamespace(accepts=accepts, read=from_outside))
    (tmp_path / "a.mine").write_bytes(b"MINE")
    model = loopwire.load(tmp_path / "a.mine")
    assert (model.format, model.layer_kinds()) == ("my format", {"a": "Activation"})
    assert loopwire.load(JETS / "jet_lstm20.keras", trust=True).format == "Keras archive"


def test_a_frontend_from_outside_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> Any:
        raise ImportError("no module named 'lost'")

    register(monkeypatch, load)
    (tmp_path / "a.mine").write_bytes(b"MINE")
    with pytest.raises(ToolError, match=r"frontend 'mine' of the package my-package: it cannot be imported \(no mod"):
        loopwire.load(tmp_path / "a.mine")


@pytest.mark.parametrize(
    ("name", "content", "error", "problem"),
    [
        ("lost", None, ModelFileError, r"lost: there is no such file. Check the path"),
        ("a\0b", None, ModelFileError, r"it cannot be read|there is no such file"),
        ("empty", b"", ModelFileError, r"it is empty. Save the model again"),
        ("text", b"hello", ModelFileError, r"it is neither HDF5 nor a zip archive.*Keras .h5 and .keras files, Py"),
        ("x.npz", b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy", ModelFileError, r"it looks like a NumPy .npz"),
        ("graph.pb", b"\x0a\x0b", ModelFileError, r"it looks like a TensorFlow graph"),
    ],
)
def test_what_nobody_accepts_is_named(
    name: str, content: bytes | None, error: type[LoopwireError], problem: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=problem):
        loopwire.load(tmp_path / name)


def test_folders_and_objects_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"it is a folder. Loopwire reads"):
        loopwire.load(tmp_path)
    with pytest.raises(
        UnsupportedError, match=r"model: an object of class int is not a model. Give a keras.Model, a torch"
    ):
        loopwire.load(3)


def test_example_inputs_are_for_modules_alone() -> None:
    with pytest.raises(ConfigError, match=r"example_inputs: it is not for models of this kind. A model of Keras knows"):
        loopwire.load(JETS / "jet_lstm20.keras", example_inputs=())


def test_nothing_is_imported_before_a_model_is_read() -> None:
    code = (
        "import sys, loopwire; loopwire.load; from loopwire.frontends.registry import FRONTENDS; "
        "[FRONTENDS.load(name) for name in FRONTENDS.names];"
        "print([name for name in ('keras', 'tensorflow', 'torch', 'onnx', 'h5py') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
