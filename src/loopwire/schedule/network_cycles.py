"""Exactly when results of a network come: engines, channels and ports followed sequence by sequence, without the data.

A beat that several channels carry is taken by all of them in one cycle. A channel that meets others in front of an
engine, or leads to a port beside others, has a queue of at least one sequence, so that no reader can hold up another's
for ever: the oldest sequence always finds room (docs/architecture.md).

Ref: the modules loopwire_meet, loopwire_reverse and loopwire_queue, `reshaping`, and `engine_cycles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import ceil
from random import Random
from typing import NamedTuple

from loopwire.schedule.engine_cycles import (
    EngineState,
    EngineTiming,
    Pace,
    SequenceCycles,
    SteadyState,
    admits,
    follow,
    settled,
)
from loopwire.schedule.network import Feed, Network, Source
from loopwire.schedule.reshaping import ReshapingState

MOST_SEQUENCES = 8
"""In a queue, and by how much tickets are multiplied: beyond, nothing gets faster."""


@dataclass(frozen=True)
class Channel:
    """From a source to one reader: engine `reader`, or output `reader` where `to_port`.

    It carries `beats` a sequence. A queue of `depth` beats is in front of the reader; 0: a wire.
    """

    feed: Feed
    reader: int
    to_port: bool
    beats: int
    depth: int


class Part(NamedTuple):
    """Some inputs and engines, by their numbers."""

    inputs: frozenset[int]
    engines: frozenset[int]

    def holds(self, source: Source) -> bool:
        """Say whether a source is among them."""
        return source.index in self.inputs if source.engine is None else source.engine in self.engines


@dataclass(frozen=True)
class NetworkTiming:
    """What of a network decides its cycles. `input_steps` are the vectors of a sequence at each input."""

    engines: tuple[EngineTiming, ...]
    channels: tuple[Channel, ...]
    input_steps: tuple[int, ...]
    inputs: tuple[Pace, ...]
    outputs: tuple[Pace, ...]

    def of_reader(self, reader: int, to_port: bool) -> list[Channel]:
        """Return the channels to an engine, or to an output."""
        return [c for c in self.channels if c.reader == reader and c.to_port == to_port]

    def of_source(self, engine: int | None, index: int | None = None) -> list[Channel]:
        """Return the channels from an engine, or from an input."""
        found = [c for c in self.channels if c.feed.source.engine == engine]
        return [c for c in found if index is None or c.feed.source.index == index]

    def meets(self, engine: int) -> bool:
        """Say whether an engine's steps are put together from several channels, or repeated."""
        channels = self.of_reader(engine, to_port=False)
        feed = channels[0].feed
        kept = feed.reshaping is not None and not feed.reverse  # in a queue, which holds what the feeder does not take
        return len(channels) > 1 or kept or (feed.held and self.engines[engine].steps > 1)

    @cached_property
    def latency_cycles(self) -> int:
        """From the first input beat's acceptance to the last result beat's being valid, of a lone full sequence."""
        (alone,) = run(self, 1)
        return alone.last_output - alone.first_input

    @cached_property
    def steady(self) -> SteadyState:
        """What sequences at full rate settle into, in the slowest of the parts that nothing connects."""
        found = [settled(_Flow(self, part)) for part in self._parts]
        return max(found, key=lambda steady: (steady.initiation_interval_cycles, steady.settled_sequences))

    @property
    def _parts(self) -> list[Part]:
        """Inputs and engines in parts without a channel between them, each of which goes at its own rate."""
        parts: list[Part] = [Part(frozenset({index}), frozenset()) for index in range(len(self.inputs))]
        for reader in range(len(self.engines)):
            sources = [channel.feed.source for channel in self.of_reader(reader, to_port=False)]
            joined = [part for part in parts if any(part.holds(source) for source in sources)]
            inputs, engines = (frozenset[int]().union(*(p[k] for p in joined)) for k in (0, 1))
            parts = [part for part in parts if part not in joined] + [Part(inputs, engines | {reader})]
        return parts


def network_timing(
    network: Network,
    engines: Sequence[EngineTiming],
    input_steps: Sequence[int],
    inputs: Sequence[Pace],
    outputs: Sequence[Pace],
) -> NetworkTiming:
    """Return the timing with queues and tickets as large as full rate takes, and no larger."""
    channels = tuple(_channels(network, engines, input_steps))
    smallest = NetworkTiming(tuple(engines), channels, tuple(input_steps), tuple(inputs), tuple(outputs))
    best = _scaled(smallest, MOST_SEQUENCES, MOST_SEQUENCES).steady.initiation_interval_cycles
    sizes = (1, 2, 3, 4, 6, MOST_SEQUENCES)
    choices = sorted(((tickets, queues) for tickets in (1, 2, 4, 8) for queues in sizes), key=lambda c: c[0] * c[1])
    for tickets, queues in choices:
        timing = _scaled(smallest, tickets, queues)
        if timing.steady.initiation_interval_cycles <= best:
            return _trimmed(timing, smallest, best)
    raise AssertionError("the largest queues are among the choices")


