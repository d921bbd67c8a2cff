"""What graphs become as engines, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import Activation, Function
from loopwire.layers.model import Layer
from loopwire.layers.shape import Flatten, Reshape
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.fuse_scans import fuse_scans
from loopwire.schedule.engine import Engine, engines
from test_passes import add_up, dense, gru, lowered, lstm

RNG = np.random.default_rng(0)
TYPE = FixedType(8, 3, rounding=Rounding.RND, overflow=Overflow.SAT)


def cut(*layers: Layer, shape: tuple[int, ...] = (4, 2)) -> tuple[Engine, ...]:
    return engines(fuse_scans(accumulate_flattened(lowered(*layers, shape=shape))))


def sequence(name: str, backwards: bool = False) -> Layer:
    return lstm(RNG, 2, name, return_sequences=True, go_backwards=backwards)


def test_layers_that_read_in_order_share_an_engine() -> None:
    (engine,) = cut(sequence("a"), sequence("b"), Flatten("flat"), dense(RNG, 8))
    assert (engine.name, engine.length, engine.reverse, engine.per_step) == ("engine", 4, False, False)
    assert len(engine.states) == 5
    assert [rom.integers.shape for _, rom in engine.step_constants] == [(4, 3, 2)]


def test_a_layer_that_reads_backwards_starts_an_engine() -> None:
    first, second = cut(sequence("a"), sequence("b"), gru(RNG, 2, "c", go_backwards=True), dense(RNG, 2))
    assert (first.name, first.reverse, first.per_step, first.output.layer) == ("engine_1", False, True, "b")
    assert (second.name, second.reverse, second.per_step, second.output.layer) == ("engine_2", True, False, "dense")
    assert (len(first.states), len(second.states)) == (4, 1)


def test_sequences_backwards_all_the_way() -> None:
    chain = cut(sequence("a", True), sequence("b", True), sequence("c", True))
    assert [(engine.reverse, engine.per_step, engine.length) for engine in chain] == [(True, True, 4)] * 3


def test_reshaping_to_the_same_shape_changes_nothing() -> None:
    (engine,) = cut(Reshape("first", (4, 2)), sequence("a"), Reshape("second", (4, -1)), gru(RNG, 2, "b"))
    assert (engine.length, len(engine.states), engine.per_step) == (4, 3, False)


def test_a_model_without_steps_is_an_engine_of_one_step() -> None:
    (engine,) = cut(dense(RNG, 3), Activation("a", Function("relu")), shape=(3,))
    assert (engine.length, engine.states, engine.per_step, engine.output.name) == (1, (), False, "a.y")


def test_initial_states_are_cast_constants() -> None:
    b = Builder()
    x = b.input("x", TensorType((4, 2), TYPE))
    start = b.cast(b.const([0.3, -9.0], FixedType(16, 6)), TYPE)
    last, _ = b.scan((start,), (x,), add_up, names=("last", "sums"))
    (engine,) = engines(b.graph([last]))
    assert engine.states[0].initial.tolist() == [10, -128]


CHAINS = (
    "Supported are chains in which each layer reads the previous one's steps in order or in reverse, or its last step. "
    "Take target = 'vitis_hls', which carries any graph of layers"
)


@pytest.mark.parametrize(
    ("layers", "where", "problem"),
    [
        (
            lambda: [lstm(RNG, 2, "a"), Reshape("cut", (1, 2)), gru(RNG, 2)],
            "layer 'a'",
            "firmware cannot pass %a.h_last, of shape (2,), to the next layer",
        ),
        (
            lambda: [sequence("a"), Reshape("cut", (2, 4)), gru(RNG, 4)],
            "layer 'cut'",
            "firmware cannot pass %cut.y, of shape (2, 4), to the next layer",
        ),
        (
            lambda: [sequence("a"), Flatten("flat"), Activation("b", Function("tanh"))],
            "layer 'a'",
            "firmware cannot pass %a.h_sequence, of shape (4, 2), to the next layer",
        ),
    ],
)
def test_what_no_chain_of_engines_carries_is_refused(layers: object, where: str, problem: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        cut(*layers())  # type: ignore[operator]
    assert str(caught.value) == f"{where}: {problem}. {CHAINS}"


def computed_state() -> Graph:
    b = Builder()
    x = b.input("x", TensorType((4, 2), TYPE))
    b.layer = "rnn"
    last, _ = b.scan((b.reshape(b.const(np.zeros((2, 1)), TYPE), (2,), "h"),), (x,), add_up, names=("last", "sums"))
    return b.graph([last])


def test_a_state_that_the_model_computes_is_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        engines(computed_state())
    assert str(caught.value) == (
        "layer 'rnn': its initial state %rnn.h is computed by the model. "
        "Take target = 'vitis_hls', which carries any graph of layers"
    )
