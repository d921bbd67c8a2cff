"""Placing registers: as few stages round each loop, and then in all, as the clock period allows.

Operations are placed as soon as their operands are there, several in a stage as long as the clock period lasts. As soon
as possible is the least latency, since an operation can only start earlier for having its operands earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.loops import Group, feedback_groups, leading_to, looped
from loopwire.datapath.signals import Signal
from loopwire.datapath.size import about_luts
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.timing.least_period import require_time
from loopwire.timing.operation_delays import OperationTimes, hold_delays_ns, to_register_ns
from loopwire.timing.pipeline import Cut, Pipeline, Placement, Time
from loopwire.timing.routing_delays import RoutingDelays, routing_delays

BEFORE_ALL: Time = (-(1 << 30), 0.0)
"""Arrival of what does not depend on a step: constants, and inputs taken to be there in time."""
NOT_TIMED = Placement(BEFORE_ALL[0], BEFORE_ALL)
"""Of an operation whose operands all arrive then."""


def schedule(
    datapath: Datapath, delays: DelayModel, clock_period_ns: float, input_time: Time, least_loop_latency: int = 1
) -> Pipeline:
    """Place every operation.

    Args:
        datapath: what to schedule.
        delays: of the device.
        clock_period_ns: time between two clock edges.
        input_time: arrival of x.
        least_loop_latency: makes the loop at least so long, to hold more sequences.

    Raises:
        ConfigError: an operation takes longer than the clock period.
    """
    return shortest([datapath], OperationTimes(delays), clock_period_ns, input_time, least_loop_latency)[0]


def shortest(
    choices: Sequence[Datapath],
    times: OperationTimes,
    clock_period_ns: float,
    input_time: Time,
    least_loop_latency: int = 1,
) -> list[Pipeline]:
    """Place every operation of several datapaths; return the pipelines of the shortest loops.

    Those of the fewest stages come first, of these the smallest, of these what is first among the choices. `times` are
    those of operations on the device, and of more than these datapaths where others of the same operations are
    scheduled too.

    Raises:
        ConfigError: each has an operation that takes longer than the clock period; the first one's is named.
    """
    least: dict[_Scheduler, int] = {}
    refused: list[ConfigError] = []
    for datapath in choices:
        try:
            require_time(datapath, times, clock_period_ns, input_time[1])
            routings = routing_delays(datapath, times, times.delays.stage_budget_ns(clock_period_ns))
            scheduler = _Scheduler(datapath, times, clock_period_ns, input_time, routings[0])
            schedulers = [scheduler, *map(scheduler.routed, routings[1:])]
            least |= {scheduler: scheduler.least_latency(least_loop_latency) for scheduler in schedulers}
        except ConfigError as error:
            refused.append(error)
    if not least:
        raise refused[0]
    found: list[Pipeline] = []
    for scheduler in sorted(least, key=least.__getitem__):
        shortest_yet = min((pipeline.loop_latency for pipeline in found), default=least[scheduler])
        # Of one datapath alone, all places of its states' registers are tried.
        if least[scheduler] <= shortest_yet and not any(
            len(choices) > 1 and pipeline.datapath is scheduler.datapath and pipeline.loop_latency == least[scheduler]
            for pipeline in found
        ):
            found.append(scheduler.pipeline(least[scheduler]))
    latency = min(pipeline.loop_latency for pipeline in found)
    order = {id(datapath): number for number, datapath in enumerate(choices)}

    def preference(pipeline: Pipeline) -> tuple[int, int, int]:
        return pipeline.depth, about_luts(pipeline.datapath), order[id(pipeline.datapath)]

    return sorted((pipeline for pipeline in found if pipeline.loop_latency == latency), key=preference)


class _Scheduler:
    def __init__(
        self,
        datapath: Datapath,
        times: OperationTimes,
        clock_period_ns: float,
        input_time: Time,
        routing: RoutingDelays,
    ) -> None:
        self.datapath = datapath
        self._times = times
        self._delays = times.delays
        self._budget_ns = times.delays.stage_budget_ns(clock_period_ns)
        self._input_time = input_time
        self._routing = routing
        self._sharing = datapath.sharing
        self._read_ns = self._state_read_ns()
        self._held_ns = hold_delays_ns(datapath, times)
        self._to_register_ns = to_register_ns(datapath, times)
        self._depends = datapath.dependences
        self._groups = feedback_groups(datapath)
        group_of = looped(datapath)
        self._order = [(op, self._reads(op), group_of.get(op)) for op in datapath.operations]
        """Operations, what each waits for, and the loop that it is in."""
        self._widening = _widening(datapath)

    def routed(self, routing: RoutingDelays) -> _Scheduler:
        """Return a scheduler of the same datapath whose states are registered elsewhere on their way."""
        other = copy(self)
        other._routing = routing
        return other

    def least_latency(self, least_loop_latency: int) -> int:
        """Return the fewest cycles round the loops if all else that each reads is there in time."""
        return max([least_loop_latency, self._sharing.cycles, *map(self._group_latency, self._groups)])

    def pipeline(self, loop_latency: int) -> Pipeline:
        """Place everything, the loops as long as given or, where that cannot be, longer."""
        while True:
            for patience in range(loop_latency + 1):
                pipeline = self._attempt(loop_latency, patience)
                if pipeline is not None:
                    return pipeline
            # One more stage, at whose end the states arrive with all of a cycle left to choose between new and held.
            loop_latency += 1

    def _reads(self, operation: Operation) -> tuple[Signal, ...]:
        # A step's number is there when its input is.
        return (self.datapath.x,) if isinstance(operation.kind, dp.StepRom | dp.WordRom) else operation.operands

    def _state_read_ns(self) -> float:
        """Return when a state that is in a memory is there, or the initial one in its place."""
        if not self.datapath.in_memories:
            return 0.0
        channels = self.datapath.channels
        widest = max((feedback.read.bits for feedback in self.datapath.feedbacks), default=1)
        read_ns = self._delays.gate()
        if channels is not None:
            words = channels * self._sharing.chunks
            read_ns = self._delays.rom(words, widest) if words > 1 else 0.0
        return read_ns + self._delays.gate()

    def _attempt(self, loop_latency: int, patience: int) -> Pipeline | None:
        """Place everything, states read up to `patience` stages later than they could be so that each loop can hold."""
        late = dict.fromkeys(self._groups, 0)
        holds: dict[Group, int] = {}
        while True:
            entry = self._entries(late, loop_latency, holds)
            placements, times = self._placed(entry, loop_latency, holds)
            cuts: dict[Feedback, Cut] = {}
            for group in () if self.datapath.in_memories else self._groups:
                cut = self._cut(group, entry[group[0]], loop_latency, placements, times)
                if cut is None and group not in holds:
                    hold = self._hold(group, entry, loop_latency, holds)
                    if hold is not None:
                        holds[group] = hold
                        break
                if cut is None and late[group] == patience:
                    return None
                if cut is None:
                    late[group] += 1
                    holds.pop(group, None)
                    break
                cuts.update(dict.fromkeys(group, cut))
            else:
                depth = times.get(self.datapath.output, (0, 0.0))[0]
                write = {feedback: self._write_stage(feedback, placements) for feedback in entry}
                if not self.datapath.in_memories:  # the register that is read again ends the loop
                    write = {feedback: first + loop_latency - 1 for feedback, first in entry.items()}
                return Pipeline(
                    self.datapath, loop_latency, self._input_time[0], entry, cuts, write, placements, max(depth, 0)
                )

    def _placed(
        self, entry: Mapping[Feedback, int], loop_latency: int, holds: Mapping[Group, int]
    ) -> tuple[dict[Operation, Placement], dict[Signal, Time]]:
        """Return where everything is when the states are read where `entry` says, and when each signal is there."""
        arrivals = {feedback.read: (entry[feedback], self._read_ns) for feedback in self.datapath.feedbacks}
        arrivals[self.datapath.x] = self._input_time
        placements = self._sink(self._place(arrivals, holds), entry, loop_latency)
        return placements, {op.result: placement.time for op, placement in placements.items()} | arrivals

    def _hold(
        self, group: Group, entry: Mapping[Feedback, int], loop_latency: int, holds: Mapping[Group, int]
    ) -> int | None:
        """Return after which stage of a loop, counted from its first, it can hold if less is done in that stage."""
        first = entry[group[0]]
        bits = {}
        for place in range(loop_latency):
            placements, times = self._placed(entry, loop_latency, {**holds, group: place})
            if all(self._state_stage(feedback, placements) < first + loop_latency for feedback in group):
                cut = self._cut(group, first, loop_latency, placements, times)
                if cut is not None:
                    bits[place] = sum(signal.bits for signal in cut.signals)
        return min(bits, key=lambda place: bits[place], default=None)

    def _entries(self, late: Mapping[Group, int], loop_latency: int, holds: Mapping[Group, int]) -> dict[Feedback, int]:
        """Return the stage in which each group's states are read: the first in which all else is in time, or later."""
        entry: dict[Feedback, int] = {}
        for group, stages in late.items():
            start = 0
            while (
                missing := self._stored_in(group, entry | dict.fromkeys(group, start), holds) - start
            ) >= loop_latency:
                # States that are read later are stored no earlier, if the stage that holds does not move with them.
                start += 1 if group in holds else missing - loop_latency + 1
            entry.update(dict.fromkeys(group, start + stages))
        return entry

    def _cut(
        self,
        group: Group,
        entry: int,
        loop_latency: int,
        placements: Mapping[Operation, Placement],
        times: Mapping[Signal, Time],
    ) -> Cut | None:
        """Return the cheapest place where a group's loop can hold, or None where no stage has time left for it."""
        loop, layer = leading_to(self.datapath, group), group[0].read.layer
        cuts = []
        for place in range(entry, entry + loop_latency):
            crossing: dict[Signal, None] = {}
            possible = True
            for operation in loop:
                placement = placements[operation]
                inside_tree = placement.first_stage <= place < placement.time[0]
                # What comes in behind the cut is not held: x, another layer's values, the constants of another step.
                enters = placement.first_stage > place and (
                    (self.datapath.x in operation.operands and self._input_time[0] > place)
                    or operation.result.layer != layer
                    or isinstance(operation.kind, dp.StepRom)
                )
                possible &= not inside_tree and not enters
                if placement.first_stage > place:
                    timed = (v for v in operation.operands if times.get(v, BEFORE_ALL)[0] > BEFORE_ALL[0])
                    crossing.update(dict.fromkeys(v for v in timed if times[v][0] <= place))
            for feedback in group:
                if times[feedback.following][0] <= place:
                    crossing[feedback.following] = None
            ends_ns = {v: times[v][1] for v in crossing if times[v][0] == place}
            for feedback in group:
                if feedback.following in ends_ns and place == entry + loop_latency - 1:
                    ends_ns[feedback.following] += self._routing.travelled_ns[feedback]
            # In a loop of one cycle the state's register keeps what it has: its clock enable does that, no gate.
            holds = loop_latency > 1
            select_ns = self._delays.fanout(sum(signal.bits for signal in crossing)) + holds * self._delays.gate()
            held_ns = (ns + holds * self._held_ns[v] for v, ns in ends_ns.items())
            late = select_ns > self._budget_ns or any(ns > self._budget_ns for ns in held_ns)
            if possible and not late:
                cuts.append(Cut(place, tuple(crossing)))
        return min(cuts, key=lambda cut: sum(v.bits for v in cut.signals), default=None)

    def _group_latency(self, group: Group) -> int:
        """Return the fewest cycles round the loop of a group if all else that it reads is there in time."""
        placements = self._place({feedback.read: (0, self._read_ns) for feedback in group}, {})
        return 1 + max(self._state_stage(feedback, placements) for feedback in group)

    def _stored_in(self, group: Group, entry: Mapping[Feedback, int], holds: Mapping[Group, int]) -> int:
        """Return the stage at whose end all following states of a group can be stored."""
        arrivals = {feedback.read: (place, self._read_ns) for feedback, place in entry.items()}
        placements = self._place(arrivals | {self.datapath.x: self._input_time}, holds, set(entry))
        return max(self._state_stage(feedback, placements) for feedback in group)

    def _state_stage(self, feedback: Feedback, placements: Mapping[Operation, Placement]) -> int:
        """Return the stage at whose end all of a feedback's following state can be registered."""
        waits = self._sharing.gather_cycles - 1 if feedback.gathered else 0
        return self._write_stage(feedback, placements) + waits

    def _write_stage(self, feedback: Feedback, placements: Mapping[Operation, Placement]) -> int:
        """Return the stage at whose end a feedback's following state, or a chunk of it, can be registered."""
        operation = self.datapath.producers.get(feedback.following)
        placed = placements.get(operation) if operation else None
        place, ns = placed.time if placed else (0, 0.0)
        travels_ns = self._routing.travelled_ns[feedback] + self._to_register_ns.get(feedback.following, 0.0)
        return place + (ns + travels_ns > self._budget_ns)

    def _place(
        self, arrivals: Mapping[Signal, Time], holds: Mapping[Group, int], feedbacks: set[Feedback] | None = None
    ) -> dict[Operation, Placement]:
        """Place operations as soon as possible; operands that have no arrival are taken to be there in time.

        In a stage after which a loop shall hold, time is left for that. With `feedbacks`, only operations that depend
        on no other are placed.
        """
        times = dict(arrivals)
        placements: dict[Operation, Placement] = {}
        for operation, reads, group in self._order:
            if feedbacks is not None and not self._depends[operation.result] <= feedbacks:
                continue
            given = max([times[v] for v in reads if v in times], default=BEFORE_ALL)
            if given is BEFORE_ALL:
                placements[operation] = NOT_TIMED
                continue
            tight = arrivals[group[0].read][0] + holds[group] if group and group in holds else None
            if isinstance(operation.kind, dp.ShiftAdd):
                placements[operation] = self._tree(operation, given, times)
            else:
                placements[operation] = self._placement(operation, given, tight)
            times[operation.result] = placements[operation].time
        return placements

    def _tree(self, operation: Operation, given: Time, times: Mapping[Signal, Time]) -> Placement:
        """Return where a tree works: what it adds to single rows has no way to all of them."""
        (multiplied,) = operation.operands
        if isinstance(operation.kind, dp.ShiftAdd) and operation.kind.addends:
            multiplied = self.datapath.producers[multiplied].operands[0]  # what the addends are joined to
        place, ns = given
        stage, multiplied_ns = times.get(multiplied, BEFORE_ALL)
        left_ns, relays = self._routing.left_ns[operation], self._routing.relays[operation]
        register_ns = self._to_register_ns.get(multiplied, 0.0)
        if relays or (multiplied_ns and multiplied_ns + left_ns + register_ns > self._budget_ns):
            stage, multiplied_ns = stage + relays + (multiplied_ns > 0), 0.0
        if stage > place:
            place, ns = stage, 0.0
        multiplied_ns *= stage == place
        staged = self._times.staged(operation, max(ns, multiplied_ns + left_ns), self._budget_ns)
        return Placement(place, (place + staged.latency_stages, staged.end_ns), staged)

    def _placement(self, operation: Operation, given: Time, tight: int | None = None) -> Placement:
        """Return where an operation works; in stage `tight`, what it leaves of the time is enough to hold a loop."""
        place, ns = given
        if relays := self._routing.relays[operation]:
            place, ns = place + relays + (ns > 0), 0.0
        delay_ns = self._times.whole_ns(operation) + self._routing.left_ns[operation]
        register_ns = self._times.to_flip_flop_ns(operation)
        cut_ns = self._times.cut_ns(operation)
        held_ns = self._held_ns[operation.result] if delay_ns else 0.0
        while ns + delay_ns > self._budget_ns - max(register_ns, held_ns if place == tight else 0.0):
            if cut_ns and self._may_cut(ns, operation, cut_ns, place, tight):
                return Placement(place, (place + 1, cut_ns[1]))
            place, ns = place + 1, 0.0
        match operation.kind:
            case dp.WordRom():
                return Placement(place, (place + 1, delay_ns))
            case dp.Hold():
                return Placement(place, (place + 1, 0.0))
            case dp.Accumulate():
                return Placement(place, (place + self._sharing.passes, 0.0))
            case dp.Gather():
                return Placement(place, (place + self._sharing.gather_cycles, 0.0))
            case dp.StepRom() | dp.Columns() | dp.Chunk() | dp.Tile() | dp.Wire() | dp.Multiplication() | dp.Logic():
                return Placement(place, (place, ns + delay_ns))
            case _:
                assert_never(operation.kind)

    def _may_cut(
        self, ns: float, operation: Operation, cut_ns: tuple[float, float], place: int, tight: int | None
    ) -> bool:
        """Say whether an operation fits with a register inside it; none is where a loop holds."""
        before_ns, after_ns = cut_ns
        held_ns = self._held_ns[operation.result] if place + 1 == tight else 0.0
        register_ns = self._times.to_flip_flop_ns(operation)
        fits_before = ns + self._routing.left_ns[operation] + before_ns <= self._budget_ns
        return place != tight and fits_before and after_ns + max(register_ns, held_ns) <= self._budget_ns

    def _sink(
        self, placements: dict[Operation, Placement], entry: Mapping[Feedback, int], loop_latency: int
    ) -> dict[Operation, Placement]:
        """Move operations outside the loops to the stage before their first reader, where that saves registers."""
        readers: dict[Signal, int] = {self.datapath.output: 1 << 30}
        for feedback in self.datapath.feedbacks:
            readers[feedback.following] = entry[feedback] + loop_latency - 1
        sunk = dict(placements)
        for operation in reversed(self.datapath.operations):
            placement = sunk[operation]
            limit = readers.get(operation.result, 1 << 30) - 1
            if isinstance(operation.kind, dp.Constant):
                continue
            if operation in self._widening and limit < 1 << 29:
                is_tree = isinstance(operation.kind, dp.ShiftAdd)
                span = self._tree(operation, (0, 0.0), {}) if is_tree else self._placement(operation, (0, 0.0))
                first = limit - (span.time[0] - span.first_stage)
                if first > placement.first_stage:
                    placement = Placement(first, (limit, span.time[1]), span.staged)
                    sunk[operation] = placement
            there = placement.first_stage - self._routing.relays[operation]
            for operand in operation.operands:
                readers[operand] = min(readers.get(operand, 1 << 30), there)
        return sunk


def _widening(datapath: Datapath) -> set[Operation]:
    """Return the operations outside the loops whose results have more bits than what they read of a step."""
    depends, found = datapath.dependences, set[Operation]()
    timed = {datapath.x, *(signal for signal, states in depends.items() if states)}
    for operation in datapath.operations:
        read = [operand for operand in operation.operands if operand in timed]
        if read:
            timed.add(operation.result)
        if not depends[operation.result] and sum(operand.bits for operand in read) < operation.result.bits:
            found.add(operation)
    return found
