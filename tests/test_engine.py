"""What graphs become as engines, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from loopwire.ir.builder import Builder
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import Activation, Function
from loopwire.layers.model import Layer
from loopwire.layers.shape import Flatten, Reshape
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.fuse_scans import fuse_scans
from loopwire.schedule.cutting import cut
from loopwire.schedule.engine import Engine
from loopwire.schedule.origins import Apart
from loopwire.schedule.reshaping import Reshaping
from test_passes import add_up, dense, gru, lowered, lstm

RNG = np.random.default_rng(0)
TYPE = FixedType(8, 3, rounding=Rounding.RND, overflow=Overflow.SAT)


def engines(*layers: Layer, shape: tuple[int, ...] = (4, 2)) -> tuple[Engine, ...]:
    return cut(fuse_scans(accumulate_flattened(lowered(*layers, shape=shape)))).engines


def sequence(name: str, backwards: bool = False) -> Layer:
    return lstm(RNG, 2, name, return_sequences=True, go_backwards=backwards)


def test_layers_that_read_in_order_share_an_engine() -> None:
    (engine,) = engines(sequence("a"), sequence("b"), Flatten("flat"), dense(RNG, 8))
    assert (engine.name, engine.length, engine.reverse, engine.per_step) == ("engine", 4, False, False)
    assert len(engine.states) == 5
    assert [rom.integers.shape for _, rom in engine.step_constants] == [(4, 3, 2)]


def test_a_layer_that_reads_backwards_starts_an_engine() -> None:
    first, second = engines(sequence("a"), sequence("b"), gru(RNG, 2, "c", go_backwards=True), dense(RNG, 2))
    assert (first.name, first.reverse, first.per_step, first.outputs[0].layer) == ("engine_1", False, True, "b")
    assert (second.name, second.reverse, second.per_step, second.outputs[0].layer) == ("engine_2", True, False, "dense")
    assert (len(first.states), len(second.states)) == (4, 1)


def test_sequences_backwards_all_the_way() -> None:
    chain = engines(sequence("a", True), sequence("b", True), sequence("c", True))
    assert [(engine.reverse, engine.per_step, engine.length) for engine in chain] == [(True, True, 4)] * 3


def test_reshaping_to_the_same_shape_changes_nothing() -> None:
    (engine,) = engines(Reshape("first", (4, 2)), sequence("a"), Reshape("second", (4, -1)), gru(RNG, 2, "b"))
    assert (engine.length, len(engine.states), engine.per_step) == (4, 3, False)


def test_a_model_without_steps_is_an_engine_of_one_step() -> None:
    (engine,) = engines(dense(RNG, 3), Activation("a", Function("relu")), shape=(3,))
    assert (engine.length, engine.states, engine.per_step, engine.outputs[0].name) == (1, (), False, "a.y")


def test_initial_states_are_cast_constants() -> None:
    b = Builder()
    x = b.input("x", TensorType((4, 2), TYPE))
    start = b.cast(b.const([0.3, -9.0], FixedType(16, 6)), TYPE)
    last, _ = b.scan((start,), (x,), add_up, names=("last", "sums"))
    (engine,) = cut(b.graph([last])).engines
    assert engine.states[0].initial.tolist() == [10, -128]


@pytest.mark.parametrize(
    ("layers", "feeds"),
    [
        ([lstm(RNG, 2, "a"), Reshape("cut", (1, 2)), gru(RNG, 2)], [Reshaping(1, 2, 1, 2, range(2))]),
        ([sequence("a"), Reshape("cut", (2, 4)), gru(RNG, 4)], [Reshaping(4, 2, 2, 4, range(8))]),
        ([sequence("a"), Flatten("flat"), Activation("b", Function("tanh"))], [Reshaping(4, 2, 1, 8, range(8))]),
    ],
)
def test_other_steps_between_layers_are_a_channels_work(layers: list[Layer], feeds: list[Reshaping]) -> None:
    found = cut(fuse_scans(accumulate_flattened(lowered(*layers, shape=(4, 2)))))
    assert [feed.reshaping for feed in found.feeds[-1]] == feeds and not found.is_chain


def test_an_initial_state_that_follows_from_constants_is_known() -> None:
    b = Builder()
    x = b.input("x", TensorType((4, 2), TYPE))
    b.layer = "rnn"
    start = b.reshape(b.const(np.full((2, 1), 1.5), TYPE), (2,), "h")
    last, _ = b.scan((start,), (x,), add_up, names=("last", "sums"))
    (engine,) = cut(b.graph([last])).engines
    assert engine.states[0].initial.tolist() == [48, 48] and engine.states[0].initial_value is None


def test_what_follows_the_scans_exists_once_behind_copies() -> None:
    layers = [sequence("a"), gru(RNG, 2, "b", go_backwards=True), dense(RNG, 2)]
    graph = fuse_scans(lowered(*layers, shape=(4, 2)))
    assert (cut(graph).copied, cut(graph, Apart.TAILS).copied) == (2, 2)
    assert [engine.name for engine in cut(graph, Apart.TAILS).engines] == [
        "engine_1",
        "engine_2",
        "engine_2_tail_1",
    ]
