"""A network followed sequence by sequence, cycle by cycle, without the data.

A beat that several channels carry is taken by all of them in one cycle. With a queue of at least a sequence, no beat
depends on a later one of its own sequence: so each sequence goes through all engines before the next one begins.

Ref: the modules loopwire_meet, loopwire_reverse, loopwire_distributor and loopwire_merger; `stations`, `reshaping` and
`engine_cycles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from loopwire.schedule.engine_cycles import EngineState, EngineTiming, SequenceCycles, admits, follow
from loopwire.schedule.network import Source
from loopwire.schedule.network_timing import Channel, NetworkTiming, Part
from loopwire.schedule.reshaping import ReshapingState, Room
from loopwire.schedule.stations import Inlet, Outlet, Port, Queue, Slice


@dataclass
class Waits:
    """Takes each step's wait for its slot's turn for the longest, or the shortest, that there can be."""

    longest: bool
    interval_cycles: int
    """From one sequence of a copy to its next, at least."""

    def __post_init__(self) -> None:
        self._apart_cycles = self.interval_cycles

    def of(self, engine: EngineTiming, offered: Sequence[int]) -> int | None:
        """Return a step's wait in the next engine; None where no other sequence sets the turns."""
        spread, issuing = offered[-1] - offered[0], (engine.steps - 1) * engine.round_cycles
        inside = spread + issuing if engine.reverse else max(spread, issuing)
        alone = engine.slots == 1 and not engine.reverse and spread <= issuing
        # The turns stop at the next slot this many cycles after the last step, which its own turn may have made late.
        between = max(engine.spacing, engine.round_cycles - (engine.slots - 1) * engine.spacing)
        late = -spread % engine.round_cycles if engine.reverse else (engine.round_cycles - 1) * (spread > issuing)
        if engine.waits or alone or self._apart_cycles >= inside + max(engine.round_cycles, late + 1 + between):
            return None
        longest = engine.round_cycles - 1
        if engine.steps == 1:
            # A sequence leaves with its only step; the next one waits for its turn but where that is far behind.
            longest = min(longest, max(between - self._apart_cycles, 0))
        self._apart_cycles = max(self._apart_cycles - longest, 0)
        return longest if self.longest else 0

    def in_order(self, results: list[int]) -> list[int]:
        """Return when a sequence's steps are handed on if the last one's may all have to leave before."""
        if not self.longest:
            return results
        ordered = [max(results[0], results[-1] + 1 - self.interval_cycles)]
        for cycle in results[1:]:
            ordered.append(max(cycle, ordered[-1] + 1))
        return ordered


class _Copy:
    """What is in each copy, or what exists once behind them."""

    def __init__(self, timing: NetworkTiming, ports: Sequence[Port], engines: Sequence[int], first: bool) -> None:
        channels = [channel for channel in timing.channels if timing.is_copied(channel) == first]
        self.engines = {index: EngineState() for index in engines}
        self.inlets = [Inlet(timing.input_queue(index)) for index in range(len(timing.inputs))] if first else []
        self.outlets = {c: Outlet(ports[c.reader], timing.output_queue(c.reader)) for c in channels if c.to_port}
        self.queues = {channel: Queue(channel.depth) for channel in channels}
        self.turned: dict[Channel, list[int]] = {c: [] for c in channels if c.feed.reverse}
        """When the last beat of each sequence left what turns it round."""
        self.stages: dict[Channel, list[Slice | ReshapingState]] = {c: _stages(c) for c in channels}
        self.crossed = -1
        """When a result of the copies was last taken."""

    def situation(self, timing: NetworkTiming, now: int, part: Part) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""
        engines = (s.situation(timing.engines[k], now) for k, s in self.engines.items() if k in part.engines)
        turned = (tuple(max(cycle + 1 - now, 0) for cycle in left[-2:]) for left in self.turned.values())
        stages = (stage.situation(now) for stages in self.stages.values() for stage in stages)
        inlets = (inlet.situation(now) for inlet in self.inlets)
        outlets = (outlet.situation(now) for outlet in self.outlets.values())
        queues = (queue.situation(now) for queue in self.queues.values())
        return max(self.crossed + 1 - now, 0), *engines, *turned, *stages, *inlets, *outlets, *queues


