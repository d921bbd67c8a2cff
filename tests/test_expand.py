"""Datapaths compute what their graphs mean, bit for bit, and no signal ever leaves its range."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapath_interpreter import outputs
from loopwire.cmvm.adder_tree import AdderTree
from loopwire.cmvm.shift_add import solve
from loopwire.datapath.counted_sums import counted_sums
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.distances import with_distances
from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.expand import expand
from loopwire.datapath.index_offsets import without_index_offsets
from loopwire.datapath.late_clamps import covering_tables, late_clamps
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.multipliers import Solver
from loopwire.datapath.ops import (
    AddSub,
    Bound,
    Constant,
    Extreme,
    Multiply,
    MultiplyAdd,
    Pairs,
    Round,
    ShiftAdd,
    TableEnds,
    TableIndex,
    TableLookup,
    ToLargest,
    Triples,
)
from loopwire.datapath.pipeline import simplified
from loopwire.datapath.plain_tables import plain_tables
from loopwire.datapath.rotate_states import rotations
from loopwire.datapath.sharing import PARALLEL
from loopwire.datapath.signals import Signal
from loopwire.datapath.triples import with_triples
from loopwire.datapath.verify import verify
from loopwire.devices import find_part
from loopwire.devices.delay_model import DelayModel
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph
from loopwire.ir.interval import Range, ranges
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import Activation, Function
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Model, chain
from loopwire.layers.roles import LayerTypes, Role, known_roles
from loopwire.layers.shape import Flatten
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.fuse_scans import fuse_scans
from loopwire.passes.lower import lower
from loopwire.schedule.cutting import cut
from loopwire.timing.operation_delays import operation_delay_ns
from random_graphs import random_inputs
from test_passes import dense, gru, lowered, lstm, simple

STEPS, FEATURES = 3, 2
DELAYS = DelayModel(find_part("xcku115"))


def as_trees(result: Signal, matrix: Integers, x: Range) -> AdderTree:
    return solve(matrix, [(x.low, x.high)] * matrix.shape[1])


SOLVERS: dict[str, Solver] = {"trees": as_trees, "multipliers": lambda result, matrix, x: None}


def only_datapath(graph: Graph, solver: Solver = SOLVERS["multipliers"]) -> Datapath:
    graph = fuse_scans(accumulate_flattened(graph))
    (engine,) = cut(graph).engines
    return simplified(expand(engine, ranges(graph)), PARALLEL, solver)


def assert_computes(graph: Graph, datapath: Datapath, seed: int, batch: int = 4) -> None:
    (x,) = random_inputs(graph, seed, batch)
    (y,) = evaluate_integers(graph, (x,))
    for sequence, expected in zip(x, y, strict=True):
        steps = sequence if sequence.ndim == 2 else sequence[np.newaxis]
        found = outputs(datapath, steps)
        assert (found if expected.ndim == 2 else found[-1]) == expected.tolist()


def random_types(source: random.Random) -> Callable[[Layer], LayerTypes]:
    """Types of 2 to 8 bits and any modes for every role; the pre-activation is sometimes exact."""

    def element() -> FixedType:
        width = source.randint(2, 8)
        rounding, overflow = source.choice(list(Rounding)), source.choice(list(Overflow))
        return FixedType(width, source.randint(-1, width + 1), True, rounding, overflow)

    def types_of(layer: Layer) -> LayerTypes:
        roles = [role for role in Role if role is not Role.PREACTIVATION or source.random() < 0.5]
        types = {role: element() for role in roles}
        return LayerTypes(dict.fromkeys(known_roles()[len(Role) :], types[Role.GATE]) | types)

    return types_of


def random_model(source: random.Random) -> Model:
    rng = np.random.default_rng(source.randrange(1 << 30))
    recurrent = source.choice([lstm, gru, simple])
    name = source.choice(["relu", "linear", "sigmoid", "softmax", "leaky_relu", "softplus", "hard_sigmoid"])
    function = Function(name, slope=0.25, offset=0.5)
    chains: list[list[Layer]] = [
        [recurrent(rng, FEATURES), dense(rng, 2)],
        [recurrent(rng, FEATURES, return_sequences=True), Flatten("flat"), dense(rng, 2 * STEPS)],
        [recurrent(rng, FEATURES, "first", return_sequences=True), gru(rng, 2, "second"), Activation("a", function)],
        [dense(rng, FEATURES), Activation("a", function), recurrent(rng, 3, return_sequences=True)],
        [Flatten("flat"), dense(rng, FEATURES * STEPS), Activation("a", function)],
        [Activation("a", function), recurrent(rng, FEATURES, go_backwards=False)],
    ]
    return chain("m", (STEPS, FEATURES), tuple(source.choice(chains)), "test")


@pytest.mark.parametrize("solver", SOLVERS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_of_random_models_compute_their_graphs(solver: str, seed: int) -> None:
    source = random.Random(seed)
    input_type = FixedType(source.randint(1, 8), 3, source.random() < 0.8)
    graph = lower(random_model(source), input_type, random_types(source))
    assert_computes(graph, only_datapath(graph, SOLVERS[solver]), seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_with_addends_in_their_trees_compute_their_graphs(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    assert_computes(graph, merge_addends(only_datapath(graph, as_trees)), seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_with_tables_clamped_late_compute_their_graphs(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    datapath = without_index_offsets(covering_tables(only_datapath(graph, source.choice(list(SOLVERS.values())))))
    assert_computes(graph, verify(datapath), seed)
    assert_computes(graph, verify(late_clamps(datapath)), seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 1), st.booleans())
def test_datapaths_that_count_the_bits_of_their_sums_compute_their_graphs(seed: int, kept: int, merged: bool) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    datapath = only_datapath(graph, as_trees)
    summed = counted_sums(merge_addends(datapath) if merged else datapath, DELAYS, kept)
    assert_computes(graph, verify(summed), seed)


def test_sums_of_loops_are_counted_where_look_up_tables_have_six_inputs() -> None:
    model = chain("m", (STEPS, FEATURES), (lstm(np.random.default_rng(1), FEATURES),), "test")
    types = LayerTypes(dict.fromkeys(Role, FixedType(8, 2)))
    datapath = merge_addends(only_datapath(lower(model, FixedType(6, 3), lambda layer: types), as_trees))
    counted = {
        op.result.name
        for op in counted_sums(datapath, DELAYS, 0).operations
        if isinstance(op.kind, ShiftAdd) and any(op.kind.tree.heaps)
    }
    assert counted == {"lstm.Uh_sums"}
    assert counted_sums(datapath, DelayModel(find_part("LFE5U-85F")), 0) is datapath


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_with_plain_tables_compute_their_graphs(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    assert_computes(graph, verify(late_clamps(plain_tables(only_datapath(graph), DELAYS))), seed)


def test_a_table_of_two_roms_in_a_loop_becomes_one_of_all_cells() -> None:
    """Those of an LSTM's gates; not that of the activation behind, and none whose operand wraps already."""
    layers = (lstm(np.random.default_rng(1), FEATURES), Activation("a", Function("tanh")))
    types = dict.fromkeys(Role, FixedType(12, 7)) | {Role.GATE: FixedType(10, 1, rounding=Rounding.RND)}
    graph = lower(chain("m", (STEPS, FEATURES), layers, "test"), FixedType(8, 3), lambda layer: LayerTypes(types))
    datapath = only_datapath(graph)
    forms = {op.result.name: op.kind.form for op in datapath.operations if isinstance(op.kind, TableLookup)}
    after = plain_tables(datapath, DELAYS)
    plain = {op.result.name: op.kind.form for op in after.operations if isinstance(op.kind, TableLookup)}
    changed = {name for name in forms if forms[name].offset and not plain[name].offset}
    assert changed == {"lstm.i", "lstm.f", "lstm.o"}
    assert_computes(graph, after, 0)
    clamped = late_clamps(covering_tables(datapath))
    assert plain_tables(clamped, DELAYS) is clamped


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_with_states_stored_earlier_compute_their_graphs(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    solver = source.choice(list(SOLVERS.values()))
    for datapath in rotations(with_dsp_adders(late_clamps(covering_tables(only_datapath(graph, solver))), DELAYS)):
        assert_computes(graph, verify(datapath), seed)


@pytest.mark.parametrize(
    ("recurrent", "ways"),
    [
        (lstm, [(1, [Bound]), (1, [Bound, Round])]),  # and where h is 0 at first, before its product
        (gru, [(1, [Bound]), (1, [Bound, Round]), (2, [Bound, Round, AddSub])]),
        (simple, [(2, [TableEnds])]),
    ],
)
@pytest.mark.parametrize("initial", [0, -3, 5])
def test_states_are_stored_before_the_last_operations(
    recurrent: Callable[..., Layer], ways: list[tuple[int, list[type]]], initial: int
) -> None:
    """Of what is stored then those operations make the initial state, whatever it is."""
    layers = (recurrent(np.random.default_rng(1), FEATURES),)
    wide, narrow = (FixedType(8, integer, rounding=Rounding.RND, overflow=Overflow.SAT) for integer in (2, 0))
    types = LayerTypes(dict.fromkeys(Role, wide) | {Role.STATE: narrow, Role.PREACTIVATION: FixedType(10, 6)})
    graph = lower(chain("m", (STEPS, FEATURES), layers, "test"), FixedType(8, 3), lambda layer: types)
    datapath = late_clamps(covering_tables(only_datapath(graph)))
    begun = tuple(
        replace(state, initial=state.initial + initial * state.read.name.endswith(".h")) for state in datapath.feedbacks
    )
    datapath = replace(datapath, feedbacks=begun)
    steps = np.random.default_rng(2).integers(-8, 8, (STEPS, FEATURES))
    found = []
    for rotated in rotations(datapath):
        assert outputs(verify(rotated), steps) == outputs(datapath, steps)
        stored = [state.read for state in rotated.feedbacks if state.read.name.endswith("_stored")]
        first: list[type] = []
        signal = stored[0]
        for _ in range(len(found) + 1):
            (reader,) = rotated.readers[signal]
            assert reader is not None
            first.insert(0, type(reader.kind))
            signal = reader.result
        found.append((len(stored), first))
    assert found[: len(ways)] == ways


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_with_sums_in_dsp_blocks_compute_their_graphs(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    assert_computes(graph, verify(with_dsp_adders(only_datapath(graph), DELAYS)), seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_datapaths_with_sums_of_three_compute_their_graphs(seed: int) -> None:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    datapath = only_datapath(graph)
    changed = verify(with_triples(datapath, DELAYS))
    assert not any(isinstance(op.kind, Pairs) and not op.kind.largest for op in changed.operations)
    assert_computes(graph, changed, seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 6), st.sampled_from(["softmax", "log_softmax"]))
def test_distances_chosen_from_differences_compute_their_graphs(seed: int, classes: int, name: str) -> None:
    """Of few bits, so that several elements are often the largest."""
    source = random.Random(seed)
    softmax = Activation("a", Function(name))
    input_type = FixedType(source.randint(1, 8), 3, source.random() < 0.8)
    graph = lower(chain("m", (classes,), (softmax,), "test"), input_type, random_types(source))
    changed = verify(with_distances(only_datapath(graph), DELAYS.device))
    assert sum(isinstance(op.kind, ToLargest) for op in changed.operations) == 1
    assert not any(isinstance(op.kind, Pairs) and op.kind.largest for op in changed.operations)
    assert_computes(graph, changed, seed)


@pytest.mark.parametrize(
    ("classes", "part", "chosen"), [(6, "xcku115", True), (7, "xcku115", False), (5, "LFE5U-85F", False)]
)
def test_distances_are_chosen_where_a_look_up_table_sees_all_signs(classes: int, part: str, chosen: bool) -> None:
    softmax = Activation("a", Function("softmax"))
    datapath = only_datapath(lowered(softmax, shape=(classes,)))
    assert (with_distances(datapath, find_part(part)) is not datapath) == chosen


@pytest.mark.parametrize(("part", "levels"), [("xcku115", [7, 3, 1]), ("LFE5U-85F-8BG381C", [10, 5, 3, 2, 1])])
def test_sums_of_twenty_in_levels(part: str, levels: list[int]) -> None:
    graph = lowered(Dense("dense", np.ones((1, 20)), np.zeros(1)), shape=(1, 20))
    changed = with_triples(only_datapath(graph), DelayModel(find_part(part)))
    assert [op.result.count for op in changed.operations if isinstance(op.kind, Pairs | Triples)] == levels


@pytest.mark.parametrize(("recurrent", "sums"), [(gru, ["gru.a_n", "gru.h_exact"]), (lstm, [])])
def test_dsp_blocks_add_what_is_there_before_their_product(recurrent: Callable[..., Layer], sums: list[str]) -> None:
    """Of a GRU, W x and z h; of an LSTM nothing, as both products of its cell's sum come at a time."""
    model = chain("m", (STEPS, FEATURES), (recurrent(np.random.default_rng(1), FEATURES),), "test")
    element = FixedType(12, 4, rounding=Rounding.RND)
    types = LayerTypes({role: element for role in Role if role is not Role.PREACTIVATION})
    graph = lower(model, FixedType(8, 3), lambda layer: types)
    before, after = only_datapath(graph), with_dsp_adders(only_datapath(graph), DELAYS)
    assert [op.result.name for op in after.operations if isinstance(op.kind, MultiplyAdd)] == sums
    adders = [sum(isinstance(op.kind, AddSub) for op in of.operations) for of in (before, after)]
    assert adders[0] - adders[1] == len(sums)
    assert_computes(graph, after, 0)
    without = DelayModel(find_part("LFE5U-85F"))
    assert with_dsp_adders(before, without) is before


@pytest.mark.parametrize(("recurrent", "in_loops"), [(lstm, 5), (gru, 3)])
def test_tables_of_loops_are_clamped_late(recurrent: Callable[..., Layer], in_loops: int) -> None:
    """Those of an LSTM's gates and cell, of a GRU's gates and candidate; not that of the activation behind."""
    layers = (recurrent(np.random.default_rng(1), FEATURES), Activation("a", Function("tanh")))
    graph = lower(
        chain("m", (STEPS, FEATURES), layers, "test"),
        FixedType(8, 3),
        lambda layer: LayerTypes(dict.fromkeys(Role, FixedType(10, 6))),
    )
    datapath = only_datapath(graph)
    late = late_clamps(datapath)
    assert sum(isinstance(op.kind, TableEnds) for op in late.operations) == in_loops


def test_a_table_of_a_loop_covers_a_type() -> None:
    """The candidate's, of 176 entries, becomes one of 256."""
    types = dict.fromkeys(Role, FixedType(12, 7)) | {Role.GATE: FixedType(8, 1, rounding=Rounding.RND)}
    model = chain("m", (STEPS, FEATURES), (gru(np.random.default_rng(1), FEATURES),), "test")
    graph = lower(model, FixedType(8, 3), lambda layer: LayerTypes(types))
    before, after = only_datapath(graph), covering_tables(only_datapath(graph))
    not_covering, covering = (
        {op.result.name for op in of.operations if isinstance(op.kind, TableIndex) and not op.kind.form.covered}
        for of in (before, after)
    )
    assert (not_covering, covering) == ({"gru.n_cell"}, set())
    assert_computes(graph, after, 0)


@pytest.mark.parametrize("mode", [Rounding.RND, Rounding.RND_CONV, Rounding.TRN_ZERO])
def test_a_sum_is_rounded_before_it_is_limited_to_zero(mode: Rounding) -> None:
    """By its bias, where that can; the limit is then a choice by the sign."""
    layer = Dense("dense", np.array([[0.7, -1.3], [0.4, 0.9]]), np.array([0.2, -0.1]), Function("relu"))
    narrow = FixedType(8, 2)
    types = LayerTypes({Role.RESULT: FixedType(9, 4, rounding=mode), Role.WEIGHT: narrow, Role.BIAS: narrow})
    graph = lower(chain("m", (1, 2), (layer,), "test"), FixedType(8, 3), lambda layer: types)
    datapath = only_datapath(graph)
    (limit,) = (op for op in datapath.operations if isinstance(op.kind, Extreme))
    (rounded,) = (v for v in limit.operands if v.count > 1)
    rounding = datapath.producers[rounded].kind
    assert isinstance(rounding, Round) and rounding.mode is (Rounding.TRN if mode is Rounding.RND else mode)
    assert operation_delay_ns(limit, DELAYS) == DELAYS.mux2(limit.result.width)
    assert_computes(graph, datapath, 0)


@pytest.mark.parametrize(("recurrent", "counted"), [(lstm, ["f", "i", "o"]), (gru, ["r", "z"])])
def test_biases_take_on_where_tables_begin(recurrent: Callable[..., Layer], counted: list[str]) -> None:
    """Those of gates, whose tables begin at no power of two; then they may be clamped late."""
    types = {role: FixedType(16, 6) for role in Role if role is not Role.PREACTIVATION}
    model = chain("m", (STEPS, FEATURES), (recurrent(np.random.default_rng(1), FEATURES),), "test")
    graph = lower(model, FixedType(16, 6), lambda layer: LayerTypes(types))
    before = covering_tables(only_datapath(graph))
    after = verify(without_index_offsets(before))
    indices = {op.result.name: op.kind.form for op in after.operations if isinstance(op.kind, TableIndex)}
    from_zero = [name for name, form in indices.items() if form.added and not form.subtracter_bits]
    cell = recurrent(np.random.default_rng(1), FEATURES).name
    assert sorted(from_zero) == [f"{cell}.{name}_cell" for name in counted]
    constants = [sum(isinstance(op.kind, Constant) for op in of.operations) for of in (before, after)]
    assert constants[0] == constants[1]
    late = late_clamps(after)
    wraps = {op.result.name for op in late.operations if isinstance(op.kind, TableIndex) and op.kind.wraps}
    assert wraps >= set(from_zero)
    assert_computes(graph, late, 0)


@pytest.mark.parametrize(("recurrent", "merged_sums"), [(lstm, 2), (gru, 2), (simple, 2)])
def test_loops_add_what_comes_from_outside_in_their_trees(recurrent: Callable[..., Layer], merged_sums: int) -> None:
    """U h + W x + b are two sums of an LSTM; of a GRU, that of z and r with W x + b is one, U h + d of n another."""
    layer = recurrent(np.random.default_rng(1), FEATURES)
    model = chain("m", (STEPS, FEATURES), (layer,), "test")
    datapath = only_datapath(lower(model, FixedType(6, 3), random_types(random.Random(1))), as_trees)
    before, after = (
        sum(isinstance(op.kind, AddSub) for op in of.operations) for of in (datapath, merge_addends(datapath))
    )
    assert before - after == merged_sums


BYTE = FixedType(8, 4)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
def test_casts_of_every_mode(rounding: Rounding, overflow: Overflow) -> None:
    b = Builder()
    x = b.input("x", TensorType((6,), BYTE))
    to = FixedType(5, 3, rounding=rounding, overflow=overflow)
    product = b.mul(x, b.const([-1.5, 0.25, 1.0, -0.125, 3.0, 0.0], FixedType(8, 4)))
    graph = b.graph([b.cast(b.add(product, b.const(0.5, BYTE)), to)])
    assert_computes(graph, only_datapath(graph), 1, batch=40)


def roundings(datapath: Datapath) -> list[Round]:
    return [op.kind for op in datapath.operations if isinstance(op.kind, Round)]


ROUNDED = FixedType(6, 3, rounding=Rounding.RND, overflow=Overflow.SAT)


def test_rounding_rides_along_with_a_product() -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    graph = b.graph([b.cast(b.mul(x, x), ROUNDED)])
    datapath = only_datapath(graph)
    assert [kind.mode for kind in roundings(datapath)] == [Rounding.TRN]
    assert [op.kind.added for op in datapath.operations if isinstance(op.kind, Multiply)] == [1 << 4]
    assert_computes(graph, datapath, 0, batch=50)


def test_rounding_rides_along_with_one_product_of_a_sum() -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    graph = b.graph([b.cast(b.sub(b.mul(x, x), b.mul(x, b.const([0.5] * 4, BYTE))), ROUNDED)])
    datapath = only_datapath(graph)
    assert sorted(op.kind.added for op in datapath.operations if isinstance(op.kind, Multiply)) == [0, 1 << 4]
    assert_computes(graph, datapath, 0, batch=50)


def test_rounding_rides_along_with_the_product_that_is_there_first() -> None:
    """As in a GRU, where z * h is there long before (1 - z) * n."""
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    late, early = b.mul(b.add(x, x), x, "late"), b.mul(x, x, "early")
    graph = b.graph([b.cast(b.add(late, early), ROUNDED)])
    datapath = only_datapath(graph)
    added = {op.result.name: op.kind.added for op in datapath.operations if isinstance(op.kind, Multiply)}
    assert added == {"late": 0, "early": 1 << 4}
    assert_computes(graph, datapath, 0, batch=50)


def test_rounding_rides_along_with_a_bias() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), BYTE))
    weights = b.const([[0.5, -1.0], [0.25, 2.0]], BYTE)
    bias = b.const([1.0, -0.5], FixedType(12, 4))
    graph = b.graph([b.cast(b.add(b.matvec(weights, x), bias), ROUNDED)])
    datapath = only_datapath(graph, as_trees)
    assert [kind.mode for kind in roundings(datapath)] == [Rounding.TRN]
    (constant,) = (op.kind for op in datapath.operations if isinstance(op.kind, Constant))
    assert constant.integers.tolist() == [256 + 16, -128 + 16]
    assert_computes(graph, datapath, 0, batch=50)


