"""Predicted cycles against the feeder and the collector, simulated edge by edge as their SystemVerilog reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from loopwire.schedule.cycles import EngineTiming, run


@dataclass
class Slot:
    received: int = 0
    issued: int = 0
    ended: bool = False
    ticket: int = 0

    @property
    def busy(self) -> bool:
        return self.received > 0


@dataclass
class SimulatedEngine:
    """The registers of one engine; `cycle` computes the wires of a cycle, `clock` takes the edge that ends it."""

    timing: EngineTiming
    slots: list[Slot] = field(default_factory=list)
    phase: int = 0
    fill_slot: int = 0
    fill_count: int = 0
    fill_ticket: int = 0
    tickets_out: int = 0
    pipeline: list[tuple[int, int, bool] | None] = field(default_factory=list)
    """What each stage holds: ticket, beat, and whether it is the sequence's last."""
    written: dict[int, int] = field(default_factory=dict)
    complete: set[int] = field(default_factory=set)
    read_ticket: int = 0
    read_count: int = 0

    def __post_init__(self) -> None:
        self.slots = [Slot() for _ in range(self.timing.slots)]
        self.pipeline = [None] * self.timing.depth

    def offers(self) -> bool:
        """Say whether a result is valid at the output."""
        return self.read_count < self.written.get(self.read_ticket, 0)

    def _turn(self) -> Slot | None:
        """Return the slot whose turn it is."""
        number, between = divmod(self.phase, self.timing.spacing)
        return self.slots[number] if number < len(self.slots) and not between else None

    def _issuing(self) -> Slot | None:
        """Return the slot whose step enters the pipeline in this cycle."""
        slot = self._turn()
        if slot is None or not slot.busy:
            return None
        return slot if (slot.ended if self.timing.reverse else slot.issued < slot.received) else None

    def _is_last(self, slot: Slot) -> bool:
        return slot.ended and slot.issued + 1 == slot.received

    def ready(self) -> bool:
        slot, issuing = self.slots[self.fill_slot], self._issuing()
        free = not slot.busy or (issuing is slot and self._is_last(slot))
        return self.fill_count > 0 or (free and self.tickets_out < self.timing.tickets)

    def clock(self, accepted: bool, handed_on: bool) -> bool:
        """Take the edge; return whether the result handed on was its sequence's last."""
        timing, issuing = self.timing, self._issuing()
        entering = None
        leaving = issuing is not None and self._is_last(issuing)
        if issuing is not None:
            entering = (issuing.ticket, issuing.issued, leaving)
        first = accepted and self.fill_count == 0
        idle = not any(slot.busy for slot in self.slots)
        turn = self._turn()
        stops = timing.waits or (idle and turn is self.slots[self.fill_slot])
        if turn is None or issuing is not None or not stops:
            self.phase = (self.phase + 1) % timing.ring

        was_last = False
        if handed_on:
            self.read_count += 1
            was_last = self.read_ticket in self.complete and self.read_count == self.written[self.read_ticket]
            if was_last:
                del self.written[self.read_ticket]
                self.complete.discard(self.read_ticket)
                self.read_ticket, self.read_count = (self.read_ticket + 1) % timing.tickets, 0

        self.pipeline.insert(0, entering)
        result = self.pipeline.pop()
        if result is not None and (timing.per_step or result[2]):
            self.written[result[0]] = self.written.get(result[0], 0) + 1
            assert self.written[result[0]] <= timing.steps
            if result[2]:
                self.complete.add(result[0])

        if issuing is not None:
            issuing.issued += 1
        if leaving and issuing is not None:
            issuing.received, issuing.issued, issuing.ended = 0, 0, False
        if accepted:
            slot = self.slots[self.fill_slot]
            if first:
                slot.ticket = self.fill_ticket
            slot.received = self.fill_count + 1
            self.fill_count += 1
            slot.ended = self.fill_count == timing.steps
            if slot.ended:
                self.fill_slot, self.fill_count = (self.fill_slot + 1) % timing.slots, 0
                self.fill_ticket = (self.fill_ticket + 1) % timing.tickets
        self.tickets_out += first - was_last
        return was_last


def simulated(timings: tuple[EngineTiming, ...], sequences: int) -> tuple[list[int], list[int]]:
    """Return the cycles of all beats accepted by the first engine, and of all handed on by the last."""
    engines = [SimulatedEngine(timing) for timing in timings]
    accepted: list[int] = []
    handed: list[int] = []
    outputs = sequences * (timings[-1].steps if timings[-1].per_step else 1)
    cycle = 0
    while len(handed) < outputs:
        valid = [len(accepted) < sequences * timings[0].steps, *(engine.offers() for engine in engines)]
        ready = [*(engine.ready() for engine in engines), True]
        moves = [v and r for v, r in zip(valid, ready, strict=True)]
        if moves[0]:
            accepted.append(cycle)
        if moves[-1]:
            handed.append(cycle)
        for k, engine in enumerate(engines):
            engine.clock(moves[k], moves[k + 1])
        cycle += 1
        assert cycle < 100_000, "nothing moves any more"
    return accepted, handed


@st.composite
def timings(draw: st.DrawFn, steps: int, per_step: bool, reverse: bool) -> EngineTiming:
    slots, spacing = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    ring = slots * spacing + draw(st.integers(0, 5))
    tickets, depth = draw(st.sampled_from([2, 4, 8, 16])), draw(st.integers(0, 30))
    waits = slots == 1 and draw(st.booleans())
    return EngineTiming(steps, ring, slots, spacing, tickets, depth, reverse, per_step, waits)


@st.composite
def chains(draw: st.DrawFn) -> tuple[EngineTiming, ...]:
    """Engines for each step, then one that gives a result a sequence, then engines for that result."""
    steps = draw(st.integers(1, 6))
    each_step = [draw(timings(steps, True, draw(st.booleans()))) for _ in range(draw(st.integers(0, 2)))]
    if each_step and draw(st.booleans()):
        return tuple(each_step)
    once = draw(timings(steps, False, draw(st.booleans())))
    tail = [draw(timings(1, False, False)) for _ in range(draw(st.integers(0, 2)))]
    return (*each_step, once, *tail)


@settings(max_examples=300, deadline=None)
@given(chains(), st.integers(1, 14))
def test_predicted_cycles_are_those_of_the_modules(chain: tuple[EngineTiming, ...], sequences: int) -> None:
    accepted, handed = simulated(chain, sequences)
    steps, beats = chain[0].steps, chain[-1].steps if chain[-1].per_step else 1
    for k, cycles in enumerate(run(chain, sequences)):
        assert (cycles.first_input, cycles.last_input) == (accepted[k * steps], accepted[(k + 1) * steps - 1])
        assert (cycles.first_output, cycles.last_output) == (handed[k * beats], handed[(k + 1) * beats - 1])


def test_a_single_sequence_takes_a_turn_of_the_ring_a_step() -> None:
    (cycles,) = run((EngineTiming(20, 5, 5, 1, 16, 12, False, False, False),), 1)
    # The beat is stored, then issued; the last of 20 steps enters 19 turns later, and its result is stored in turn.
    assert (cycles.first_input, cycles.last_output) == (0, 1 + 19 * 5 + 12 + 1)


def test_a_full_ring_takes_a_beat_every_cycle() -> None:
    cycles = run((EngineTiming(20, 5, 5, 1, 16, 12, False, False, False),), 40)
    assert cycles[-1].first_input - cycles[-2].first_input == 20
