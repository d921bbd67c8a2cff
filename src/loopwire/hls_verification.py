"""Proof by C simulation: the HLS C++ gives the emulator's bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from loopwire.data import Batch
from loopwire.errors import VerificationError
from loopwire.project.hls_files import flat, shortened
from loopwire.report.summary import CSimulation

if TYPE_CHECKING:
    from loopwire.design import Design

SEQUENCES_A_RUN = 250


def verify_c_simulation(
    design: Design,
    x: Batch,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> CSimulation:
    """Run inputs (N, *input shape) through the HLS C++ and compare every bit with the emulator.

    Where the design takes short sequences, half of them are.

    Raises:
        ToolError: a C++ compiler or the `ap_fixed` headers are missing, or compiling fails.
        VerificationError: a bit differs.
    """
    integers, full = design.input_integers(x, None)
    lengths = shortened(design, full, seed)
    for start in range(0, len(x), SEQUENCES_A_RUN):
        part = slice(start, start + SEQUENCES_A_RUN)
        expected = flat(design.output_integers(x[part], lengths[part]))
        found = design.c_simulation.predict(flat(integers[part]), lengths[part])
        for sequence, element in np.argwhere(found != expected)[:1].tolist():
            raise VerificationError(
                f"C simulation of {design.hls.top}, sequence {start + sequence}",
                f"element {element} of the result is {found[sequence, element]}, not {expected[sequence, element]}",
                "This is a fault of Loopwire: please report it with the model and the configuration",
            )
        if progress is not None:
            progress(min(part.stop, len(x)), len(x))
    return CSimulation(len(x), int(np.count_nonzero(lengths < full)))
