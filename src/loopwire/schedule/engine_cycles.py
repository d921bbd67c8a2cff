"""Exactly when an engine's results come: what its feeder and collector do, cycle by cycle, without the data.

Ref: the modules loopwire_feeder and loopwire_collector, whose behaviour at full input rate this follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

BLOCK_RAM_BITS, BLOCK_RAM_PLACES = 1 << 17, 256
"""Results that take as much room as that, in as many places, are kept in block RAM, and are there a cycle later."""


@dataclass(frozen=True)
class EngineTiming:
    """What of an engine decides its cycles: a slot has a turn every `round_cycles`, `spacing` after the one before."""

    steps: int
    round_cycles: int
    slots: int
    spacing: int
    tickets: int
    depth: int
    reverse: bool
    per_step: bool
    waits: bool
    """The turns stop at a slot whose next step has not come."""
    result_bits: int = 0

    @property
    def result_places(self) -> int:
        """How many results the collector has room for."""
        return self.tickets * (self.steps if self.per_step else 1)

    @property
    def results_in_block_ram(self) -> bool:
        """Whether they are kept in block RAM, rather than in memories read without a clock."""
        places = self.result_places
        return places >= BLOCK_RAM_PLACES and places * self.result_bits >= BLOCK_RAM_BITS


@dataclass
class EngineState:
    accepted: list[int] = field(default_factory=list)
    """Cycle of each sequence's first beat."""
    issued_last: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    turn_origin: int = 0
    """A cycle in which it was slot 0's turn."""

    def situation(self, engine: EngineTiming, now: int) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""

        def since(cycles: list[int], longest: int = 1) -> tuple[int, ...]:
            return tuple(max(cycle - now, -longest) for cycle in cycles)

        return (
            len(self.accepted) % engine.slots,
            since(self.issued_last[-engine.slots :], engine.round_cycles + 1),
            since(self.returned[-engine.tickets :]),
            (self.turn_origin - now) % engine.round_cycles,
        )


@dataclass(frozen=True)
class SequenceCycles:
    """When a sequence's beats were accepted by the first engine and handed on by the last."""

    first_input: int
    last_input: int
    first_output: int
    last_output: int


@dataclass(frozen=True)
class Pace:
    """How vectors pass a port: several in a beat, or each in several beats; one of the two is 1."""

    vectors_per_beat: int = 1
    beats_per_vector: int = 1


STEP_A_BEAT = Pace()


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


class Sequential(Protocol):
    """What sequences go through, one after another at full rate."""

    @property
    def now(self) -> int:
        """A cycle from which all others are counted."""

    def situation(self) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `now`."""

    def sequence(self) -> SequenceCycles:
        """Return the cycles of the next sequence."""


def settled(flow: Sequential) -> SteadyState:
    """Return what a flow settles into."""
    seen: dict[tuple[object, ...], tuple[int, int]] = {}
    count = 0
    while (situation := flow.situation()) not in seen:
        seen[situation] = count, flow.now
        flow.sequence()
        count += 1
    before, cycle = seen[situation]
    return SteadyState(before, count - before, flow.now - cycle)


def _turn(state: EngineState, place: int, earliest: int, round_cycles: int) -> int:
    """Return the first cycle, not before `earliest`, in which it is the turn of the slot at `place`."""
    return earliest + (state.turn_origin + place - earliest) % round_cycles


def admits(engine: EngineTiming, state: EngineState, cycle: int) -> int:
    """Return the cycle in which an engine accepts a sequence's first beat, offered in `cycle`."""
    number = len(state.accepted)
    if number >= engine.slots:
        cycle = max(cycle, state.issued_last[number - engine.slots])
    if number >= engine.tickets:
        cycle = max(cycle, state.returned[number - engine.tickets] + 1)
    return cycle


def follow(
    engine: EngineTiming, state: EngineState, offered: list[int], wait: int | None = None
) -> tuple[list[int], list[int]]:
    """Let an engine take a sequence, offered in these cycles; return those in which it accepts the beats, and the first
    ones in which its results are there.

    Where `wait` is not None each step is issued this many cycles after the first one in which it could be.
    """
    number = len(state.accepted)
    slot = number % engine.slots
    first = admits(engine, state, offered[0])
    accepted = [first]
    for cycle in offered[1:]:
        accepted.append(max(cycle, accepted[-1] + 1))
    place = slot * engine.spacing
    latest = max(state.issued_last[-engine.slots :], default=-1)
    if latest < first and _turn(state, place, latest + 1, engine.round_cycles) <= first:
        # Nothing was inside, and the turns had stopped at this slot.
        state.turn_origin = first + 1 - place
    issued: list[int] = []
    for arrival in [accepted[-1]] * engine.steps if engine.reverse else accepted:
        before = issued[-1] if issued else state.issued_last[-engine.slots] if number >= engine.slots else -1
        ready = max(arrival, before) + 1
        if wait is not None:
            issued.append(max(ready + wait, issued[-1] + engine.round_cycles) if issued else ready + wait)
            continue
        if engine.waits and ready > _turn(state, place, before + 1, engine.round_cycles):
            state.turn_origin = ready - place
        issued.append(_turn(state, place, ready, engine.round_cycles))
    ready_results = issued if engine.per_step else issued[-1:]
    handed: list[int] = []
    free = state.returned[-1] + 1 if state.returned else 0
    for cycle in ready_results:
        handed.append(max(cycle + engine.depth + 1 + engine.results_in_block_ram, free))
        free = handed[-1] + 1
    state.accepted.append(first)
    state.issued_last.append(issued[-1])
    state.returned.append(handed[-1])
    return accepted, handed
