"""The test bench of a written project of SystemVerilog: one that checks itself, with vectors."""

from __future__ import annotations

import numpy as np

from loopwire.data import Batch
from loopwire.hdl import testbench
from loopwire.hdl.testbench import Pace, Vectors
from loopwire.targets.verilog.hardware import VerilogHardware
from loopwire.targets.verilog.integration import cocotb_files


def testbench_files(hardware: VerilogHardware, x: Batch) -> dict[str, str]:
    """Return the test bench of a design, and the vectors of each port, by their paths.

    Some sequences are short, where they may be, some start from the initial states where anything lasts.
    """
    firmware, model = hardware.firmware, hardware.model
    integers, lengths = model.input_integers(x, None)
    lengths = lengths.copy()
    if model.may_be_short:
        lengths[1::2] = np.random.default_rng(1).integers(1, model.steps, len(lengths[1::2]), endpoint=True)
    fresh = np.zeros(len(lengths), np.bool_)
    fresh[3::5] = model.config.remembers
    framed = not model.config.sliding_window  # so that TLAST has a meaning
    if framed:
        integers = hardware.ending_in_zeros(integers, lengths, np.random.default_rng(2))
    inputs: list[Vectors] = []
    outputs: list[Vectors] = []
    for port, given in zip(firmware.inputs, hardware.sent(integers, lengths, fresh), strict=True):
        last = given.lengths < port.steps
        last[::4] = True
        last |= model.config.require_tlast
        sideband = firmware.sideband.of_input(len(inputs))
        inputs.append(Vectors(port, given, last if framed else None, sideband, breaks_framing=framed))
    for port, due in zip(firmware.outputs, hardware.due(integers, lengths, fresh), strict=True):
        outputs.append(Vectors(port, due, sideband=firmware.sideband))
    steady = firmware.steady
    files = testbench.testbench_files(
        firmware.top,
        inputs,
        outputs,
        model.config.clock_period_ns,
        still_cycles=firmware.latency_cycles,
        timeout_cycles=firmware.timeout_cycles,
        pace=Pace(firmware.latency_cycles, steady.settled_sequences, steady.period_sequences, steady.period_cycles),
    )
    sent, expected = hardware.sent(integers, lengths, fresh), hardware.due(integers, lengths, fresh)
    files |= cocotb_files(firmware, model.config.clock_period_ns, sent, expected)
    return {f"testbench/{name}": text for name, text in files.items()}
