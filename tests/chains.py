"""Timings of chains, put together by hand."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.schedule.engine_cycles import EngineTiming, Pace
from loopwire.schedule.network import Feed, Source
from loopwire.schedule.network_timing import Channel, NetworkTiming


def chain_timing(
    copied: Sequence[EngineTiming],
    copies: int = 1,
    head: Sequence[EngineTiming] = (),
    input: Pace = Pace(),  # noqa: B008, a constant
    output: Pace = Pace(),  # noqa: B008, a constant
    registered: bool = False,
    held_cycles: int = 0,
) -> NetworkTiming:
    """Return the timing of engines one after another, the `head` behind the copies of the others."""
    engines = (*copied, *head)
    channels, beats = [], engines[0].steps
    for index, engine in enumerate(engines):
        feed = Feed(Source(None if index == 0 else index - 1, 0))
        channels.append(Channel(feed, index, 0, False, beats, 0, registered and index > 0))
        beats = engine.steps if engine.per_step else 1
    channels.append(Channel(Feed(Source(len(engines) - 1, 0)), 0, 0, True, beats, 0))
    ends = (engines[0].steps,), (input,), (output,)
    return NetworkTiming(engines, tuple(channels), *ends, copies, len(copied), registered, held_cycles)
