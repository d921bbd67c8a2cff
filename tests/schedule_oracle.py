"""The least loop latency and depth of a datapath, by an exact solver: register placement as difference constraints.

An operation works in a stage σ, and its result is there e nanoseconds after the stage's clock edge. With a stage's time
B, an operation of delay d behind another one (σ', e') needs B σ + e - d ≥ B σ' + e', e - d ≥ 0 and e ≤ B: in another
stage it then begins with a register. A state that is read in stage E is there again by the end of stage E + L - 1. A
loop that waits holds what crosses from one stage to the next, some of it behind a gate: in stage Q - 1 nothing of the
loop that is read behind it ends later than B less that gate. The solver (HiGHS, by scipy.optimize.milp) minimises L,
then the depth.

A wire to all rows of a matrix is part of what reads it, but for the share of a state's that is before its register, and
for the stages in which nothing else has time to be: the solver is asked for each share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.cmvm.staging import adder_levels, stage
from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.loops import Group, feedback_groups, leading_to
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel
from loopwire.timing.operation_delays import (
    OperationTimes,
    cut_delays_ns,
    hold_delays_ns,
    operation_delay_ns,
    to_flip_flop_ns,
    to_register_ns,
)
from loopwire.timing.routing_delays import RoutingDelays, routing_delays

HORIZON = 60
"""Stages that no schedule here needs."""
SLACK_NS = 1e-7
"""What the solver's tolerance may be wrong by, of a stage."""
Terms = Mapping[int, float]


@dataclass
class _Program:
    """A mixed-integer program: variables by number, and rows a · v ≥ least."""

    lows: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    rows: list[tuple[Terms, float]] = field(default_factory=list)

    def variable(self, low: float, high: float, whole: bool = False) -> int:
        """Return a new variable."""
        self.lows.append(low)
        self.highs.append(high)
        self.whole.append(whole)
        return len(self.lows) - 1

    def require(self, terms: Terms, least: float) -> None:
        """Require Σ terms ≥ least."""
        self.rows.append((terms, least))

    def minimum(self, objective: Terms) -> Any:
        """Return the variables that minimise the objective."""
        entries = [(row, v, a) for row, (terms, _) in enumerate(self.rows) for v, a in terms.items()]
        row, column, value = zip(*entries, strict=True)
        matrix = coo_array((value, (row, column)), shape=(len(self.rows), len(self.lows)))
        costs = np.zeros(len(self.lows))
        costs[list(objective)] = list(objective.values())
        least = np.array([least for _, least in self.rows])
        found = milp(
            costs,
            integrality=np.array(self.whole, int),
            bounds=Bounds(self.lows, self.highs),
            constraints=LinearConstraint(matrix, least, np.inf),
            options={"mip_rel_gap": 0.0},
        )
        assert found.status == 0, found.message
        return np.round(found.x, 6)


@dataclass(frozen=True)
class Least:
    """What no schedule goes below."""

    loop_latency: int
    depth: int


def least(datapath: Datapath, delays: DelayModel, clock_period_ns: float, input_ns: float) -> Least:
    """Return the least loop latency of a parallel datapath, and with it the least depth."""
    ways = routing_delays(datapath, OperationTimes(delays), delays.stage_budget_ns(clock_period_ns))
    found = (_Oracle(datapath, delays, clock_period_ns, input_ns, routing).least() for routing in ways)
    return min(found, key=lambda least: (least.loop_latency, least.depth))


