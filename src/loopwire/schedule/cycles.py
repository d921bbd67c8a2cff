"""Exactly when results of a network come: latency, interval, and the cycles of sequences that come at any times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from math import ceil, lcm
from random import Random

from loopwire.schedule.engine_cycles import SequenceCycles, SteadyState, settled
from loopwire.schedule.flow import Flow, Waits
from loopwire.schedule.network_timing import NetworkTiming

LEAST_ARRIVALS = 8
"""Sequences that come at random times, at least."""


def run(timing: NetworkTiming, sequences: int, gaps_cycles: Sequence[int] = ()) -> list[SequenceCycles]:
    """Return the cycles of full-length sequences, nothing holding up outputs.

    The first and last input are those of all inputs, outputs those of all outputs.

    Args:
        timing: what runs.
        sequences: how many.
        gaps_cycles: before each sequence is offered at all inputs together, after the first cycle in which it could be;
            none: each input gives its next one at once.
    """
    flow = Flow(timing)
    gaps: Sequence[int | None] = gaps_cycles or [None] * sequences
    return [flow.sequence(gap) for gap in gaps]


def steady_state(timing: NetworkTiming) -> SteadyState:
    """Return what sequences at full rate settle into, in the slowest of the parts that nothing connects.

    Its buffers may let it begin earlier than others: it has settled when it is the last to begin each sequence. Where
    several are the slowest, the pattern repeats with all of theirs.
    """
    found = _settled_parts(timing)
    if len(found) == 1:
        return found[0]
    interval = max(steady.initiation_interval_cycles for steady in found)
    count = max(steady.settled_sequences for steady in found)
    ends = [_after(Flow(timing, part), count) for part in timing.parts]
    slowest = [steady.initiation_interval_cycles == interval for steady in found]
    end = min(compress(ends, slowest))
    period = lcm(*(steady.period_sequences for steady in compress(found, slowest)))
    lags = [
        (other - end + interval) / (interval - steady.initiation_interval_cycles)
        for other, steady in zip(ends, found, strict=True)
        if steady.initiation_interval_cycles < interval
    ]
    return SteadyState(count + max(ceil(max(lags, default=0)), 0), period, round(period * interval))


def interval_of(timing: NetworkTiming) -> float:
    """Return the initiation interval, in cycles, of sequences at full rate."""
    return max(steady.initiation_interval_cycles for steady in _settled_parts(timing))


def _settled_parts(timing: NetworkTiming) -> list[SteadyState]:
    return [settled(Flow(timing, part)) for part in timing.parts]


def _after(flow: Flow, sequences: int) -> int:
    """Return when the sequence after this many others begins."""
    for _ in range(sequences):
        flow.sequence()
    return flow.now


def latency_range(timing: NetworkTiming) -> tuple[int, int]:
    """Return the least and the greatest latency of full-length sequences that come at any times, at up to full rate.

    Counted are the cycles from the first beat's being taken to the (last) result beat's being valid. A sequence's beats
    come without gaps, from one sequence to the next at least an initiation interval passes, and nothing holds up the
    output. A step then waits for nothing but its slot's turn: for none or up to `round_cycles` - 1, as others happen to
    be inside, which set the turns; where one sequence leaves before the next one comes, its turn is set by itself. With
    the shortest and with the longest of these waits in each engine, the times add up to the two bounds. A chain of
    several such engines need not meet both.

    Args:
        timing: of a chain; where branches meet, they wait for one another too.
    """
    assert timing.is_chain
    free = replace(timing, held_cycles=0)
    interval_cycles = ceil(steady_state(free).initiation_interval_cycles)
    least, greatest = (
        cycles.last_output - cycles.first_input
        for cycles in (
            # Behind copies that wait differently, sequences can follow at any time.
            Flow(free, waits=(Waits(longest, interval_cycles * timing.copies), Waits(longest, 0))).sequence()
            for longest in (False, True)
        )
    )
    return (greatest, greatest) if timing.held_cycles else (least, greatest)


def arrivals(timing: NetworkTiming, source: Random, most_sequences: int) -> list[int]:
    """Return gaps, as `run` takes them, of sequences that come at random times, at up to full rate.

    In a chain they end when the least and the greatest latency have been met; else with `most_sequences`.
    """
    interval_cycles = ceil(steady_state(timing).initiation_interval_cycles)
    longest_wait = max([3 * max((engine.round_cycles for engine in timing.engines), default=1), interval_cycles])
    (alone,) = run(timing, 1)
    bounds = latency_range(timing) if timing.is_chain else (-1, alone.last_output - alone.first_input)
    flow = Flow(timing)
    gaps: list[int] = []
    seen: set[int] = set()
    earliest = 0
    while len(gaps) < most_sequences and not (len(gaps) >= LEAST_ARRIVALS and seen.issuperset(bounds)):
        # Some follow at full rate, some after less than a step's wait, some find the design empty.
        wait = source.choice((0, source.randrange(longest_wait), source.randrange(2 * bounds[1] + 1)))
        gaps.append(max(earliest - flow.now, 0) + wait)
        cycles = flow.sequence(gaps[-1])
        earliest = cycles.first_input + interval_cycles
        seen.add(cycles.last_output - cycles.first_input)
    return gaps