@pytest.mark.parametrize("mode", [Rounding.RND_ZERO, Rounding.RND_INF, Rounding.RND_CONV, Rounding.TRN_ZERO])
def test_rounding_that_depends_on_the_number_stays(mode: Rounding) -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    graph = b.graph([b.cast(b.mul(x, x), ROUNDED.with_modes(mode, Overflow.SAT))])
    datapath = only_datapath(graph)
    assert [kind.mode for kind in roundings(datapath)] == [mode]
    assert_computes(graph, datapath, 0, batch=50)


def test_what_others_read_too_is_not_raised() -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    product = b.mul(x, x)
    graph = b.graph([b.add(b.cast(product, ROUNDED), product)])
    datapath = only_datapath(graph)
    assert [kind.mode for kind in roundings(datapath)] == [Rounding.RND]
    assert_computes(graph, datapath, 0, batch=50)


@pytest.mark.parametrize(("constant", "modes"), [(True, [Rounding.TRN]), (False, [Rounding.TRN, Rounding.RND])])
def test_a_half_finer_than_an_operand_is_added_to_constants_alone(constant: bool, modes: list[Rounding]) -> None:
    b = Builder()
    x = b.input("x", TensorType((3,), FixedType(12, 4)))
    coarse = b.const([1.0, 2.0, -3.0], FixedType(6, 6)) if constant else b.cast(x, FixedType(6, 6))
    total = b.add(coarse, x)
    graph = b.graph([b.cast(total, FixedType(11, 4, rounding=Rounding.RND, overflow=Overflow.SAT))])
    datapath = only_datapath(graph)
    assert any(isinstance(op.kind, AddSub) for op in datapath.operations)
    assert [kind.mode for kind in roundings(datapath)] == modes
    assert_computes(graph, datapath, 0, batch=50)


