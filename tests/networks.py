"""Proof of a network's hardware: bits, cycles, stalls, resets and short sequences, by simulation."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import numpy.typing as npt

from loopwire.data import Batch
from loopwire.design import Design
from loopwire.schedule.cycles import run
from loopwire.simulate import verilator
from loopwire.simulate.simulation import SimulationResult, Stimulus

DISTURBANCES = ((0.5, 0.5), (1.0, 0.2), (0.3, 1.0), (1.0, 1.0))
"""That an input beat is offered, that an output is ready."""


def prove(design: Design, seed: int = 1, count: int = 30) -> None:
    """Hold a network's hardware against the emulator and its predicted cycles."""
    firmware, random = design.firmware, np.random.default_rng(seed)
    simulator = design.hardware.simulator
    sources = sorted(simulator.directory.glob("*.sv"))
    assert verilator.lint(firmware.top, sources) == ""
    steady = firmware.steady
    many = steady.settled_sequences + 2 * steady.period_sequences + 4
    integers, full = design.input_integers(design.random_inputs(many, seed), None)

    def simulate(integers: Batch, lengths: npt.NDArray[np.int64], stimulus: Stimulus) -> SimulationResult:
        fresh = np.zeros(len(lengths), np.bool_)
        result = design.hardware.run(integers, lengths, fresh, stimulus)
        result.require_equal(f"{firmware.top}, {stimulus}", design.hardware.due(integers, lengths, fresh))
        return result

    assert simulate(integers[:1], full[:1], Stimulus(seed)).latency_cycles[0] == firmware.latency_cycles
    found = simulate(integers, full, Stimulus(seed))
    origin = found.first_input_cycle[0]
    simulated = np.stack((found.first_input_cycle, found.last_output_cycle), axis=1) - origin
    predicted = np.array([astuple(cycles) for cycles in run(firmware.timing, many)])[:, (0, 3)]
    assert np.array_equal(simulated, predicted), f"{simulated.tolist()}, not {predicted.tolist()}"
    intervals = found.interval_cycles[steady.settled_sequences :][: steady.period_sequences]
    assert intervals.mean() == firmware.initiation_interval_cycles
    integers, full = design.input_integers(design.random_inputs(count, seed + 1), None)
    for valid, ready in DISTURBANCES:
        lengths = full.copy()
        if design.may_be_short:
            lengths = random.integers(1, design.steps, count, endpoint=True)
        resets = tuple(random.integers(1, 2 * firmware.latency_cycles, 3, endpoint=True).tolist())
        stimulus = Stimulus(
            int(random.integers(1 << 60)), valid, ready, 0.5, firmware.latency_cycles, resets, breaks_framing=True
        )
        simulate(design.hardware.ending_in_zeros(integers, lengths, random), lengths, stimulus)
