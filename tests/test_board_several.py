"""Designs of several inputs and outputs on a simulated board: a residual stack of GRUs, two inputs, two outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from loopwire.boards.hosted import hosted_module
from loopwire.boards.project import hosted_sources
from loopwire.boards.several_ports import Side
from loopwire.boards.simulated import build_model, simulated_board
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.merge import Add
from loopwire.layers.model import ModelBuilder
from loopwire.project.written import read_facts
from random_models import Weights

SEQUENCES = 12


def residual_stack(**settings: Any) -> Design:
    """Return three GRUs with residuals around them; one result of each step, one of the last and of the other input."""
    w, build = Weights(3), ModelBuilder()
    x, v = build.input("x", (5, 3)), build.input("v", (3,))
    steps = x
    for name in ("a", "b", "c"):
        kernels = w(9, 3), w(9, 3), w(9), w(9)
        (gru,) = build.call(Gru(f"gru_{name}", *kernels, True, return_sequences=True), steps)
        (steps,) = build.call(Add(f"add_{name}"), steps, gru)
    (last,) = build.call(Gru("last", w(9, 3), w(9, 3), w(9), w(9), True), steps)
    (both,) = build.call(Add("both"), last, v)
    (head,) = build.call(Dense("head", w(2, 3), w(2), Function("linear")), both)
    (tags,) = build.call(Dense("tags", w(2, 3), w(2), Function("relu")), steps)
    model = build.model("stack", [head, tags], "test")
    types = {"precision": "fixed<11,4,RND,SAT>"}
    return loopwire.compile(model, CompileConfig.from_dict({"model": types, **settings}))


@pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {"bus_bits": 24, "stateful": True, "channels": 2},
        *(pytest.param(one, marks=pytest.mark.slow) for one in ({}, {"io": "parallel"})),
    ],
    ids=str,
)
def test_data_through_a_board_of_several_ports(settings: dict[str, Any], tmp_path: Path) -> None:
    design = residual_stack(**settings)
    project = design.write(tmp_path / "project")
    identity, sources = hosted_sources(project)
    folder = tmp_path / "board"
    folder.mkdir()
    for name, text in sources.items():
        (folder / name).write_text(text)
    program = build_model(hosted_module(identity), sorted(folder.glob("*.sv")), folder / "simulation")
    x = design.random_inputs(SEQUENCES)
    due = design.predict(x)
    kinds = due["head"].argmax(axis=1)
    np.savez(tmp_path / "x.npz", **x, **{"y.head": kinds, "classes.head": np.array(["b", "c"])})
    with simulated_board(program, folder) as (_, port):
        arguments = [
            "run",
            tmp_path / "x.npz",
            "--port",
            port,
            "--project",
            project,
            "--check",
            "--out",
            tmp_path / "y.npz",
        ]
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        alone = CliRunner().invoke(main, [str(argument) for argument in arguments[:4]])
    assert result.exit_code == 0, result.output
    assert "Bits that differ from the emulator's" in result.output
    assert alone.exit_code != 0
    assert "it holds stack, which has several inputs or outputs; only its project says how" in alone.output
    assert re.search(r"head: Right class +│ 100.00%", result.output) and "head: AUC of b" in result.output
    found = np.load(tmp_path / "y.npz")
    assert sorted(found) == sorted(due)
    for name, outputs in due.items():
        np.testing.assert_array_equal(found[name], outputs)


def test_beats_of_all_ports_go_together_and_apart(tmp_path: Path) -> None:
    design = residual_stack(bus_bits=24)
    facts = read_facts(design.write(tmp_path / "project"))
    random = np.random.default_rng(1)
    for table, values in (("inputs", design.graph.inputs), ("outputs", design.graph.outputs)):
        side = Side.of(facts[table])
        arrays = [random.integers(-1024, 1024, (7, *value.type.shape)) for value in values]
        beats = side.together(arrays)
        assert beats.shape == (7, side.beats, side.bytes)
        for array, again in zip(arrays, side.apart(beats), strict=True):
            np.testing.assert_array_equal(again.reshape(array.shape), array)
