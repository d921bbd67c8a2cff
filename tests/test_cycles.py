"""Predicted cycles against the modules, simulated edge by edge as their SystemVerilog reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains import chain_timing
from loopwire.schedule.cycles import arrivals, latency_range, run, steady_state
from loopwire.schedule.engine_cycles import EngineTiming, Pace, SequenceCycles
from loopwire.schedule.network_timing import NetworkTiming

Transfer = tuple[int, bool] | None
"""How many parts a transfer has, and whether it ends its sequence; None where nothing is offered."""


class Module(Protocol):
    """What takes transfers and hands them on: offers go forward, then readiness back, then comes the edge."""

    def forward(self, transfer: Transfer) -> Transfer: ...
    def backward(self, ready: bool) -> bool: ...
    def clock(self) -> None: ...


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
    read: bool = False
    """Whether the output register of the block RAM holds a result."""

    def __post_init__(self) -> None:
        self.slots = [Slot() for _ in range(self.timing.slots)]
        self.pipeline = [None] * self.timing.depth

    def offers(self) -> bool:
        """Say whether a result is valid at the output."""
        return self.read if self.timing.results_in_block_ram else self._has_next()

    def _has_next(self) -> bool:
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
            self.phase = (self.phase + 1) % timing.round_cycles

        was_last = False
        if handed_on:
            self.read_count += 1
            was_last = self.read_ticket in self.complete and self.read_count == self.written[self.read_ticket]
            if was_last:
                del self.written[self.read_ticket]
                self.complete.discard(self.read_ticket)
                self.read_ticket, self.read_count = (self.read_ticket + 1) % timing.tickets, 0

        self.read = self._has_next()
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


class Engine:
    """An engine as one of the modules in a row."""

    def __init__(self, timing: EngineTiming) -> None:
        self._engine = SimulatedEngine(timing)
        self._valid = self._ready = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._valid = transfer is not None
        engine = self._engine
        if not engine.offers():
            return None
        ends = engine.read_ticket in engine.complete
        return 1, ends and engine.read_count + 1 == engine.written[engine.read_ticket]

    def backward(self, ready: bool) -> bool:
        self._ready = ready
        return self._engine.ready()

    def clock(self) -> None:
        self._engine.clock(self._valid and self._engine.ready(), self._ready and self._engine.offers())


class Split:
    """loopwire_split: hands on the parts of a transfer, each a transfer itself; `parts`: of each, None: as it says."""

    def __init__(self, parts: int | None = None) -> None:
        self._parts = parts
        self._left, self._held_last = 0, False
        self._in: Transfer = None
        self._moves = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._in = transfer
        if self._left:
            return 1, self._held_last and self._left == 1
        return None if transfer is None else (1, transfer[1] and (self._parts or transfer[0]) == 1)

    def backward(self, ready: bool) -> bool:
        self._moves = ready
        return ready and not self._left

    def clock(self) -> None:
        if self._moves and self._left:
            self._left -= 1
        elif self._moves and self._in is not None:
            self._left, self._held_last = (self._parts or self._in[0]) - 1, self._in[1]


class Join:
    """loopwire_join."""

    def __init__(self, parts: int) -> None:
        self._parts, self._count = parts, 0
        self._in: Transfer = None
        self._taken = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._in = transfer
        return (self._count + 1, transfer[1]) if transfer is not None and self._complete else None

    def backward(self, ready: bool) -> bool:
        self._taken = ready or not self._complete
        return self._taken

    def clock(self) -> None:
        if self._in is not None and self._taken:
            self._count = 0 if self._complete else self._count + 1

    @property
    def _complete(self) -> bool:
        return self._in is not None and (self._in[1] or self._count == self._parts - 1)


class Queue:
    """loopwire_queue."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._held: list[tuple[int, bool]] = []
        self._in: Transfer = None
        self._ready = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._in = transfer
        return self._held[0] if self._held else transfer

    def backward(self, ready: bool) -> bool:
        self._ready = ready
        return len(self._held) < self._depth

    def clock(self) -> None:
        accepted = self._in is not None and len(self._held) < self._depth
        if accepted and self._in is not None:
            self._held.append(self._in)
        if self._ready and self._held:
            del self._held[0]


