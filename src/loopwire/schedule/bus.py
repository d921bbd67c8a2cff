"""Choosing how steps and results lie in the beats of the design's ports."""

from __future__ import annotations

from loopwire.errors import ConfigError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.knobs import Knobs


def beat_formats(
    step: BeatFormat, steps: int, result: BeatFormat, results: int, knobs: Knobs
) -> tuple[BeatFormat, BeatFormat]:
    """Return the formats of input and output beats.

    Args:
        step, result: a vector of the input and of the output, each in a beat of its own.
        steps, results: vectors of a full sequence.
        knobs: the user's choices.

    Raises:
        ConfigError: the bus is narrower than an element, or wider than a sequence.
    """
    step_bits, result_bits = step.vector_bits * steps, result.vector_bits * results
    if knobs.io == "parallel":
        return step.on_bus(step_bits, steps), result.on_bus(result_bits, results)
    if knobs.bus_bits is None:
        return step, result
    least, most = max(step.lane_bits, result.lane_bits), max(step_bits, result_bits)
    if not least <= knobs.bus_bits <= most:
        reason = f"an element takes {least}" if knobs.bus_bits < least else f"a whole sequence takes {most}"
        raise ConfigError(
            "bus_bits",
            f"{knobs.bus_bits} bits are impossible: {reason}",
            f"Give a multiple of 8 from {least} to {most}",
        )
    return step.on_bus(knobs.bus_bits, steps), result.on_bus(knobs.bus_bits, results)


def port_format(vector: BeatFormat, vectors: int, knobs: Knobs) -> BeatFormat:
    """Return the format of the beats of one of several ports; a bus is no wider than its whole sequence.

    Args:
        vector: in a beat of its own.
        vectors: of a full sequence.
        knobs: the user's choices.

    Raises:
        ConfigError: the bus is narrower than an element.
    """
    bits = vector.vector_bits * vectors
    if knobs.io == "parallel":
        return vector.on_bus(bits, vectors)
    if knobs.bus_bits is None:
        return vector
    if knobs.bus_bits < vector.lane_bits:
        raise ConfigError(
            "bus_bits",
            f"{knobs.bus_bits} bits are impossible: an element takes {vector.lane_bits}",
            f"Give a multiple of 8 from {vector.lane_bits} on",
        )
    return vector.on_bus(min(knobs.bus_bits, bits), vectors)
