"""SystemVerilog against the definition of the numbers, bit for bit and cycle for cycle, for every layer and option."""

from __future__ import annotations

import itertools
import os
import pkgutil
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

import loopwire.layers
from cell_models import CELLS
from conformance import Case, at_ports, prove, random_inputs, types
from ensembles import write_files
from loopwire.datapath.late_clamps import late_clamps
from loopwire.datapath.reuse import layer_of, reuse_factors
from loopwire.datapath.rotate_states import rotations
from loopwire.errors import ConfigError
from loopwire.hdl.testbench import Vectors, write_testbench
from loopwire.ir.types import Overflow, Rounding
from loopwire.knobs import IO
from loopwire.layers.activation import Activation, Function
from loopwire.layers.attention_pooling import AttentionPooling
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.cell import Cell
from loopwire.layers.cells.cfc import Cfc
from loopwire.layers.choice import Comparison
from loopwire.layers.dense import Dense
from loopwire.layers.division import Reciprocal
from loopwire.layers.dot import Dot
from loopwire.layers.each_step import EachStep
from loopwire.layers.embedding import Embedding
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling, GlobalSum
from loopwire.layers.glu import Glu
from loopwire.layers.gru import Gru
from loopwire.layers.loop import Loop
from loopwire.layers.lstm import Lstm
from loopwire.layers.masking import Masking, StepMask
from loopwire.layers.model import Input, Layer, Model, OneToOne
from loopwire.layers.normalization import LayerNormalization, unit
from loopwire.layers.normalization_over_steps import NormalizationOverSteps
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.prelu import PRelu
from loopwire.layers.roots import EuclideanNorm, InverseSquareRoot, Logarithm, SquareRoot
from loopwire.layers.running_sum import RunningSum
from loopwire.layers.select import Slice, Step
from loopwire.layers.shape import Flatten, RepeatVector, Reshape, Reversed
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.layers.steps import Cropping, Selection, Transpose, UpSampling, ZeroPadding
from loopwire.layers.windows import (
    AveragePooling,
    Convolution,
    MaxPooling,
    SeparableConvolution,
    Window,
)
from loopwire.schedule import planner
from loopwire.schedule.cutting import cut
from loopwire.schedule.origins import Apart
from loopwire.simulate import verilator
from port_paths import netlists, port_paths
from random_models import FUNCTIONS, PARTS, SOFTMAX, Weights, buildable, random_case, sometimes_lasting

w = Weights(1)
SEQUENCES: dict[str, Any] = {"return_sequences": True}
BACKWARDS: dict[str, Any] = {"go_backwards": True}


def lstm(name: str, features: int, units: int, **options: Any) -> Lstm:
    return Lstm(name, w(4 * units, features), w(4 * units, units), w(4 * units), **options)


def coupled(name: str, features: int, units: int, **options: Any) -> Lstm:
    kernels = w(3 * units, features), w(3 * units, units)
    return Lstm(name, *kernels, w(3 * units), coupled=True, **options)


def projected(name: str, features: int, units: int, projection: int, **options: Any) -> Lstm:
    kernels = w(4 * units, features), w(4 * units, projection)
    return Lstm(name, *kernels, w(4 * units), projection=w(projection, units), **options)


def gru(name: str, features: int, units: int, after: bool = True, **options: Any) -> Gru:
    kernels = w(3 * units, features), w(3 * units, units)
    return Gru(name, *kernels, w(3 * units), w(3 * units) * after, after, **options)


def rnn(name: str, features: int, units: int, **options: Any) -> SimpleRnn:
    return SimpleRnn(name, w(units, features), w(units, units), w(units), **options)


def dense(name: str, features: int, units: int, function: str = "linear", bias: bool = True) -> Dense:
    return Dense(name, w(units, features), w(units) * bias, Function(function))


def recurrent_cases() -> Iterator[Case]:
    yield Case("lstm", (4, 2), [lstm("a", 2, 3)])
    yield Case("lstm_one_unit", (3, 1), [lstm("a", 1, 1), dense("b", 1, 2)], clock_period_ns=2.5, part="xcvu13p")
    yield Case("lstm_sequence", (4, 2), [lstm("a", 2, 2, **SEQUENCES)], interleave=2)
    yield Case("lstm_backwards", (4, 2), [lstm("a", 2, 2, **BACKWARDS)], interleave=1, multipliers="dsp")
    yield Case("lstm_peepholes", (4, 2), [lstm("a", 2, 2, peepholes=w(3, 2), clip=1.25)])
    yield Case("lstm_coupled", (4, 2), [coupled("a", 2, 2, clip=0.75, output_activation=Function("relu"))])
    options: dict[str, Any] = {"part": "LFE5U-85F", "clock_period_ns": 10}
    yield Case("lstm_coupled_peepholes", (3, 2), [coupled("a", 2, 2, peepholes=w(2, 2))], **options)
    yield Case("lstm_projected", (4, 2), [projected("a", 2, 4, 2), dense("b", 2, 2)])
    yield Case("gru_after", (4, 2), [gru("a", 2, 3)], clock_period_ns=10)
    yield Case("gru_clipped", (4, 2), [gru("a", 2, 2, clip=0.5)])
    yield Case("gru_before", (4, 2), [gru("a", 2, 2, after=False)], part="xc7a100t", multipliers="shift_add")
    yield Case("gru_both", (5, 2), [gru("a", 2, 2, after=False, **SEQUENCES, **BACKWARDS)])
    yield Case("rnn", (5, 2), [rnn("a", 2, 3)], part="LFE5U-85F")
    yield Case("gru_of_tables", (4, 2), [gru("a", 2, 2)], lut_product_bits=16)
    narrow = {"part": "xcvu13p", "clock_period_ns": 8.0, "dsp_budget": 5}
    yield Case("lstm_few_blocks", (3, 2), [lstm("a", 2, 3), dense("b", 3, 5, "softmax")], types("fixed<7,2>"), **narrow)
    yield Case("lstm_of_tables_shared", (4, 2), [lstm("a", 2, 2)], lut_product_bits=16, reuse_factor=2)
    wide, fast = types("fixed<16,6,RND,SAT>"), {"part": "xcvu13p", "clock_period_ns": 2.2}
    yield Case("gru_cut_inside", (3, 2), [gru("a", 2, 2)], wide, **fast)
    yield Case("lstm_cut_inside_shared", (3, 2), [lstm("a", 2, 2)], wide, reuse_factor=2, **fast)
    yield Case("rnn_clipped", (3, 2), [rnn("a", 2, 2, clip=1.0)], multipliers="dsp")
    yield Case("rnn_one_step", (1, 2), [rnn("a", 2, 2, **BACKWARDS)], clock_period_ns=2.5, part="xcvu13p")


