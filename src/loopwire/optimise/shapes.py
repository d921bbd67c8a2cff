"""Which shapes hardware of a graph can have: reuse factors, interleave and copies, with cycles and area of each.

Recurrent layers set the pace: of each pace in turn every one of them takes its smallest hardware that keeps up, since
a faster one would wait for its neighbours. What works once a sequence then shares what latency is left: in a chain
their latencies add up, a vector passing one after the other, so that of all their reuse factors only those count that
nothing beats in both latency and area. In a graph they may work side by side: there a shape's latency is that of the
fastest, a lower bound, until it is planned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property

from loopwire.area.cells import Resources
from loopwire.area.resources import estimate
from loopwire.cmvm.shift_add import SOLVED_PRODUCTS
from loopwire.datapath.reuse import layer_of, matrix_shapes, multipliers, reuse_factors, sharing_of
from loopwire.devices import Device
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.knobs import Knobs
from loopwire.optimise.heads import Head, Later, Option, Size, heads, size_of
from loopwire.schedule.engine import Engine
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.schedule.network import Network
from loopwire.schedule.plan import Plan, assemble, network_of
from loopwire.schedule.planner import Draft, Planner
from loopwire.system.progress import Progress
from loopwire.timing.pipeline import Pipeline


@dataclass(frozen=True)
class Limits:
    """What need not be looked at. Copies are as many as the interval takes, or with `all_copies` any number."""

    interval_cycles: float = math.inf
    latency_cycles: float = math.inf
    share: float = math.inf
    all_copies: bool = False


@dataclass(frozen=True)
class Shape:
    """One choice of knobs: the reuse factor of each layer, none where all is parallel, and for how many sequences.

    `interval_cycles` is a lower bound, which only other engines' waiting exceeds; `latency_cycles` is one of a graph.
    """

    reuse_factors: tuple[tuple[str, int], ...]
    interleave: int | None
    copies: int
    latency_cycles: int
    interval_cycles: float
    resources: Resources
    size: Size


@dataclass(frozen=True, eq=False)
class _Cut:
    """The engines that a graph is cut into, the range of its values, and the drafts so far by reuse factor."""

    graph: Graph
    network: Network
    found: Mapping[Value, Range]
    drafts: dict[int, dict[str, Draft]] = field(default_factory=dict)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All of them."""
        return self.network.engines

    @cached_property
    def in_a_row(self) -> bool:
        """Whether a vector passes the engines one after another."""
        return self.network.is_chain