def _trimmed(timing: NetworkTiming, smallest: NetworkTiming, best: float) -> NetworkTiming:
    """Make each queue, and each engine's tickets, as few as they can be by themselves."""
    for index, least in enumerate(smallest.channels):
        changed = _with_channel(timing, index, least)
        if changed.steady.initiation_interval_cycles <= best:
            timing = changed
    for index, engine in enumerate(smallest.engines):
        engines = (*timing.engines[:index], engine, *timing.engines[index + 1 :])
        changed = replace(timing, engines=engines)
        if changed.steady.initiation_interval_cycles <= best:
            timing = changed
    return timing


def _with_channel(timing: NetworkTiming, index: int, channel: Channel) -> NetworkTiming:
    return replace(timing, channels=(*timing.channels[:index], channel, *timing.channels[index + 1 :]))


def _scaled(timing: NetworkTiming, tickets: int, queues: int) -> NetworkTiming:
    return replace(
        timing,
        engines=tuple(replace(engine, tickets=engine.tickets * tickets) for engine in timing.engines),
        channels=tuple(replace(channel, depth=channel.depth * queues) for channel in timing.channels),
    )


def _channels(network: Network, engines: Sequence[EngineTiming], input_steps: Sequence[int]) -> list[Channel]:
    ends = [(feed, reader, False) for reader, feeds in enumerate(network.feeds) for feed in feeds]
    ends += [(feed, reader, True) for reader, feed in enumerate(network.outputs)]
    sources = [(feed.source.engine, feed.source.index if feed.source.engine is None else None) for feed, _, _ in ends]
    channels = []
    for feed, reader, to_port in ends:
        source = feed.source
        of_port = source.engine is None
        given = input_steps[source.index] if source.engine is None else _beats(engines[source.engine])
        beats = 1 if feed.last else given
        if feed.reshaping is not None:
            beats = feed.reshaping.steps
        shared = sources.count((source.engine, source.index if of_port else None)) > 1
        meets = not to_port and len(network.feeds[reader]) > 1
        repeats = not to_port and feed.held
        queued = not feed.reverse and (
            feed.reshaping is not None
            or ((meets or repeats) and (shared or of_port))
            or (to_port and (shared or of_port))
        )
        channels.append(Channel(feed, reader, to_port, beats, beats if queued else 0))
    return channels


def _beats(engine: EngineTiming) -> int:
    return engine.steps if engine.per_step else 1


def run(timing: NetworkTiming, sequences: int, gaps_cycles: Sequence[int] = ()) -> list[SequenceCycles]:
    """Return the cycles of full-length sequences, nothing holding up outputs.

    The first and last input are those of all inputs, outputs those of all outputs.

    Args:
        timing: what runs.
        sequences: how many.
        gaps_cycles: before each sequence is offered at all inputs together, after the first cycle in which it could be;
            none: each input gives its next one at once.
    """
    flow = _Flow(timing)
    gaps: Sequence[int | None] = gaps_cycles or [None] * sequences
    return [flow.sequence(gap) for gap in gaps]


def arrivals(timing: NetworkTiming, source: Random, sequences: int) -> list[int]:
    """Return gaps, as `run` takes them, of sequences that come at random times, at up to full rate."""
    interval_cycles, latency_cycles = ceil(timing.steady.initiation_interval_cycles), timing.latency_cycles
    flow, gaps, earliest = _Flow(timing), list[int](), 0
    for _ in range(sequences):
        wait = source.choice((0, source.randrange(interval_cycles), source.randrange(2 * latency_cycles + 1)))
        gaps.append(max(earliest - flow.now, 0) + wait)
        earliest = flow.sequence(gaps[-1]).first_input + interval_cycles
    return gaps