def cell_cases() -> Iterator[Case]:
    """Every cell of the literature, half of them with all steps, on each part and at several clocks."""
    given = types("fixed<9,3,RND,SAT>", weight="fixed<7,3>", recurrent_weight="fixed<7,2>")
    knobs = itertools.cycle([("xcku115", 5.0), ("xcvu13p", 3.5), ("xc7a100t", 7.0), ("LFE5U-85F", 10.0)])
    for index, (name, model) in enumerate(CELLS.items()):
        part, clock_period_ns = next(knobs)
        cell = model.make(w, "a", 2, 2, return_sequences=index % 2 == 0, go_backwards=index % 5 == 0)
        yield Case(name, (3, 2), [cell], given, part=part, clock_period_ns=clock_period_ns)
    yield Case("state_min_gru", (2, 2), [CELLS["min_gru"].make(w, "a", 2, 2)], given, stateful=True, channels=3)
    yield Case("state_qrnn", (2, 2), [CELLS["qrnn"].make(w, "a", 2, 2)], given, stateful=True)
    yield Case("fold_janet", (3, 2), [CELLS["janet"].make(w, "a", 2, 4)], given, reuse_factor=4)
    yield Case("fold_echo_state", (3, 2), [CELLS["echo_state_leaky"].make(w, "a", 2, 4)], given, reuse_factor=4)
    backbone = w(6, 2), w(6, 3), w(6)
    yield Case("fold_cfc", (3, 2), [Cfc("a", *backbone, w(9, 6), w(9))], given, reuse_factor=6)
    yield Case("fold_min_gru", (3, 2), [CELLS["min_gru"].make(w, "a", 2, 4)], given, reuse_factor=2)


def activation_cases() -> Iterator[Case]:
    """Every function as a layer, as a recurrent layer's activation and, of two cells, as its recurrent activation."""
    for index, function in enumerate(FUNCTIONS):
        gates = {"activation": function, "recurrent_activation": FUNCTIONS[index - 1]}
        options: dict[str, Any] = {"return_sequences": index % 3 == 0, "go_backwards": index % 4 == 1}
        cell = lstm("a", 1, 1, **gates, **options) if index % 2 else gru("a", 1, 1, bool(index & 2), **gates, **options)
        yield Case(f"function_{index + 1}", (3, 1), [cell, Activation("b", function)])


def normalization_cases() -> Iterator[Case]:
    given = types("fixed<10,4,RND,SAT>")
    layer = LayerNormalization("a", w(3), w(3), 0.01)
    yield Case("layer_normalization", (3, 3), [layer], given, clock_period_ns=10)
    yield Case("group_normalization", (4,), [LayerNormalization("a", w(4), w(4), 0.1, 2)], given, clock_period_ns=10)
    yield Case("unit_normalization", (2, 3), [unit("a", 3)], given, "fixed<7,3>", clock_period_ns=10)
    yield Case("prelu", (3, 2), [PRelu("a", w(2)), PRelu("b", w(3, 2))], given)
    yield Case("sparsemax", (5,), [Activation("a", Function("sparsemax"))], given)
    positive = [Activation("a", Function("sigmoid")), BatchNormalization("b", np.ones(2), np.full(2, 0.75))]
    yield Case("reciprocal", (2, 2), [*positive, Reciprocal("c")], given)
    roots = [InverseSquareRoot("c"), Logarithm("d"), EuclideanNorm("e"), SquareRoot("f")]
    yield Case("roots", (2, 2), [*positive, *roots], given, clock_period_ns=10)
    bound = np.array([0.25, -0.5, 0.0])
    compared = [
        Comparison("a", bound, below=True),
        BatchNormalization("b", w(3), w(3)),
        Comparison("c", bound, equal=True),
    ]
    yield Case("comparison", (2, 3), compared, given)
    yield Case("glu", (3, 4), [Glu("a")], given)
    yield Case("relu_threshold", (3,), [Activation("a", Function("relu", 0.25, -0.75, 2.0))], given)
    yield Case("own_threshold", (3,), [Activation("a", Function("threshold", slope=0.3, offset=1.5))], given)


def masked(name: str, cell: Cell, value: float = 0.5, **settings: Any) -> Case:
    """A masked cell on steps of one small number, many of which are masked."""
    x = Input((5, 1))
    mask = StepMask("mask", value)(x)
    h = cell(Masking("masked")(x, mask), mask)
    y = GlobalAveragePooling("mean", masked=True)(h, mask) if cell.return_sequences else h
    return Case(name, input_type="fixed<3,2>", network=Model.of(name, x, y), **settings)


def mask_cases() -> Iterator[Case]:
    yield masked("masked_lstm", lstm("a", 1, 2, masked=True))
    yield masked("masked_gru", gru("a", 1, 2, masked=True, **SEQUENCES), part="LFE5U-85F", clock_period_ns=10.0)
    yield masked("masked_zero", rnn("a", 1, 2, masked=True, zero_masked=True, **SEQUENCES), 0.0)
    yield masked("masked_last", lstm("a", 1, 2, masked=True, zero_masked=True), -1.0, part="xc7a100t")
    yield masked("masked_folded", lstm("a", 1, 4, masked=True), reuse_factor=4)
    yield masked("masked_copies", gru("a", 1, 2, masked=True), copies=2, io="parallel")
    yield masked("masked_state", CELLS["min_gru"].make(w, "a", 1, 2, masked=True), stateful=True, channels=2)