class Shapes:
    """All shapes of one graph's hardware."""

    def __init__(
        self,
        graph: Graph,
        device: Device,
        clock_period_ns: float,
        knobs: Knobs,
        progress: Progress,
        ratio: float = 1.0,
    ) -> None:
        """Take a lowered graph; of the knobs, those that are not chosen stay as they are.

        Args:
            graph, device, clock_period_ns, knobs: of all shapes.
            progress: called with how many engines are planned, of how many.
            ratio: of an engine's reuse factors that are tried, each but the last is at least this many times the one
                before it.
        """
        self._graph = graph
        self._device = device
        self._clock_period_ns = clock_period_ns
        self._knobs = knobs
        self._progress = progress
        self._ratio = ratio
        self._cuts: dict[tuple[bool, bool], _Cut] = {}
        self._pipelines: dict[tuple[_Cut, str, int], Pipeline] = {}
        self._estimates: dict[tuple[str, int, EngineTiming], Resources] = {}
        self._known_pipelines: dict[float, dict[str, list[tuple[int, Pipeline]]]] = {}
        self._known_options: dict[tuple[int | None, float], dict[str, list[Option]]] = {}

    def spaced(self, ratio: float) -> Shapes:
        """Return those of fewer reuse factors, `ratio` apart; what is planned for one is known to the other."""
        fewer = copy(self)
        fewer._ratio, fewer._known_pipelines, fewer._known_options = ratio, {}, {}
        return fewer

    def clocked(self, clock_period_ns: float) -> Shapes:
        """Return those at another clock; what no clock changes is made once for both."""
        other = copy(self)
        other._clock_period_ns, other._pipelines, other._estimates = clock_period_ns, {}, {}
        other._known_pipelines, other._known_options = {}, {}
        return other

    def all(self, limits: Limits) -> Iterator[Shape]:
        """Yield shapes worth looking at, in a fixed order; not all that exceed the limits are left out."""
        yield from self.parallel(limits)
        yield from self.shared(limits)

    def plan(self, shape: Shape) -> Plan:
        """Return the plan of a shape, whose cycles are exact."""
        return self._plan(self.knobs(shape))

    def knobs(self, shape: Shape) -> Knobs:
        """Return the knobs of a shape."""
        factors = dict(shape.reuse_factors)
        return replace(self._knobs, layer_reuse_factor=factors, interleave=shape.interleave, copies=shape.copies)

    def _plan_if_possible(self, knobs: Knobs) -> Plan | None:
        """Return the plan, or None where the sequences do not fit in a loop, or the clock is too fast."""
        try:
            return self._plan(knobs)
        except ConfigError:
            return None

    def _plan(self, knobs: Knobs) -> Plan:
        cut = self._cut(knobs)
        pipelines = [self._pipeline(cut, engine, knobs.reuse_factor_of(layer_of(engine))) for engine in cut.engines]
        return assemble(cut.graph, cut.network, pipelines, self._planner(cut, knobs))

    def parallel(self, limits: Limits) -> Iterator[Shape]:
        """Yield those without reuse, whose cycles are exact."""
        if any(self._exceeds_part(engine) for engine in self._cut(self._knobs).engines):
            return
        for interleave in self._interleaves():
            knobs = replace(self._knobs, interleave=interleave)
            one = self._plan_if_possible(knobs)
            if one is None:
                return
            slowest = max(t.steps * t.round_cycles / t.slots for t in one.smallest.engines)
            for copies in self._copies(slowest, max(one.input_steps), limits):
                found = one if copies == 1 else self._plan_if_possible(replace(knobs, copies=copies))
                if found is None:
                    break
                parts = [
                    estimate(p, t, self._device) for p, t in zip(found.pipelines, found.smallest.engines, strict=True)
                ]
                together = [r * copies if k < found.copied else r for k, r in enumerate(parts)]
                resources = sum(together, Resources())
                interval = max(slowest / copies, _port_cycles(found))
                size = size_of(resources, self._device)
                yield Shape((), interleave, copies, found.latency_cycles, interval, resources, size)

    def shared(self, limits: Limits) -> Iterator[Shape]:
        """Yield those with reuse factors."""
        cut = self._cut(replace(self._knobs, reuse_factor=2))
        pipelines = self._all_pipelines(cut, limits.latency_cycles)
        scans = [engine for engine in cut.engines if engine.nodes]
        tails = [engine for engine in cut.engines if not engine.nodes]
        copied = {engine.name for engine in cut.engines[: cut.network.copied]}
        options: dict[str, list[Option]] = {}
        for interleave in self._interleaves():
            planner = self._planner(cut, replace(self._knobs, interleave=interleave))
            looked_at = options
            options = self._all_options(cut, planner, pipelines, limits.latency_cycles)
            if not all(options.values()):
                return
            if options == looked_at:  # a loop for one sequence only: as many as fit are one
                continue
            later = [Later(options[engine.name], copied=engine.name in copied) for engine in tails]
            cells = []
            for pace in sorted({o.timing.round_cycles for engine in scans for o in options[engine.name]} or {1}):
                fitting = [[o for o in options[engine.name] if o.timing.round_cycles <= pace] for engine in scans]
                if all(fitting):
                    cell = [_smallest(choices) for choices in fitting]
                    cells += [cell] if cell not in cells else []
            for cell in cells:
                yield from self._joined(cut, planner.knobs, cell, later, limits)

    def _joined(
        self,
        cut: _Cut,
        knobs: Knobs,
        cell: list[Option],
        later: Sequence[Later],
        limits: Limits,
    ) -> Iterator[Shape]:
        """Yield a choice for the recurrent layers with every choice for those after them that is worth it."""
        slowest = max((option.interval_cycles for option in cell), default=1)
        recurrent = sum((option.resources for option in cell), Resources())
        steps_cycles = max(((option.timing.steps - 1) * option.timing.round_cycles for option in cell), default=0)
        left_cycles = limits.latency_cycles - steps_cycles if cut.in_a_row else math.inf
        for copies in self._copies(slowest, cell[0].timing.steps if cell else 1, limits):
            others = recurrent * copies
            if size_of(others, self._device)[0] > limits.share:
                continue
            latency_cycles: int | None = None
            for head in heads(later, limits.interval_cycles, left_cycles, others, copies, self._device):
                factors = _factors(cell, head)
                if not factors:
                    continue
                depth = head.depth * cut.in_a_row
                if latency_cycles is None:
                    plan = self._plan(replace(knobs, layer_reuse_factor=dict(factors)))
                    latency_cycles = plan.latency_cycles - depth
                    interval = max(slowest / copies, _port_cycles(plan))
                yield Shape(
                    factors,
                    knobs.interleave,
                    copies,
                    latency_cycles + depth,
                    max(interval, head.interval_cycles),
                    head.resources,
                    head.size,
                )

    def _all_pipelines(self, cut: _Cut, latency_cycles: float) -> dict[str, list[tuple[int, Pipeline]]]:
        """Return, of each engine by name, its pipelines, each with its reuse factor; made once.

        A step takes at least as many cycles as the reuse factor: the factors with which the steps but the last take
        more than `latency_cycles` are left out.
        """
        if latency_cycles in self._known_pipelines:
            return self._known_pipelines[latency_cycles]
        kept = [
            (engine, factor)
            for engine in cut.engines
            for factor in self._worthwhile(engine)
            if (engine.length - 1) * factor <= latency_cycles
        ]
        found: dict[str, list[tuple[int, Pipeline]]] = {engine.name: [] for engine in cut.engines}
        refusals: dict[str, ConfigError] = {}
        for done, (engine, factor) in enumerate(kept):
            self._progress(done, len(kept))
            try:
                found[engine.name].append((factor, self._pipeline(cut, engine, factor)))
            except ConfigError as error:  # the clock is too fast for one of its operations
                refusals[engine.name] = error
        for name, pipelines in found.items():
            if not pipelines and name in refusals:
                raise refusals[name]
        self._known_pipelines[latency_cycles] = found
        return found

    def _worthwhile(self, engine: Engine) -> list[int]:
        """Return reuse factors of an engine, apart by the ratio: 1, and those that save multipliers."""
        shapes = matrix_shapes(engine)
        kept = [] if self._exceeds_part(engine) else [1]
        fewest = math.inf
        for reuse_factor in reuse_factors(engine)[1:]:
            if (taken := multipliers(sharing_of(engine, reuse_factor), shapes)) < fewest:
                fewest = taken
                kept.append(reuse_factor)
        spaced: list[int] = []
        for reuse_factor in kept:
            if reuse_factor == kept[-1] or not spaced or reuse_factor >= spaced[-1] * self._ratio:
                spaced.append(reuse_factor)
        return spaced

    def _exceeds_part(self, engine: Engine) -> bool:
        """Say of a parallel engine, without planning it, that its multipliers alone are more than the part has.

        Half of them are left out, for weights that need none.
        """
        products = [rows * columns for rows, columns in matrix_shapes(engine)]
        if self._knobs.multipliers == "auto":
            products = [count for count in products if count > SOLVED_PRODUCTS]
        return self._knobs.multipliers != "shift_add" and sum(products) / 2 > self._device.dsps

    def _all_options(
        self,
        cut: _Cut,
        planner: Planner,
        pipelines: Mapping[str, list[tuple[int, Pipeline]]],
        latency_cycles: float,
    ) -> dict[str, list[Option]]:
        """Return the options of each engine with one interleave, made once."""
        key = planner.knobs.interleave, latency_cycles
        if key not in self._known_options:
            found = {engine.name: self._options(planner, engine, pipelines[engine.name]) for engine in cut.engines}
            self._known_options[key] = found
        return self._known_options[key]

    def _options(self, planner: Planner, engine: Engine, pipelines: list[tuple[int, Pipeline]]) -> list[Option]:
        options = []
        for reuse_factor, pipeline in pipelines:
            try:
                timing = planner.timing(engine, pipeline)
            except ConfigError:  # the loop is too short for the sequences
                continue
            key = (engine.name, reuse_factor, timing)
            if key not in self._estimates:
                self._estimates[key] = estimate(pipeline, timing, self._device)
            resources = self._estimates[key]
            options.append(Option(layer_of(engine), reuse_factor, timing, resources, size_of(resources, self._device)))
        return options

    def _cut(self, knobs: Knobs) -> _Cut:
        key = (knobs.reuses, knobs.copies > 1)
        if key not in self._cuts:
            graph, network = network_of(self._graph, knobs)
            self._cuts[key] = _Cut(graph, network, ranges(graph))
        return self._cuts[key]

    def _pipeline(self, cut: _Cut, engine: Engine, reuse_factor: int) -> Pipeline:
        key = (cut, engine.name, reuse_factor)
        if key not in self._pipelines:
            planner = self._planner(cut, replace(self._knobs, reuse_factor=reuse_factor))
            planner = replace(planner, drafts=cut.drafts.setdefault(reuse_factor, {}))
            self._pipelines[key] = planner.pipeline(engine)
        return self._pipelines[key]

    def _planner(self, cut: _Cut, knobs: Knobs) -> Planner:
        return Planner(cut.found, DelayModel(self._device), self._clock_period_ns, knobs)

    def _interleaves(self) -> Iterator[int | None]:
        """Yield how many sequences to have in the loop: as many as fit, then from one on while they fit.

        What has no state has no loop.
        """
        yield None
        if not self._knobs.stateful and any(engine.states for engine in self._cut(self._knobs).engines):
            yield from range(1, 1 << 30)

    def _copies(self, slowest: float, steps: int, limits: Limits) -> Sequence[int]:
        """Return numbers of copies: what the interval takes, or the doubled ones up to one a step."""
        if self._knobs.stateful:
            return [1]
        if limits.all_copies:
            return sorted({min(1 << k, steps) for k in range(steps.bit_length() + 1)})
        needed = max(math.ceil(slowest / limits.interval_cycles), 1) if limits.interval_cycles else steps
        return [needed] if needed <= steps else []


def _smallest(options: Iterable[Option]) -> Option:
    return min(options, key=lambda option: (option.size, option.timing.round_cycles))


def _factors(cell: Sequence[Option], head: Head) -> tuple[tuple[str, int], ...]:
    """Return the reuse factors of all layers, none where all are parallel."""
    factors = tuple((option.layer, option.reuse_factor) for option in (*cell, *head.options) if option.layer)
    return factors if any(factor > 1 for _, factor in factors) else ()


def _port_cycles(plan: Plan) -> int:
    """Return the cycles in which a sequence passes the slowest input."""
    ends = zip(plan.input_steps, plan.smallest.inputs, strict=True)
    return max(-(-steps // pace.vectors_per_beat) * pace.beats_per_vector for steps, pace in ends)