class Slice:
    """loopwire_slice."""

    def __init__(self) -> None:
        self._held: list[Transfer] = []
        self._in: Transfer = None
        self._ready = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._in = transfer
        return self._held[0] if self._held else None

    def backward(self, ready: bool) -> bool:
        self._ready = ready
        return len(self._held) < 2

    def clock(self) -> None:
        accepted = self._in is not None and len(self._held) < 2
        if self._ready and self._held:
            del self._held[0]
        if accepted:
            self._held.append(self._in)


class Begins:
    """Where loopwire_framer sees sequences begin; `due` are the cycles in which their results may leave."""

    def __init__(self, held_cycles: int) -> None:
        self.due: list[int] = []
        self._held_cycles, self._cycle, self._inside = held_cycles, 0, False
        self._in: Transfer = None
        self._moves = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._in = transfer
        return transfer

    def backward(self, ready: bool) -> bool:
        self._moves = ready
        return ready

    def clock(self) -> None:
        if self._in is not None and self._moves:
            if not self._inside:
                self.due.append(self._cycle + self._held_cycles)
            self._inside = not self._in[1]
        self._cycle += 1


class Hold:
    """loopwire_hold."""

    def __init__(self, begins: Begins) -> None:
        self._begins, self._cycle, self._left = begins, 0, 0
        self._ends = self._moves = False

    @property
    def _released(self) -> bool:
        return self._left < len(self._begins.due) and self._begins.due[self._left] <= self._cycle

    def forward(self, transfer: Transfer) -> Transfer:
        given = transfer if self._released else None
        self._ends = given is not None and given[1]
        return given

    def backward(self, ready: bool) -> bool:
        self._moves = ready and self._released
        return self._moves

    def clock(self) -> None:
        self._left += self._ends and self._moves
        self._cycle += 1


class Row:
    """Modules one after another."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = modules

    def forward(self, transfer: Transfer) -> Transfer:
        for module in self._modules:
            transfer = module.forward(transfer)
        return transfer

    def backward(self, ready: bool) -> bool:
        for module in reversed(self._modules):
            ready = module.backward(ready)
        return ready

    def clock(self) -> None:
        for module in self._modules:
            module.clock()


class Copies:
    """Rows between loopwire_distributor and loopwire_merger."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._dealt = self._merged = 0
        self._in: Transfer = None
        self._out: Transfer = None
        self._accepted = self._handed_on = False

    def forward(self, transfer: Transfer) -> Transfer:
        self._in = transfer
        outs = [row.forward(transfer if k == self._dealt else None) for k, row in enumerate(self._rows)]
        self._out = outs[self._merged]
        return self._out

    def backward(self, ready: bool) -> bool:
        readies = [row.backward(ready and k == self._merged) for k, row in enumerate(self._rows)]
        self._accepted, self._handed_on = readies[self._dealt], ready
        return readies[self._dealt]

    def clock(self) -> None:
        for row in self._rows:
            row.clock()
        if self._accepted and self._in is not None:
            self._dealt = (self._dealt + self._in[1]) % len(self._rows)
        if self._handed_on and self._out is not None:
            self._merged = (self._merged + self._out[1]) % len(self._rows)