def test_rounding_rides_along_with_the_part_of_a_bias_that_it_sees() -> None:
    """As in a GRU: rows of one sum are rounded, others not."""
    b = Builder()
    x = b.input("x", TensorType((2,), BYTE))
    total = b.add(b.matvec(b.const([[0.5, -1.0], [0.25, 2.0]], BYTE), x), b.const([1.0, -0.5], FixedType(12, 4)))
    rounded, exact = b.cast(b.slice(total, 0, 1), ROUNDED), b.slice(total, 1, 2)
    graph = b.graph([b.add(rounded, exact)])
    datapath = only_datapath(graph, as_trees)
    assert [kind.mode for kind in roundings(datapath)] == [Rounding.TRN]
    (constant,) = (op.kind for op in datapath.operations if isinstance(op.kind, Constant))
    assert constant.integers.tolist() == [256 + 16, -128]
    assert_computes(graph, datapath, 0, batch=50)


def bounds(datapath: Datapath) -> int:
    return sum(isinstance(op.kind, Bound) for op in datapath.operations)


def before_a_table(to: FixedType, read_by_another: bool = False) -> Graph:
    """A product cast to a type, of which two halves go through tables."""
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    cast = b.cast(b.mul(x, b.const([4.0, -4.0, 3.0, 0.5], BYTE)), to)
    halves = [b.table(name, b.slice(cast, *ends), ROUNDED) for name, ends in (("tanh", (0, 2)), ("sigmoid", (2, 4)))]
    result = b.concat(halves)
    return b.graph([b.add(result, cast) if read_by_another else result])


