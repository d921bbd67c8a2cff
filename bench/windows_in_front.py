"""Measures a convolution and a pooling in front of an LSTM, and an attention behind it.

Weights are random but always the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import loopwire
from compile import table
from loopwire.config import CompileConfig
from loopwire.layers import (
    AttentionPooling,
    Convolution,
    Dense,
    Function,
    Layer,
    Lstm,
    MaxPooling,
    Model,
    Window,
)
from loopwire.layers.model import chain
from loopwire.report.summary import Verification
from loopwire.verification import verify

STEPS, FEATURES, SEQUENCES = 20, 6, 200
KNOBS: dict[str, Any] = {"part": "xcvu13p", "clock_period_ns": 5.0}
FORMS = {
    "`padding='valid'`": ("valid", CompileConfig(**KNOBS)),
    "`padding='same'`": ("same", CompileConfig(**KNOBS)),
    "`padding='valid'`, R = 4 of the LSTM": ("valid", CompileConfig(**KNOBS, layer_reuse_factor={"lstm": 4})),
}
HEAD = [
    "form",
    "bits that differ, on sequences",
    "latency, cycles, predicted / simulated",
    "latency, ns",
    "interval, cycles, predicted / simulated",
    "LUTs",
    "FFs",
    "DSPs",
]


def network(padding: str) -> Model:
    """Return Conv1D(16, 5), MaxPooling1D(2), LSTM(32), a pooling by attention, and Dense(5)."""
    random = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0.0, 0.4, shape)

    layers: list[Layer] = [
        Convolution("conv", Window(5, padding=padding), weights(16, 5, FEATURES), weights(16), 1, Function("relu")),
        MaxPooling("pool", Window(2, 2)),
        Lstm("lstm", weights(128, 16), weights(128, 32), weights(128), return_sequences=True),
        AttentionPooling("attention", weights(8, 32), weights(8), weights(8)),
        Dense("head", weights(5, 32), weights(5), Function("softmax")),
    ]
    return chain("conv_lstm", (STEPS, FEATURES), layers, "bench")


def row(name: str, model: Model, config: CompileConfig) -> list[str]:
    """Compile a model, verify it, and return its row."""
    design = loopwire.compile(model, config)
    checked, predicted = verify(design, design.random_inputs(SEQUENCES), SEQUENCES), design.predicted_cycles
    assert isinstance(checked, Verification)
    simulated, area = checked.simulated, {use.name: use.used for use in design.report().estimated}
    return [
        name,
        f"0 on {checked.sequences}",
        f"{predicted.latency_cycles} / {simulated.latency_cycles}",
        f"{simulated.latency_cycles * config.clock_period_ns:g}",
        f"{predicted.initiation_interval_cycles:g} / {simulated.initiation_interval_cycles:g}",
        *(f"{area[kind]:,}".replace(",", " ") for kind in ("LUTs", "FFs", "DSPs")),
    ]


def main() -> None:
    """Print the table."""
    table(HEAD, [row(name, network(padding), config) for name, (padding, config) in FORMS.items()])


if __name__ == "__main__":
    main()
