"""Measures both directions of a layer side by side, and an encoder with its decoder, beside single layers.

Weights are random but always the same.
"""

from __future__ import annotations

import numpy as np

from compile import table
from loopwire.config import CompileConfig
from loopwire.layers import Concatenate, Dense, Input, Lstm, Model, RepeatVector, Reversed
from loopwire.layers.model import Tensor
from windows_in_front import FEATURES, HEAD, STEPS, row

CONFIG = CompileConfig(part="xcku115", clock_period_ns=5.0)
RANDOM = np.random.default_rng(1)


def weights(*shape: int) -> np.ndarray:
    """Return random weights."""
    return RANDOM.normal(0.0, 0.3, shape)


def lstm(name: str, features: int, units: int, each_step: bool = False, backwards: bool = False) -> Lstm:
    """Return a layer of random weights."""
    kernels = weights(4 * units, features), weights(4 * units, units), weights(4 * units)
    return Lstm(name, *kernels, return_sequences=each_step, go_backwards=backwards)


def both_directions(x: Tensor, each_step: bool) -> Tensor:
    """Return what a bidirectional LSTM(20) makes of a sequence."""
    forward = lstm("forward", FEATURES, 20, each_step)(x)
    backward = lstm("backward", FEATURES, 20, each_step, backwards=True)(x)
    return Concatenate("both")(forward, Reversed("turned")(backward) if each_step else backward)


def decoded(x: Tensor) -> Tensor:
    """Return what an autoencoder makes of a sequence."""
    code = RepeatVector("code", STEPS)(lstm("encoder", FEATURES, 16)(x))
    return Dense("head", weights(FEATURES, 16), weights(FEATURES))(lstm("decoder", 16, 16, True)(code))


FORMS = {
    "LSTM(20)": lambda x: lstm("lstm", FEATURES, 20)(x),
    "bidirectional LSTM(20), last step": lambda x: both_directions(x, False),
    "bidirectional LSTM(20), all steps": lambda x: both_directions(x, True),
    "LSTM(16)": lambda x: lstm("lstm", FEATURES, 16)(x),
    "LSTM(16), RepeatVector(20), LSTM(16), Dense(6) on each step": decoded,
}


def main() -> None:
    """Print the table."""
    x = Input((STEPS, FEATURES))
    table(HEAD, [row(name, Model.of("graph", x, form(x)), CONFIG) for name, form in FORMS.items()])


if __name__ == "__main__":
    main()
