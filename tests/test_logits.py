"""Models without the softmax or sigmoid at their end: which are, what they give, and what it saves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import loopwire
from loopwire.errors import ConfigError
from loopwire.layers.activation import Activation, Function
from loopwire.layers.dense import Dense
from loopwire.layers.model import Input, Model
from loopwire.passes.leave_out_activations import without_final_activations

JETS = Path(__file__).parents[1] / "examples" / "jets"
RNG = np.random.default_rng(1)


def dense(name: str, function: str) -> Dense:
    return Dense(name, RNG.normal(size=(3, 3)), RNG.normal(size=3), Function(function))


@pytest.mark.parametrize("function", ["softmax", "sigmoid"])
@pytest.mark.parametrize("apart", [False, True])
def test_outputs_are_what_the_function_is_computed_of(function: str, apart: bool) -> None:
    x = Input((3,))
    hidden = dense("hidden", "sigmoid")(x)
    layer = dense("out", "linear" if apart else function)
    y = Activation("function", Function(function))(layer(hidden)) if apart else layer(hidden)
    model = Model.of("m", x, y)
    given = RNG.normal(size=(5, 3))
    logits = loopwire.compile(model, logits=True, precision="fixed<24,6>").predict(given)
    inside = 1 / (1 + np.exp(-(given @ model.layers[0].kernel.T + model.layers[0].bias)))
    assert np.allclose(logits, inside @ layer.kernel.T + layer.bias, atol=1e-3)


def test_a_function_that_something_else_reads_stays() -> None:
    x = Input((3,))
    y = dense("out", "softmax")(x)
    both = Model.of("m", x, (y, dense("after", "linear")(y)))
    assert without_final_activations(both) is both
    with pytest.raises(ConfigError) as caught:
        loopwire.compile(both, logits=True)
    assert str(caught.value) == (
        "logits: no output of model 'm' ends in a softmax or a sigmoid that no other layer reads. Leave 'logits' out"
    )


def test_the_jet_tagger_is_quicker_by_its_softmax() -> None:
    model, x = loopwire.load(JETS / "jet_lstm20.keras"), np.load(JETS / "jets_test2k.npz")["X"][:100]
    whole, logits = (loopwire.compile(model, logits=logits) for logits in (False, True))
    assert (whole.predict(x).argmax(axis=1) == logits.predict(x).argmax(axis=1)).mean() > 0.98
    assert whole.firmware.latency_cycles - logits.firmware.latency_cycles >= 4
    assert logits.firmware.loop_latency_cycles == whole.firmware.loop_latency_cycles
