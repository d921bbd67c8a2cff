"""Proof by simulation: the hardware gives the emulator's bits, and takes the predicted cycles where these are known."""

from __future__ import annotations

from loopwire.arguments import function, instance, not_negative, whole
from loopwire.data import Inputs, check_batch
from loopwire.design import Design
from loopwire.errors import DataError
from loopwire.report.summary import Verification
from loopwire.system.progress import Progress


def verify(
    design: Design,
    x: Inputs,
    sequences: int | None = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> Verification:
    """Simulate the hardware and compare every bit with the emulator, as its target does it.

    Of SystemVerilog, latency and interval are compared with the prediction too (`targets.verilog.proof`); of HLS C++,
    the C simulation's bits are compared.

    Args:
        design: whose hardware is simulated.
        x: inputs, (N, ...) of the input's shape.
        sequences: how many of them are simulated, from the first on; all if fewer. None: the configuration's
            `simulate_sequences`.
        seed: of all random choices.
        progress: called with the progress.

    Raises:
        ConfigError: an argument is of another kind.
        DataError: x does not fit the model, or no sequence is to be simulated.
        ToolError: Verilator or a C++ compiler is missing or fails.
        VerificationError: a bit or a cycle differs, or the hardware hangs.
    """
    instance(Design, "Give what loopwire.compile returns")("design", design)
    if progress is not None:
        function("progress", progress)
    seed = not_negative("seed", seed)
    count = design.config.simulate_sequences if sequences is None else whole("sequences", sequences)
    if count < 1:
        raise DataError("verification", f"{count} sequences prove nothing", "Simulate at least 1")
    given = check_batch("x", x, design.ports)[:count]
    return design.target.prove(design.hardware, given, seed, progress)