class _Oracle:
    def __init__(
        self, datapath: Datapath, delays: DelayModel, clock_period_ns: float, input_ns: float, routing: RoutingDelays
    ) -> None:
        self._datapath = datapath
        self._delays = delays
        self._routing = routing
        self._to_register_ns = to_register_ns(datapath, OperationTimes(delays))
        self._budget_ns = delays.stage_budget_ns(clock_period_ns) + SLACK_NS
        self._program = _Program()
        self._loop_latency = self._program.variable(1, HORIZON, whole=True)
        self._ends: dict[Signal, tuple[int, int]] = {}
        """The stage and the nanoseconds of each signal, as variables."""
        self._firsts: dict[Operation, int] = {}
        self._ends[datapath.x] = self._program.variable(0, 0), self._program.variable(input_ns, input_ns)

    def least(self) -> Least:
        program = self._program
        for feedback in self._datapath.feedbacks:
            self._ends[feedback.read] = program.variable(0, HORIZON, whole=True), program.variable(0.0, 0.0)
        for operation in self._datapath.operations:
            self._place(operation)
        for group in feedback_groups(self._datapath):
            self._close(group)
            self._hold(group)
        depth = self._ends[self._datapath.output][0]
        found = program.minimum({self._loop_latency: 10.0 * HORIZON, depth: 1.0})
        return Least(int(found[self._loop_latency]), int(found[depth]))

    def _place(self, operation: Operation) -> None:
        reads = (self._datapath.x,) if isinstance(operation.kind, dp.StepRom) else operation.operands
        operands = [self._ends[v] for v in reads if v in self._ends]
        if not operands:
            return
        program, budget_ns = self._program, self._budget_ns
        latest_ns = budget_ns - to_flip_flop_ns(operation, self._delays)
        left_ns = self._routing.left_ns[operation]
        first, ns = program.variable(-HORIZON, HORIZON, whole=True), program.variable(0.0, latest_ns)
        self._firsts[operation] = first
        cut_ns = cut_delays_ns(operation, self._delays)
        if isinstance(operation.kind, dp.ShiftAdd) or cut_ns:
            start, last = program.variable(0.0, budget_ns), program.variable(-HORIZON, HORIZON, whole=True)
            if cut_ns:
                self._cut(operation, cut_ns, first, start, last, ns)
                left_ns = 0.0
            else:
                self._tree(operation, first, start, last, ns)
            started: Terms = {start: 1.0}
            delay_ns = 0.0
        else:
            last, started = first, {ns: 1.0}
            delay_ns = operation_delay_ns(operation, self._delays)
        relays = self._routing.relays[operation]
        ways = [(operand, left_ns, relays) for operand in operands]
        if isinstance(operation.kind, dp.ShiftAdd):
            ways = [(operand, 0.0, 0) for operand in operands]
            multiplied = self._multiplied(operation)
            if multiplied in self._ends:
                # Registers at a tree's beginning are at the end of the wire.
                stage_before, ns_before = self._ends[multiplied]
                registered_ns = left_ns + self._to_register_ns.get(multiplied, 0.0)
                terms = {first: budget_ns, stage_before: -budget_ns, ns_before: -1.0}
                program.require(terms, registered_ns - budget_ns)
                ways.append((self._ends[multiplied], left_ns, relays))
        for (stage_before, ns_before), way_ns, relays in ways:
            since: Terms = {first: budget_ns, stage_before: -budget_ns, ns_before: -1.0}
            program.require(started, delay_ns + way_ns)
            program.require({**since, **started}, delay_ns + way_ns)
            if relays:  # each a stage of its own, after a register
                program.require(since, relays * budget_ns)
        self._ends[operation.result] = last, ns

    def _multiplied(self, operation: Operation) -> Signal:
        """Return what a tree multiplies, without what it adds to single rows: that has no way to all of them."""
        assert isinstance(operation.kind, dp.ShiftAdd)
        (x,) = operation.operands
        return self._datapath.producers[x].operands[0] if operation.kind.addends else x

    def _cut(
        self, operation: Operation, cut_ns: tuple[float, float], first: int, start: int, last: int, ns: int
    ) -> None:
        """Choose between an operation in one stage and in two, with registers inside; the way to it is in the first."""
        program, budget_ns, left_ns = self._program, self._budget_ns, self._routing.left_ns[operation]
        before_ns, after_ns = cut_ns
        before_ns += left_ns
        big = 3.0 * budget_ns
        delay_ns = min(operation_delay_ns(operation, self._delays), 2.0 * budget_ns)  # infinite: never in one stage
        delay_ns += left_ns
        within = program.variable(0, 1, whole=True)
        for sign in (1.0, -1.0):
            program.require({last: sign, first: -sign, within: -sign}, 0.0)
        program.require({ns: 1.0, start: -1.0, within: big}, delay_ns)
        program.require({ns: 1.0, within: -big}, after_ns - big)
        program.require({start: -1.0, within: -big}, before_ns - budget_ns - big)

    def _tree(self, operation: Operation, first: int, start: int, last: int, ns: int) -> None:
        """Choose between all that a tree can be, by when it starts: the latest start of each."""
        assert isinstance(operation.kind, dp.ShiftAdd)
        program, budget_ns, tree = self._program, self._budget_ns, operation.kind.tree
        chains = self._chains(tree)
        starts = sorted({0.0, budget_ns, *(budget_ns - chain - SLACK_NS for chain in chains if chain < budget_ns)})
        shapes: dict[tuple[int, bool, float], float] = {}
        """Stages, whether the end moves with the start, and the end (since the start, then), by the latest start."""
        is_zero = all(output.source is None for output in tree.outputs)
        for begin in starts:
            staged = stage(tree, begin, budget_ns, self._delays.adders, self._delays.ternary_levels)
            moves = staged.latency_stages == 0 and not is_zero
            # A zero at a stage's beginning would be one at the end of the stage before, too.
            end_ns = staged.end_ns - moves * begin + 1e3 * SLACK_NS * is_zero
            shapes[staged.latency_stages, moves, end_ns] = begin - 1e4 * SLACK_NS * (not moves)
        chosen = {shape: program.variable(0, 1, whole=True) for shape in shapes}
        program.require(dict.fromkeys(chosen.values(), 1.0), 1.0)
        program.require(dict.fromkeys(chosen.values(), -1.0), -1.0)
        program.require({start: -1.0, **{chosen[shape]: begin for shape, begin in shapes.items()}}, 0.0)
        for sign in (1.0, -1.0):
            latencies = {chosen[shape]: -sign * shape[0] for shape in shapes if shape[0]}
            program.require({last: sign, first: -sign, **latencies}, 0.0)
        for (_, moves, end_ns), choice in chosen.items():
            big = 3.0 * budget_ns
            program.require({ns: 1.0, start: -1.0 * moves, choice: -big}, end_ns - big)

    def _chains(self, tree: AdderTree) -> set[float]:
        """Return what it takes from a tree's inputs to each of its sums without a register."""
        levels, widths = [0.0] * len(tree.inputs), [0] * len(tree.inputs)
        chains = set()
        for operands, width, luts in zip(tree.operands, tree.adder_widths, tree.lut_levels, strict=True):
            levels.append(
                adder_levels(luts, self._delays.ternary_levels) + max(levels[operand] for operand in operands)
            )
            widths.append(max(width, *(widths[operand] for operand in operands)))
            chains.add(self._delays.adders(widths[-1], levels[-1]))
        return chains

    def _close(self, group: Group) -> None:
        """Require that the following states of a loop are there in time, all read in one stage."""
        program, budget_ns = self._program, self._budget_ns
        for feedback in group:
            read_stage, _ = self._ends[feedback.read]
            stage_there, ns = self._ends[feedback.following]
            terms = {read_stage: budget_ns, self._loop_latency: budget_ns, stage_there: -budget_ns, ns: -1.0}
            travels_ns = self._routing.travelled_ns[feedback] + self._to_register_ns.get(feedback.following, 0.0)
            program.require(terms, travels_ns)
            entry = self._ends[group[0].read][0]
            if entry != read_stage:
                for sign in (1.0, -1.0):
                    program.require({entry: sign, read_stage: -sign}, 0.0)

    def _hold(self, group: Group) -> None:
        """Require a stage of a loop behind which it can hold; in a loop of one stage a clock enable does that."""
        program, budget_ns = self._program, self._budget_ns
        entry, layer = self._ends[group[0].read][0], group[0].read.layer
        held_ns = hold_delays_ns(self._datapath, OperationTimes(self._delays))
        single = program.variable(0, 1, whole=True)
        program.require({self._loop_latency: 1.0, single: HORIZON}, 2.0)
        program.require({self._loop_latency: -1.0, single: -float(HORIZON)}, -1.0 - HORIZON)
        cut = program.variable(0, 2 * HORIZON, whole=True)
        program.require({cut: 1.0, entry: -1.0}, 1.0)
        program.require({entry: 1.0, self._loop_latency: 1.0, cut: -1.0}, 0.0)
        big = 3.0 * HORIZON
        behinds: dict[Operation, int] = {}
        following = {feedback.following for feedback in group}
        for operation in leading_to(self._datapath, group):  # each after those that read it
            if operation not in self._firsts:
                continue
            last, ns = self._ends[operation.result]
            may_enter = operation.result.layer == layer and not isinstance(operation.kind, dp.StepRom)
            behind, crosses = program.variable(0, int(may_enter), whole=True), program.variable(0, 1, whole=True)
            for read_behind in (behinds[op] for op in behinds if operation.result in op.operands):
                program.require({crosses: 1.0, behind: 1.0, single: 1.0, read_behind: -1.0}, 0.0)
            if operation.result in following:
                program.require({crosses: 1.0, behind: 1.0, single: 1.0}, 1.0)
            before = {cut: budget_ns, last: -budget_ns, ns: -1.0, behind: big * budget_ns}
            program.require({**before, crosses: -held_ns[operation.result]}, 0.0)
            program.require({self._firsts[operation]: 1.0, cut: -1.0, behind: -big}, -big)
            behinds[operation] = behind