def modules_of(design: NetworkTiming) -> Row:
    """Return a design's modules, put together as the top module does."""
    (taken,), (given,) = design.inputs, design.outputs
    several_in, several_out = taken.vectors_per_beat, given.vectors_per_beat
    begins = Begins(design.held_cycles)
    between = design.registered

    def chain(timings: Sequence[EngineTiming], first: bool) -> list[Module]:
        pairs = [[*([Slice()] if between else []), Engine(timing)] for timing in timings]
        modules = [module for pair in pairs for module in pair]
        return modules[1:] if first and between else modules

    copies = [
        Row(
            [
                *([Queue(design.input_queue(0))] if design.input_queue(0) else []),
                *([Split()] if several_in > 1 else []),
                *chain(design.engines[: design.copied], first=True),
                *([Join(several_out)] if several_out > 1 else []),
                *([Queue(design.output_queue(0))] if design.output_queue(0) else []),
            ]
        )
        for _ in range(design.copies)
    ]
    parts_in, parts_out = taken.beats_per_vector, given.beats_per_vector
    return Row(
        [
            *([Slice()] if between else []),
            begins,
            *([Join(parts_in)] if parts_in > 1 else []),
            Copies(copies),
            *chain(design.engines[design.copied :], first=False),
            *([Split(parts_out)] if parts_out > 1 else []),
            *([Hold(begins)] if design.held_cycles else []),
            *([Slice()] if between else []),
        ]
    )


