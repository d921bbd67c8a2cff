"""In a layer's module no two things have one name, whatever signals are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from golden_designs import designs
from loopwire import CompileConfig, compile
from loopwire.datapath.signals import Signal
from loopwire.layers.dense import Dense
from loopwire.layers.model import ModelBuilder
from loopwire.targets.verilog import firmware, layer_module
from loopwire.text.identifiers import Identifier, Names
from random_models import SOFTMAX, Weights

HEAD = re.compile(r"^    (?:input|output)\s+logic(?: ?\[[^\]]*\])* (\w+),?$", re.MULTILINE)
DECLARED = re.compile(r"^  (?:\(\*.*?\*\) )?(?:logic|wire)((?: ?\[[^\]]*\])*) ([^;=]+)", re.MULTILINE)
INSTANCE = re.compile(r"^  (?!always_)\w+ (\w+) \(\.", re.MULTILINE)
BLOCK = re.compile(r"^  for .* begin : (\w+)$", re.MULTILINE)


def inner_names(text: str) -> list[str]:
    """Return what a module declares beside its ports: nets, variables and instances."""
    nets = [name.split()[0] for _, names in DECLARED.findall(text) for name in names.split(",")]
    return [*nets, *INSTANCE.findall(text)]


def test_what_a_signal_owns_has_a_name_that_no_other_signal_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    handed_out: list[str] = []
    checked = 0

    class Recorded(Names):
        def unique(self, text: str, *ends: str) -> Identifier:
            handed_out.append(super().unique(text, *ends))
            return Identifier(handed_out[-1])

    def written(name: Identifier, module: object, ports: Mapping[Signal, Identifier], *others: Any) -> str:
        nonlocal checked
        handed_out.clear()
        text = write(name, module, ports, *others)
        known = {f"{signal}{end}" for signal in (*ports.values(), *handed_out) for end in ("", *layer_module.ENDS)}
        names = inner_names(text)
        assert known.issuperset(names), f"{name}: {sorted(set(names) - known)}"
        checked += len(names)
        return text

    write: Any = firmware.layer_module
    monkeypatch.setattr(layer_module, "Names", Recorded)
    monkeypatch.setattr(firmware, "layer_module", written)
    assert designs()
    assert checked > 1000


def test_a_block_has_a_name_that_no_input_has() -> None:
    builder, weights = ModelBuilder(), Weights(1)
    given = builder.input("gen_y_exp", (2,)), builder.input("v", (2,))
    layers = (Dense(name, weights(3, 2), weights(3), SOFTMAX) for name in ("first", "second"))
    results = [builder.call(layer, x)[0] for layer, x in zip(layers, given, strict=True)]
    design = compile(builder.model("model", results, "test"), CompileConfig())
    text = design.firmware.files["model_first.sv"]
    names = [*HEAD.findall(text), *inner_names(text), *BLOCK.findall(text)]
    assert {"n_gen_y_exp", "gen_y_exp", "Wx_tree"} <= set(names)
    assert len(names) == len(set(names))
