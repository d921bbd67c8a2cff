"""Datapaths whose multipliers serve several products compute what their graphs mean, bit for bit."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cell_models import CELLS
from datapath_interpreter import outputs
from loopwire.datapath.expand import expand
from loopwire.datapath.expand_folded import expand_folded
from loopwire.datapath.fold import fold, reuse_factors
from loopwire.datapath.ops import Datapath
from loopwire.datapath.pipeline import simplified
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Graph
from loopwire.ir.interval import ranges
from loopwire.ir.types import FixedType
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Tensor, chain
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.lower import lower
from loopwire.schedule.engine import Engine, engines, one_layer_each
from random_graphs import random_inputs
from random_models import SOFTMAX, Weights
from test_expand import SOLVERS, random_model, random_types
from test_passes import gru, lstm, simple

STEPS = 3
NOT_IN_UNITS = {"qrnn", "lru", "lru_real", "cfc"}
"""Cells with a state or a matrix that is not made of units."""


def multiplexed(graph: Graph, source: random.Random) -> list[tuple[Engine, Datapath]]:
    """Return the engines of a chain, each with the datapath of a random reuse factor that it can have."""
    found = ranges(graph)
    chosen = []
    for engine in one_layer_each(engines(graph)):
        folding = fold(engine, source.choice(reuse_factors(engine)))
        if folding is None:
            datapath = expand(engine, found, SOLVERS["multipliers"])
        else:
            datapath = expand_folded(engine, found, folding)
        chosen.append((engine, simplified(datapath)))
    return chosen


def assert_computes(graph: Graph, chosen: list[tuple[Engine, Datapath]], seed: int) -> None:
    (x,) = random_inputs(graph, seed, 3)
    (y,) = evaluate_integers(graph, (x,))
    for sequence, expected in zip(x, y, strict=True):
        vectors = sequence.reshape(-1, sequence.shape[-1])
        for engine, datapath in chosen:
            found = outputs(datapath, vectors[::-1] if engine.reverse else vectors)
            vectors = np.array(found if engine.per_step else found[-1:], object)
        assert vectors.reshape(expected.shape).tolist() == expected.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30))
def test_random_models_with_random_reuse_factors(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    graph = accumulate_flattened(graph)
    assert_computes(graph, multiplexed(graph, source), seed)


@pytest.mark.parametrize("name", [*CELLS, "lstm", "gru", "simple"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_random_cells_with_random_reuse_factors(name: str, seed: int) -> None:
    source = random.Random(seed)
    weights, features, units = Weights(seed), source.randint(1, 4), source.randint(1, 5)
    options = {"return_sequences": source.random() < 0.5, "go_backwards": source.random() < 0.5}
    if name in CELLS:
        cell: Layer = CELLS[name].make(weights, "cell", features, units, **options)
    else:
        make = {"lstm": lstm, "gru": gru, "simple": simple}[name]
        cell = make(np.random.default_rng(seed), features, units=units, **options)
    size = cell.results((Tensor("x", (STEPS, features)),))[""][-1]
    head = Dense("head", weights(3, size), weights(3), SOFTMAX)
    graph = lower(chain("m", (STEPS, features), (cell, head), "test"), FixedType(6, 3), random_types(source))
    try:
        chosen = multiplexed(graph, source)
    except UnsupportedError:
        assert name in NOT_IN_UNITS
        return
    assert_computes(graph, chosen, seed)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cfc", "reuse_factor, layer 'cell': a matrix has 5 rows, which is no multiple of its 4 units. "),
        ("lru", "reuse_factor, layer 'cell': its state %cell.h_re_prev has 5 elements beside another of 4. "),
        ("qrnn", "reuse_factor, layer 'cell': its state %cell.past_prev has 3 elements beside another of 4. "),
    ],
)
def test_cells_that_are_not_made_of_units_are_refused(name: str, text: str) -> None:
    cell = CELLS[name].make(Weights(1), "cell", 3, 4)
    (engine,) = engines(lower(chain("m", (STEPS, 3), (cell,), "test"), FixedType(6, 3), random_types(random.Random(1))))
    with pytest.raises(UnsupportedError) as refused:
        fold(engine, 2)
    assert str(refused.value).startswith(text)
    assert reuse_factors(engine) == [1]