class _Queue:
    """Beats between two places."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._written = 0
        self._left: list[int] = []

    def accepts(self, ahead: int = 0) -> int:
        """Return the first cycle in which there is room for the beat after `ahead` further ones."""
        number = self._written + ahead
        return self._left[number - self._depth] + 1 if number >= self._depth else 0

    def write(self, count: int) -> None:
        self._written += count

    def left(self, cycles: Sequence[int]) -> None:
        self._left += cycles

    def situation(self, now: int) -> tuple[int, ...]:
        return tuple(max(cycle + 1 - now, 0) for cycle in self._left[-self._depth :]) if self._depth else ()


class _Flow:
    def __init__(self, timing: NetworkTiming, part: Part | None = None) -> None:
        self._timing = timing
        self._part = part or Part(frozenset(range(len(timing.inputs))), frozenset(range(len(timing.engines))))
        self._states = [EngineState() for _ in timing.engines]
        self._queues = {channel: _Queue(channel.depth) for channel in timing.channels}
        self._reversed: dict[Channel, list[int]] = {c: [] for c in timing.channels if c.feed.reverse}
        """When the last beat of each sequence left what turns it round."""
        self._reshaped = {c: ReshapingState(c.feed.reshaping) for c in timing.channels if c.feed.reshaping is not None}
        self._port_free = [0 for _ in timing.outputs]
        self.next_input = [0 for _ in timing.inputs]
        self._input_free = [0 for _ in timing.inputs]
        """First cycle in which an input's next vector can be handed on."""
        self._there: dict[Channel, list[int]] = {}
        """When the beats of the sequence at hand are there for a channel's reader."""
        self._last_beats: list[tuple[int, int]] = []

    def sequence(self, gap_cycles: int | None = None) -> SequenceCycles:
        """Return the cycles of the next sequence.

        Where there is a gap, it is offered so long after the first cycle in which all inputs can take it.
        """
        timing = self._timing
        if gap_cycles is not None:
            self.next_input = [self.now + gap_cycles] * len(self.next_input)
        self._there = {}
        firsts, lasts = [], []
        self._last_beats = []
        for index in sorted(self._part.inputs):
            first, last, _ = self._from_input(index, timing.inputs[index])
            firsts.append(first)
            lasts.append(last)
            self.next_input[index] = last + 1
        for index in sorted(self._part.engines):
            self._from_engine(index)
        beats = self._last_beats
        return SequenceCycles(min(firsts), max(lasts), min(b[0] for b in beats), max(b[1] for b in beats))

    # --- sources ---

    def _from_input(self, index: int, pace: Pace) -> tuple[int, int, list[int]]:
        """Let a sequence come in; return the cycles of its first and last beat, and of its vectors."""
        channels = self._timing.of_source(None, index)
        steps = self._timing.input_steps[index]
        taken: list[int] = []
        for _ in range(steps):
            begin = max(self.next_input[index] + pace.beats_per_vector - 1, self._input_free[index])
            offered = taken[-1] + pace.beats_per_vector if taken else begin
            taken.append(max([offered, *(self._ready(channel, taken, steps) for channel in channels)]))
        self._take(channels, taken)
        self._input_free[index] = taken[-1] + 1
        last = taken[(steps - 1) // pace.vectors_per_beat * pace.vectors_per_beat]
        return self.next_input[index] if pace.beats_per_vector > 1 else taken[0], last, taken

    def _from_engine(self, index: int) -> None:
        """Let an engine take a sequence, and hand on its results."""
        timing, state = self._timing.engines[index], self._states[index]
        given = self._timing.of_reader(index, to_port=False)
        offered = self._met(index, given) if self._timing.meets(index) else self._there[given[0]]
        _, results = follow(timing, state, offered)
        channels = self._timing.of_source(index)
        if len(channels) == 1 and self._waits_at_meet(channels[0]):
            # Taken when all that it meets is there; until then the collector keeps it.
            self._there[channels[0]] = results[-1:] if channels[0].feed.last else results
            return
        taken: list[int] = []
        for number, cycle in enumerate(results):
            earliest = max(cycle, taken[-1] + 1 if taken else 0)
            taken.append(max([earliest, *(self._ready(channel, taken, len(results)) for channel in channels)]))
            for channel in channels:
                if channel.to_port and not channel.depth and not channel.feed.reverse:
                    self._pass_port(channel, number, len(results), taken[-1])
        state.returned[-1] = taken[-1]
        self._take(channels, taken)

    def _waits_at_meet(self, channel: Channel) -> bool:
        return (
            not channel.to_port
            and not channel.depth
            and not channel.feed.reverse
            and self._timing.meets(channel.reader)
        )

    # --- channels ---

    def _ready(self, channel: Channel, taken: Sequence[int], beats: int) -> int:
        """Return the first cycle in which a channel takes a sequence's beat of so many, `taken` those before it."""
        if channel.feed.last:
            if len(taken) < beats - 1:
                return 0
            taken = ()
        if channel.feed.reshaping is not None:
            return self._reshaped[channel].accepts(taken, partial(self._room, channel))
        return self._room(channel, len(taken))

    def _room(self, channel: Channel, number: int) -> int:
        """Return the first cycle in which there is room for beat `number` where a channel turns, keeps or ends."""
        if channel.feed.reverse:
            left = self._reversed[channel]
            return left[-2] + 1 if number == 0 and len(left) >= 2 else 0
        if channel.depth:
            return self._queues[channel].accepts(number)
        if channel.to_port:
            return self._port_ready(channel)
        return admits(self._timing.engines[channel.reader], self._states[channel.reader], 0) if number == 0 else 0

    def _take(self, channels: Sequence[Channel], taken: Sequence[int]) -> None:
        """Hand beats taken in these cycles on to what comes next on their channels."""
        for channel in channels:
            cycles = list(taken[-1:] if channel.feed.last else taken)
            if channel.feed.reshaping is not None:
                cycles = self._reshaped[channel].take(cycles, partial(self._room, channel))
            if channel.feed.reverse:
                cycles = self._turned(channel, cycles)
            elif channel.depth:
                self._queues[channel].write(len(cycles))
                if channel.to_port:
                    cycles = self._through_queue(channel, cycles)
            self._there[channel] = cycles

    def _turned(self, channel: Channel, cycles: Sequence[int]) -> list[int]:
        """Return when the beats of a sequence turned round leave, as far as no meeting holds them up."""
        left = self._reversed[channel]
        earliest = max(cycles[-1], left[-1] + 1 if left else 0)
        out: list[int] = []
        for number in range(len(cycles)):
            cycle = max(earliest, out[-1] + 1 if out else 0)
            if not channel.to_port and not self._timing.meets(channel.reader) and number == 0:
                cycle = max(cycle, admits(self._timing.engines[channel.reader], self._states[channel.reader], 0))
            if channel.to_port:
                cycle = max(cycle, self._port_ready(channel))
                self._pass_port(channel, number, len(cycles), cycle)
            out.append(cycle)
        left.append(out[-1])
        return out

    def _met(self, index: int, channels: Sequence[Channel]) -> list[int]:
        """Return the cycles in which all that an engine's steps are made of is there, and taken."""
        engine = self._timing.engines[index]
        fired: list[int] = []
        for number in range(engine.steps):
            cycle = fired[-1] + 1 if fired else admits(engine, self._states[index], 0)
            for channel in channels:
                there = self._there[channel]
                cycle = max(cycle, there[0] if channel.feed.held else there[number])
            fired.append(cycle)
        for channel in channels:
            left = fired[-1:] if channel.feed.held else fired
            if channel.feed.reverse:
                self._reversed[channel][-1] = left[-1]
            elif channel.depth:
                self._queues[channel].left(left)
            elif channel.feed.source.engine is not None:
                self._states[channel.feed.source.engine].returned[-1] = left[-1]
        return fired

    # --- ports ---

    def _port_ready(self, channel: Channel) -> int:
        return self._port_free[channel.reader]

    def _pass_port(self, channel: Channel, number: int, beats: int, cycle: int) -> None:
        """Let a vector leave by a port in a cycle."""
        pace = self._timing.outputs[channel.reader]
        if channel.feed.last:
            if number < beats - 1:
                return
            number, beats = 0, 1
        end = cycle + pace.beats_per_vector - 1
        self._port_free[channel.reader] = end + 1
        complete = (number + 1) % pace.vectors_per_beat == 0 or number == beats - 1
        if number // pace.vectors_per_beat == 0 and complete:
            self._last_beats.append((cycle, end))
        elif complete:
            first, _ = self._last_beats[-1]
            self._last_beats[-1] = (first, end)

    def _through_queue(self, channel: Channel, cycles: Sequence[int]) -> list[int]:
        """Let beats pass a port's queue; return when they leave."""
        left: list[int] = []
        for number, cycle in enumerate(cycles):
            left.append(max(cycle, left[-1] + 1 if left else 0, self._port_free[channel.reader]))
            self._pass_port(_behind_last(channel), number, len(cycles), left[-1])
        self._queues[channel].left(left)
        return left

    @property
    def now(self) -> int:
        """The latest input's next beat."""
        return max(self.next_input[index] for index in self._part.inputs)

    def situation(self) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""
        now = self.now
        busy = tuple(max(cycle - now, 0) for cycle in (*self._port_free, *self._input_free))
        ports = busy, tuple(self.next_input[index] - now for index in sorted(self._part.inputs))
        turned = tuple(tuple(max(cycle + 1 - now, 0) for cycle in left[-2:]) for left in self._reversed.values())
        engines = tuple(
            self._states[index].situation(self._timing.engines[index], now) for index in sorted(self._part.engines)
        )
        reshaped = tuple(state.situation(now) for state in self._reshaped.values())
        return ports, turned, reshaped, tuple(queue.situation(now) for queue in self._queues.values()), engines


def _behind_last(channel: Channel) -> Channel:
    """Return a channel behind what takes only the last step of a sequence."""
    return replace(channel, feed=replace(channel.feed, last=False))
