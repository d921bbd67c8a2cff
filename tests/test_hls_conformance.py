"""Every layer and option, as HLS C++ under all knobs, gives the emulator's bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cell_models import CELLS
from hls_designs import DEFAULT, ROLES, Case, assert_equal_to_emulator, built, lowered
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.division import Reciprocal
from loopwire.layers.each_step import EachStep
from loopwire.layers.embedding import Embedding
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling
from loopwire.layers.glu import Glu
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.normalization import LayerNormalization, unit
from loopwire.layers.normalization_over_steps import NormalizationOverSteps
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.prelu import PRelu
from loopwire.layers.roles import Role
from loopwire.layers.select import Slice, Step
from loopwire.layers.shape import Flatten, Reshape
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.layers.steps import Cropping, Transpose, UpSampling, ZeroPadding
from loopwire.layers.windows import (
    AveragePooling,
    Convolution,
    MaxPooling,
    SeparableConvolution,
    Window,
)

STEPS, FEATURES, UNITS = 4, 3, 2
FUNCTIONS = (
    Function("linear"),
    Function("relu"),
    Function("relu", slope=0.1, maximum=2.5),
    Function("relu6"),
    Function("leaky_relu", slope=0.3),
    Function("elu", slope=0.7),
    Function("hard_sigmoid", slope=1 / 6, offset=0.5),
    Function("softmax"),
    Function("sigmoid"),
    Function("tanh"),
    Function("softsign"),
    Function("selu"),
    Function("softplus"),
    Function("silu"),
    Function("gelu"),
    Function("gelu_tanh"),
)
BY_NAME = {function.name: function for function in FUNCTIONS}
KNOBS: tuple[dict[str, Any], ...] = (
    {"io": "parallel"},
    {"io": "stream"},
    {"io": "parallel", "reuse_factor": 2},
    {"io": "stream", "reuse_factor": 5},
    {"io": "parallel", "interleave": 3},
    {"io": "stream", "interleave": 3},
    {"io": "stream", "interleave": 2, "reuse_factor": 3},
    {"io": "parallel", "copies": STEPS},
    {"io": "stream", "copies": STEPS, "reuse_factor": 3},
    {"io": "parallel", "interleave": 2, "reuse_factor": 100},
)


def weights(*shapes: tuple[int, ...]) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    random = np.random.default_rng(sum(map(sum, shapes)))
    return [random.normal(0, 0.7, shape) for shape in shapes]


def lstm(features: int = FEATURES, name: str = "lstm", **options: Any) -> Lstm:
    return Lstm(name, *weights((4 * UNITS, features), (4 * UNITS, UNITS), (4 * UNITS,)), **options)


def coupled(features: int = FEATURES, name: str = "lstm") -> Lstm:
    return Lstm(name, *weights((3 * UNITS, features), (3 * UNITS, UNITS), (3 * UNITS,)), coupled=True)


def projected(features: int = FEATURES, name: str = "lstm", **options: Any) -> Lstm:
    *arrays, projection = weights((4 * UNITS, features), (4 * UNITS, 2), (4 * UNITS,), (2, UNITS))
    return Lstm(name, *arrays, projection=projection, **options)


def gru(features: int = FEATURES, name: str = "gru", **options: Any) -> Gru:
    shapes = (3 * UNITS, features), (3 * UNITS, UNITS), (3 * UNITS,), (3 * UNITS,)
    return Gru(name, *weights(*shapes), **options)


def simple(features: int = FEATURES, name: str = "rnn", **options: Any) -> SimpleRnn:
    return SimpleRnn(name, *weights((UNITS, features), (UNITS, UNITS), (UNITS,)), **options)


def dense(columns: int, name: str = "head", function: Function = FUNCTIONS[0]) -> Dense:
    return Dense(name, *weights((3, columns), (3,)), activation=function)


def normalization(features: int = FEATURES) -> BatchNormalization:
    return BatchNormalization("norm", *weights((features,), (features,)))


def layer_graphs() -> dict[str, Graph]:
    sequence = (STEPS, FEATURES)
    last, every = {"return_sequences": False}, {"return_sequences": True}
    narrow = {Role.RESULT: FixedType.parse("ufixed<6,2,RND_CONV,SAT>")}
    wide = dict.fromkeys(ROLES, FixedType.parse("fixed<36,12>")) | {Role.PREACTIVATION: DEFAULT, Role.RESULT: DEFAULT}
    gates = FixedType.parse("fixed<10,2,RND,SAT>")
    wide |= {Role.GATE: gates, Role.STATE: gates}
    return {
        "lstm_last": lowered(sequence, [lstm(**last)]),
        "lstm_every": lowered(sequence, [lstm(**every)], narrow),
        "lstm_backwards": lowered(sequence, [lstm(go_backwards=True, **last)]),
        "lstm_wide": lowered(sequence, [lstm(**last)], wide),
        "lstm_peepholes": lowered(sequence, [lstm(clip=1.5, peepholes=weights((3, UNITS))[0], **every)]),
        "lstm_coupled": lowered(sequence, [coupled()]),
        "pooled": lowered(sequence, [lstm(**every), GlobalAveragePooling("mean")]),
        "largest": lowered(sequence, [GlobalMaxPooling("most"), dense(FEATURES)]),
        "lstm_projected": lowered(sequence, [projected(**every)]),
        "step_and_part": lowered(sequence, [lstm(**every), Step("step", 1), Slice("part", 1, UNITS)]),
        "gru_after": lowered(sequence, [gru(**last), dense(UNITS, function=Function("softmax"))]),
        "gru_before": lowered(sequence, [gru(reset_after=False, **every)], narrow),
        "gru_backwards": lowered(sequence, [gru(go_backwards=True, **every), lstm(UNITS, go_backwards=True)]),
        "rnn_last": lowered(sequence, [simple(**last)]),
        "rnn_hard": lowered(sequence, [simple(activation=BY_NAME["hard_sigmoid"], **every)]),
        "stacked": lowered(sequence, [lstm(**every), gru(UNITS, **every), simple(UNITS), dense(UNITS)]),
        "flattened": lowered(sequence, [gru(**every), Flatten("flat"), dense(STEPS * UNITS, function=BY_NAME["elu"])]),
        "each_step": lowered(sequence, [dense(FEATURES, "each"), normalization(3), Activation("act", BY_NAME["tanh"])]),
        "flat_softmax": lowered(sequence, [simple(**every), Flatten("flat"), Activation("act", Function("softmax"))]),
    }


def cell_graphs() -> dict[str, Graph]:
    graphs = {}
    for number, (name, model) in enumerate(CELLS.items()):
        random = np.random.default_rng(number)
        cell = model.make(
            lambda *shape, random=random: random.normal(0, 0.7, shape), "a", 2, 2, return_sequences=number % 2 == 0
        )
        graphs[name] = lowered((STEPS, 2), [cell])
    return graphs


def vector_graphs() -> dict[str, Graph]:
    graphs = {}
    for number, function in enumerate(FUNCTIONS):
        layers = [dense(5), Activation("act", function)]
        graphs[f"act_{function.name}_{number}"] = lowered((5,), layers, table_size=40 if number % 2 else None)
    return graphs | {
        "from_vector": lowered((STEPS * FEATURES,), [Reshape("steps", (STEPS, FEATURES)), lstm()]),
        "resized": lowered((STEPS, 6), [Reshape("steps", (2 * STEPS, 3)), gru(return_sequences=True)]),
        "normalized": lowered((FEATURES,), [normalization(), dense(FEATURES)]),
        "unchanged": lowered((STEPS, FEATURES), [Flatten("flat")]),
    }


def other_layer_graphs() -> dict[str, Graph]:
    """Normalisations, layers over windows of steps or over all of them, lookups, and activations of a vector."""
    sequence, (kernel, scale, table) = (5, FEATURES), weights((UNITS, 2, FEATURES), (4,), (5, UNITS))
    window, overlapping = Window(2), Window(3, 2, padding="same")
    three = scale[:FEATURES]
    of_sequences = {
        "layer_norm": [LayerNormalization("a", three, three, 0.05)],
        "unit_norm": [unit("a", FEATURES)],
        "prelu": [PRelu("a", three)],
        "conv_valid": [Convolution("a", window, kernel, scale[:UNITS]), gru(UNITS)],
        "conv_same": [Convolution("a", Window(2, padding="same"), kernel, scale[:UNITS]), dense(UNITS)],
        "separable": [SeparableConvolution("a", window, kernel[:, :, :1].repeat(3, 0)[:3], table.T[:, :3], three[:2])],
        "max_pool": [MaxPooling("a", overlapping), lstm()],
        "mean_pool": [AveragePooling("a", overlapping)],
        "padded": [ZeroPadding("a", 1, 2), Cropping("b", 2, 1), UpSampling("c", 2), simple()],
        "turned": [Transpose("a"), gru(5)],
        "each_step": [EachStep(MaxPooling("a", overlapping), ((3, 1),)), simple(2)],
        "reciprocal": [
            Activation("a", Function("sigmoid")),
            BatchNormalization("b", three**0, three**0),
            Reciprocal("c"),
        ],
        "over_steps": [OverSteps("a", Function("softmax"))],
        "sparse": [Activation("a", Function("sparsemax")), Activation("b", Function("keras_sparsemax"))],
    }
    return {f"other_{name}": lowered(sequence, layers) for name, layers in of_sequences.items()} | {
        "other_group_norm": lowered((4,), [LayerNormalization("a", scale, scale, 0.1, 2)]),
        "other_gated": lowered((4,), [Glu("a"), Activation("b", Function("relu", 0.25, 0.5, 1.5))]),
        "other_embedding": lowered(
            (STEPS, 1), [Embedding("a", table), gru(UNITS)], input_type=FixedType.parse("ufixed<3,3>")
        ),
        "other_norm_over_steps": lowered(
            sequence, [NormalizationOverSteps("a", *weights(sequence, sequence), 0.05, FEATURES)]
        ),
    }


def cases_with_one_knob_each() -> list[Case]:
    cases = []
    for number, (name, graph) in enumerate((layer_graphs() | cell_graphs()).items()):
        cases.append(Case(name, graph, KNOBS[number % len(KNOBS)]))
    fitting = [knobs for knobs in KNOBS if knobs["io"] == "parallel" and "copies" not in knobs]
    for number, (name, graph) in enumerate((vector_graphs() | other_layer_graphs()).items()):
        cases.append(Case(name, graph, fitting[number % len(fitting)]))
    return cases


def cases_with_all_knobs() -> list[Case]:
    return [
        Case(f"{name}_{number}", graph, knobs)
        for name, graph in layer_graphs().items()
        for number, knobs in enumerate(KNOBS)
    ]


def together(cases: list[Case], count: int = 9) -> list[list[Case]]:
    """Divide cases into groups that are compiled as one: the headers are read once for all of a group."""
    return [cases[start : start + count] for start in range(0, len(cases), count)]


def prove(cases: list[Case], folder: Path, **options: Any) -> None:
    for case, emulator in zip(cases, built(cases, folder, **options), strict=True):
        assert_equal_to_emulator(case, emulator)


@pytest.mark.parametrize("cases", together(cases_with_one_knob_each()), ids=lambda cases: f"from_{cases[0].name}")
def test_equal_to_the_emulator(cases: list[Case], tmp_path: Path) -> None:
    prove(cases, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("cases", together(cases_with_all_knobs()), ids=lambda cases: f"from_{cases[0].name}")
def test_equal_to_the_emulator_under_all_knobs(cases: list[Case], tmp_path: Path) -> None:
    prove(cases, tmp_path)


def test_synthesised_widths_give_the_same_numbers(tmp_path: Path) -> None:
    graphs = layer_graphs() | vector_graphs()
    names = ("lstm_wide", "gru_after", "flattened", "gru_backwards")
    prove([Case(name, graphs[name], KNOBS[3 * k]) for k, name in enumerate(names)], tmp_path, exact_widths=True)


@st.composite
def types(draw: st.DrawFn, widths: tuple[int, int]) -> FixedType:
    width = draw(st.integers(*widths))
    modes = draw(st.sampled_from(Rounding)), draw(st.sampled_from(Overflow))
    return FixedType(width, draw(st.integers(-2, width + 2)), draw(st.booleans()), *modes)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_layers_of_random_types(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    cases = []
    for number, layer in enumerate([lstm(), gru(), gru(reset_after=False), simple(activation=BY_NAME["leaky_relu"])]):
        given_types = {role: data.draw(types((2, 12))) for role in (*ROLES, Role.PREACTIVATION)}
        graph = lowered((STEPS, FEATURES), [layer], given_types, data.draw(types((2, 10))), table_size=16)
        cases.append(Case(f"random_{number}", graph, data.draw(st.sampled_from(KNOBS))))
    prove(cases, tmp_path_factory.mktemp("random"))


def casts(source: FixedType, targets: list[FixedType]) -> Graph:
    """Return the graph that casts one number to all targets, and each result to a type that holds them all."""
    b = Builder()
    x = b.input("x", TensorType((1,), source))
    common = FixedType(63, 31)
    return b.graph((b.concat([b.cast(b.cast(x, to), common) for to in targets]),))


def operations(left: FixedType, right: FixedType) -> Graph:
    """Return the graph of all exact operations on numbers of two types."""
    b = Builder()
    x = b.input("x", TensorType((2,), FixedType(40, 20)))
    common = FixedType(63, 33)
    p, q = b.cast(b.slice(x, 0, 1), left), b.cast(b.slice(x, 1, 2), right)
    results: list[Value] = [b.add(p, q), b.sub(p, q), b.mul(p, q), b.max(p, q), b.min(p, q), b.sub(q, p)]
    return b.graph((b.concat([b.cast(value, common) for value in results]),))


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_ap_fixed_of_random_types(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """ap_fixed itself rounds, saturates and widens as our definition does."""
    cases = []
    for number in range(5):
        targets = data.draw(st.lists(types((1, 24)), min_size=8, max_size=8))
        cases.append(Case(f"casts_{number}", casts(data.draw(types((1, 30))), targets), {}))
        cases.append(Case(f"operations_{number}", operations(data.draw(types((1, 14))), data.draw(types((1, 14)))), {}))
    for case, emulator in zip(cases, built(cases, tmp_path_factory.mktemp("random")), strict=True):
        assert_equal_to_emulator(case, emulator, count=200)