def embedding_cases() -> Iterator[Case]:
    yield Case("embedding", (4, 1), [Embedding("a", w(5, 2)), gru("b", 2, 2)])
    yield Case(
        "embedding_fold",
        (3, 1),
        [Embedding("a", w(9, 2)), lstm("b", 2, 4)],
        reuse_factor=4,
        part="xc7a100t",
        clock_period_ns=9,
    )
    yield Case("embedding_one_row", (1,), [Embedding("a", w(1, 3))], clock_period_ns=2.5, part="xcvu13p")
    yield Case("embedding_many_rows", (3, 1), [Embedding("a", w(130, 1)), rnn("b", 1, 2)], copies=2, io="parallel")


def window_layer_cases() -> Iterator[Case]:
    causal = Convolution("a", Window(3, padding="causal", dilation=2), w(2, 3, 2), w(2), activation=Function("relu"))
    yield Case("conv_causal", (5, 2), [causal, lstm("b", 2, 2)])
    yield Case("conv_state", (3, 2), [causal, gru("b", 2, 2)], stateful=True, channels=3)
    pooled = EachStep(MaxPooling("a", Window(3, 2, padding="same")), ((4, 2),))
    yield Case("each_step", (3, 8), [pooled, EachStep(rnn("b", 2, 2, **BACKWARDS), ((2, 2),)), gru("c", 2, 2)])
    x, v = Input((3, 2)), Input((2,), "v")
    scores = Dot("scores", (2, 1))(x, v)
    yield Case("dot", network=Model.of("dot", [x, v], Dot("sums")(x, scores)))


def feed_forward_cases() -> Iterator[Case]:
    yield Case("chain", (3,), [dense("a", 3, 4, "relu"), dense("b", 4, 2, "tanh"), dense("c", 2, 3, "softmax")])
    yield Case("no_bias", (3,), [dense("a", 3, 2, bias=False)], multipliers="dsp")
    yield Case("normalised", (2,), [BatchNormalization("a", w(2), w(2)), Activation("b", Function("softplus"))])
    yield Case("softmax_alone", (4,), [Activation("a", SOFTMAX)], clock_period_ns=2.5, part="xcvu13p")
    yield Case("reshaped", (2,), [Reshape("a", (2,)), Flatten("b"), dense("c", 2, 1, "sigmoid")])
    yield Case("every_step", (4, 2), [dense("a", 2, 3, "relu"), BatchNormalization("b", w(3), w(3))], interleave=1)
    yield Case("softmax_every_step", (3, 2), [dense("a", 2, 3, "softmax")], clock_period_ns=10)
    yield Case("flattened_input", (3, 2), [Flatten("a"), dense("b", 6, 2)], interleave=1)


def stacked_cases() -> Iterator[Case]:
    yield Case("two", (4, 2), [lstm("a", 2, 2, **SEQUENCES), gru("b", 2, 2)])
    yield Case(
        "three", (3, 1), [rnn("a", 1, 2, **SEQUENCES), gru("b", 2, 1, **SEQUENCES), lstm("c", 1, 2, **SEQUENCES)]
    )
    yield Case("turned", (4, 2), [gru("a", 2, 2, **SEQUENCES), rnn("b", 2, 2, **BACKWARDS), dense("c", 2, 2)])
    yield Case("turned_twice", (3, 1), [rnn(n, 1, 1, **SEQUENCES, **BACKWARDS) for n in "abc"], interleave=1)
    yield Case(
        "turned_between_types",
        (4, 1),
        [rnn("a", 1, 2, **SEQUENCES), Activation("b", Function("tanh")), lstm("c", 2, 1, **BACKWARDS)],
        {"a": types(result="fixed<5,1,RND,SAT>"), "b": types("fixed<6,2>"), "c": types(state="fixed<10,2>")},
    )
    yield Case("flattened", (3, 2), [gru("a", 2, 2, **SEQUENCES), Flatten("b"), dense("c", 6, 2, "relu")])
    yield Case(
        "flattened_back", (3, 1), [lstm("a", 1, 2, **SEQUENCES, **BACKWARDS), Reshape("b", (-1,)), dense("c", 6, 2)]
    )
    five = [gru("a", 2, 2, **SEQUENCES), Flatten("b"), dense("c", 6, 5, "softmax")]
    yield Case("flattened_in_threes", (3, 2), five, types("fixed<5,1,RND,SAT>"), part="xcvu13p", clock_period_ns=8.0)
    yield Case("between", (3, 2), [dense("a", 2, 2, "relu"), lstm("b", 2, 2, **SEQUENCES), dense("c", 2, 2, "softmax")])


def reshape_cases() -> Iterator[Case]:
    """A model's sequence given as a vector or in other steps, and its results handed on so."""
    yield Case("reshape_flat", (6,), [Reshape("r", (3, 2)), lstm("a", 2, 3), dense("b", 3, 2)], io="parallel")
    yield Case("reshape_flat_steps", (6,), [Reshape("r", (-1, 2)), gru("a", 2, 2, **SEQUENCES)], bus_bits=16)
    yield Case("reshape_one_step", (2,), [Reshape("r", (1, 2)), rnn("a", 2, 2)], io="parallel")
    yield Case("reshape_one_feature", (4,), [Reshape("r", (4, 1)), rnn("a", 1, 2, **BACKWARDS)], io="parallel")
    yield Case("reshape_steps", (6, 2), [Reshape("r", (4, 3)), lstm("a", 3, 2), dense("b", 2, 2)])
    there_and_back = [Flatten("f"), Reshape("r", (3, 2)), rnn("a", 2, 2)]
    yield Case("reshape_there_and_back", (2, 3), there_and_back)
    yield Case("reshape_state", (4,), [Reshape("r", (2, 2)), gru("a", 2, 2)], stateful=True, channels=2, bus_bits=32)
    yield Case("reshape_window", (6,), [Reshape("r", (3, 2)), lstm("a", 2, 2)], sliding_window=True, channels=2)
    yield Case("reshape_copies", (6,), [Reshape("r", (3, 2)), lstm("a", 2, 2)], copies=3, io="parallel")
    yield Case("reshape_end", (3, 2), [gru("a", 2, 3, **SEQUENCES), dense("b", 3, 2), Flatten("f")])
    yield Case("reshape_other_steps", (4, 2), [Reshape("b", (2, 4)), rnn("c", 4, 1)])
    yield Case("reshape_end_steps", (3, 2), [rnn("a", 2, 2, **SEQUENCES), Reshape("r", (2, 3)), Flatten("f")])


