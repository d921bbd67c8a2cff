"""What of a network decides its cycles: its engines, its channels with their queues, its ports and its copies.

A channel that meets others in front of an engine, or leads to a port beside others, has a queue of at least one
sequence, so that no reader can hold up another's for ever: the oldest sequence always finds room
(docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from loopwire.schedule.engine_cycles import EngineTiming, Pace
from loopwire.schedule.network import Feed, Network, Source


@dataclass(frozen=True, eq=False)
class Channel:
    """From a source to one reader: one of the `xs` of engine `reader`, by its `place`, or output `reader` if `to_port`.

    It carries `beats` a sequence. A queue of `depth` beats is in front of the reader; 0: a wire. `registered`: a
    register slice is behind its source.
    """

    feed: Feed
    reader: int
    place: int
    to_port: bool
    beats: int
    depth: int
    registered: bool = False

    @property
    def is_wire(self) -> bool:
        """Whether it is the wires of its source."""
        return self.feed.is_plain and not self.depth


class Part(NamedTuple):
    """Some inputs and engines, by their numbers."""

    inputs: frozenset[int]
    engines: frozenset[int]

    def holds(self, source: Source) -> bool:
        """Say whether a source is among them."""
        return source.index in self.inputs if source.engine is None else source.engine in self.engines


@dataclass(frozen=True)
class NetworkTiming:
    """What of a network decides its cycles.

    Attributes:
        engines: each after those that it reads of; the first `copied` are in each of `copies`, to which sequences are
            dealt in turn, and whose results are taken in turn.
        channels: between them, and to the outputs.
        input_steps: vectors of a sequence at each input.
        inputs, outputs: how vectors come and go.
        registered: a register slice is at each port.
        held_cycles: from a sequence's first beat, as the framer takes it, until its result may leave; 0: as soon as it
            is there.
    """

    engines: tuple[EngineTiming, ...]
    channels: tuple[Channel, ...]
    input_steps: tuple[int, ...]
    inputs: tuple[Pace, ...]
    outputs: tuple[Pace, ...]
    copies: int
    copied: int
    registered: bool = False
    held_cycles: int = 0

    def of_reader(self, engine: int) -> list[Channel]:
        """Return the channels to an engine."""
        return [c for c in self.channels if c.reader == engine and not c.to_port]

    def to_output(self, index: int) -> Channel:
        """Return the channel to an output."""
        return next(c for c in self.channels if c.reader == index and c.to_port)

    def of_source(self, source: Source) -> list[Channel]:
        """Return the channels that take what leaves together with a source."""
        return [c for c in self.channels if c.feed.source.place == source.place]

    def meets(self, engine: int) -> bool:
        """Say whether an engine's steps are put together from several channels, or repeated."""
        channels = self.of_reader(engine)
        feed = channels[0].feed
        kept = feed.reshaping is not None and not feed.reverse  # in a queue, which holds what the feeder does not take
        return len(channels) > 1 or kept or (feed.held and self.engines[engine].steps > 1)

    def is_copied(self, channel: Channel) -> bool:
        """Say whether a channel, up to its reader, is in each copy."""
        if channel.to_port:
            return channel.feed.source.engine is None or channel.feed.source.engine < self.copied
        return channel.reader < self.copied

    def crosses(self, channel: Channel) -> bool:
        """Say whether a channel leads from the copies to what exists once."""
        source = channel.feed.source.engine
        return not channel.to_port and source is not None and source < self.copied <= channel.reader

    @property
    def is_chain(self) -> bool:
        """Whether each engine reads just what the one before it gives, and the only output is the last one's."""
        places = [channel.feed.source.place for channel in self.channels]
        expected: list[tuple[int | None, int]] = [(None, 0), *((k, 0) for k in range(len(self.engines)))]
        return places == expected and all(channel.is_wire for channel in self.channels)

    def output_cycles(self, index: int) -> int:
        """Return the least cycles from a full result's first beat to its last: one vector, and one beat, in each."""
        vectors, pace = self.to_output(index).beats, self.outputs[index]
        return max(vectors - pace.vectors_per_beat, 0) + vectors * (pace.beats_per_vector - 1)

    @property
    def most_sequences(self) -> int:
        """Sequences that are in the design at once, at most: each has a ticket, or waits at a port or in a channel."""
        tickets = [engine.tickets for engine in self.engines]
        waiting = sum(self.input_queue(k) for k in range(len(self.inputs))) + len(self.inputs)
        waiting += sum(self.output_queue(k) for k in range(len(self.outputs))) + len(self.outputs)
        waiting += sum(-(-c.depth // c.beats) + 2 * c.feed.reverse for c in self.channels)
        slices = 2 * (len(self.engines) + 1) * self.registered
        return self.copies * (sum(tickets[: self.copied]) + waiting + slices) + sum(tickets[self.copied :]) + 2

    def input_queue(self, index: int) -> int:
        """Beats that a copy keeps, so that the next one's sequence need not wait until it has taken all steps."""
        return self._queue(self.input_steps[index], self.inputs[index])

    def output_queue(self, index: int) -> int:
        """Beats that a copy keeps until it is its turn, so that it goes on meanwhile."""
        channel = self.to_output(index)
        return self._queue(channel.beats, self.outputs[index]) if self.is_copied(channel) else 0

    def _queue(self, vectors: int, pace: Pace) -> int:
        several = self.copies > 1 and pace.vectors_per_beat > 1
        return -(-vectors // pace.vectors_per_beat) - 1 if several else 0

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Inputs and engines in parts without a channel between them, each of which goes at its own rate."""
        parts: list[Part] = [Part(frozenset({index}), frozenset()) for index in range(len(self.inputs))]
        for reader in range(len(self.engines)):
            sources = [channel.feed.source for channel in self.of_reader(reader)]
            joined = [part for part in parts if any(part.holds(source) for source in sources)]
            inputs, engines = (frozenset[int]().union(*(p[k] for p in joined)) for k in (0, 1))
            parts = [part for part in parts if part not in joined] + [Part(inputs, engines | {reader})]
        return tuple(parts)


def smallest_timing(
    network: Network,
    engines: Sequence[EngineTiming],
    input_steps: Sequence[int],
    inputs: Sequence[Pace],
    outputs: Sequence[Pace],
    copies: int = 1,
    registered: bool = False,
) -> NetworkTiming:
    """Return the timing with each queue as small as it can be."""
    channels = tuple(_channels(network, engines, input_steps, registered))
    copied = network.copied if copies > 1 else len(engines)
    ends = tuple(input_steps), tuple(inputs), tuple(outputs)
    return NetworkTiming(tuple(engines), channels, *ends, copies, copied, registered)


def _channels(
    network: Network, engines: Sequence[EngineTiming], input_steps: Sequence[int], registered: bool
) -> list[Channel]:
    ends = [(f, reader, k, False) for reader, feeds in enumerate(network.feeds) for k, f in enumerate(feeds)]
    ends += [(feed, reader, 0, True) for reader, feed in enumerate(network.outputs)]
    channels = []
    for feed, reader, place, to_port in ends:
        source = feed.source
        of_port = source.engine is None
        given = input_steps[source.index] if source.engine is None else _beats(engines[source.engine])
        beats = 1 if feed.last else given
        if feed.reshaping is not None:
            beats = feed.reshaping.steps
        shared = network.readers(source) > 1
        meets = not to_port and len(network.feeds[reader]) > 1
        repeats = not to_port and feed.held
        # No input leads to an output through gates alone.
        sliced = to_port if of_port else registered and not to_port
        queued = not feed.reverse and (
            feed.reshaping is not None
            or ((meets or repeats) and (shared or of_port or registered))
            or (to_port and (shared or of_port))
        )
        channels.append(Channel(feed, reader, place, to_port, beats, beats if queued else 0, sliced))
    return channels


def _beats(engine: EngineTiming) -> int:
    return engine.steps if engine.per_step else 1
