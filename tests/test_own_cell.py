"""A cell, a layer and a reader from outside of the package: the page docs/own_cell.md runs, and hardware follows."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import loopwire
from conformance import Case, prove
from loopwire import layers
from loopwire.errors import ConfigError, ModelFileError, UnsupportedError
from loopwire.frontends.own import own_reader

PAGE = Path(__file__).parent.parent / "docs" / "own_cell.md"
BLOCK = re.compile(r"^```python( keras| torch)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_page(*, with_frameworks: bool) -> dict[str, Any]:
    """Run the page's blocks one after another; return what they define."""
    module = ModuleType("own_cell")
    for framework, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if with_frameworks or not framework:
            exec(compile(code, str(PAGE), "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras")
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    run_page(with_frameworks=True)


def test_hardware_of_the_pages_cell_conforms(tmp_path: Path) -> None:
    cell = run_page(with_frameworks=False)["UnitGated"]
    random = np.random.default_rng(1)
    weights = [random.normal(0, 0.7, shape) for shape in ((4, 2), (4,), (4,))]
    prove([Case("own_cell", (4, 2), [cell("a", *weights, return_sequences=True)])], tmp_path)


def test_the_pages_cell_is_short() -> None:
    code = next(code for _, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if "class UnitGated" in code)
    assert len(code.splitlines()) <= 60


def dense(name: str) -> layers.Dense:
    return layers.Dense(name, np.ones((2, 2)), np.zeros(2))


def test_models_in_python_may_be_graphs() -> None:
    x, extra = loopwire.Input((3, 2)), loopwire.Input((2,), "extra")
    shared = dense("shared")
    gru = layers.Gru("gru", np.ones((6, 2)), np.ones((6, 2)), np.zeros(6), np.zeros(6), return_state=True)
    y, h = gru(shared(x))
    model = loopwire.Model.of("graph", [x, extra], [layers.Add("sum")(y, shared(extra)), h])
    assert [call.layer.name for call in model.calls] == ["shared", "gru", "shared", "sum"]
    assert [tensor.shape for tensor in model.outputs] == [(2,), (2,)]


def test_models_in_python_are_checked() -> None:
    x, other = loopwire.Input((3, 2)), loopwire.Input((3, 2), "other")
    with pytest.raises(ConfigError, match=r"model 'm': it depends on an input 'other' of shape \(3, 2\). Give it as"):
        loopwire.Model.of("m", x, layers.Add("sum")(x, other))
    with pytest.raises(ConfigError, match=r"model 'm': two layers are named 'a'\. Give each its own name"):
        loopwire.Model.of("m", x, dense("a")(dense("a")(x)))
    with pytest.raises(UnsupportedError, match="layer 'a': its kernel takes 2 features"):
        dense("a")(loopwire.Input((3, 5)))


def test_readers_are_registered_by_class_names() -> None:
    with pytest.raises(ConfigError, match="class_name: 3 is not a name of a class"):
        loopwire.register_reader(3, print)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="reader: None cannot be called"):
        loopwire.register_reader("Mine", None)  # type: ignore[arg-type]
    assert own_reader("package>Nobodys") is None


def test_modules_of_pytorch_are_read_by_their_readers() -> None:
    torch = pytest.importorskip("torch")

    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, x: Any) -> Any:
            return torch.sin(x) * self.scale, torch.cos(x)

    class Outer(torch.nn.Module):
        def __init__(self, used: int) -> None:
            super().__init__()
            self.inner, self.used = Twice(), used

        def forward(self, x: Any) -> Any:
            found = self.inner(torch.relu(x))
            return found[0] + found[1] if self.used == 2 else found[0]

    example = (torch.zeros(2, 3, 2),)
    loopwire.register_reader(
        "Twice", lambda saved: layers.BatchNormalization(saved.name, *saved.weights("scale"), np.zeros(2))
    )
    model = loopwire.load(Outer(1).eval(), example_inputs=example)
    assert [layer.kind for layer in model.layers] == ["Activation", "BatchNormalization"]
    x = np.array([[[-1.0, 3.0]] * 3])
    assert loopwire.compile(model).predict_float(x).tolist() == [[[0.0, 6.0]] * 3]
    with pytest.raises(UnsupportedError, match=r"2 of its results are used\. Return one tensor from the module"):
        loopwire.load(Outer(2).eval(), example_inputs=example)
    loopwire.register_reader("Twice", lambda saved: saved.weights("offset"))
    with pytest.raises(ModelFileError, match=r"it has no array 'offset'\. Its reader may ask for scale"):
        loopwire.load(Outer(1).eval(), example_inputs=example)