def type_cases() -> Iterator[Case]:
    """Every pair of rounding and overflow somewhere, each rounding on signed and unsigned numbers."""
    modes = [(rounding, overflow) for rounding in Rounding for overflow in Overflow]
    for index in range(0, len(modes), 4):
        specs = [f"{r},{o}" for r, o in modes[index : index + 4]]
        widths = random.Random(index).sample(range(3, 12), 4)
        narrow, cell, gate, state = (f"<{n},{n // 2 - 1},{s}>" for n, s in zip(widths, specs, strict=True))
        yield Case(
            f"modes_{index // 4 + 1}",
            (3, 2),
            [lstm("a", 2, 1), dense("b", 1, 2)],
            types(
                f"fixed<8,3,{specs[0]}>",
                preactivation=f"fixed{narrow}",
                gate=f"ufixed{gate}" if index % 8 else f"fixed{gate}",
                cell=f"fixed{cell}",
                state=f"fixed{state}",
                weight="fixed<5,2>",
                bias="fixed<9,3>",
            ),
            f"{'u' * (index % 3 == 0)}fixed<7,2>",
        )


def wide_cases() -> Iterator[Case]:
    """Numbers so fine that their functions are interpolated."""
    fine = types("fixed<24,8,RND,SAT>", max_error_steps=1.0)
    yield Case("wide_lstm", (3, 1), [lstm("a", 1, 1), dense("b", 1, 2, "softmax")], fine, "fixed<24,8>")
    table = types("fixed<16,6,RND,SAT>")
    yield Case("softmax_in_block_ram", (2,), [dense("a", 2, 5, "softmax")], table, "fixed<16,6>")
    yield Case("wide_gru", (2, 1), [gru("a", 1, 1)], types("fixed<32,12>", max_error_steps=1.0), "fixed<32,12>")
    folded = [rnn("a", 1, 2), Activation("b", Function("silu"))]
    yield Case("wide_fold", (2, 1), folded, fine, "fixed<24,8>", reuse_factor=2, clock_period_ns=10)


def bound_cases() -> Iterator[Case]:
    """Numbers of few bits brought into a narrower type, so that every one of them is met, on both sides of a bound."""
    modes = itertools.product(Overflow, ("fixed<4,2", "ufixed<4,2"), ("fixed<7,4>", "ufixed<7,4>"))
    for index, (overflow, result, input_type) in enumerate(modes):
        rounding = list(Rounding)[index % len(Rounding)]
        same = [Activation("a", Function("linear"))]
        narrow = types(result=f"{result},{rounding},{overflow}>")
        yield Case(f"bound_{index + 1}", (12, 6), same, narrow, input_type)
    # Before a table that clamps further inside than the type of its operand does.
    before = types(preactivation="fixed<8,6,RND,SAT>", result="fixed<4,1,RND,SAT>")
    yield Case("bound_before_table", (12, 4), [dense("a", 4, 4, "tanh")], before, "fixed<7,6>")
    coarse = types(result="fixed<3,5,RND,SAT>")
    yield Case("constant_table", (3,), [dense("a", 3, 2, "sigmoid")], coarse)


def once_wrong_cases() -> Iterator[Case]:
    """Small forms of what random models found."""
    # Without any register in a layer; with a table whose last results its operand never reaches.
    yield Case("no_register", (2,), [dense("a", 2, 1), Activation("b", Function("softsign"))], clock_period_ns=20)
    bounded = types(preactivation="fixed<9,2>", result="fixed<6,1>")
    yield Case("short_of_the_table", (3, 2), [rnn("a", 2, 1), Activation("b", Function("tanh"))], bounded)
    # A step's number needed in the step's first stage.
    yield Case("rom_at_once", (3, 1), [Flatten("a"), dense("b", 3, 2)], clock_period_ns=10, multipliers="dsp")
    # A signal that is always negative, at a power of two, into a tree.
    negative = BatchNormalization("a", np.array([0.0]), np.array([-4.0]))
    yield Case("always_negative", (1,), [negative, dense("b", 1, 2)], multipliers="shift_add")
    # A vector that the model hands on as a sequence: one beat.
    yield Case("vector_as_sequence", (2,), [dense("a", 2, 6), Reshape("b", (3, 2))])
    # Intervals that repeat after more sequences than are in flight.
    yield Case("uneven_intervals", (4, 1), [rnn("a", 1, 1, **BACKWARDS)], part="LFE5U-85F", multipliers="shift_add")


def part_cases() -> Iterator[Case]:
    yield Case("part_of_vector", (4,), [Slice("a", 1, 3), dense("b", 2, 2)])
    yield Case("part_of_steps", (4, 3), [Slice("a", 1, 3), lstm("b", 2, 2, **SEQUENCES), Slice("c", 0, 1)])
    yield Case("step_last", (4, 2), [rnn("a", 2, 2, **SEQUENCES), dense("b", 2, 2, "relu"), Step("c", 3)])
    yield Case("step_first", (4, 2), [gru("a", 2, 2, **SEQUENCES), Step("b", 0), dense("c", 2, 2, "softmax")])
    yield Case("step_of_input", (4, 3), [Step("a", 2), dense("b", 3, 2)], part="LFE5U-85F", clock_period_ns=10)
    yield Case("pool_sum", (5, 2), [rnn("a", 2, 2, **SEQUENCES), GlobalSum("b"), dense("c", 2, 2)])
    yield Case("running_sum", (4, 2), [rnn("a", 2, 2, **SEQUENCES), RunningSum("b"), dense("c", 2, 2)])
    yield Case("pool_mean", (5, 2), [gru("a", 2, 2, **SEQUENCES), GlobalAveragePooling("b")], interleave=2)
    yield Case("pool_max", (3, 2), [lstm("a", 2, 2, **SEQUENCES), GlobalMaxPooling("b"), dense("c", 2, 2, "softmax")])
    yield Case("pool_input", (4, 3), [GlobalMaxPooling("a"), dense("b", 3, 2)], part="LFE5U-85F", clock_period_ns=10)
    yield Case(
        "pool_fold", (4, 2), [lstm("a", 2, 4, **SEQUENCES), GlobalAveragePooling("b"), dense("c", 4, 4)], reuse_factor=4
    )
    yield Case("step_fold", (4, 2), [lstm("a", 2, 4, **SEQUENCES), Step("b", 1), dense("c", 4, 4)], reuse_factor=4)


