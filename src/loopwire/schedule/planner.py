"""From an engine to the pipeline that it runs, and what of both decides its cycles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.cmvm.shift_add import SOLVED_PRODUCTS, SOLVER_BITS, minimal_depth, solve
from loopwire.datapath.block_ram_tables import with_block_ram_tables
from loopwire.datapath.counted_sums import slower_sums
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.distances import with_distances
from loopwire.datapath.expand import expand
from loopwire.datapath.fewer_dsps import with_fewer_dsps
from loopwire.datapath.lut_products import dsps
from loopwire.datapath.ops import ShiftAdd
from loopwire.datapath.packed_products import with_packed_products
from loopwire.datapath.pipeline import alternatives, prepared, stored_earlier
from loopwire.datapath.reuse import layer_of, sharing_of
from loopwire.datapath.rewrite import replaced
from loopwire.datapath.row_addends import with_row_addends
from loopwire.datapath.shared_factor import with_shared_factor
from loopwire.datapath.signals import Signal
from loopwire.datapath.size import about_luts, matrix_products
from loopwire.datapath.smaller_products import smaller_products
from loopwire.datapath.started_sums import with_started_sums
from loopwire.datapath.triples import with_triples
from loopwire.datapath.verify import verify
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Value
from loopwire.ir.interval import Range
from loopwire.knobs import Knobs
from loopwire.schedule.engine import Engine
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.timing.loop_delays import loop_ns
from loopwire.timing.operation_delays import OperationTimes
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.scheduler import shortest
from loopwire.timing.ternary_sums import with_ternary_sums


class Draft(NamedTuple):
    """The datapaths of an engine of which the one with the shortest loop is taken, and what their operations take.

    Others than the first ones are taken for fewer stages alone. No clock changes them. `bases` has what a choice with
    sums in its trees was made of, by the choice's identity.
    """

    choices: Sequence[Sequence[Datapath]]
    bases: Mapping[int, Datapath]
    times: OperationTimes


@dataclass(frozen=True)
class Planner:
    """Makes the pipelines and the timing of engines, by the range of every value, delays, clock and knobs.

    `drafts` are those of engines by their names, made when first asked for; planners of other clocks may share them.
    """

    found: Mapping[Value, Range]
    delays: DelayModel
    clock_period_ns: float
    knobs: Knobs
    drafts: dict[str, Draft] = field(default_factory=dict)

    def pipeline(self, engine: Engine, most_dsps: int | None = None) -> Pipeline:
        """Return the pipeline of an engine, its hardware shared as its layer's reuse factor says.

        It has at most so many DSP blocks, or as few as can be.
        """
        return with_ternary_sums(self.timed(engine, most_dsps), self.delays, self.clock_period_ns)

    def timed(self, engine: Engine, most_dsps: int | None = None) -> Pipeline:
        """Return a pipeline with the stages of `pipeline`, and without sums of three, which take long to find."""
        if engine.name not in self.drafts:
            self.drafts[engine.name] = self._draft(engine)
        drafted, bases, times = self.drafts[engine.name]
        # A step comes from registers of the feeder; of shared hardware, a sequencer chooses the word.
        sharing = drafted[0][0].sharing
        input_time = (self._input_stage(), 0.0) if sharing.is_parallel else (0, self.delays.gate())

        def shortest_of(choices: Sequence[Datapath]) -> list[Pipeline]:
            return shortest(choices, times, self.clock_period_ns, input_time)

        def scheduled(datapath: Datapath) -> Pipeline:
            return shortest_of([datapath])[0]

        def may_be_shorter(datapath: Datapath, pipeline: Pipeline) -> bool:
            stages = pipeline.loop_latency - sharing.gather_cycles
            return loop_ns(datapath, times) <= self.delays.stage_budget_ns(self.clock_period_ns) * stages

        def shortest_loop(choices: Sequence[Datapath]) -> Pipeline:
            straight = shortest_of(choices)
            # States are stored earlier for a shorter loop alone.
            for choice in (pipeline.datapath for pipeline in straight):
                rotated = stored_earlier(choice) if may_be_shorter(choice, straight[0]) else []
                if rotated and (earlier := shortest_of(rotated)[0]).loop_latency < straight[0].loop_latency:
                    return earlier
            return straight[0]

        # All are scheduled, since a slower clock takes no more cycles.
        best = min(map(shortest_loop, drafted), key=_cycles)
        base = bases.get(id(best.datapath), best.datapath)
        sooner = with_distances(best.datapath, self.delays.device)
        if sooner is not best.datapath:
            best, base = min((best, best.datapath), (scheduled(sooner), sooner), key=lambda made: _cycles(made[0]))
        budget_ns = self.delays.stage_budget_ns(self.clock_period_ns)
        summed = [
            way
            for product in smaller_products(base, self.delays, budget_ns)
            for way in _with_and_without_addends(product)
        ]
        made = [best, *map(scheduled, summed)]

        def excess(pipeline: Pipeline) -> int:
            return 0 if most_dsps is None else max(dsps(pipeline.datapath, self.delays) - most_dsps, 0)

        smaller = [self._smaller(pipeline, scheduled, most_dsps) for pipeline in made]
        return min(smaller, key=lambda pipeline: (excess(pipeline), *_cost(pipeline)))

    def _smaller(self, best: Pipeline, scheduled: Callable[[Datapath], Pipeline], most_dsps: int | None) -> Pipeline:
        """Return a pipeline of no more cycles that takes less of the part, whatever its products are."""
        smaller: tuple[Callable[[Datapath], Datapath], ...] = (
            lambda d: with_shared_factor(d, self.delays),
            lambda d: with_started_sums(d, in_loops=False),
            with_started_sums,
            lambda d: with_block_ram_tables(d, self.delays.device),
        )
        for change in smaller:
            changed = change(best.datapath)
            if changed is not best.datapath:
                best = min(scheduled(changed), best, key=_cycles)
        if most_dsps is not None:
            excess = dsps(best.datapath, self.delays) - most_dsps
            best = scheduled(with_fewer_dsps(best.datapath, self.delays, excess)) if excess > 0 else best
        return self._with_slower_sums(best, scheduled)

    def _draft(self, engine: Engine) -> Draft:
        knobs, sharing = self.knobs, sharing_of(engine, self.knobs.reuse_factor_of(layer_of(engine)))
        expanded, solve = expand(engine, self.found), partial(self._solve, engine)
        drafted = []
        bases: dict[int, Datapath] = {}
        for datapath in prepared(expanded, sharing, solve, self.delays, knobs.copies, knobs.lut_product_bits_of):
            if engine.stateful:
                datapath = replace(datapath, channels=knobs.channels)
            choices = alternatives(datapath, self.delays)
            if not sharing.is_parallel:
                # Sums take time of loops, and whether they have a place for addends changes what else is worth it.
                summed = [with_packed_products(with_triples(choice, self.delays), self.delays) for choice in choices]
                merged = [verify(with_row_addends(choice)) for choice in summed]
                bases |= {id(sums): choice for sums, choice in zip(merged, choices, strict=True)}
                choices += merged
            drafted.append(choices)
        return Draft(drafted, bases, OperationTimes(self.delays))

    def _with_slower_sums(self, best: Pipeline, scheduled: Callable[[Datapath], Pipeline]) -> Pipeline:
        """Return a pipeline as short whose trees count bits only where the time is too short for adders."""
        for operation in best.datapath.operations:
            kind = operation.kind
            if not isinstance(kind, ShiftAdd) or kind.pairs is None:
                continue
            latest = operation
            for slower in slower_sums(kind, self.delays):
                if slower.tree.adder_bits < kind.tree.adder_bits:
                    smaller = replace(operation, kind=slower)
                    pipeline = scheduled(replaced(best.datapath, {latest: smaller}))
                    if _cycles(pipeline) > _cycles(best):
                        break
                    best, kind, latest = pipeline, slower, smaller
        return best

    def _input_stage(self) -> int:
        """Return in which stage a step's vector is there: in a second one where to choose and to read it takes long."""
        gates = self.delays.device.feeder_gates
        return int(gates * self.delays.gate() > self.delays.stage_budget_ns(self.clock_period_ns))

    def timing(self, engine: Engine, pipeline: Pipeline, result_held_cycles: int = 0) -> EngineTiming:
        """Return what decides an engine's cycles, where a result may wait so long behind it."""
        round_cycles, spacing = pipeline.loop_latency, pipeline.datapath.sharing.cycles
        if engine.stateful:
            round_cycles = max(round_cycles, self.knobs.channels * spacing)
        room = round_cycles // spacing
        # What has no state has nothing to interleave.
        slots = self.knobs.channels if engine.stateful else (self.knobs.interleave if engine.states else None) or room
        if not 1 <= slots <= room:
            raise ConfigError(
                "interleave",
                f"{slots} sequences do not fit in a loop of {round_cycles} cycles",
                f"Give a number from 1 to {room}, or leave it out for {room}",
            )
        # A sequence holds its ticket from its first beat to its last result; a new one comes every interval at most.
        held_cycles = (
            engine.length * (1 + engine.per_step + engine.reverse) + round_cycles * engine.length + pipeline.depth + 4
        )
        held_cycles += result_held_cycles
        interval_cycles = max(engine.length, engine.length * round_cycles // slots)
        tickets = 1 << (held_cycles // interval_cycles + 1).bit_length()
        depth, reverse, per_step = pipeline.depth, engine.reverse, engine.per_step
        waits = pipeline.datapath.in_memories and slots == 1
        bits = pipeline.datapath.output.bits
        return EngineTiming(engine.length, round_cycles, slots, spacing, tickets, depth, reverse, per_step, waits, bits)

    def _solve(self, engine: Engine, result: Signal, matrix: Integers, x: Range) -> AdderTree | None:
        largest = int(abs(matrix).max())
        if self.knobs.multipliers == "dsp" or largest >= 1 << SOLVER_BITS:
            return None
        if self.knobs.multipliers == "auto" and (matrix != 0).sum() > SOLVED_PRODUCTS:
            return None
        inputs, depth = [(x.low, x.high)] * matrix.shape[1], minimal_depth(matrix)
        tree = solve(matrix, inputs, depth)
        units = next((state.read.type.size for state in engine.states if state.read.layer == result.layer), 0)
        if units and len(matrix) % units == 0 and self.delays.reach(tree.adder_bits) / 2 > self.delays.adder(1):
            # Wires from the middle to sums shared by units far apart would take longer than adders of their own.
            tree = solve(matrix, inputs, depth, [range(unit, len(matrix), units) for unit in range(units)])
        if self.knobs.multipliers == "auto" and self._prefers_multipliers(tree, matrix, x):
            return None
        return tree

    def _prefers_multipliers(self, tree: AdderTree, matrix: Integers, x: Range) -> bool:
        """Say whether multipliers would take a smaller share of the device than the tree."""
        device = self.delays.device
        width = Signal("x", 1, x.low, x.high, 0, "", "").width + 1
        blocks = self.delays.dsp_blocks(int(abs(matrix).max()).bit_length() + 1, width) * int((matrix != 0).sum())
        return blocks / max(device.dsps, 1) < tree.adder_bits / device.luts


def _cycles(pipeline: Pipeline) -> tuple[int, int]:
    """Return what is to be least: the cycles round the loop, and then those of all stages."""
    return pipeline.loop_latency, pipeline.depth


def _cost(pipeline: Pipeline) -> tuple[int, ...]:
    """Return what is to be least, the most important first."""
    return *_cycles(pipeline), matrix_products(pipeline.datapath), about_luts(pipeline.datapath)


def _with_and_without_addends(datapath: Datapath) -> list[Datapath]:
    """Return a datapath, and the one whose trees of shared hardware add to their rows, if there are any."""
    merged = datapath if datapath.sharing.is_parallel else verify(with_row_addends(datapath))
    return [datapath] if merged is datapath else [datapath, merged]
