"""Exactly when results come: what the feeder and the collector of each engine do, cycle by cycle, without the data.

Ref: the modules loopwire_feeder and loopwire_collector, whose behaviour at full input rate this follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EngineTiming:
    """What of an engine decides its cycles: a slot has a turn every `ring` cycles, `spacing` after the one before."""

    steps: int
    ring: int
    slots: int
    spacing: int
    tickets: int
    depth: int
    reverse: bool
    per_step: bool
    waits: bool
    """The turns stop at a slot whose next step has not come."""


@dataclass
class _EngineState:
    accepted: list[int] = field(default_factory=list)
    """Cycle of each sequence's first beat."""
    issued_last: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    turn_origin: int = 0
    """A cycle in which it was slot 0's turn."""


@dataclass(frozen=True)
class SequenceCycles:
    """When a sequence's beats were accepted by the first engine and handed on by the last."""

    first_input: int
    last_input: int
    first_output: int
    last_output: int


@dataclass(frozen=True)
class Pace:
    """How vectors pass a port: so many in a beat, or each in so many beats; one of the two is 1."""

    vectors_per_beat: int = 1
    beats_per_vector: int = 1


@dataclass(frozen=True)
class DesignTiming:
    """What of a design decides its cycles.

    Attributes:
        copied: engines that stand in each copy, one after another.
        copies: sequences are dealt to them in turn, and their results taken in turn.
        head: engines behind the copies, for their results.
        input, output: how vectors come and go.
    """

    copied: tuple[EngineTiming, ...]
    copies: int = 1
    head: tuple[EngineTiming, ...] = ()
    input: Pace = Pace()
    output: Pace = Pace()

    @property
    def input_queue(self) -> int:
        """Beats that a copy keeps, so that the next one's sequence need not wait until it has taken all steps."""
        return self._queue(self.copied[0].steps, self.input)

    @property
    def output_queue(self) -> int:
        """Beats that a copy keeps until it is its turn, so that it goes on meanwhile."""
        per_step = not self.head and all(engine.per_step for engine in self.copied)
        return self._queue(self.copied[0].steps if per_step else 1, self.output)

    def _queue(self, vectors: int, pace: Pace) -> int:
        several = self.copies > 1 and pace.vectors_per_beat > 1
        return -(-vectors // pace.vectors_per_beat) - 1 if several else 0


def run(design: DesignTiming, sequences: int) -> list[SequenceCycles]:
    """Return the cycles of full-length sequences that follow without a gap, nothing holding up the output."""
    flow = _Flow(design)
    return [flow.sequence() for _ in range(sequences)]


@dataclass(frozen=True)
class SteadyState:
    """After `settled_sequences`, sequences at full rate follow in a pattern: `period_sequences` in `period_cycles`.

    Intervals need not be equal: they repeat when all engines are, but for the time, as they were before.
    """

    settled_sequences: int
    period_sequences: int
    period_cycles: int

    @property
    def initiation_interval_cycles(self) -> float:
        """The mean time from a sequence's first beat to the next one's."""
        return self.period_cycles / self.period_sequences


def steady_state(design: DesignTiming) -> SteadyState:
    """Return what `run` settles into."""
    flow = _Flow(design)
    seen: dict[tuple[object, ...], tuple[int, int]] = {}
    count = 0
    while (situation := flow.situation()) not in seen:
        seen[situation] = count, flow.next_input
        flow.sequence()
        count += 1
    settled, cycle = seen[situation]
    return SteadyState(settled, count - settled, flow.next_input - cycle)


class _Chain:
    """Engines one after another."""

    def __init__(self, engines: Sequence[EngineTiming], input_queue: int = 0, output_queue: int = 0) -> None:
        self._engines = tuple((engine, _EngineState()) for engine in engines)
        self.free = 0
        """First cycle in which the next sequence can begin to be offered."""
        self.input_queue = _Queue(input_queue)
        self.output_queue = _Queue(output_queue)

    @property
    def steps(self) -> int:
        """Vectors of a sequence."""
        return self._engines[0][0].steps

    def admits(self, cycle: int) -> int:
        """Return the cycle in which the first engine accepts a sequence's first vector, offered in `cycle`."""
        return _admits(*self._engines[0], cycle)

    def sequence(self, offered: list[int]) -> list[int]:
        """Take a sequence whose vectors are accepted in these cycles; return those in which its results are there."""
        self.free = offered[-1] + 1
        before: _EngineState | None = None
        for engine, state in self._engines:
            accepted, offered = _sequence(engine, state, offered)
            if before is not None:
                before.returned[-1] = accepted[-1]
            before = state
        return offered

    def handed_on(self, cycle: int) -> None:
        """Say when the last result of the last sequence was taken."""
        self._engines[-1][1].returned[-1] = cycle

    def situation(self, now: int) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""

        def since(cycles: list[int], longest: int = 1) -> tuple[int, ...]:
            return tuple(max(cycle - now, -longest) for cycle in cycles)

        engines = tuple(
            (
                len(state.accepted) % engine.slots,
                since(state.issued_last[-engine.slots :], engine.ring + 1),
                since(state.returned[-engine.tickets :]),
                (state.turn_origin - now) % engine.ring,
            )
            for engine, state in self._engines
        )
        queues = (self.input_queue.situation(now), self.output_queue.situation(now))
        return max(self.free - now, 0), queues, engines


class _Queue:
    """Beats between two places; of depth 0 it is not there."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._left: list[int] = []

    def accepts(self, cycle: int) -> int:
        """Return the cycle in which a beat that is offered in `cycle` is accepted."""
        return max(cycle, self._left[-self.depth] + 1) if 0 < self.depth <= len(self._left) else cycle

    def left(self, cycle: int) -> None:
        """Say when the beat last accepted left it."""
        self._left.append(cycle)

    def situation(self, now: int) -> tuple[int, ...]:
        """Return all that matters of it, counted from `now`."""
        return tuple(max(cycle + 1 - now, 0) for cycle in self._left[-self.depth :]) if self.depth else ()


class _Flow:
    """A whole design; `next_input` is the first cycle in which the next sequence's first beat can come."""

    def __init__(self, design: DesignTiming) -> None:
        self._design = design
        self._copies = [_Chain(design.copied, design.input_queue, design.output_queue) for _ in range(design.copies)]
        self._head = _Chain(design.head) if design.head else None
        self._turn = 0
        self._merged = -1
        """Cycle in which a result last left a copy."""
        self._output_free = 0
        """First cycle in which the output can take a vector, or a beat of several."""
        self.next_input = 0

    def sequence(self) -> SequenceCycles:
        """Return the cycles of the next sequence."""
        copy = self._copies[self._turn]
        self._turn = (self._turn + 1) % len(self._copies)
        first_input, last_input, accepted = self._queued(copy) if copy.input_queue.depth else self._direct(copy)
        results = copy.sequence(accepted)
        self.next_input = last_input + 1
        if self._head is not None:
            (result,) = results
            self._merged = self._head.admits(max(result, self._merged + 1))
            copy.handed_on(self._merged)
            copy, results = self._head, self._head.sequence([self._merged])
        beats = self._output_beats(copy, results)
        return SequenceCycles(first_input, last_input, beats[0], beats[-1] + self._design.output.beats_per_vector - 1)

    def _direct(self, copy: _Chain) -> tuple[int, int, list[int]]:
        """Return the cycles of a sequence's first and last beat, and of its steps."""
        pace = self._design.input
        # Within a sequence an engine's feeder never makes a vector wait; all but a vector's last beat never wait.
        first = copy.admits(max(self.next_input + pace.beats_per_vector - 1, copy.free))
        steps = [first + pace.beats_per_vector * index for index in range(copy.steps)]
        last_input = steps[(copy.steps - 1) // pace.vectors_per_beat * pace.vectors_per_beat]
        return self.next_input if pace.beats_per_vector > 1 else first, last_input, steps

    def _queued(self, copy: _Chain) -> tuple[int, int, list[int]]:
        """Return the same of beats of several steps that go through a queue."""
        beats: list[int] = []
        steps: list[int] = []
        for index in range(copy.steps):
            if index % self._design.input.vectors_per_beat:
                steps.append(steps[-1] + 1)
                continue
            beats.append(copy.input_queue.accepts(beats[-1] + 1 if beats else self.next_input))
            steps.append(max(beats[-1], steps[-1] + 1) if steps else copy.admits(max(beats[-1], copy.free)))
            copy.input_queue.left(steps[-1])
        return beats[0], beats[-1], steps

    def _output_beats(self, chain: _Chain, results: list[int]) -> list[int]:
        """Return the cycles of a sequence's output beats, the first beat of each vector where that takes several."""
        pace, taken, beats = self._design.output, -1, []
        for index, cycle in enumerate(results):
            taken = max(cycle, taken + 1)
            if (index + 1) % pace.vectors_per_beat == 0 or index == len(results) - 1:
                taken = chain.output_queue.accepts(taken)
                beats.append(max(taken, self._output_free))
                chain.output_queue.left(beats[-1])
                self._output_free = beats[-1] + pace.beats_per_vector
                if not chain.output_queue.depth:
                    taken = beats[-1]
        chain.handed_on(taken)
        return beats

    def situation(self) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `next_input`."""
        now = self.next_input
        chains = [*self._copies, *([self._head] if self._head is not None else [])]
        busy = max(self._merged + 1 - now, 0), max(self._output_free - now, 0)
        return self._turn, busy, tuple(chain.situation(now) for chain in chains)


def _turn(state: _EngineState, place: int, earliest: int, ring: int) -> int:
    """Return the first cycle, not before `earliest`, in which it is the turn of the slot at `place` in the ring."""
    return earliest + (state.turn_origin + place - earliest) % ring


def _admits(engine: EngineTiming, state: _EngineState, cycle: int) -> int:
    """Return the cycle in which an engine accepts a sequence's first beat, offered in `cycle`."""
    number = len(state.accepted)
    if number >= engine.slots:
        cycle = max(cycle, state.issued_last[number - engine.slots])
    if number >= engine.tickets:
        cycle = max(cycle, state.returned[number - engine.tickets] + 1)
    return cycle


def _sequence(engine: EngineTiming, state: _EngineState, offered: list[int]) -> tuple[list[int], list[int]]:
    """Return the cycles in which an engine accepts a sequence's beats, and in which it hands on its results."""
    number = len(state.accepted)
    slot = number % engine.slots
    first = _admits(engine, state, offered[0])
    accepted = [first]
    for cycle in offered[1:]:
        accepted.append(max(cycle, accepted[-1] + 1))
    place = slot * engine.spacing
    latest = max(state.issued_last[-engine.slots :], default=-1)
    if latest < first and _turn(state, place, latest + 1, engine.ring) <= first:
        # Nothing was inside, and the turns had stopped at this slot.
        state.turn_origin = first + 1 - place
    issued: list[int] = []
    for arrival in [accepted[-1]] * engine.steps if engine.reverse else accepted:
        before = issued[-1] if issued else state.issued_last[-engine.slots] if number >= engine.slots else -1
        ready = max(arrival, before) + 1
        if engine.waits and ready > _turn(state, place, before + 1, engine.ring):
            state.turn_origin = ready - place
        issued.append(_turn(state, place, ready, engine.ring))
    ready_results = issued if engine.per_step else issued[-1:]
    handed: list[int] = []
    free = state.returned[-1] + 1 if state.returned else 0
    for cycle in ready_results:
        handed.append(max(cycle + engine.depth + 1, free))
        free = handed[-1] + 1
    state.accepted.append(first)
    state.issued_last.append(issued[-1])
    state.returned.append(handed[-1])
    return accepted, handed