def folded_cases() -> Iterator[Case]:
    yield Case("fold_lstm", (4, 3), [lstm("a", 3, 4)], reuse_factor=4)
    yield Case("fold_peepholes", (3, 2), [lstm("a", 2, 4, peepholes=w(3, 4), clip=1.5)], reuse_factor=4)
    yield Case("fold_coupled", (3, 2), [coupled("a", 2, 4, peepholes=w(2, 4))], reuse_factor=2, interleave=2)
    yield Case("fold_passes", (4, 5), [lstm("a", 5, 2, **SEQUENCES)], reuse_factor=3)
    yield Case("fold_padded", (3, 2), [lstm("a", 2, 5), dense("b", 5, 3, "softmax")], reuse_factor=6)
    most = {"a": 9, "b": 6}
    yield Case("fold_most", (3, 2), [rnn("a", 2, 3), dense("b", 3, 2)], layer_reuse_factor=most, clock_period_ns=10)
    yield Case("fold_gru_after", (4, 2), [gru("a", 2, 4)], reuse_factor=2, interleave=2)
    yield Case("fold_gru_before", (4, 2), [gru("a", 2, 4, after=False)], reuse_factor=8)
    yield Case(
        "fold_one_unit", (3, 3), [lstm("a", 3, 1, **BACKWARDS)], reuse_factor=3, part="LFE5U-85F", clock_period_ns=10
    )
    yield Case("fold_stack", (4, 2), [lstm("a", 2, 3, **SEQUENCES), gru("b", 3, 4)], reuse_factor=4)
    flat = [gru("a", 2, 3, **SEQUENCES), Flatten("b"), dense("c", 12, 2, "relu")]
    yield Case("fold_flattened", (4, 2), flat, reuse_factor=3, clock_period_ns=2.5, part="xcvu13p")
    yield Case("fold_each_step", (4, 2), [gru("a", 2, 3, **SEQUENCES), dense("b", 3, 2, "softmax")], reuse_factor=2)
    tail = [lstm("a", 2, 3), dense("b", 3, 4, "relu"), dense("c", 4, 3, "softmax")]
    yield Case("fold_by_layer", (3, 2), tail, layer_reuse_factor={"a": 3, "c": 12})
    yield Case("fold_no_scan", (4,), [dense("a", 4, 3, "tanh"), dense("b", 3, 2)], reuse_factor=4)
    yield Case("fold_normalised", (3, 2), [BatchNormalization("n", w(2), w(2)), rnn("a", 2, 4)], reuse_factor=4)
    # While so many chunks are gathered, words are counted again: for one sequence, for several, for each step.
    counted = [lstm("a", 2, 12), dense("b", 12, 12)]
    yield Case("fold_counted_again", (3, 2), counted, reuse_factor=24, part="LFE5U-85F", clock_period_ns=10)
    yield Case("fold_shared_count", (3, 2), [gru("a", 2, 12, after=False)], reuse_factor=12)
    yield Case("fold_steps_counted", (3, 2), [lstm("a", 2, 12, **SEQUENCES), rnn("b", 12, 3)], reuse_factor=12)


def stateful_cases() -> Iterator[Case]:
    yield Case("state_lstm", (4, 2), [lstm("a", 2, 3)], stateful=True)
    yield Case("state_gru_steps", (3, 2), [gru("a", 2, 2, **SEQUENCES)], stateful=True, channels=3)
    yield Case("state_rnn_step", (1, 1), [rnn("a", 1, 2), dense("b", 2, 2)], stateful=True, channels=28)
    stack = [lstm("a", 2, 2, **SEQUENCES), gru("b", 2, 2), dense("c", 2, 2, "softmax")]
    yield Case("state_stack", (4, 2), stack, stateful=True, channels=7)
    flat = [gru("a", 2, 2, after=False, **SEQUENCES), Flatten("b"), dense("c", 6, 2)]
    yield Case("state_flattened", (3, 2), flat, stateful=True, channels=2, multipliers="dsp")
    yield Case("state_fast_clock", (2, 2), [lstm("a", 2, 2)], stateful=True, part="xcvu13p", clock_period_ns=2.5)
    yield Case("state_fold", (3, 2), [lstm("a", 2, 4)], stateful=True, reuse_factor=4)
    yield Case("state_fold_channels", (2, 3), [gru("a", 3, 4)], stateful=True, channels=28, reuse_factor=2)
    folded = [dense("d", 2, 3, "relu"), lstm("a", 3, 3, **SEQUENCES), rnn("b", 3, 2), dense("c", 2, 2)]
    yield Case(
        "state_fold_stack", (3, 2), folded, stateful=True, channels=3, reuse_factor=6, layer_reuse_factor={"c": 4}
    )
    flat = [rnn("a", 2, 3, **SEQUENCES), Flatten("b"), dense("c", 9, 2)]
    yield Case("state_fold_flattened", (3, 2), flat, stateful=True, channels=2, reuse_factor=3)


