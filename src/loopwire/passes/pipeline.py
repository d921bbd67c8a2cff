"""The passes on graphs, in their order, and why each is where it is.

Before them, `fold_batch_normalization` works on layers, where weights are still real numbers: merged before they are
rounded. `lower` makes the layers operations, with the types that the user chose; emulation uses that graph. What
follows serves the hardware; that both agree is part of what simulation proves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loopwire.ir.graph import Graph
from loopwire.ir.verify import verify
from loopwire.knobs import Knobs
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.fold_constants import fold_constants
from loopwire.passes.fuse_scans import fuse_scans


@dataclass(frozen=True)
class Pass:
    """A pass, why it is where it is, and for which knobs it is."""

    run: Callable[[Graph], Graph]
    why: str
    applies: Callable[[Knobs], bool] = lambda knobs: True


FOLDING = Pass(
    fold_constants,
    "what is computed from constants alone is a constant to all that follows: a planner reads these as they are",
)
HARDWARE = (
    FOLDING,
    Pass(
        accumulate_flattened,
        "W·flatten(h₁…h_T) becomes a scan a_t = a_{t−1} + W_t·h_t: no sequence is stored, and the sum is there one "
        "step after the last state. Bits stay, since sums are exact. Before fusing, which it gives one more scan",
    ),
    Pass(
        fuse_scans,
        "scans that feed one another step by step become one, so that a second layer starts on the first one's first "
        "step. With reuse factors each layer has an engine of its own, which is fed step by step anyway",
        applies=lambda knobs: not knobs.reuses,
    ),
)
"""For SystemVerilog."""
LOOPS = (
    FOLDING,
    Pass(
        accumulate_flattened,
        "as for SystemVerilog; where each step has hardware of its own, the sequence is wires and the sum a tree",
        applies=lambda knobs: knobs.copies == 1,
    ),
)
"""For HLS C++, in which a loop a layer calls the next through a stream."""


def run_passes(passes: tuple[Pass, ...], graph: Graph, knobs: Knobs) -> Graph:
    """Return a lowered graph after passes, each verified."""
    for each in passes:
        if each.applies(knobs):
            graph = verify(each.run(graph))
    return graph
