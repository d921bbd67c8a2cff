"""The test bench of a written project of SystemVerilog: one that checks itself, with vectors."""

from __future__ import annotations

import numpy as np

from loopwire.data import Batch
from loopwire.hdl.testbench import Pace, Vectors, testbench_text
from loopwire.targets.verilog.hardware import VerilogHardware


def testbench_files(hardware: VerilogHardware, x: Batch) -> dict[str, str]:
    """Return the test bench of a design with one input and one output, and its vectors, by their paths.

    Some sequences are short, some start from the initial states where anything lasts.
    """
    firmware, model = hardware.firmware, hardware.model
    integers, lengths = model.input_integers(x, None)
    lengths = lengths.copy()
    lengths[1::2] = np.random.default_rng(1).integers(1, model.steps, len(lengths[1::2]), endpoint=True)
    fresh = np.zeros(len(lengths), np.bool_)
    fresh[3::5] = model.config.remembers
    last, longest = None, None
    if not model.config.sliding_window:  # where TLAST has a meaning
        integers = hardware.ending_in_zeros(integers, lengths, np.random.default_rng(2))
        longest, last = firmware.length, lengths < model.steps
        last[::4] = True
        last |= model.config.require_tlast
    told = fresh if model.config.remembers else None
    (given,), (results,) = hardware.sent(integers, lengths, fresh), hardware.due(integers, lengths, fresh)
    sent = Vectors(firmware.input, given.vectors, lengths, told, last, longest, firmware.sideband)
    due = Vectors(firmware.output, results.vectors, results.lengths, sideband=firmware.sideband)
    sent_file, due_file = f"{firmware.top}_input.hex", f"{firmware.top}_expected.hex"
    period_ns, still_cycles, timeout_cycles = (
        model.config.clock_period_ns,
        firmware.latency_cycles,
        firmware.timeout_cycles,
    )
    steady = firmware.steady
    period = (steady.settled_sequences, steady.period_sequences, steady.period_cycles)
    pace = Pace(firmware.latency_cycles, *period, firmware.length)
    vectors = (sent, due, sent_file, due_file)
    text = testbench_text(firmware.top, *vectors, period_ns, still_cycles, timeout_cycles, seed=1, pace=pace)
    return {
        f"testbench/{firmware.top}_tb.sv": text,
        f"testbench/{sent_file}": sent.text(),
        f"testbench/{due_file}": due.text(),
    }