def bus_cases() -> Iterator[Case]:
    """One copy: a whole sequence a beat, several steps a beat, and parts of one."""
    yield Case("parallel", (4, 2), [lstm("a", 2, 3), dense("b", 3, 2, "softmax")], io="parallel")
    yield Case("parallel_each_step", (5, 2), [gru("a", 2, 2, **SEQUENCES)], io="parallel", interleave=2)
    yield Case("parallel_back", (4, 1), [rnn("a", 1, 2, **SEQUENCES, **BACKWARDS), lstm("b", 2, 2)], io="parallel")
    yield Case("parallel_vector", (3,), [dense("a", 3, 2)], io="parallel")
    yield Case("parallel_fold", (3, 2), [lstm("a", 2, 4), dense("b", 4, 2)], io="parallel", reuse_factor=4)
    yield Case("bus_wide", (5, 2), [gru("a", 2, 3)], bus_bits=32)
    wide = types("fixed<10,3,RND,SAT>")
    yield Case("bus_wide_padded", (5, 2), [lstm("a", 2, 2, **SEQUENCES)], wide, "fixed<11,3>", bus_bits=104)
    yield Case("bus_one_lane", (4, 3), [rnn("a", 3, 3), dense("b", 3, 3)], wide, "fixed<12,3>", bus_bits=16)
    yield Case("bus_narrow", (4, 5), [gru("a", 5, 5, **SEQUENCES)], bus_bits=16)
    yield Case("bus_narrow_odd", (3, 5), [lstm("a", 5, 3)], wide, "ufixed<9,3>", bus_bits=56)
    yield Case("bus_wide_in_narrow_out", (6, 1), [lstm("a", 1, 5), dense("b", 5, 7)], bus_bits=24)
    yield Case("bus_narrow_in_wide_out", (4, 7), [rnn("a", 7, 1, **SEQUENCES)], bus_bits=16, interleave=1)
    yield Case("bus_vector", (7,), [dense("a", 7, 5, "relu")], bus_bits=24)
    yield Case("bus_stateful", (3, 2), [lstm("a", 2, 2), dense("b", 2, 2)], bus_bits=32, stateful=True, channels=3)
    yield Case("bus_narrow_stateful", (3, 2), [gru("a", 2, 2)], bus_bits=8, stateful=True)
    yield Case("parallel_stateful", (4, 1), [rnn("a", 1, 3)], io="parallel", stateful=True, channels=5)
    yield Case("bus_fold", (5, 2), [gru("a", 2, 4, **SEQUENCES), lstm("b", 4, 2)], bus_bits=48, reuse_factor=2)


def copy_cases() -> Iterator[Case]:
    yield Case("copies_2", (4, 2), [lstm("a", 2, 3), dense("b", 3, 2, "softmax")], copies=2)
    yield Case("copies_3", (5, 2), [gru("a", 2, 2)], copies=3, io="parallel")
    head = [dense("b", 2, 3, "relu"), dense("c", 3, 2, "softmax")]
    yield Case("copies_all", (4, 2), [lstm("a", 2, 2), *head], copies=4, io="parallel")
    yield Case("copies_one_step", (1, 2), [rnn("a", 2, 2), dense("b", 2, 2)], copies=1, io="parallel")
    yield Case("copies_each_step", (4, 2), [gru("a", 2, 2, **SEQUENCES)], copies=3)
    each_step = [rnn("a", 2, 3, **SEQUENCES), dense("b", 3, 2, "sigmoid")]
    yield Case("copies_each_step_all", (4, 2), each_step, copies=4, io="parallel")
    yield Case("copies_back", (4, 1), [lstm("a", 1, 2, **BACKWARDS), dense("b", 2, 1)], copies=2, io="parallel")
    both = [gru("a", 2, 2, **SEQUENCES, **BACKWARDS), rnn("b", 2, 2), dense("c", 2, 2)]
    yield Case("copies_turned", (3, 2), both, copies=3, io="parallel", interleave=1)
    yield Case(
        "copies_flat", (3, 2), [lstm("a", 2, 2, **SEQUENCES), Flatten("b"), dense("c", 6, 2)], copies=2, bus_bits=32
    )
    yield Case("copies_fold", (4, 2), [lstm("a", 2, 4), dense("b", 4, 3)], copies=2, io="parallel", reuse_factor=4)
    yield Case("copies_fold_stack", (3, 2), [gru("a", 2, 3, **SEQUENCES), rnn("b", 3, 4)], copies=3, reuse_factor=2)
    yield Case("copies_narrow", (4, 5), [gru("a", 5, 3), dense("b", 3, 5)], copies=2, bus_bits=16)
    yield Case("copies_wide", (7, 1), [rnn("a", 1, 2, **SEQUENCES)], copies=3, bus_bits=48)
    yield Case(
        "copies_head_slow",
        (4, 2),
        [rnn("a", 2, 2), dense("b", 2, 8)],
        copies=4,
        io="parallel",
        layer_reuse_factor={"b": 8},
    )


def window_cases() -> Iterator[Case]:
    yield Case("window", (4, 2), [lstm("a", 2, 3)], sliding_window=True)
    yield Case("window_channels", (3, 1), [rnn("a", 1, 2), dense("b", 2, 2)], sliding_window=True, channels=5)
    each = [gru("a", 2, 2, **SEQUENCES), rnn("b", 2, 2), dense("c", 2, 3, "softmax")]
    yield Case("window_each_cycle", (3, 2), each, sliding_window=True, channels=28, copies=3)
    back = [rnn("a", 2, 2, **SEQUENCES, **BACKWARDS), gru("b", 2, 2)]
    yield Case("window_backwards", (4, 2), back, sliding_window=True, channels=3, copies=2)
    flat = [lstm("a", 1, 2, **SEQUENCES), Flatten("b"), dense("c", 8, 2)]
    yield Case("window_flattened", (4, 1), flat, sliding_window=True, channels=7, copies=4)
    yield Case("window_fold", (3, 2), [gru("a", 2, 4)], sliding_window=True, channels=2, copies=3, reuse_factor=2)
    yield Case("window_no_scan", (2, 2), [Flatten("a"), dense("b", 4, 2)], sliding_window=True, channels=3)


def port_cases() -> Iterator[Case]:
    """Register slices at the ports and between engines, and results that are held until the greatest latency."""
    yield Case("port_registers", (4, 2), [lstm("a", 2, 3)], port_registers=True)
    yield Case("port_registers_narrow", (3, 5), [rnn("a", 5, 5)], bus_bits=16, port_registers=True)
    stack = [gru("a", 2, 2, **SEQUENCES), rnn("b", 2, 2, **BACKWARDS), dense("c", 2, 2)]
    yield Case("port_registers_stack", (4, 2), stack, port_registers=True)
    head = [rnn("a", 2, 2), dense("b", 2, 8)]
    yield Case("port_registers_copies", (4, 2), head, copies=2, bus_bits=32, port_registers=True)
    yield Case("port_registers_stateful", (2, 2), stack[:1], stateful=True, channels=3, port_registers=True)
    yield Case("fixed_latency", (4, 2), [lstm("a", 2, 3)], fixed_latency=True)
    yield Case("fixed_latency_steps", (5, 2), [gru("a", 2, 2, **SEQUENCES)], fixed_latency=True)
    yield Case("fixed_latency_narrow", (4, 2), [lstm("a", 2, 2), dense("b", 2, 7)], bus_bits=16, fixed_latency=True)
    yield Case(
        "fixed_latency_copies", (4, 2), [lstm("a", 2, 3), dense("b", 3, 2)], copies=2, io="parallel", fixed_latency=True
    )
    yield Case("fixed_latency_stack", (4, 2), stack, fixed_latency=True)
    yield Case("fixed_latency_fold", (3, 2), [lstm("a", 2, 4), dense("b", 4, 2)], reuse_factor=4, fixed_latency=True)