@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.SAT_SYM])
def test_no_bound_stands_before_a_table_that_clamps_further_inside(overflow: Overflow) -> None:
    graph = before_a_table(FixedType(8, 6, rounding=Rounding.RND, overflow=overflow))
    datapath = only_datapath(graph)
    assert bounds(datapath) == 0
    assert_computes(graph, datapath, 0, batch=100)


def test_a_table_reads_past_a_bound_that_another_reads() -> None:
    b = Builder()
    x = b.input("x", TensorType((4,), BYTE))
    cast = b.cast(b.mul(x, b.const([4.0, -4.0, 3.0, 0.5], BYTE)), FixedType(8, 6, overflow=Overflow.SAT))
    graph = b.graph([b.add(b.table("tanh", cast, ROUNDED), cast)])
    datapath = only_datapath(graph)
    (bound,) = (operation.result for operation in datapath.operations if isinstance(operation.kind, Bound))
    assert [type(op.kind) for op in datapath.operations if bound in op.operands] == [AddSub]
    assert_computes(graph, datapath, 0, batch=100)


@pytest.mark.parametrize(
    ("to", "read_by_another"),
    [
        (FixedType(8, 6, overflow=Overflow.SAT), True),
        (FixedType(3, 1, overflow=Overflow.SAT_SYM), False),
        (FixedType(8, 6, overflow=Overflow.WRAP), False),
        (FixedType(8, 6, overflow=Overflow.SAT_ZERO), False),
    ],
    ids=["read by another", "the table has one number more", "wraps", "zero"],
)
def test_a_bound_that_is_seen_stays(to: FixedType, read_by_another: bool) -> None:
    graph = before_a_table(to, read_by_another)
    datapath = only_datapath(graph)
    assert bounds(datapath) == 1
    assert_computes(graph, datapath, 0, batch=100)


def test_unused_operations_are_left_out() -> None:
    b = Builder()
    x = b.input("x", TensorType((2,), BYTE))
    b.mul(x, x, "unused")
    graph = b.graph([b.add(x, x, "y")])
    assert [op.result.name for op in only_datapath(graph).operations] == ["y"]
    assert not any(isinstance(node.op, ops.Scan) for node in graph.nodes)
