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
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.frontends.own import own_reader

PAGE = Path(__file__).parent.parent / "docs" / "own_cell.md"
BLOCK = re.compile(r"^```python( keras)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_page(*, with_keras: bool) -> dict[str, Any]:
    """Run the page's blocks one after another; return what they define."""
    module = ModuleType("own_cell")
    for keras, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if with_keras or not keras:
            exec(compile(code, str(PAGE), "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    run_page(with_keras=True)


def test_hardware_of_the_pages_cell_conforms(tmp_path: Path) -> None:
    cell = run_page(with_keras=False)["UnitGated"]
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
    with pytest.raises(ConfigError, match="class_name: 3 is no name of a class"):
        loopwire.register_reader(3, print)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="reader: None cannot be called"):
        loopwire.register_reader("Mine", None)  # type: ignore[arg-type]
    assert own_reader("package>Nobodys") is None
