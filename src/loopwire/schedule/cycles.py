"""Exactly when results of a chain come: engines, copies, slices and ports followed sequence by sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from random import Random

from loopwire.schedule.engine_cycles import (
    STEP_A_BEAT,
    EngineState,
    EngineTiming,
    Pace,
    SequenceCycles,
    SteadyState,
    admits,
    follow,
    settled,
)

LEAST_ARRIVALS = 8
"""Sequences that come at random times, at least."""


@dataclass(frozen=True)
class DesignTiming:
    """What of a design decides its cycles.

    Attributes:
        copied: engines that stand in each copy, one after another.
        copies: sequences are dealt to them in turn, and their results taken in turn.
        head: engines behind the copies, for their results.
        input, output: how vectors come and go.
        registered: a register slice stands at each port and between engines.
        held_cycles: from a sequence's first beat, as the framer takes it, until its result may leave; 0: as soon as it
            is there.
    """

    copied: tuple[EngineTiming, ...]
    copies: int = 1
    head: tuple[EngineTiming, ...] = ()
    input: Pace = STEP_A_BEAT
    output: Pace = STEP_A_BEAT
    registered: bool = False
    held_cycles: int = 0

    @property
    def result_beats(self) -> int:
        """Beats of a full sequence's result."""
        per_step = not self.head and all(engine.per_step for engine in self.copied)
        vectors = self.copied[0].steps if per_step else 1
        return -(-vectors // self.output.vectors_per_beat) * self.output.beats_per_vector

    @property
    def most_sequences(self) -> int:
        """Sequences that are in the design at once, at most: each has a ticket, or waits at a port."""
        waiting = self.input_queue + self.output_queue + 2
        tickets = sum(engine.tickets for engine in self.copied), sum(engine.tickets for engine in self.head)
        slices = 2 * (len(self.copied) + len(self.head) + 1) * self.registered
        return self.copies * (tickets[0] + waiting + slices) + tickets[1] + 2

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


def run(design: DesignTiming, sequences: int, gaps_cycles: Sequence[int] = ()) -> list[SequenceCycles]:
    """Return the cycles of full-length sequences, nothing holding up the output.

    Args:
        design: what runs.
        sequences: how many.
        gaps_cycles: before each sequence's first beat is offered, after the first cycle in which it could be; none: 0.
    """
    flow = _Flow(design)
    return [flow.sequence(gap) for gap in gaps_cycles or [0] * sequences]


def latency_range(design: DesignTiming) -> tuple[int, int]:
    """Return the least and the greatest latency of full-length sequences that come at any times, at up to full rate.

    Counted are the cycles from the first beat's being taken to the (last) result beat's being valid. A sequence's beats
    come without gaps, from one sequence to the next at least an initiation interval passes, and nothing holds up the
    output. A step then waits for nothing but its slot's turn: for none or up to `ring` - 1 cycles, as others happen to
    be inside, which set the turns; where one sequence leaves before the next one comes, its turn is set by itself. With
    the shortest and with the longest of these waits in each engine, the times add up to the two bounds. A chain of
    several such engines need not meet both.
    """
    free = replace(design, held_cycles=0)
    interval_cycles = ceil(steady_state(free).initiation_interval_cycles)
    least, greatest = (
        cycles.last_output - cycles.first_input
        for cycles in (
            _Flow(free, _Waits(longest, interval_cycles * design.copies)).sequence() for longest in (False, True)
        )
    )
    return (greatest, greatest) if design.held_cycles else (least, greatest)


def arrivals(design: DesignTiming, source: Random, most_sequences: int) -> list[int]:
    """Return gaps, as `run` takes them, of sequences that come at random times, at up to full rate.

    They end when the least and the greatest latency have been met, or with `most_sequences`.
    """
    interval_cycles = ceil(steady_state(design).initiation_interval_cycles)
    longest_wait = 3 * max(engine.ring for engine in design.copied)
    bounds, flow = latency_range(design), _Flow(design)
    gaps: list[int] = []
    seen: set[int] = set()
    earliest = 0
    while len(gaps) < most_sequences and not (len(gaps) >= LEAST_ARRIVALS and seen.issuperset(bounds)):
        # Some follow at full rate, some after less than a step's wait, some find the design empty.
        wait = source.choice((0, source.randrange(longest_wait), source.randrange(2 * bounds[1] + 1)))
        gaps.append(max(earliest - flow.next_input, 0) + wait)
        cycles = flow.sequence(gaps[-1])
        earliest = cycles.first_input + interval_cycles
        seen.add(cycles.last_output - cycles.first_input)
    return gaps


@dataclass
class _Waits:
    """Takes each step's wait for its slot's turn for the longest, or the shortest, that there can be."""

    longest: bool
    interval_cycles: int
    """From one sequence of a copy to its next, at least."""

    def __post_init__(self) -> None:
        self._apart_cycles = self.interval_cycles

    def of(self, engine: EngineTiming, offered: Sequence[int]) -> int | None:
        """Return a step's wait in the next engine; None where no other sequence sets the turns."""
        spread, issuing = offered[-1] - offered[0], (engine.steps - 1) * engine.ring
        inside = spread + issuing if engine.reverse else max(spread, issuing)
        alone = engine.slots == 1 and not engine.reverse and spread <= issuing
        if engine.waits or alone or self._apart_cycles >= inside + engine.ring:
            return None
        longest = engine.ring - 1
        if engine.steps == 1:
            # A sequence leaves with its only step; the next one waits for its turn but where that is far behind.
            between = max(engine.spacing, engine.ring - (engine.slots - 1) * engine.spacing)
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


def steady_state(design: DesignTiming) -> SteadyState:
    """Return what `run` settles into."""
    return settled(_Flow(design))


class _Chain:
    """Engines one after another."""

    def __init__(
        self,
        engines: Sequence[EngineTiming],
        input_queue: int = 0,
        output_queue: int = 0,
        registered: bool = False,
        waits: _Waits | None = None,
    ) -> None:
        self._waits = waits
        self._slices = [_Slice() for _ in engines[1:]] if registered else []
        self._engines = tuple((engine, EngineState()) for engine in engines)
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
        return admits(*self._engines[0], cycle)

    def sequence(self, offered: list[int]) -> list[int]:
        """Take a sequence whose vectors are accepted in these cycles; return those in which its results are there."""
        self.free = offered[-1] + 1
        before: EngineState | None = None
        for index, (engine, state) in enumerate(self._engines):
            if self._slices and before is not None:
                taken = self._slices[index - 1].passes(offered, partial(admits, engine, state))
                before.returned[-1] = taken[-1]
                offered = [cycle + 1 for cycle in taken]
            wait = None if self._waits is None else self._waits.of(engine, offered)
            accepted, offered = follow(engine, state, offered, wait)
            if self._waits is not None and engine.per_step:
                offered = self._waits.in_order(offered)
            if not self._slices and before is not None:
                before.returned[-1] = accepted[-1]
            before = state
        return offered

    def handed_on(self, cycle: int) -> None:
        """Say when the last result of the last sequence was taken."""
        self._engines[-1][1].returned[-1] = cycle

    def situation(self, now: int) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""
        engines = tuple(state.situation(engine, now) for engine, state in self._engines)
        queues = (self.input_queue.situation(now), self.output_queue.situation(now))
        return max(self.free - now, 0), queues, engines, tuple(held.situation(now) for held in self._slices)


class _Slice:
    """loopwire_slice: a word is handed on the cycle after it came, at the earliest; there is room for two."""

    def __init__(self) -> None:
        self._taken = -1
        self._left = [-1, -1]

    def takes(self, cycle: int) -> int:
        """Return the cycle in which a word is taken that is offered in `cycle`."""
        self._taken = max(cycle, self._taken + 1, self._left[-2] + 1)
        return self._taken

    def left(self, cycle: int) -> None:
        """Say when the word last taken left."""
        self._left = [self._left[-1], cycle]

    def passes(self, offered: Sequence[int], admits: Callable[[int], int]) -> list[int]:
        """Return when a sequence's words are taken; only its first one may wait behind the slice, as `admits` says."""
        taken = []
        for index, cycle in enumerate(offered):
            taken.append(self.takes(cycle))
            self.left(max(taken[-1], self._left[-1]) + 1 if index else admits(taken[-1] + 1))
        return taken

    def situation(self, now: int) -> tuple[int, ...]:
        """Return all that matters of it, counted from `now`."""
        return tuple(max(cycle - now, -1) for cycle in (self._taken, *self._left))


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

    def __init__(self, design: DesignTiming, waits: _Waits | None = None) -> None:
        self._design = design
        depths, registered = (design.input_queue, design.output_queue), design.registered
        self._copies = [_Chain(design.copied, *depths, registered, waits) for _ in range(design.copies)]
        # Behind copies that wait differently, sequences can follow at any time.
        behind = None if waits is None else _Waits(waits.longest, 0)
        self._head = _Chain(design.head, 0, 0, registered, behind) if design.head else None
        self._before_head = _Slice()
        self._port = _Slice()
        self._turn = 0
        self._merged = -1
        """Cycle in which a result last left a copy."""
        self._output_free = 0
        """First cycle in which the output can take a vector, or a beat of several."""
        self.next_input = 0

    def sequence(self, gap_cycles: int = 0) -> SequenceCycles:
        """Return the cycles of the next sequence, which comes so long after the first cycle in which it can."""
        copy = self._copies[self._turn]
        self._turn = (self._turn + 1) % len(self._copies)
        registered = self._design.registered
        first = self._port.takes(self.next_input + gap_cycles) if registered else self.next_input + gap_cycles
        offered = first + registered
        beats, accepted = self._queued(copy, offered) if copy.input_queue.depth else self._direct(copy, offered)
        self.next_input = (self._through_port(first, beats) if registered else beats[-1]) + 1
        results = copy.sequence(accepted)
        if self._head is not None:
            (result,) = results
            if registered:
                (self._merged,) = self._before_head.passes([result], self._head.admits)
                offered = self._merged + 1
            else:
                self._merged = offered = self._head.admits(max(result, self._merged + 1))
            copy.handed_on(self._merged)
            copy, results = self._head, self._head.sequence([offered])
        due = beats[0] + self._design.held_cycles if self._design.held_cycles else 0
        given = [cycle + registered for cycle in self._output_beats(copy, results, due)]
        last_output = given[-1] + self._design.output.beats_per_vector - 1
        return SequenceCycles(first if registered else beats[0], self.next_input - 1, given[0], last_output)

    def _through_port(self, first: int, beats: list[int]) -> int:
        """Return when the port's slice takes a sequence's last beat, where beats leave it in these cycles."""
        self._port.left(beats[0])
        last = first
        for cycle in beats[1:]:
            last = self._port.takes(last + 1)
            self._port.left(cycle)
        return last

    def _direct(self, copy: _Chain, offered: int) -> tuple[list[int], list[int]]:
        """Return the cycles in which a sequence's beats, and its steps, are taken."""
        pace = self._design.input
        # Within a sequence an engine's feeder never makes a vector wait; all but a vector's last beat never wait.
        first = copy.admits(max(offered + pace.beats_per_vector - 1, copy.free))
        steps = [first + pace.beats_per_vector * index for index in range(copy.steps)]
        if pace.beats_per_vector == 1:
            return steps[:: pace.vectors_per_beat], steps
        begins = range(offered, offered + pace.beats_per_vector - 1)
        return [*begins, *range(first, steps[-1] + 1)], steps

    def _queued(self, copy: _Chain, offered: int) -> tuple[list[int], list[int]]:
        """Return the same of beats of several steps that go through a queue."""
        beats: list[int] = []
        steps: list[int] = []
        for index in range(copy.steps):
            if index % self._design.input.vectors_per_beat:
                steps.append(steps[-1] + 1)
                continue
            beats.append(copy.input_queue.accepts(beats[-1] + 1 if beats else offered))
            steps.append(max(beats[-1], steps[-1] + 1) if steps else copy.admits(max(beats[-1], copy.free)))
            copy.input_queue.left(steps[-1])
        return beats, steps

    def _output_beats(self, chain: _Chain, results: list[int], due: int) -> list[int]:
        """Return the cycles of a sequence's output beats, the first beat of each vector where that takes several.

        None leaves before `due`.
        """
        pace, taken, beats = self._design.output, -1, []
        for index, cycle in enumerate(results):
            taken = max(cycle, taken + 1)
            if (index + 1) % pace.vectors_per_beat == 0 or index == len(results) - 1:
                taken = chain.output_queue.accepts(taken)
                beats.append(max(taken, self._output_free, due))
                chain.output_queue.left(beats[-1])
                self._output_free = beats[-1] + pace.beats_per_vector
                if not chain.output_queue.depth:
                    taken = beats[-1]
        chain.handed_on(taken)
        return beats

    @property
    def now(self) -> int:
        """The next sequence's first beat, at the earliest."""
        return self.next_input

    def situation(self) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""
        now = self.now
        chains = [*self._copies, *([self._head] if self._head is not None else [])]
        busy = max(self._merged + 1 - now, 0), max(self._output_free - now, 0)
        slices = self._port.situation(now), self._before_head.situation(now)
        return self._turn, busy, slices, tuple(chain.situation(now) for chain in chains)
