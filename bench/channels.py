"""Measures small networks on 28 channels that take turns: sliding windows of 5 samples, and states that last.

Weights are random but always the same.
"""

from __future__ import annotations

import sys

import numpy as np

import loopwire
from loopwire.config import CompileConfig
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.model import Layer, chain
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.report.summary import Verification
from loopwire.verification import verify

UNITS, STEPS, CHANNELS, SAMPLES = 8, 5, 28, 1000
WINDOWS = [CompileConfig(sliding_window=True, channels=CHANNELS, copies=copies) for copies in (STEPS, 1)]
STATES = CompileConfig(stateful=True, channels=CHANNELS)


def networks() -> dict[str, Layer]:
    """Return the recurrent layers, of one input."""
    random = np.random.default_rng(8)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0.0, 0.4, shape)

    gates = 3 * UNITS
    return {
        "GRU(8)": Gru("gru", weights(gates, 1), weights(gates, UNITS), weights(gates), weights(gates)),
        "simple RNN(8)": SimpleRnn("rnn", weights(UNITS, 1), weights(UNITS, UNITS), weights(UNITS)),
    }


def row(name: str, layer: Layer, config: CompileConfig) -> list[str]:
    """Compile one network, verify it, and return its row."""
    steps = STEPS if config.sliding_window else 1
    head = Dense("head", np.full((1, UNITS), 0.25), np.zeros(1))
    design = loopwire.compile(chain("cell", (steps, 1), (layer, head), "bench"), config)
    checked, firmware = verify(design, design.random_inputs(SAMPLES), SAMPLES), design.firmware
    assert isinstance(checked, Verification)
    simulated = checked.simulated
    return [
        name,
        f"windows of {STEPS}, copies = {config.copies}" if config.sliding_window else "stateful, a step a call",
        f"0 on {checked.sequences}, {checked.stressed_sequences} with gaps or stalls, {checked.resets} resets",
        f"{firmware.latency_cycles} / {simulated.latency_cycles}",
        f"{simulated.latency_cycles * config.clock_period_ns:g}",
        f"{firmware.initiation_interval_cycles:g} / {simulated.initiation_interval_cycles:g}",
    ]


def main() -> None:
    """Print the table."""
    head = [
        "network",
        "operation",
        "RTL against emulator: bits that differ",
        "latency, cycles, predicted / simulated",
        "latency, ns",
        "cycles a sample, predicted / simulated",
    ]
    rows = [head, ["---"] * len(head)]
    for name, layer in networks().items():
        for config in (*WINDOWS, STATES):
            print(f"measuring {name}", file=sys.stderr)
            rows.append(row(name, layer, config))
    for cells in rows:
        print(f"| {' | '.join(cells)} |")
    print()


if __name__ == "__main__":
    main()
