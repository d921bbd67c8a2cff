"""Placing registers: in which stage of an engine's pipeline each operation works.

A stage is the time between two clock edges. A step enters stage 0 and moves on by a stage each cycle, never held back.
States leave the pipeline where they are computed and enter it again `loop_latency` cycles later, with the sequence's
next step.

Operations are placed as soon as their operands are there, several in a stage as long as the clock period lasts. As soon
as possible is the least latency, since an operation can only start earlier for having its operands earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from loopwire.errors import ConfigError
from loopwire.hdl.adder_tree import StagedTree
from loopwire.ir.types import Overflow, Rounding
from loopwire.schedule.datapath import (
    Accumulate,
    AddSub,
    Bound,
    Columns,
    Constant,
    Datapath,
    Extreme,
    Folding,
    Gather,
    Hold,
    Join,
    Multiply,
    Operation,
    Pairs,
    Products,
    Ring,
    Round,
    ShiftAdd,
    Signal,
    StepRom,
    TableIndex,
    TableLookup,
    View,
    WordRom,
)
from loopwire.schedule.delay import DelayModel
from loopwire.schedule.shift_add import stage

Time = tuple[int, float]
"""A stage, and nanoseconds after the clock edge that begins it."""

BEFORE_ALL: Time = (-(1 << 30), 0.0)
"""Arrival of what does not depend on a step: constants, and inputs taken to be there in time."""


@dataclass(frozen=True)
class Placement:
    """Where an operation works: operands are read in `first_stage`, the result is there in `time`.

    Only a shift-add tree spans several stages; `staged` holds its registers.
    """

    first_stage: int
    time: Time
    staged: StagedTree | None = None


@dataclass(frozen=True)
class Cut:
    """Where a loop keeps what it holds while its sequence waits for a step.

    At the end of `stage` every signal that a later stage of the loop needs is replaced, when no step is there, by what
    it was `loop_latency` cycles before. The later stages then compute the same following states as then.
    """

    stage: int
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Pipeline:
    """A scheduled datapath.

    `loop_latency` is the number of cycles from a step to the next one of the same sequence; `entry` is the stage in
    which each ring's state is read and `cuts` where it is held; the output is there in stage `depth`, which a register
    ends.
    """

    datapath: Datapath
    loop_latency: int
    entry: Mapping[Ring, int]
    cuts: Mapping[Ring, Cut]
    placements: Mapping[Operation, Placement]
    depth: int

    def stage_of(self) -> dict[Signal, int]:
        """Return the stage in which each signal is first there; constants, which are always there, are left out."""
        places = {self.datapath.x: 0}
        places.update({ring.read: entry for ring, entry in self.entry.items()})
        for operation, placement in self.placements.items():
            if not isinstance(operation.kind, Constant):
                places[operation.result] = placement.time[0]
        return places

    def write_stage(self, ring: Ring) -> int:
        """Return the stage at whose end a ring's following state is stored.

        Where states stand in no memories, the register that is read again ends the loop.
        """
        if self.datapath.in_memories:
            return self.stage_of()[ring.following]
        return self.entry[ring] + self.loop_latency - 1

    def reads(self) -> Iterable[tuple[Signal, int]]:
        """Yield every signal with each stage in which something reads it."""
        for operation, placement in self.placements.items():
            for operand in operation.operands:
                yield operand, placement.first_stage
        for ring in self.entry:
            yield ring.following, self.write_stage(ring)
        for cut in self.cuts.values():
            for signal in cut.signals:
                yield signal, cut.stage
        yield self.datapath.output, self.depth

    def register_bits(self) -> int:
        """Return the bits of all registers between stages, those inside shift-add trees left out."""
        last: dict[Signal, int] = {}
        for signal, place in self.reads():
            last[signal] = max(last.get(signal, place), place)
        return sum((last[signal] - place) * signal.bits for signal, place in self.stage_of().items() if signal in last)


def schedule(
    datapath: Datapath, delays: DelayModel, clock_period_ns: float, input_ns: float, least_loop_latency: int = 1
) -> Pipeline:
    """Place every operation.

    Args:
        datapath: what to schedule.
        delays: of the device.
        clock_period_ns: time between two clock edges.
        input_ns: arrival of x in stage 0.
        least_loop_latency: makes the loop at least so long, to hold more sequences.

    Raises:
        ConfigError: an operation takes longer than the clock period.
    """
    return _Scheduler(datapath, delays, clock_period_ns, input_ns).pipeline(least_loop_latency)


def operation_delay_ns(operation: Operation, delays: DelayModel) -> float:
    """Return the time from an operation's operands to its result; shift-add trees, which have many, are not asked."""
    kind, result = operation.kind, operation.result
    widths = [operand.width for operand in operation.operands]
    match kind:
        case Constant() | View() | Join():
            return 0.0
        case StepRom():
            return delays.rom(len(kind.rows), result.width)
        case Products() | Multiply():
            # A DSP block's operands are signed: an unsigned one takes a bit more.
            factors = [operand.width + (not operand.signed) for operand in operation.operands]
            in_luts = isinstance(kind, Products) and kind.lut_rows > 0
            return delays.lut_multiplier(*factors) if in_luts else delays.multiplier(*factors)
        case AddSub():
            return delays.adder(result.width)
        case Extreme():
            shifts = (kind.left_shift, kind.right_shift)
            return delays.max(max(w + s for w, s in zip(widths, shifts, strict=True)) + 1)
        case Pairs():
            return delays.max(result.width) if kind.largest else delays.adder(result.width)
        case Round():
            return 0.0 if kind.dropped <= 0 or kind.mode is Rounding.TRN else delays.round(result.width)
        case Bound():
            wraps = kind.to.overflow is Overflow.WRAP
            return 0.0 if wraps else delays.saturate(widths[0], result.width)
        case TableIndex():
            subtracter_bits, covered = kind.form.subtracter_bits, kind.form.index_bits
            subtract_ns = delays.adder(subtracter_bits) if subtracter_bits > delays.device.lut_inputs else 0.0
            return subtract_ns + delays.saturate(max(widths[0], covered + 1), covered)
        case TableLookup():
            form = kind.form
            if not form.offset:
                return delays.rom(len(form.base), form.base_bits)
            larger, smaller = sorted(((len(form.base), form.base_bits), (len(form.offset), form.offset_bits)))[::-1]
            if delays.device.lut_inputs >= 6:
                # The larger ROM's last multiplexer shares the adder's look-up tables: two data, a select, the addend.
                larger = (-(-larger[0] // 2), larger[1])
            return max(delays.rom(*larger), delays.rom(*smaller)) + delays.adder(form.base_bits)
        case Hold() | Gather():
            return 0.0
        case WordRom():
            return delays.device.delays.bram_clock_to_out_ns
        case Columns():
            choices = -(-operation.operands[0].count // kind.count)
            return delays.gate() * -(-(choices - 1).bit_length() // 2)
        case Accumulate():
            return delays.adder(result.width)
        case ShiftAdd():
            raise AssertionError("a shift-add tree is staged, not timed as one")


def _gather_cycles(folding: Folding) -> int:
    """Return the cycles from a step's first chunk to all of them standing in registers."""
    return (folding.chunks - 1) * folding.passes + 1


class _Scheduler:
    def __init__(self, datapath: Datapath, delays: DelayModel, clock_period_ns: float, input_ns: float) -> None:
        self._datapath = datapath
        self._delays = delays
        self._clock_period_ns = clock_period_ns
        self._budget_ns = delays.stage_budget_ns(clock_period_ns)
        self._input_ns = input_ns
        self._folding = datapath.folding
        self._read_ns = self._state_read_ns()
        self._hold_ns = delays.gate()
        self._staged = cache(self._stage)
        self._depends = self._dependences()

    def pipeline(self, least_loop_latency: int) -> Pipeline:
        self._require_time(self._input_ns, f"choosing the sequence whose step %{self._datapath.x.name} is next")
        groups = self._groups()
        if self._folding is not None:
            least_loop_latency = max(least_loop_latency, self._folding.cycles)
        loop_latency = max([least_loop_latency, *(self._group_latency(group) for group in groups)])
        while True:
            for patience in range(loop_latency + 1):
                pipeline = self._attempt(groups, loop_latency, patience)
                if pipeline is not None:
                    return pipeline
            # One more stage, at whose end the states arrive with all of a cycle left to choose between new and held.
            loop_latency += 1

    def _state_read_ns(self) -> float:
        """Return when a state that stands in a memory is there, or the initial one in its place."""
        if not self._datapath.in_memories:
            return 0.0
        channels, folding = self._datapath.channels, self._folding
        widest = max((ring.read.bits for ring in self._datapath.rings), default=1)
        read_ns = self._delays.gate()
        if channels is not None:
            words = channels if folding is None else channels * folding.chunks
            read_ns = self._delays.rom(words, widest) if words > 1 else 0.0
        return read_ns + self._delays.gate()

    def _attempt(self, groups: list[tuple[Ring, ...]], loop_latency: int, patience: int) -> Pipeline | None:
        """Place everything, states read up to `patience` stages later than they could be so that each loop can hold."""
        late = dict.fromkeys(groups, 0)
        while True:
            entry = self._entries(late, loop_latency)
            arrivals = {ring.read: (entry[ring], self._read_ns) for ring in self._datapath.rings}
            arrivals[self._datapath.x] = (0, self._input_ns)
            placements = self._place(arrivals)
            placements = self._sink(placements, entry, loop_latency)
            times = {op.result: placement.time for op, placement in placements.items()} | arrivals
            cuts: dict[Ring, Cut] = {}
            for group in () if self._datapath.in_memories else groups:
                cut = self._cut(group, entry[group[0]], loop_latency, placements, times)
                if cut is None and late[group] == patience:
                    return None
                if cut is None:
                    late[group] += 1
                    break
                cuts.update(dict.fromkeys(group, cut))
            else:
                depth = times.get(self._datapath.output, (0, 0.0))[0]
                return Pipeline(self._datapath, loop_latency, entry, cuts, placements, max(depth, 0))

    def _entries(self, late: Mapping[tuple[Ring, ...], int], loop_latency: int) -> dict[Ring, int]:
        """Return the stage in which each group's states are read: the first in which all else is in time, or later."""
        entry: dict[Ring, int] = {}
        for group, stages in late.items():
            start = 0
            while not self._fits(group, entry | dict.fromkeys(group, start), start + loop_latency - 1):
                start += 1
            entry.update(dict.fromkeys(group, start + stages))
        return entry

    def _cut(
        self,
        group: tuple[Ring, ...],
        entry: int,
        loop_latency: int,
        placements: Mapping[Operation, Placement],
        times: Mapping[Signal, Time],
    ) -> Cut | None:
        """Return the cheapest place where a group's loop can hold, or None where no stage has time left for it."""
        loop, layer = self._loop(group), group[0].read.layer
        cuts = []
        for place in range(entry, entry + loop_latency):
            crossing: dict[Signal, None] = {}
            possible = True
            for operation in loop:
                placement = placements[operation]
                inside_tree = placement.first_stage <= place < placement.time[0]
                # What comes in behind the cut is not held: another layer's values, the constants of another step.
                enters = placement.first_stage > place and (
                    operation.result.layer != layer or isinstance(operation.kind, StepRom)
                )
                possible &= not inside_tree and not enters
                if placement.first_stage > place:
                    timed = (v for v in operation.operands if times.get(v, BEFORE_ALL)[0] > BEFORE_ALL[0])
                    crossing.update(dict.fromkeys(v for v in timed if times[v][0] <= place))
            for ring in group:
                if times[ring.following][0] <= place:
                    crossing[ring.following] = None
            late = any(times[v][0] == place and times[v][1] + self._hold_ns > self._budget_ns for v in crossing)
            if possible and not late:
                cuts.append(Cut(place, tuple(crossing)))
        return min(cuts, key=lambda cut: sum(v.bits for v in cut.signals), default=None)

    def _loop(self, group: tuple[Ring, ...]) -> list[Operation]:
        """Return the operations that a group's following states depend on."""
        needed = {ring.following for ring in group}
        loop = []
        for operation in reversed(self._datapath.operations):
            if operation.result in needed and not isinstance(operation.kind, Constant):
                needed.update(operation.operands)
                loop.append(operation)
        return loop

    def _dependences(self) -> dict[Signal, frozenset[Ring]]:
        """Return the rings whose state each signal depends on within a step."""
        depends = {ring.read: frozenset({ring}) for ring in self._datapath.rings}
        for operation in self._datapath.operations:
            depends[operation.result] = frozenset().union(
                *(depends.get(operand, frozenset()) for operand in operation.operands)
            )
        return depends

    def _groups(self) -> list[tuple[Ring, ...]]:
        """Return the rings in groups that need each other, a group after all that it needs."""
        rings = self._datapath.rings
        needs = {ring: set(self._depends.get(ring.following, frozenset())) | {ring} for ring in rings}
        for middle in rings:
            for ring in rings:
                if middle in needs[ring]:
                    needs[ring] |= needs[middle]
        groups: list[tuple[Ring, ...]] = []
        for ring in sorted(rings, key=lambda ring: len(needs[ring])):
            group = tuple(other for other in rings if other in needs[ring] and ring in needs[other])
            if group not in groups:
                groups.append(group)
        return groups

    def _group_latency(self, group: tuple[Ring, ...]) -> int:
        """Return the fewest cycles round the loop of a group if all else that it reads is there in time."""
        placements = self._place({ring.read: (0, self._read_ns) for ring in group})
        return 1 + max(self._state_stage(ring, placements) for ring in group)

    def _fits(self, group: tuple[Ring, ...], entry: Mapping[Ring, int], last_stage: int) -> bool:
        arrivals = {ring.read: (place, self._read_ns) for ring, place in entry.items()}
        placements = self._place(arrivals | {self._datapath.x: (0, self._input_ns)}, set(entry))
        return all(self._state_stage(ring, placements) <= last_stage for ring in group)

    def _state_stage(self, ring: Ring, placements: Mapping[Operation, Placement]) -> int:
        """Return the stage at whose end all of a ring's following state can be registered."""
        times = [placement.time for op, placement in placements.items() if op.result is ring.following]
        waits = _gather_cycles(self._folding) - 1 if self._folding is not None and ring.gathered else 0
        return (times[0][0] if times else 0) + waits

    def _place(self, arrivals: Mapping[Signal, Time], rings: set[Ring] | None = None) -> dict[Operation, Placement]:
        """Place operations as soon as possible; operands that have no arrival are taken to be there in time.

        With `rings`, only operations that depend on no other ring are placed.
        """
        times = dict(arrivals)
        placements: dict[Operation, Placement] = {}
        for operation in self._datapath.operations:
            if rings is not None and not self._depends[operation.result] <= rings:
                continue
            # A step's number is there when its input is.
            reads = (self._datapath.x,) if isinstance(operation.kind, StepRom | WordRom) else operation.operands
            given = max((times[signal] for signal in reads if signal in times), default=BEFORE_ALL)
            if given == BEFORE_ALL:
                placements[operation] = Placement(BEFORE_ALL[0], BEFORE_ALL)
                continue
            placements[operation] = self._placement(operation, given)
            times[operation.result] = placements[operation].time
        return placements

    def _placement(self, operation: Operation, given: Time) -> Placement:
        place, ns = given
        widths = " by ".join(str(operand.width) for operand in operation.operands)
        what = f"{type(operation.kind).__name__} of {widths} bits in %{operation.result.name}"
        if isinstance(operation.kind, ShiftAdd):
            adder_widths = [node.adder_width for node in operation.kind.tree.nodes]
            self._require_time(self._delays.adders(max(adder_widths), 1) if adder_widths else 0.0, what)
            staged = self._staged(operation, ns)
            return Placement(place, (place + staged.latency_stages, staged.end_ns), staged)
        delay_ns = operation_delay_ns(operation, self._delays)
        self._require_time(delay_ns, what)
        if ns + delay_ns > self._budget_ns:
            place, ns = place + 1, 0.0
        match operation.kind:
            case WordRom():
                return Placement(place, (place + 1, delay_ns))
            case Hold():
                return Placement(place, (place + 1, 0.0))
            case Accumulate() if self._folding is not None:
                return Placement(place, (place + self._folding.passes, 0.0))
            case Gather() if self._folding is not None:
                return Placement(place, (place + _gather_cycles(self._folding), 0.0))
            case _:
                return Placement(place, (place, ns + delay_ns))

    def _stage(self, operation: Operation, start_ns: float) -> StagedTree:
        assert isinstance(operation.kind, ShiftAdd)
        return stage(operation.kind.tree, start_ns, self._budget_ns, self._delays.adders)

    def _require_time(self, delay_ns: float, what: str) -> None:
        if delay_ns <= self._budget_ns:
            return
        needed_ns = delay_ns + self._delays.register_overhead_ns
        raise ConfigError(
            f"clock period {self._clock_period_ns:g} ns",
            f"{what} needs {needed_ns:.2f} ns between two registers of {self._delays.device.name}",
            "Give a longer clock period, narrower types or a faster part",
        )

    def _sink(
        self, placements: dict[Operation, Placement], entry: Mapping[Ring, int], loop_latency: int
    ) -> dict[Operation, Placement]:
        """Move operations outside the loops to the stage before their first reader, where that saves registers."""
        readers: dict[Signal, int] = {self._datapath.output: 1 << 30}
        for ring in self._datapath.rings:
            readers[ring.following] = entry[ring] + loop_latency - 1
        sunk = dict(placements)
        for operation in reversed(self._datapath.operations):
            placement = sunk[operation]
            limit = readers.get(operation.result, 1 << 30) - 1
            operands = [operand for operand in operation.operands if self._is_timed(operand)]
            narrower = sum(operand.bits for operand in operands) < operation.result.bits
            if isinstance(operation.kind, Constant):
                continue
            if not self._depends[operation.result] and narrower and limit < 1 << 29:
                span = self._placement(operation, (0, 0.0))
                first = limit - span.time[0]
                if first > placement.first_stage:
                    placement = Placement(first, (limit, span.time[1]), span.staged)
                    sunk[operation] = placement
            for operand in operation.operands:
                readers[operand] = min(readers.get(operand, 1 << 30), placement.first_stage)
        return sunk

    def _is_timed(self, signal: Signal) -> bool:
        return signal is self._datapath.x or bool(self._depends.get(signal)) or signal in self._timed_results

    @property
    def _timed_results(self) -> set[Signal]:
        timed: set[Signal] = {self._datapath.x}
        for operation in self._datapath.operations:
            if any(operand in timed for operand in operation.operands):
                timed.add(operation.result)
        return timed
