"""Making a network's queues, and its engines' places for results, as many as full rate takes and no more."""

from __future__ import annotations

from dataclasses import replace

from loopwire.schedule.cycles import interval_of
from loopwire.schedule.network_timing import NetworkTiming

MOST_SEQUENCES = 8
"""In a queue, and by how much tickets are multiplied: beyond, nothing gets faster."""
SIZES = (1, 2, 3, 4, 6, MOST_SEQUENCES)


def sized(smallest: NetworkTiming) -> NetworkTiming:
    """Return a timing with queues and tickets as large as full rate takes; in a chain, the smallest are."""
    if smallest.is_chain:
        return smallest
    one = replace(smallest, copies=1, copied=len(smallest.engines))
    best = interval_of(_scaled(one, MOST_SEQUENCES, MOST_SEQUENCES))
    choices = sorted(((tickets, queues) for tickets in (1, 2, 4, 8) for queues in SIZES), key=lambda c: c[0] * c[1])
    enough = next(timing for timing in (_scaled(one, *choice) for choice in choices) if interval_of(timing) <= best)
    found = _trimmed(enough, one, best)
    return replace(smallest, engines=found.engines, channels=found.channels)


def _scaled(timing: NetworkTiming, tickets: int, queues: int) -> NetworkTiming:
    return replace(
        timing,
        engines=tuple(replace(engine, tickets=engine.tickets * tickets) for engine in timing.engines),
        channels=tuple(replace(channel, depth=channel.depth * queues) for channel in timing.channels),
    )


def _trimmed(timing: NetworkTiming, smallest: NetworkTiming, best: float) -> NetworkTiming:
    """Make each queue, and each engine's tickets, as few as they can be by themselves."""
    for index, channel in enumerate(smallest.channels):
        channels = (*timing.channels[:index], channel, *timing.channels[index + 1 :])
        changed = replace(timing, channels=channels)
        if interval_of(changed) <= best:
            timing = changed
    for index, engine in enumerate(smallest.engines):
        engines = (*timing.engines[:index], engine, *timing.engines[index + 1 :])
        changed = replace(timing, engines=engines)
        if interval_of(changed) <= best:
            timing = changed
    return timing
