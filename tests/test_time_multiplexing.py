"""Datapaths whose multipliers serve several products compute what their graphs mean, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import loopwire
from cell_models import CELLS
from datapath_interpreter import outputs
from loopwire.config import CompileConfig
from loopwire.data import Batch
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.expand import expand
from loopwire.datapath.ops import Accumulate, AddSub, Chunk, Products, Tile, Triples, UnpackPairs, UnpackRows
from loopwire.datapath.packed_products import with_packed_products
from loopwire.datapath.pipeline import simplified
from loopwire.datapath.reuse import multipliers, reuse_factors, sharing_of, sharings
from loopwire.datapath.row_addends import with_row_addends
from loopwire.datapath.smaller_products import smaller_products
from loopwire.datapath.started_sums import with_started_sums
from loopwire.datapath.triples import with_triples
from loopwire.datapath.verify import verify
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import ranges
from loopwire.ir.types import FixedType, TensorType
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, Model, Tensor, chain
from loopwire.layers.shape import Flatten
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.lower import lower
from loopwire.schedule.cutting import cut
from loopwire.schedule.engine import Engine
from loopwire.schedule.origins import Apart
from loopwire.targets.verilog import testbench_files
from random_graphs import random_inputs
from random_models import SOFTMAX, Weights
from test_expand import DELAYS, SOLVERS, random_model, random_types
from test_passes import gru, lstm, simple

STEPS = 3
NOT_IN_UNITS = {"qrnn", "lru", "lru_real", "cfc"}
"""Cells with a state or a matrix that is not made of units."""


def multiplexed(graph: Graph, source: random.Random) -> list[tuple[Engine, Datapath]]:
    """Return the engines of a chain, each with the datapath of a random reuse factor that it can have."""
    found = ranges(graph)
    chosen = []
    for engine in cut(graph, Apart.PRODUCTS).engines:
        sharing = sharing_of(engine, source.choice(reuse_factors(engine)))
        chosen.append((engine, simplified(expand(engine, found), sharing, SOLVERS["multipliers"])))
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


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.booleans())
@example(350, False)
@example(350, True)
@example(397, True)
def test_random_models_with_two_products_a_dsp_block(seed: int, in_threes: bool) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(5, 8), 3), random_types(source))
    graph = accumulate_flattened(graph)
    chosen = multiplexed(graph, source)
    if in_threes:
        chosen = [(engine, with_triples(datapath, DELAYS)) for engine, datapath in chosen]
    chosen = [(engine, verify(with_packed_products(datapath, DELAYS))) for engine, datapath in chosen]
    if seed in (350, 397):
        assert any(
            isinstance(op.kind, UnpackPairs | UnpackRows) for _, datapath in chosen for op in datapath.operations
        )
    assert_computes(graph, chosen, seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30))
@example(350)
def test_random_models_whose_products_take_fewer_cells(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(5, 8), 3), random_types(source))
    graph = accumulate_flattened(graph)
    smaller = []
    for engine, datapath in multiplexed(graph, source):
        choices = list(smaller_products(datapath, DELAYS, budget_ns=source.choice((4.0, 9.0))))
        smaller.append((engine, verify(source.choice(choices or [datapath]))))
    if seed == 350:
        products = [op.kind for _, datapath in smaller for op in datapath.operations if isinstance(op.kind, Products)]
        assert any(kind.cascaded > 1 for kind in products)
    assert_computes(graph, smaller, seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.booleans())
def test_random_models_whose_sums_of_passes_begin_with_what_is_added(seed: int, in_loops: bool) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(5, 8), 3), random_types(source))
    graph = accumulate_flattened(graph)
    chosen = [(engine, with_started_sums(datapath, in_loops)) for engine, datapath in multiplexed(graph, source)]
    assert_computes(graph, [(engine, verify(datapath)) for engine, datapath in chosen], seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30))
def test_random_models_whose_sums_of_three_add_to_rows(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(5, 8), 3), random_types(source))
    graph = accumulate_flattened(graph)
    summed = [(engine, with_triples(datapath, DELAYS)) for engine, datapath in multiplexed(graph, source)]
    assert_computes(graph, [(engine, verify(with_row_addends(datapath))) for engine, datapath in summed], seed)


@pytest.mark.parametrize(("units", "added"), [(7, 2), (9, 1)])
def test_a_tree_of_sums_of_three_adds_to_rows_where_a_sum_has_fewer_terms(units: int, added: int) -> None:
    """W x + b to U h, and b to W x of 4 columns; not to 9 columns, whose sums all have three terms."""
    cell = SimpleRnn("cell", np.ones((units, 4)), np.ones((units, units)), np.ones(units))
    graph = lower(chain("cell", (STEPS, 4), (cell,), "test"), FixedType(8, 3), random_types(random.Random(1)))
    (engine,) = cut(graph).engines
    datapath = simplified(expand(engine, ranges(graph)), sharing_of(engine, units), SOLVERS["multipliers"])
    changed = verify(with_row_addends(with_triples(datapath, DELAYS)))
    sums = [op for op in changed.operations if isinstance(op.kind, Triples) and len(op.operands) > 1]
    assert len(sums) == added
    assert sum(isinstance(op.kind, AddSub) for op in changed.operations) == 2 - added
    assert_computes(graph, [(engine, changed)], 1)


@pytest.mark.parametrize("in_loops", [False, True])
def test_a_sum_of_states_begins_with_what_comes_from_outside_the_loop(in_loops: bool) -> None:
    cell, _ = tagger().layers
    graph = lower(chain("cell", (STEPS, 3), (cell,), "test"), FixedType(8, 3), random_types(random.Random(1)))
    (engine,) = cut(graph).engines
    datapath = simplified(expand(engine, ranges(graph)), sharing_of(engine, 8), SOLVERS["multipliers"])
    changed = verify(with_started_sums(datapath, in_loops))
    sums = {op.result.name: op for op in changed.operations if isinstance(op.kind, Accumulate)}
    begun = [[operand.name for operand in op.operands[1:]] for op in sums.values()]
    assert begun == ([["cell.b"], ["cell.Wx_b"]] if in_loops else [["cell.b"], []])
    assert_computes(graph, [(engine, changed)], 1)


@pytest.mark.parametrize(
    ("rows", "blocks", "part"), [(5, [20, 20], "xcvu13p"), (4, [40], "xcvu13p"), (5, [100], "LFE5U-85F")]
)
def test_weights_by_step_of_several_rows_share_a_dsp_block(rows: int, blocks: list[int], part: str) -> None:
    source = np.random.default_rng(1)
    types = {"model": {"precision": "fixed<6,2,RND,SAT>"}, "part": part, "clock_period_ns": 10.0, "lut_product_bits": 0}
    kernels = source.normal(0, 0.2, size=(20, 2)), source.normal(0, 0.2, size=(20, 20)), np.zeros(20)
    layers = (
        SimpleRnn("cell", *kernels, return_sequences=True),
        Flatten("flat"),
        Dense("head", source.normal(0, 0.2, size=(rows, 60)), np.zeros(rows)),
    )
    design = loopwire.compile(chain("tagger", (3, 2), layers, "test"), CompileConfig.from_dict(types))
    (datapath,) = (pipeline.datapath for pipeline in design.firmware.pipelines)
    products = [op for op in datapath.operations if isinstance(op.kind, Products)]
    assert [op.operands[0].count for op in products] == blocks


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


def test_computed_matrices_are_multiplied_tile_by_tile() -> None:
    b = Builder()
    x = b.input("x", TensorType((14,), FixedType(6, 3)))
    matrix, vector = b.reshape(b.slice(x, 0, 12), (6, 2)), b.slice(x, 12, 14)
    weights = b.const(np.arange(18).reshape(3, 6) / 4 - 2.0, FixedType(8, 5))
    graph = b.graph([b.matvec(weights, b.matvec(matrix, vector))])
    (engine,) = cut(graph).engines
    for reuse_factor in reuse_factors(engine):
        sharing = sharing_of(engine, reuse_factor)
        datapath = simplified(expand(engine, ranges(graph)), sharing, SOLVERS["multipliers"])
        assert sharing.is_parallel or any(isinstance(op.kind, Tile) for op in datapath.operations)
        assert_computes(graph, [(engine, datapath)], reuse_factor)


def test_states_whose_elements_have_types_of_their_own_are_taken_in_chunks() -> None:
    units, state = 5, FixedType(12, 6)
    random = np.random.default_rng(1)
    b = Builder()
    x = b.input("x", TensorType((STEPS, 2), FixedType(6, 3)))
    initial = b.const(random.integers(-8, 8, units) / 4, state, "h")

    def step(b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        kernel, recurrent = (b.const(random.normal(size=(units, n)), FixedType(6, 2)) for n in (2, units))
        total = b.add(b.matvec(kernel, steps[0]), b.matvec(recurrent, states[0]))
        rounded = [b.cast(b.slice(total, k, k + 1), FixedType(5 + k, 3)) for k in range(units)]
        following = b.concat([b.cast(value, state) for value in rounded])
        return (b.cast(b.sub(following, b.mul(states[0], b.const(0.5, FixedType(4, 2)))), state),), ()

    (h,) = b.scan((initial,), (x,), step, names=("h",))
    graph = b.graph([h])
    (engine,) = cut(graph).engines
    found = set()
    for reuse_factor in reuse_factors(engine):
        sharing = sharing_of(engine, reuse_factor)
        datapath = simplified(expand(engine, ranges(graph)), sharing, SOLVERS["multipliers"])
        found.update(type(op.kind) for op in datapath.operations)
        assert_computes(graph, [(engine, datapath)], reuse_factor)
    assert Chunk in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cfc", "reuse_factor, layer 'cell': a matrix has 5 rows, which is not a multiple of its 4 units. "),
        ("lru", "reuse_factor, layer 'cell': its state %cell.h_re_prev has 5 elements, another has 4. "),
        ("qrnn", "reuse_factor, layer 'cell': its state %cell.past_prev has 3 elements, another has 4. "),
    ],
)
def test_cells_that_are_not_made_of_units_are_refused(name: str, text: str) -> None:
    cell = CELLS[name].make(Weights(1), "cell", 3, 4)
    graph = lower(chain("m", (STEPS, 3), (cell,), "test"), FixedType(6, 3), random_types(random.Random(1)))
    (engine,) = cut(graph).engines
    with pytest.raises(UnsupportedError) as refused:
        sharing_of(engine, 2)
    assert str(refused.value).startswith(text)
    assert reuse_factors(engine) == [1]


@given(st.integers(1, 40), st.integers(1, 4), st.lists(st.integers(1, 40), min_size=1, max_size=2))
def test_sharings_cover_every_product_without_an_idle_cycle(units: int, blocks: int, columns: list[int]) -> None:
    shapes = [(blocks * units, n) for n in columns]
    found = list(sharings(units, shapes))
    for sharing in found:
        assert sharing.chunks * sharing.lanes >= units > (sharing.chunks - 1) * sharing.lanes
        widest = -(-max(columns) // sharing.passes)
        assert sharing.passes * widest >= max(columns) > (sharing.passes - 1) * widest
        assert multipliers(sharing, shapes) * sharing.cycles >= sum(rows * n for rows, n in shapes)
    assert {(f.chunks, f.passes) for f in found} >= {(1, 1), (units, max(columns))}


def tagger() -> Model:
    source = np.random.default_rng(1)
    cell = Lstm("cell", source.normal(size=(16, 3)), source.normal(size=(16, 4)), source.normal(size=16))
    head = Dense("head", source.normal(size=(2, 4)), source.normal(size=2), Function("softmax"))
    return chain("tagger", (5, 3), (cell, head), "test")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"reuse_factor": 0}, "reuse_factor: 0 is out of range. Give 1 (fully parallel) or more"),
        (
            {"layer_reuse_factor": {"heat": 4}},
            "no layer of this name multiplies. Did you mean 'head'? Choose from cell, head",
        ),
        ({"layer_reuse_factor": {"head": 0}}, "layer_reuse_factor.head: 0 is out of range"),
        (
            {"reuse_factor": 5},
            "layer 'cell': a reuse factor of 5 does not share its products evenly; the largest that does is 16. "
            "Nearest are 4 and 8. [layer_reuse_factor] sets that of one layer",
        ),
        ({"layer_reuse_factor": {"head": 12}}, "the largest that does is 8. Nearest is 8."),
        ({"layer_reuse_factor": 3}, "3 is not a table. Give a value for each name"),
    ],
)
def test_impossible_reuse_factors_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        _ = loopwire.compile(tagger(), loopwire.CompileConfig.from_dict(settings)).firmware
    assert text in str(error.value)


def test_a_reuse_factor_where_no_layer_multiplies_is_refused() -> None:
    config = loopwire.CompileConfig.from_dict({"layer_reuse_factor": {"flat": 2}})
    with pytest.raises(ConfigError, match=r"no layer of this name multiplies. Leave it out$"):
        loopwire.compile(chain("flat", (5, 3), (Flatten("flat"),), "test"), config)


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
