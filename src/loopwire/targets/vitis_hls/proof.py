"""Proof by C simulation: the HLS C++ gives the emulator's bits."""

from __future__ import annotations

import numpy as np

from loopwire.data import Batch
from loopwire.errors import VerificationError
from loopwire.report.summary import Verification
from loopwire.system.progress import Progress
from loopwire.targets.vitis_hls.hardware import HlsHardware, flat

SEQUENCES_A_RUN = 250
METHOD = (
    "Every output bit of the HLS C++, compiled with the ap_fixed headers and a C++ compiler, was compared with the "
    "integer emulator. What an HLS tool makes of the C++ is for its own cosimulation to prove."
)


def prove(hardware: HlsHardware, x: Batch, seed: int, progress: Progress | None) -> Verification:
    """Run inputs (N, *input shape) through the HLS C++ and compare every bit with the emulator.

    Where the design takes short sequences, half of them are.

    Raises:
        ToolError: a C++ compiler or the `ap_fixed` headers are missing, or compiling fails.
        VerificationError: a bit differs.
    """
    model = hardware.model
    integers, full = model.input_integers(x, None)
    lengths = hardware.shortened(full, seed)
    for start in range(0, len(x), SEQUENCES_A_RUN):
        part = slice(start, start + SEQUENCES_A_RUN)
        expected = flat(model.output_integers(x[part], lengths[part]))
        found = hardware.c_simulation.predict(flat(integers[part]), lengths[part])
        for sequence, element in np.argwhere(found != expected)[:1].tolist():
            raise VerificationError(
                f"C simulation of {hardware.project.top}, sequence {start + sequence}",
                f"element {element} of the result is {found[sequence, element]}, not {expected[sequence, element]}",
                "This is a fault of Loopwire: please report it with the model and the configuration",
            )
        if progress is not None:
            progress(min(part.stop, len(x)), len(x))
    return Verification("HLS C++", METHOD, len(x), int(np.count_nonzero(lengths < full)))
