"""Sequences that get other steps between layers, in SystemVerilog: every bit and every cycle."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

import loopwire
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.errors import UnsupportedError
from loopwire.layers.activation import Activation
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.merge import Add
from loopwire.layers.model import Model, ModelBuilder, chain
from loopwire.layers.shape import Flatten, RepeatVector, Reshape, Reversed
from loopwire.layers.simple_rnn import SimpleRnn
from networks import prove
from random_models import SOFTMAX, Weights
from random_networks import random_network

WEIGHTS = Weights(1)
STEPS: dict[str, Any] = {"return_sequences": True}


def rnn(name: str, features: int, units: int, **options: Any) -> SimpleRnn:
    return SimpleRnn(name, WEIGHTS(units, features), WEIGHTS(units, units), WEIGHTS(units), **options)


def dense(name: str, features: int, units: int) -> Dense:
    return Dense(name, WEIGHTS(units, features), WEIGHTS(units))


LSTM = Lstm("a", WEIGHTS(12, 2), WEIGHTS(12, 3), WEIGHTS(12), **STEPS)


def graph() -> Model:
    """One source read as it is and in other steps, a vector made a sequence, one turned round, and all that meet."""
    b = ModelBuilder()
    x, v = b.input("x", (4, 2)), b.input("v", (6,))
    (h,) = b.call(rnn("a", 2, 3, **STEPS), x)
    (cut,) = b.call(Reshape("cut", (6, 2)), h)
    (turned,) = b.call(Reversed("turned"), cut)
    (drawn,) = b.call(Reshape("drawn", (6, 1)), v)
    ends = [b.call(rnn(name, n, 2, **STEPS), y)[0] for name, n, y in (("b", 2, turned), ("c", 1, drawn))]
    (sums,) = b.call(Add("sums"), *ends)
    (whole,) = b.call(Flatten("whole"), h)
    (soft,) = b.call(Activation("soft", SOFTMAX), whole)
    return b.model("m", [sums, soft, *b.call(dense("d", 6, 2), v)], "test")


FORMS: dict[str, Callable[[], Model]] = {
    "parts of which neither is the other": lambda: chain(
        "m", (4, 2), (rnn("a", 2, 6, **STEPS), Reshape("r", (6, 4)), rnn("b", 4, 2)), "test"
    ),
    "more steps": lambda: chain("m", (4, 2), (LSTM, Reshape("r", (6, 2)), rnn("b", 2, 2)), "test"),
    "a vector to a sequence": lambda: chain(
        "m", (2,), (dense("a", 2, 6), Reshape("r", (3, 2)), rnn("b", 2, 1)), "test"
    ),
    "last states to a sequence": lambda: chain(
        "m", (4, 2), (rnn("a", 2, 6), Reshape("r", (6, 1)), rnn("b", 1, 2)), "test"
    ),
    "an input to a vector": lambda: chain("m", (3, 2), (Flatten("a"), Activation("b", SOFTMAX)), "test"),
    "a graph": graph,
}


def designed(model: Model, **knobs: Any) -> Design:
    return loopwire.compile(model, CompileConfig.from_dict({"model": {"precision": "fixed<9,3,RND,SAT>"}, **knobs}))


@pytest.mark.parametrize("form", FORMS)
def test_hardware_of_other_steps(form: str) -> None:
    prove(designed(FORMS[form]()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_hardware_of_random_networks_with_other_steps(seed: int) -> None:
    source = random.Random(seed)
    model = random_network(source, f"net_{seed}", reshapes=True)
    knobs = source.choice(({}, {}, {"io": "parallel"}, {"interleave": 1}, {"bus_bits": 16}, {"reuse_factor": 2}))
    try:
        made = designed(model, **knobs)
        _ = made.firmware
    except UnsupportedError as error:
        assert re.search(
            "only repeats a vector|no channel gives other steps to|cannot take. Set its|Leave it out for this layer",
            str(error),
        ), error
        return
    prove(made, seed)


@pytest.mark.parametrize(
    ("between", "text"),
    [
        (
            Reversed("between"),
            "layer 'r': no channel can change the steps of %between.y, which is reversed. Put another",
        ),
        (
            RepeatVector("between", 3),
            "layer 'r': no channel can change the steps of %between.y, which repeats a vector.",
        ),
    ],
)
def test_other_steps_that_no_channel_gives(between: Any, text: str) -> None:
    first = rnn("a", 2, 2, return_sequences=isinstance(between, Reversed))
    model = chain("m", (3, 2), (first, between, Reshape("r", (2, 3)), rnn("b", 3, 2)), "test")
    with pytest.raises(UnsupportedError) as refused:
        _ = designed(model).firmware
    assert str(refused.value).startswith(text)
