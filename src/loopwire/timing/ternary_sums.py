"""Adders of three terms in shift-add trees, on parts whose look-up tables have six inputs; no stage gets another."""

from __future__ import annotations

from dataclasses import replace

from loopwire.cmvm.adder_tree import StagedTree
from loopwire.cmvm.staging import stage
from loopwire.cmvm.ternary import Clock, with_ternary_adders
from loopwire.datapath.datapath import Operation
from loopwire.datapath.ops import ShiftAdd
from loopwire.datapath.rewrite import replaced
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel
from loopwire.timing.operation_delays import to_flip_flop_ns
from loopwire.timing.pipeline import Pipeline, Placement


def with_ternary_sums(pipeline: Pipeline, delays: DelayModel, clock_period_ns: float) -> Pipeline:
    """Return the pipeline with fewer adders in its trees, some of them ternary, and each operation in its stage."""
    if not delays.device.has_ternary_adders:
        return pipeline
    for operation in pipeline.datapath.operations:
        if isinstance(operation.kind, ShiftAdd):
            pipeline = _Replacing(pipeline, delays, delays.stage_budget_ns(clock_period_ns)).replaced(operation)
    return pipeline


class _Replacing:
    def __init__(self, pipeline: Pipeline, delays: DelayModel, budget_ns: float) -> None:
        self._pipeline = pipeline
        self._delays = delays
        self._budget_ns = budget_ns
        self._hold_stages = {cut.stage for cut in pipeline.cuts.values()}

    def replaced(self, operation: Operation) -> Pipeline:
        """Return the pipeline with another tree for an operation, or as it is."""
        assert isinstance(operation.kind, ShiftAdd)
        placement = self._pipeline.placements[operation]
        given = placement.staged
        assert given is not None, "a tree is staged"
        followers = self._followers(operation.result, placement.time[0])
        behind = [self._pipeline.placements[each] for each in followers]
        goes_on = any(placement.registered or placement.staged for placement in behind)
        spare_ns = 0.0 if goes_on else min(self._spare_ns(each) for each in (operation, *followers))
        staged = self._ternary(given, max(spare_ns, 0.0))
        if staged is given:
            return self._pipeline
        changed = replace(operation, kind=replace(operation.kind, tree=staged.tree))
        later_ns = max(staged.end_ns - given.end_ns, 0.0)
        placements = {}
        for each, where in self._pipeline.placements.items():
            if each is operation:
                placements[changed] = Placement(where.first_stage, (where.time[0], staged.end_ns), staged)
            elif each in followers:
                placements[each] = replace(where, time=(where.time[0], where.time[1] + later_ns))
            else:
                placements[each] = where
        datapath = replaced(self._pipeline.datapath, {operation: changed})
        return replace(self._pipeline, datapath=datapath, placements=placements)

    def _followers(self, result: Signal, stage: int) -> dict[Operation, None]:
        """Return the operations of a stage that wait for a result."""
        waiting, found = {result}, dict[Operation, None]()
        for operation in self._pipeline.datapath.operations:
            reads = not waiting.isdisjoint(operation.operands)
            if reads and self._pipeline.placements[operation].first_stage == stage:
                found[operation] = None
                waiting.add(operation.result)
        return found

    def _spare_ns(self, operation: Operation) -> float:
        """Return how much later an operation's result may be, if a register or the hold of a loop is behind it."""
        stage, end_ns = self._pipeline.placements[operation].time
        hold_ns = self._delays.gate() if stage in self._hold_stages else 0.0
        return self._budget_ns - end_ns - max(to_flip_flop_ns(operation, self._delays), hold_ns)

    def _ternary(self, given: StagedTree, spare_ns: float) -> StagedTree:
        """Return a tree of fewer bits that takes as many stages and is so much later at most, or the given one."""
        delays, widest = self._delays, max(given.tree.adder_widths, default=1)
        adder_ns = delays.adders(widest, 2) - delays.adders(widest, 1)
        carries_ns = delays.adders(widest, 0)  # what a chain of adders takes once, however many there are
        period = (self._budget_ns - carries_ns) / adder_ns
        clock = Clock(given.start_ns / adder_ns, period, delays.ternary_levels)
        if clock.ternary > clock.period or any(given.tree.heap_sizes):
            return given
        tree = with_ternary_adders(given.tree, clock, spare_ns / adder_ns)
        staged = stage(tree, given.start_ns, self._budget_ns, delays.adders, delays.ternary_levels)
        if staged.latency_stages < given.latency_stages:
            staged = replace(staged, latency_stages=given.latency_stages, end_ns=0.0)
        in_time = (staged.latency_stages, staged.end_ns) <= (given.latency_stages, given.end_ns + spare_ns)
        return staged if in_time and tree.adder_bits < given.tree.adder_bits else given
