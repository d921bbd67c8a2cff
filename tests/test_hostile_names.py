"""A name from outside is text: in no language that is written does it mean anything, and nothing runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hostile_names import MARK, NAMES, UNPRINTABLE, tokens
from keras_files import dense, input_layer, write_h5, write_keras
from loopwire import CompileConfig, compile
from loopwire.errors import ConfigError, ModelFileError, OutputError
from loopwire.frontends.keras.model import read_keras
from loopwire.frontends.reading import Reading
from loopwire.layers.dense import Dense
from loopwire.layers.model import Model, chain
from loopwire.project.folder import MARKER
from loopwire.project.written import read_facts
from loopwire.text.names import MOST_CHARACTERS, take_in

LANGUAGES = {".sv": "sv", ".h": "cpp", ".cpp": "cpp"}
SETTINGS = {
    "verilog": {},
    "vitis_hls": {"target": "vitis_hls"},
}


def named(names: tuple[str, ...], model: str = "model") -> Model:
    """Return a chain of Dense layers of one unit."""
    layers = tuple(Dense(name, np.array([[0.5]]), np.array([0.25])) for name in names)
    return chain(model, (1,), layers, "test")


def files_of(model: Model, target: str) -> Mapping[str, str]:
    """Return the firmware of a model, by path."""
    design = compile(model, CompileConfig(target=target))
    return design.hls.files if target == "vitis_hls" else design.firmware.files


def test_there_are_many_and_all_differ() -> None:
    assert len({*NAMES, *UNPRINTABLE}) == len(NAMES) + len(UNPRINTABLE) >= 100


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_a_name_that_cannot_be_printed_is_refused_with_its_escapes(name: str) -> None:
    with pytest.raises(ModelFileError) as refused:
        take_in(name, "model.h5", "a layer", ModelFileError)
    text = str(refused.value)
    assert text.isprintable() and text.startswith("model.h5: the name of a layer, '")
    assert text.endswith(f"Give it a name of 1 to {MOST_CHARACTERS} characters that can be printed")
    with pytest.raises(ConfigError, match="the name of the design"):
        CompileConfig(name=name)


class Sequential:
    """A live model of one Dense layer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers = [self]
        self._saved = dense(1, 1, name)

    def get_config(self) -> dict[str, object]:
        layers = [input_layer((1,)), self._saved]
        return {"name": self.name, "layers": [{"class_name": e.class_name, "config": e.config} for e in layers]}

    def get_weights(self) -> list[np.ndarray]:
        return list(self._saved.arrays)


def test_every_frontend_takes_a_name_in_or_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sequential, "__module__", "keras.models")
    monkeypatch.setitem(sys.modules, "keras", ModuleType("keras"))
    monkeypatch.setattr(sys.modules["keras"], "__version__", "3.5.0", raising=False)
    for name in (*NAMES, *UNPRINTABLE):
        layers = [input_layer((1,)), dense(1, 1, name)]
        sources: list[Any] = [Sequential(name)]
        if "\0" not in name and "\ud800" not in name:  # nor do HDF5 and its paths have others
            sources.append(write_keras(tmp_path / "model.keras", layers))
            if {"", "."}.isdisjoint(name.split("/")):
                sources.append(write_h5(tmp_path / "model.h5", layers))
        for source in sources:
            try:
                (layer,) = read_keras(source, Reading(trust=True)).layers
            except ModelFileError as error:
                assert name in UNPRINTABLE and str(error).isprintable()
            else:
                assert layer.name == (name or "Dense") and name not in UNPRINTABLE[1:]


def patterns(files: Mapping[str, str]) -> list[list[tuple[str, str]]]:
    """Return the tokens of each source file, a word or string replaced by its number in the order of appearance."""
    found = []
    for path, text in files.items():
        numbers: dict[str, str] = {}
        language = LANGUAGES.get(Path(path).suffix)
        found.append(
            [
                (kind, numbers.setdefault(token, str(len(numbers))) if kind in ("word", "string") else token)
                for kind, token in (tokens(text, language) if language else ())
            ]
        )
    return sorted(found)


@pytest.mark.parametrize("target", SETTINGS)
def test_names_of_layers_alter_identifiers_comments_and_strings_only(target: str) -> None:
    plain = files_of(named(tuple(f"layer_{k}" for k in range(len(NAMES)))), target)
    hostile = files_of(named(NAMES), target)
    assert len({path.lower() for path in hostile}) == len(plain)
    assert all(len(part) < 200 for path in hostile for part in path.split("/"))
    assert patterns(hostile) == patterns(plain)


@pytest.mark.parametrize("target", SETTINGS)
def test_names_of_models_alter_identifiers_comments_and_strings_only(target: str) -> None:
    plain = patterns(files_of(named(("layer",)), target))
    for name in NAMES:
        assert patterns(files_of(named(("layer",), name), target)) == plain, name


def sample(folder: Path) -> Path:
    """Write a project of one Dense layer, as a stranger may hand it on, and return its folder."""
    return compile(named(("layer",)), CompileConfig(part="LFE5U-25F", clock_period_ns=20.0)).write(folder / "project")


@pytest.mark.parametrize(
    "name",
    [
        *UNPRINTABLE,
        "../x.sv",
        "rtl/../../x.sv",
        "/etc/x.sv",
        "rtl/-flag.sv",
        "rtl/a b.sv",
        "rtl/yosys.py",
        "rtl/a;b.sv",
        "x" * 500,
    ],
)
def test_a_project_holds_only_files_that_no_tool_can_misread(name: str, tmp_path: Path) -> None:
    project = sample(tmp_path)
    facts = json.loads((project / MARKER).read_text())
    facts["loopwire"]["files"][name] = "0" * 64
    (project / MARKER).write_text(json.dumps(facts))
    with pytest.raises(OutputError, match=r"is not a name of a project's file|it does not list what") as refused:
        read_facts(project)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("key", ["top", "layer_modules", "clock_period_ns"])
def test_facts_name_nothing_but_modules(key: str, tmp_path: Path) -> None:
    project = sample(tmp_path)
    facts = json.loads((project / MARKER).read_text())
    hostile = f"x\n!touch {MARK}\n#"
    facts[key] = {hostile: "layer"} if key == "layer_modules" else hostile
    (project / MARKER).write_text(json.dumps(facts))
    with pytest.raises(OutputError, match=r"Compile the model again$") as refused:
        read_facts(project)
    assert str(refused.value).isprintable()