def stored_cases() -> Iterator[Case]:
    """So many results in flight that block RAM keeps them: at the port, and between engines of different speed."""
    wide = dense("a", 1, 64)
    yield Case("stored", (64, 1), [wide])
    stack = [wide, rnn("b", 64, 2, **SEQUENCES), dense("c", 2, 3)]
    slow = {"a": 2, "b": 8, "c": 2}
    yield Case("stored_stack", (64, 1), stack, part="LFE5U-85F", clock_period_ns=10, layer_reuse_factor=slow)
    yield Case("stored_fixed", (64, 1), [wide], fixed_latency=True)


def knob_cases() -> Iterator[Case]:
    layers = [gru("a", 2, 2), dense("b", 2, 2, "softmax")]
    periods_ns = {"xcku115": (3.5, 5.0), "xcvu13p": (2.5, 5.0), "xc7a100t": (5.0, 7.0), "LFE5U-85F": (7.5, 9.0)}
    assert set(periods_ns) == set(PARTS)
    for part, (fast_ns, usual_ns) in periods_ns.items():
        for period_ns, multipliers in ((fast_ns, "shift_add"), (usual_ns, "auto"), (10.0, "dsp")):
            yield Case(
                f"{part.replace('-', '_')}_{multipliers}",
                (3, 2),
                layers,
                part=part,
                clock_period_ns=period_ns,
                multipliers=multipliers,
            )
    for interleave in (1, 2, 3):
        yield Case(f"interleave_{interleave}", (4, 2), layers, interleave=interleave)
    flat = [rnn("a", 2, 2, **SEQUENCES), Flatten("b"), dense("c", 6, 15)]
    yield Case("few_dsps", (3, 2), flat, part="LFE5U-12F", clock_period_ns=12.0, multipliers="dsp")


GROUPS = {
    "recurrent": recurrent_cases,
    "cells": cell_cases,
    "activations": activation_cases,
    "feed forward": feed_forward_cases,
    "normalizations": normalization_cases,
    "windows over steps": window_layer_cases,
    "masks": mask_cases,
    "embeddings": embedding_cases,
    "stacked": stacked_cases,
    "reshapes": reshape_cases,
    "types": type_cases,
    "wide types": wide_cases,
    "bounds": bound_cases,
    "once wrong": once_wrong_cases,
    "knobs": knob_cases,
    "parts": part_cases,
    "folded": folded_cases,
    "stateful": stateful_cases,
    "sliding windows": window_cases,
    "buses": bus_cases,
    "copies": copy_cases,
    "ports": port_cases,
    "stored": stored_cases,
}


WITH_PORTS = [group for group in GROUPS if group not in ("types", "bounds", "activations", "knobs")]
"""Groups of cases whose ports, or what is behind these, differ."""


@pytest.mark.parametrize("group", GROUPS)
def test_hardware_conforms(group: str, tmp_path: Path) -> None:
    """And no port leads to another one through gates alone, so that every design can be closed in by registers."""
    tops = prove(list(GROUPS[group]()), tmp_path)
    if group in WITH_PORTS:
        found = netlists(tops, tmp_path / "rtl")
        assert {top: paths for top, module in found.items() if (paths := port_paths(module))} == {}