def simulated(design: NetworkTiming, gaps: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the cycles of the beats accepted and handed on, of sequences that come so long after one another."""
    (steps,), (pace,) = design.input_steps, design.inputs
    held = [min(pace.vectors_per_beat, steps - first) for first in range(0, steps, pace.vectors_per_beat)]
    beats = [(vectors, False) for vectors in held for _ in range(pace.beats_per_vector)]
    beats[-1] = (beats[-1][0], True)
    modules = modules_of(design)
    accepted: list[list[int]] = [[]]
    handed: list[list[int]] = [[]]
    cycle = 0
    sequences, waiting = len(gaps), gaps[0]
    while len(handed) <= sequences:
        offered = beats[len(accepted[-1])] if len(accepted) <= sequences and not waiting else None
        waiting = max(waiting - 1, 0)
        result = modules.forward(offered)
        if modules.backward(True) and offered is not None:
            accepted[-1].append(cycle)
            if offered[1]:
                waiting = gaps[len(accepted)] if len(accepted) < sequences else 0
                accepted.append([])
        if result is not None:
            handed[-1].append(cycle)
            if result[1]:
                handed.append([])
        modules.clock()
        cycle += 1
        assert cycle < 100_000, "nothing moves any more"
    return accepted, handed


@dataclass(frozen=True)
class Stored(EngineTiming):
    """An engine whose results are in block RAM, few as they are."""

    @property
    def results_in_block_ram(self) -> bool:
        return True


@st.composite
def timings(draw: st.DrawFn, steps: int, per_step: bool, reverse: bool) -> EngineTiming:
    slots, spacing = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    round_cycles = slots * spacing + draw(st.integers(0, 5))
    tickets, depth = draw(st.sampled_from([2, 4, 8, 16])), draw(st.integers(0, 30))
    waits = slots == 1 and draw(st.booleans())
    kind = draw(st.sampled_from([EngineTiming, Stored]))
    return kind(steps, round_cycles, slots, spacing, tickets, depth, reverse, per_step, waits)


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


@st.composite
def designs(draw: st.DrawFn) -> NetworkTiming:
    """A chain, of which what works on sequences may stand several times, with wide or narrow ports."""
    chain = draw(chains())
    steps = chain[0].steps
    copies = draw(st.integers(1, 4))
    head = [timing for timing in chain if timing.steps == 1 and timing is not chain[0]] if copies > 1 else []
    copied = chain[: len(chain) - len(head)]
    results = steps if copied[-1].per_step and not head else 1
    paces = (
        draw(st.sampled_from([Pace(), Pace(draw(st.integers(1, vectors))), Pace(1, draw(st.integers(1, 4)))]))
        for vectors in (steps, results)
    )
    if draw(st.booleans()):
        # With register slices no result is held.
        return chain_timing(copied, copies, tuple(head), *paces, True, 0)
    held = draw(st.sampled_from([0, 0, 0, 2, 9, 60]))
    return chain_timing(copied, copies, tuple(head), *paces, False, held)


@settings(max_examples=300, deadline=None)
@given(designs(), st.lists(st.sampled_from([0, 0, 1, 2, 5, 40]), min_size=1, max_size=14))
def test_predicted_cycles_are_those_of_the_modules(design: NetworkTiming, gaps: list[int]) -> None:
    accepted, handed = simulated(design, gaps)
    for k, cycles in enumerate(run(design, len(gaps), gaps)):
        assert (cycles.first_input, cycles.last_input) == (accepted[k][0], accepted[k][-1])
        assert (cycles.first_output, cycles.last_output) == (handed[k][0], handed[k][-1])


LSTM = EngineTiming(20, 5, 5, 1, 16, 12, False, False, False)


def test_a_single_sequence_takes_a_turn_of_the_ring_a_step() -> None:
    (cycles,) = run(chain_timing((LSTM,)), 1)
    # The beat is stored, then issued; the last of 20 steps enters 19 turns later, and its result is stored in turn.
    assert (cycles.first_input, cycles.last_output) == (0, 1 + 19 * 5 + 12 + 1)


def test_a_full_ring_takes_a_beat_every_cycle() -> None:
    cycles = run(chain_timing((LSTM,)), 40)
    assert cycles[-1].first_input - cycles[-2].first_input == 20


@pytest.mark.parametrize(("copies", "interval"), [(1, 20), (4, 5), (20, 1)])
def test_copies_divide_the_interval_of_whole_sequences(copies: int, interval: int) -> None:
    design = chain_timing((LSTM,), copies, input=Pace(20))
    assert steady_state(design).initiation_interval_cycles == interval
    assert run(design, 1) == [SequenceCycles(0, 0, 109, 109)]


def test_a_sequence_waits_for_its_turn_at_most() -> None:
    design = chain_timing((LSTM,))
    assert latency_range(design) == (109, 113)
    assert latency_range(replace(design, held_cycles=113)) == (113, 113)
    assert latency_range(replace(design, registered=True)) == (111, 115)
    # A single sequence in the loop sets its turn itself.
    alone = replace(LSTM, round_cycles=63, slots=1, spacing=57, waits=True)
    assert latency_range(chain_timing((alone,))) == (1 + 19 * 63 + 13,) * 2


@pytest.mark.parametrize("slots", [2, 3, 5])
def test_random_arrivals_meet_both_bounds(slots: int) -> None:
    design = chain_timing((replace(LSTM, slots=slots),))
    gaps = arrivals(design, Random(1), 400)
    found = [cycles.last_output - cycles.first_input for cycles in run(design, len(gaps), gaps)]
    assert (min(found), max(found)) == latency_range(design) and len(gaps) < 400


@settings(max_examples=15, deadline=None)
@given(designs(), st.randoms(use_true_random=False))
def test_no_arrival_takes_less_or_more_than_the_bounds(design: NetworkTiming, source: Random) -> None:
    # With room for all results, as the planner leaves it.
    design = replace(design, engines=tuple(replace(e, tickets=64) for e in design.engines), held_cycles=0)
    least, greatest = latency_range(design)
    gaps = arrivals(design, source, 30)
    found = [cycles.last_output - cycles.first_input for cycles in run(design, len(gaps), gaps)]
    assert least <= min(found) and max(found) <= greatest
    held_cycles = greatest - design.output_cycles(0)
    fixed = replace(design, held_cycles=held_cycles)
    # A register slice at the input holds a beat for as long as those before make it, and a beat of several results
    # waits for the last of them: the planner refuses both.
    uneven = 1 < design.outputs[0].vectors_per_beat < design.to_output(0).beats
    if not (design.registered or uneven) and held_cycles >= 2 and steady_state(fixed) == steady_state(design):
        times = [cycles.last_output - cycles.first_input for cycles in run(fixed, len(gaps), gaps)]
        assert set(times) == {greatest}


def test_copies_divide_the_interval_of_beats_of_several_steps() -> None:
    design = chain_timing((LSTM,), copies=4, input=Pace(6))
    assert steady_state(design).initiation_interval_cycles == 5
