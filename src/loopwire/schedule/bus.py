"""Choosing how vectors lie in the beats of the design's ports."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.errors import ConfigError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.knobs import Knobs

Ends = Sequence[tuple[BeatFormat, int]]
"""Of each port a vector, in a beat of its own, and the vectors of a full sequence."""
Formats = tuple[tuple[BeatFormat, ...], tuple[BeatFormat, ...]]


def beat_formats(inputs: Ends, outputs: Ends, knobs: Knobs) -> Formats:
    """Return the formats of the beats of inputs and outputs; of several ports none is wider than its whole sequence.

    Raises:
        ConfigError: the bus is narrower than an element, or an only input's and output's wider than a sequence.
    """
    ports = [*inputs, *outputs]
    if knobs.bus_bits is not None:
        least = max(vector.lane_bits for vector, _ in ports)
        most = max(vector.vector_bits * steps for vector, steps in ports)
        several = len(ports) > 2
        if knobs.bus_bits < least or (knobs.bus_bits > most and not several):
            reason = f"an element takes {least}" if knobs.bus_bits < least else f"a whole sequence takes {most}"
            raise ConfigError(
                "bus_bits",
                f"{knobs.bus_bits} bits are out of range: {reason}",
                f"Give a multiple of 8 from {least}" + (" on" if several else f" to {most}"),
            )

    def chosen(vector: BeatFormat, steps: int) -> BeatFormat:
        bits = vector.vector_bits * steps
        if knobs.io == "parallel":
            return vector.on_bus(bits, steps)
        if knobs.bus_bits is None:
            return vector
        return vector.on_bus(min(knobs.bus_bits, bits) if len(ports) > 2 else knobs.bus_bits, steps)

    return tuple(chosen(*end) for end in inputs), tuple(chosen(*end) for end in outputs)
