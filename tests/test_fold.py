"""Foldings: every product is made, once, in the cycles that the reuse factor allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import loopwire
from loopwire.data import Batch
from loopwire.datapath.fold import foldings, multipliers
from loopwire.errors import ConfigError
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.targets.verilog import testbench_files


@given(st.integers(1, 40), st.integers(1, 4), st.lists(st.integers(1, 40), min_size=1, max_size=2))
def test_foldings_cover_every_product_without_an_idle_cycle(units: int, blocks: int, columns: list[int]) -> None:
    shapes = [(blocks * units, n) for n in columns]
    found = list(foldings(units, shapes))
    for folding in found:
        assert folding.chunks * folding.lanes >= units > (folding.chunks - 1) * folding.lanes
        widest = -(-max(columns) // folding.passes)
        assert folding.passes * widest >= max(columns) > (folding.passes - 1) * widest
        assert multipliers(folding, shapes) * folding.cycles >= sum(rows * n for rows, n in shapes)
    assert {(f.chunks, f.passes) for f in found} >= {(1, 1), (units, max(columns))}


def tagger() -> Model:
    source = np.random.default_rng(1)
    cell = Lstm("cell", source.normal(size=(16, 3)), source.normal(size=(16, 4)), source.normal(size=16))
    head = Dense("head", source.normal(size=(2, 4)), source.normal(size=2), Function("softmax"))
    return chain("tagger", (5, 3), (cell, head), "test")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"reuse_factor": 0}, "reuse_factor: 0 is impossible. Give 1 (fully parallel) or more"),
        (
            {"layer_reuse_factor": {"heat": 4}},
            "no layer of this name multiplies. Did you mean 'head'? Choose from cell, head",
        ),
        ({"layer_reuse_factor": {"head": 0}}, "layer_reuse_factor.head: 0 is impossible"),
        (
            {"reuse_factor": 5},
            "layer 'cell': a reuse factor of 5 does not share its products evenly, 16 being the most. "
            "Nearest are 4 and 8. [layer_reuse_factor] sets that of one layer",
        ),
        ({"layer_reuse_factor": {"head": 12}}, "8 being the most. Nearest is 8."),
        ({"layer_reuse_factor": 3}, "3 is not a table. Give a value for each name"),
    ],
)
def test_impossible_reuse_factors_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        _ = loopwire.compile(tagger(), loopwire.CompileConfig.from_dict(settings)).firmware
    assert text in str(error.value)


def test_a_layer_with_a_reuse_factor_takes_that_many_cycles_a_sequence() -> None:
    config = loopwire.CompileConfig.from_dict({"layer_reuse_factor": {"head": 8}})
    engines = loopwire.compile(tagger(), config).firmware.engines
    assert [engine.spacing for engine in engines] == [1, 8]


def test_no_simulation_ends_before_a_slow_result() -> None:
    weights = np.random.default_rng(1).normal(size=(180, 180))
    model = chain("slow", (180,), tuple(Dense(name, weights, np.zeros(180)) for name in "abcd"), "test")
    config = loopwire.CompileConfig.from_dict({"reuse_factor": 180 * 180, "multipliers": "dsp"})
    design = loopwire.compile(model, config)
    assert design.firmware.timeout_cycles > design.firmware.latency_cycles > 4 * 180 * 180
    testbench = testbench_files.testbench_files(design.hardware, Batch((design.random_inputs(1),)))[
        "testbench/slow_tb.sv"
    ]
    assert f"TIMEOUT_CYCLES = {design.firmware.timeout_cycles};" in testbench
