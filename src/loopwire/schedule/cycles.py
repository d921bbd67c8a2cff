"""Exactly when results come: what the feeder and the collector of each engine do, cycle by cycle, without the data.

Ref: the modules loopwire_feeder and loopwire_collector, whose behaviour at full input rate this follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class EngineTiming:
    """What of an engine decides its cycles: a slot has its turn every `ring` cycles, `spacing` after the slot before."""

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


def run(engines: tuple[EngineTiming, ...], sequences: int) -> list[SequenceCycles]:
    """Return the cycles of full-length sequences that follow without a gap, nothing holding up the output."""
    states = [_EngineState() for _ in engines]
    results = []
    next_input = 0
    for _ in range(sequences):
        offered = [next_input + j for j in range(engines[0].steps)]
        inputs: list[int] = []
        for index, (engine, state) in enumerate(zip(engines, states, strict=True)):
            accepted, offered = _sequence(engine, state, offered)
            inputs = inputs or accepted
            if index:
                states[index - 1].returned[-1] = accepted[-1]
        next_input = inputs[-1] + 1
        results.append(SequenceCycles(inputs[0], inputs[-1], offered[0], offered[-1]))
    return results


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
    latest = max(state.issued_last, default=-1)
    if latest < first and _turn(state, place, latest + 1, engine.ring) <= first:
        # Nothing was inside, and the turns had stopped at this slot.
        state.turn_origin = first + 1 - place
    issued: list[int] = []
    for arrival in [accepted[-1]] * engine.steps if engine.reverse else accepted:
        ready = max(arrival, issued[-1] if issued else latest) + 1
        if engine.waits and ready > _turn(state, place, (issued[-1] if issued else latest) + 1, engine.ring):
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