def _stages(channel: Channel) -> list[Slice | ReshapingState]:
    stages: list[Slice | ReshapingState] = [Slice()] if channel.registered else []
    return [*stages, *([ReshapingState(channel.feed.reshaping)] if channel.feed.reshaping is not None else [])]


class Flow:
    """A whole design, or a part of it; `waits` are of engines in copies, and of those behind them."""

    def __init__(
        self, timing: NetworkTiming, part: Part | None = None, waits: tuple[Waits, Waits] | None = None
    ) -> None:
        self._timing = timing
        self._waits = waits
        inputs, engines = range(len(timing.inputs)), range(len(timing.engines))
        self._part = part or Part(frozenset(inputs), frozenset(engines))
        self._ports = [Port(pace) for pace in timing.outputs]
        self._copies = [_Copy(timing, self._ports, engines[: timing.copied], True) for _ in range(timing.copies)]
        self._head = _Copy(timing, self._ports, engines[timing.copied :], False)
        self._turn = 0
        self._slices = [Slice() for _ in inputs]
        self.next_input = [0 for _ in inputs]
        self._there: dict[Channel, list[int]] = {}
        """When the beats of the sequence at hand are there for a channel's reader."""
        self._of_reader = [timing.of_reader(index) for index in engines]
        self._of_engine = [timing.of_source(Source(index, 0)) for index in engines]
        self._of_input = [timing.of_source(Source(None, index)) for index in inputs]
        self._meets = [timing.meets(index) for index in engines]

    def sequence(self, gap_cycles: int | None = None) -> SequenceCycles:
        """Return the cycles of the next sequence.

        Where there is a gap, it is offered so long after the first cycle in which all inputs can take it.
        """
        if gap_cycles is not None:
            self.next_input = [self.now + gap_cycles] * len(self.next_input)
        self._there = {}
        firsts, lasts = [], []
        for port in self._ports:
            port.beats = []
        for index in sorted(self._part.inputs):
            first, framed = self._from_input(index)
            firsts.append(first)
            lasts.append(self.next_input[index] - 1)
            for port in self._ports if self._timing.held_cycles else ():
                port.due = framed + self._timing.held_cycles
        for index in sorted(self._part.engines):
            self._from_engine(index)
        self._turn = (self._turn + 1) % len(self._copies)
        ports = [port for port in self._ports if port.beats]
        registered = self._timing.registered
        first_output = min(port.beats[0] for port in ports) + registered
        last_output = max(port.beats[-1] + port.pace.beats_per_vector - 1 for port in ports) + registered
        return SequenceCycles(min(firsts), max(lasts), first_output, last_output)

    # --- sources ---

    def _from_input(self, index: int) -> tuple[int, int]:
        """Let a sequence come in; return the cycles in which its first beat is taken, and in which it is framed."""
        timing, inlet = self._timing, self._copies[self._turn].inlets[index]
        pace, channels, steps = timing.inputs[index], self._of_input[index], timing.input_steps[index]
        arrives = offered = self.next_input[index]
        if timing.registered:
            arrives = self._slices[index].takes(arrives)
            offered = self._slices[index].offers()
        beats: list[int] = []
        taken: list[int] = []
        rooms = [self._room(channel, steps) for channel in channels]
        for number in range(steps):
            begins = number % pace.vectors_per_beat == 0
            following = taken[-1] + 1 if taken else offered
            parts = [following + part for part in range(pace.beats_per_vector - 1)]
            earliest = max(following + len(parts), inlet.free if not taken else 0)
            if begins and inlet.queue.depth:
                earliest = max(inlet.queue.accepts(), beats[-1] + 1 if beats else offered)
                beats.append(earliest)
                earliest = max(earliest, taken[-1] + 1 if taken else inlet.free)
            taken.append(max([earliest, *[room(taken) for room in rooms]]))
            if begins and inlet.queue.depth:
                inlet.queue.write(1)
                inlet.queue.left(taken[-1:])
            elif begins:
                beats += [*parts, taken[-1]]
        self._take(channels, taken)
        inlet.free = taken[-1] + 1
        self.next_input[index] = (self._through_slice(index, arrives, beats) if timing.registered else beats[-1]) + 1
        return arrives if timing.registered else beats[0], beats[0]

    def _through_slice(self, index: int, first: int, beats: Sequence[int]) -> int:
        """Return when the port's slice takes a sequence's last beat, where beats leave it in these cycles."""
        port, last = self._slices[index], first
        port.left(beats[0])
        for cycle in beats[1:]:
            last = port.takes(last + 1)
            port.left(cycle)
        return last

    def _from_engine(self, index: int) -> None:
        """Let an engine take a sequence, and hand on its results."""
        timing, state, given = self._timing.engines[index], self._state(index), self._of_reader[index]
        offered = self._met(index, given) if self._meets[index] else self._there[given[0]]
        waits = self._waits[index >= self._timing.copied] if self._waits is not None else None
        _, results = follow(timing, state, offered, None if waits is None else waits.of(timing, offered))
        if waits is not None and timing.per_step:
            results = waits.in_order(results)
        channels = self._of_engine[index]
        if len(channels) == 1 and self._waits_at_meet(channels[0]):
            # Taken when all that it meets is there; until then the collector keeps it.
            self._there[channels[0]] = results[-1:] if channels[0].feed.last else results
            return
        taken: list[int] = []
        rooms = [self._room(channel, len(results)) for channel in channels]
        direct = [c for c in channels if c.to_port and not c.depth and not c.feed.reverse]
        for number, cycle in enumerate(results):
            earliest = max(cycle, taken[-1] + 1 if taken else 0)
            taken.append(max([earliest, *[room(taken) for room in rooms]]))
            for channel in direct:
                self._pass_port(channel, number, len(results), taken[-1])
        state.returned[-1] = taken[-1]
        self._take(channels, taken)

    def _waits_at_meet(self, channel: Channel) -> bool:
        direct = not channel.to_port and not channel.depth and not channel.feed.reverse
        return direct and self._meets[channel.reader]

    def _state(self, engine: int) -> EngineState:
        return (self._copies[self._turn] if engine < self._timing.copied else self._head).engines[engine]

    # --- channels ---

    def _copy(self, channel: Channel) -> _Copy:
        return self._copies[self._turn] if self._timing.is_copied(channel) else self._head

    def _room(self, channel: Channel, beats: int) -> Room:
        """Return what tells when a channel takes a sequence's next beat of so many."""
        room = self._room_behind(channel, 0)
        if not channel.feed.last:
            return room
        return lambda before: room(()) if len(before) == beats - 1 else 0

    def _room_behind(self, channel: Channel, stage: int) -> Room:
        """Return what tells when there is room in front of one of the stages of a channel, or behind the last."""
        copy = self._copy(channel)
        stages = copy.stages[channel]
        if stage < len(stages):
            return partial(stages[stage].accepts, room=self._room_behind(channel, stage + 1))
        if channel.feed.reverse:
            left = copy.turned[channel]
            return lambda before: left[-2] + 1 if not before and len(left) >= 2 else 0
        if channel.depth:
            queue = copy.queues[channel]
            return lambda before: queue.accepts(len(before))
        if channel.to_port:
            outlet = copy.outlets[channel]
            return lambda before: outlet.accepts(len(before), channel.beats)
        crossed = copy.crossed + 1 if self._timing.crosses(channel) else 0
        return lambda before: 0 if before else max(self._admits(channel), crossed)

    def _admits(self, channel: Channel) -> int:
        return admits(self._timing.engines[channel.reader], self._state(channel.reader), 0)

    def _take(self, channels: Sequence[Channel], taken: Sequence[int]) -> None:
        """Hand beats taken in these cycles on to what comes next on their channels."""
        for channel in channels:
            copy = self._copy(channel)
            cycles = list(taken[-1:] if channel.feed.last else taken)
            for place, stage in enumerate(copy.stages[channel]):
                cycles = stage.take(cycles, self._room_behind(channel, place + 1))
            if self._timing.crosses(channel):
                copy.crossed = cycles[-1]
            if channel.feed.reverse:
                cycles = self._turned(channel, cycles)
            elif channel.depth:
                copy.queues[channel].write(len(cycles))
                if channel.to_port:
                    cycles = self._through_queue(channel, cycles)
            self._there[channel] = cycles

    def _turned(self, channel: Channel, cycles: Sequence[int]) -> list[int]:
        """Return when the beats of a sequence turned round leave, as far as no meeting holds them up."""
        left = self._copy(channel).turned[channel]
        earliest = max(cycles[-1], left[-1] + 1 if left else 0)
        out: list[int] = []
        for number in range(len(cycles)):
            cycle = max(earliest, out[-1] + 1 if out else 0)
            if channel.to_port:
                cycle = max(cycle, self._copy(channel).outlets[channel].accepts(number, len(cycles)))
                self._copy(channel).outlets[channel].take(number, len(cycles), cycle)
            elif number == 0 and not self._meets[channel.reader]:
                cycle = max(cycle, self._admits(channel))
            out.append(cycle)
        left.append(out[-1])
        return out

    def _met(self, index: int, channels: Sequence[Channel]) -> list[int]:
        """Return the cycles in which all that an engine's steps are made of is there, and taken."""
        engine = self._timing.engines[index]
        fired: list[int] = []
        for number in range(engine.steps):
            cycle = fired[-1] + 1 if fired else admits(engine, self._state(index), 0)
            for channel in channels:
                there = self._there[channel]
                cycle = max(cycle, there[0] if channel.feed.held else there[number])
            fired.append(cycle)
        for channel in channels:
            left = fired[-1:] if channel.feed.held else fired
            if channel.feed.reverse:
                self._copy(channel).turned[channel][-1] = left[-1]
            elif channel.depth:
                self._copy(channel).queues[channel].left(left)
            elif channel.feed.source.engine is not None:
                self._state(channel.feed.source.engine).returned[-1] = left[-1]
        return fired

    # --- ports ---

    def _pass_port(self, channel: Channel, number: int, beats: int, cycle: int) -> None:
        """Let a vector of an engine leave by a port in a cycle."""
        if channel.feed.last:
            if number < beats - 1:
                return
            number, beats = 0, 1
        self._copy(channel).outlets[channel].take(number, beats, cycle)

    def _through_queue(self, channel: Channel, cycles: Sequence[int]) -> list[int]:
        """Let beats pass a port's queue; return when they leave."""
        outlet, left = self._copy(channel).outlets[channel], list[int]()
        for number, cycle in enumerate(cycles):
            left.append(max(cycle, left[-1] + 1 if left else 0, outlet.accepts(number, len(cycles))))
            outlet.take(number, len(cycles), left[-1])
        self._copy(channel).queues[channel].left(left)
        return left

    @property
    def now(self) -> int:
        """The latest input's next beat."""
        return max(self.next_input[index] for index in self._part.inputs)

    def situation(self) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""
        now = self.now
        inputs = tuple(self.next_input[index] - now for index in sorted(self._part.inputs))
        ports = tuple(max(port.free - now, 0) for port in self._ports)
        slices = tuple(self._slices[index].situation(now) for index in sorted(self._part.inputs))
        copies = tuple(copy.situation(self._timing, now, self._part) for copy in (*self._copies, self._head))
        return self._turn, inputs, ports, slices, copies
