"""What of the user's knobs HLS C++ carries, and what follows for loops and directives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.graph import Graph
from loopwire.knobs import Io, Knobs

CARRIED = frozenset(("io", "reuse_factor", "layer_reuse_factor", "interleave", "copies"))
REASONS = {
    "multipliers": "the HLS tool chooses between DSP blocks and logic",
    "lut_product_bits": "the HLS tool chooses between DSP blocks and logic",
    "layer_lut_product_bits": "the HLS tool chooses between DSP blocks and logic",
    "dsp_budget": "the HLS tool chooses between DSP blocks and logic",
    "stateful": "a call starts from the initial states",
    "sliding_window": "a call takes a whole sequence",
    "bus_bits": "a beat of a stream is one step, and io = 'parallel' takes a whole sequence at once",
}
"""Why HLS C++ does not carry a knob."""


@dataclass(frozen=True)
class HlsKnobs:
    """Choices that HLS C++ carries, from `hls_knobs`.

    Attributes:
        io: arrays of whole sequences, or streams of steps, at the design's ports.
        reuse_factor: passes in which products are made; 1: all at once.
        layer_reuse_factor: the same for single layers, by name.
        interleave: sequences that go through every loop together.
        unrolled: each step has hardware of its own, instead of one cell for all steps.
    """

    io: Io
    reuse_factor: int
    layer_reuse_factor: Mapping[str, int]
    interleave: int
    unrolled: bool

    def of_layer(self, name: str) -> HlsKnobs:
        """Return the knobs with a layer's own reuse factor."""
        return replace(self, reuse_factor=self.layer_reuse_factor.get(name, self.reuse_factor))

    @property
    def short_sequences(self) -> bool:
        """Whether a sequence may end early."""
        return self.io == "stream"

    @property
    def in_passes(self) -> bool:
        """Whether products are loops of several passes, rather than all unrolled."""
        return self.reuse_factor > 1 and not self.unrolled

    @property
    def lanes_in_statements(self) -> bool:
        """Whether each statement has a loop over the sequences of its own, rather than the step as a whole."""
        return self.in_passes and self.interleave > 1


def hls_knobs(graph: Graph, knobs: Knobs) -> HlsKnobs:
    """Return what HLS C++ carries of a user's knobs: all that was asked for, or nothing.

    Raises:
        UnsupportedError: HLS cannot express a knob or a combination; the message says which would do.
    """
    untouched = Knobs()
    for knob in (field.name for field in fields(Knobs)):
        value = getattr(knobs, knob)
        if knob not in CARRIED and value != getattr(untouched, knob):
            reason = f": {REASONS[knob]}" if knob in REASONS else ""
            carried = "it" if value is True else repr(value)
            raise UnsupportedError(
                knob, f"HLS C++ does not carry {carried}{reason}", "Leave it out, or take target = 'verilog'"
            )
    interleave = knobs.interleave or 1
    lengths = {node.op.length for node in graph.walk() if isinstance(node.op, ops.Scan)}
    if knobs.copies > 1 and lengths != {knobs.copies}:
        steps = " and ".join(map(str, sorted(lengths))) or "no"
        each = f", or copies = {steps} (each step a cell)" if len(lengths) == 1 else ""
        raise UnsupportedError(
            "copies",
            f"HLS loops are rolled or unrolled: {knobs.copies} copies of a cell cannot share {steps} steps",
            f"Give copies = 1 (one cell for all){each}, or take target = 'verilog'",
        )
    if knobs.copies > 1 and interleave > 1:
        raise UnsupportedError(
            "interleave",
            f"{interleave} sequences cannot share a loop over steps that {knobs.copies} copies have unrolled",
            "Give interleave = 1 (unrolled steps wait for nothing), or copies = 1",
        )
    return HlsKnobs(knobs.io, knobs.reuse_factor, knobs.layer_reuse_factor, interleave, knobs.copies > 1)