def test_hardware_conforms_whose_states_are_stored_before_their_last_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their registers start, wait and are cleared as others do, and so do memories of states that last."""

    given = types("fixed<8,2,RND,SAT>", state="fixed<7,0,RND,SAT>", preactivation="fixed<9,6>")
    cases = [
        Case("stored_lstm", (4, 2), [lstm("a", 2, 3, **SEQUENCES)], given),
        Case("stored_gru", (4, 2), [gru("a", 2, 2), dense("b", 2, 2)], given, clock_period_ns=3.5),
        Case("stored_lasting", (3, 2), [gru("a", 2, 2)], given, stateful=True, channels=3),
        Case("stored_stack", (3, 2), [lstm("a", 2, 2, **SEQUENCES), rnn("b", 2, 2)], given, interleave=2),
    ]
    monkeypatch.setattr(planner, "alternatives", lambda datapath, delays: list(rotations(late_clamps(datapath)))[-1:])
    monkeypatch.setattr(planner, "stored_earlier", lambda choices: [])
    prove(cases, tmp_path)


def test_stored_results_are_in_block_ram() -> None:
    texts = [" ".join(case.firmware(case.graph()).files.values()) for case in stored_cases()]
    assert all(".BLOCK_RAM(1'b1)" in text for text in texts)


def test_every_layer_has_a_case() -> None:
    cases = [case for group in GROUPS.values() for case in group()]
    kinds = {type(layer) for case in cases for layer in (case.network.layers if case.network else case.layers)}
    found_modules = pkgutil.walk_packages(loopwire.layers.__path__, "loopwire.layers.")
    # Quantised layers have tests of their own.
    modules = [import_module(found.name) for found in found_modules if "quantised" not in found.name]
    found = {v for m in modules for v in vars(m).values() if isinstance(v, type) and issubclass(v, OneToOne | Cell)}
    # In tests/test_networks.py, as all that take several tensors, and tests/test_window_layers.py.
    in_graphs = {RepeatVector, Reversed, AttentionPooling, AveragePooling, OverSteps, MaxPooling, SeparableConvolution}
    in_graphs |= {Cropping, NormalizationOverSteps, Selection, Transpose, UpSampling, ZeroPadding}
    in_graphs |= {Loop}  # what a frontend finds in a loop: tests/test_onnx_loops.py, tests/test_torch_loops.py
    quantised = {layer for layer in found if "quantised" in layer.__module__}  # tests/test_quantised_*.py
    assert kinds & found == {layer for layer in found if not isabstract(layer)} - in_graphs - quantised


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"clock_period_ns": 1.4},
            r"clock period 1.4 ns: TableIndex of \d+ bits in %a\.\w+ needs \d\.\d\d ns between",
        ),
        ({"interleave": 99}, "interleave: 99 sequences do not fit in a loop of"),
        ({"copies": 31}, "copies: 31 copies are more than the 30 steps of a sequence. Give from 1 to 30"),
        (
            {"bus_bits": 488},
            "bus_bits: 488 bits are out of range: a whole sequence takes 480. Give a multiple of 8 from",
        ),
    ],
)
def test_impossible_knobs_are_refused(changes: dict[str, Any], problem: str) -> None:
    case = replace(Case("refused", (30, 2), [gru("a", 2, 2)]), **changes)
    with pytest.raises(ConfigError, match=problem):
        case.firmware(case.graph())


TOOL_CASES = [
    Case("checked_flat", (3, 2), [lstm("a", 2, 2, **SEQUENCES), Flatten("b"), dense("c", 6, 2, "softmax")]),
    Case(
        "checked_turned",
        (3, 1),
        [gru("a", 1, 2, **SEQUENCES), rnn("b", 2, 1, **SEQUENCES, **BACKWARDS)],
        multipliers="dsp",
    ),
    Case("checked_copies", (3, 2), [gru("a", 2, 2), dense("b", 2, 2)], copies=2, io="parallel"),
    Case("checked_wide", (5, 1), [rnn("a", 1, 2, **SEQUENCES)], copies=2, bus_bits=32),
    *(
        Case(f"checked_{rounding.name.lower()}", (2,), [dense("a", 2, 2)], types(f"fixed<6,3,{rounding},SAT>"))
        for rounding in Rounding
    ),
    Case("checked_narrow", (3, 3), [rnn("a", 3, 2), dense("b", 2, 3)], bus_bits=16),
]


@pytest.mark.parametrize("case", TOOL_CASES, ids=lambda case: case.name)
def test_testbenches_pass_in_every_simulator(case: Case, tmp_path: Path) -> None:
    graph = case.graph()
    design = case.firmware(graph)
    sources = write_files(design, tmp_path)
    source = random.Random(case.name)
    lengths = np.array([source.randint(1, design.length) for _ in range(12)])
    given, due = at_ports(graph, design, random_inputs(graph, len(lengths), source), lengths)
    sent, expected = map(Vectors, design.inputs, given), map(Vectors, design.outputs, due)
    bench, *_ = write_testbench(tmp_path, design.top, [*sent], [*expected], case.clock_period_ns, design.latency_cycles)
    assert verilator.run_testbench(f"{design.top}_tb", [bench, *sources]).startswith("PASS: 12 sequences, 0 errors\n")
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed (apt install iverilog)")
    compiled = subprocess.run(
        ["iverilog", "-g2012", "-o", "simulate", bench.name, *(path.name for path in sources)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    run = subprocess.run(["vvp", "simulate"], cwd=tmp_path, capture_output=True, text=True)
    assert "PASS: 12 sequences, 0 errors" in run.stdout, run.stdout


@pytest.mark.parametrize("case", TOOL_CASES, ids=lambda case: case.name)
def test_yosys_accepts_the_files(case: Case, tmp_path: Path) -> None:
    pytest.importorskip("pyosys", reason="Yosys is not installed (pip install pyosys)")
    design = case.firmware(case.graph())
    names = " ".join(path.name for path in write_files(design, tmp_path))
    script = f"read_verilog -sv {names}; hierarchy -check -top {design.top}; proc; check -assert"
    commands = "; ".join(f"ys.run_pass({command!r}, d)" for command in script.split("; "))
    program = f"from pyosys import libyosys as ys; d = ys.Design(); {commands}"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert done.returncode == 0 and "Warning" not in printed, printed[-3000:]


def prove_random(source: random.Random, count: int) -> None:
    cases = [sometimes_lasting(source, random_case(source, f"random_{k + 1}")) for k in range(count)]
    note("\n".join(map(str, cases)))
    with TemporaryDirectory() as folder:
        prove([buildable(case) for case in cases], Path(folder))


NEW_SEEDS = "LOOPWIRE_FUZZ" in os.environ
"""As `make fuzz` asks for, by --hypothesis-seed; else each run has the same cases."""
SWEEP = settings(
    deadline=None, derandomize=not NEW_SEEDS, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@settings(SWEEP, max_examples=2)
@given(st.randoms(use_true_random=False))
def test_a_few_random_models(source: random.Random) -> None:
    prove_random(source, 3)


@pytest.mark.slow
@settings(SWEEP, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_many_random_models(source: random.Random) -> None:
    prove_random(source, 6)


def sized_case(source: random.Random, name: str) -> Case:
    """Return a recurrent layer, perhaps with a Dense behind it, of random sizes and with random knobs."""
    steps, features, units = source.randint(1, 6), source.randint(1, 4), source.randint(1, 5)
    each_step, make = source.random() < 0.4, source.choice((lstm, gru, rnn))
    options = {"return_sequences": each_step, "go_backwards": source.random() < 0.3}
    layers: list[Layer] = [make("a", features, units, **options)]
    if source.random() < 0.6:
        layers.append(dense("b", units, source.randint(1, 5), source.choice(("linear", "relu", "softmax"))))
    case = Case(name, (steps, features), layers, copies=source.randint(1, steps), io=source.choice(IO))
    if case.io == "stream":
        case = replace(case, bus_bits=source.choice((None, 8, 16, 24, 40, 64)))
    if source.random() < 0.4:
        return replace(case, interleave=source.choice((None, 1, 2)))
    chain = cut(case.graph(), Apart.PRODUCTS).engines
    return replace(case, layer_reuse_factor={layer_of(part): source.choice(reuse_factors(part)) for part in chain})


@pytest.mark.slow
@settings(SWEEP, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_many_sizes_and_knobs(source: random.Random) -> None:
    cases = [sized_case(source, f"sized_{k + 1}") for k in range(6)]
    note("\n".join(map(str, cases)))
    with TemporaryDirectory() as folder:
        prove([buildable(case) for case in cases], Path(folder))
