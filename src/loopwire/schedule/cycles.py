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


def run(engines: Sequence[EngineTiming], sequences: int) -> list[SequenceCycles]:
    """Return the cycles of full-length sequences that follow without a gap, nothing holding up the output."""
    chain = _Chain(engines)
    return [chain.sequence() for _ in range(sequences)]


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


def steady_state(engines: Sequence[EngineTiming]) -> SteadyState:
    """Return what `run` settles into."""
    chain = _Chain(engines)
    seen: dict[tuple[object, ...], tuple[int, int]] = {}
    count = 0
    while (situation := chain.situation()) not in seen:
        seen[situation] = count, chain.next_input
        chain.sequence()
        count += 1
    settled, cycle = seen[situation]
    return SteadyState(settled, count - settled, chain.next_input - cycle)


class _Chain:
    """Engines one after another; `next_input` is the first cycle in which the next sequence's first beat can come."""

    def __init__(self, engines: Sequence[EngineTiming]) -> None:
        self._engines = tuple((engine, _EngineState()) for engine in engines)
        self.next_input = 0

    def sequence(self) -> SequenceCycles:
        """Return the cycles of the next sequence."""
        offered = [self.next_input + j for j in range(self._engines[0][0].steps)]
        inputs: list[int] = []
        before: _EngineState | None = None
        for engine, state in self._engines:
            accepted, offered = _sequence(engine, state, offered)
            inputs = inputs or accepted
            if before is not None:
                before.returned[-1] = accepted[-1]
            before = state
        self.next_input = inputs[-1] + 1
        return SequenceCycles(inputs[0], inputs[-1], offered[0], offered[-1])

    def situation(self) -> tuple[object, ...]:
        """Return all that the cycles of further sequences depend on, counted from `next_input`."""

        def since(cycles: list[int], longest: int = 1) -> tuple[int, ...]:
            return tuple(max(cycle - self.next_input, -longest) for cycle in cycles)

        return tuple(
            (
                len(state.accepted) % engine.slots,
                since(state.issued_last[-engine.slots :], engine.ring + 1),
                since(state.returned[-engine.tickets :]),
                (state.turn_origin - self.next_input) % engine.ring,
            )
            for engine, state in self._engines
        )


def _turn(state: _EngineState, place: int, earliest: int, ring: int) -> int:
    """Return the first cycle, not before `earliest`, in which it is the turn of the slot at `place` in the ring."""
    return earliest + (state.turn_origin + place - earliest) % ring


def _sequence(engine: EngineTiming, state: _EngineState, offered: list[int]) -> tuple[list[int], list[int]]:
    """Return the cycles in which an engine accepts a sequence's beats, and in which it hands on its results."""
    number = len(state.accepted)
    slot = number % engine.slots
    first = offered[0]
    if number >= engine.slots:
        first = max(first, state.issued_last[number - engine.slots])
    if number >= engine.tickets:
        first = max(first, state.returned[number - engine.tickets] + 1)
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
