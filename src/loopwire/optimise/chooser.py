"""Choosing reuse factors, interleave and copies by what the design shall not exceed: `loopwire compile --max-...`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from loopwire.arguments import instance
from loopwire.config import CHOSEN_KNOBS, CompileConfig
from loopwire.design import Design
from loopwire.design_targets import DesignTargets
from loopwire.errors import ConfigError
from loopwire.knobs import Knobs
from loopwire.optimise.clock import clock_periods_ns, fastest
from loopwire.optimise.refusal import ALWAYS_NAMED, NAMES, OFFERED, Reached, curve, excess, in_words, named, nearest
from loopwire.optimise.shapes import Limits, Shape, Shapes
from loopwire.report.chosen import ChosenKnob, Target
from loopwire.schedule.plan import latency_at_clocks
from loopwire.system.progress import Progress, silent

Bounds = dict[str, float]
THE_PART: Bounds = {"max_share": 1.0}
TIMES = {"max_latency_ns", "max_interval_cycles"}
COARSE, FINE = 1.5, 1.05
"""Ratios of clock periods that are tried one after the other, where each is a search of its own."""
ROUGH = 1.25
"""Ratio of the reuse factors that a rough search tries."""
FAR = 2.0
"""Bounds that a rough search exceeds by this factor are met by no reuse factors between those that it tried."""
REFUSAL_CPU_S = 8.0
"""After so long the search for what to offer instead of targets that nothing meets ends with what it has found."""
Found = TypeVar("Found")


@dataclass(frozen=True)
class Choice:
    """A design with knobs chosen, these knobs, and what it reaches of each target."""

    design: Design
    knobs: tuple[ChosenKnob, ...]
    targets: tuple[Target, ...]


def choose(
    design: Design,
    targets: DesignTargets | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **bounds: Any,
) -> Choice:
    """Return a design with the knobs that suit the targets best.

        design = loopwire.choose(design, max_latency_ns=500, max_share="60%").design

    Where latency or interval is bounded, this is the smallest design within the targets: the one that takes the
    smallest share of the part, of the resource of which it takes most. Where only resources are bounded, it is the one
    of the least latency, then of the least interval. With `min_clock_ns` the clock period is chosen too, and alone the
    knobs stay as they are. Latency and interval are exact, resources are estimates. The search looks at the shapes of
    `optimise.shapes`.

    Args:
        design: whose knobs are chosen.
        targets: the bounds, or a dictionary of them.
        progress: called with how many engines are planned, of how many, then with how many shapes, of how many.
        bounds: of `DesignTargets` by name, instead of `targets`.

    Raises:
        ConfigError: nothing meets the targets, or the design has a knob already that they are to decide.
        UnsupportedError: no hardware can be made of the model.
    """
    instance(Design, "Give what loopwire.compile returns")("design", design)
    if not isinstance(targets, DesignTargets):
        targets = read_targets("choose", {**(targets or {}), **bounds})
    replace(design.config, targets=targets)  # refuses what contradicts them
    if not design.target.PREDICTS:
        problem = f"the cycles and the area of {design.config.target} are known to its tool only"
        raise ConfigError("targets", problem, "Give knobs instead")
    if targets.min_clock_ns is None:
        return _choose(design, targets.bounds(), progress or silent)
    return _with_a_clock(design, targets.min_clock_ns, targets.bounds(), progress or silent)


def smallest(design: Design, latencies_ns: Sequence[float]) -> list[Design]:
    """Return the smallest designs within each of some latencies, those left out that nothing is within.

    `choose` finds the same, one by one.

    Raises:
        ConfigError: the clock is too fast for the design.
    """
    search = _Search(design, silent)
    found = [search.best({"max_latency_ns": latency_ns}) for latency_ns in latencies_ns]
    return [_with(design, _knobs(search, best[0])) for best in found if best is not None]


def read_targets(where: str, values: Mapping[str, Any]) -> DesignTargets:
    """Read targets from a dictionary, as those of a configuration.

    Raises:
        ConfigError: a bound is unknown or impossible, or none is given.
    """
    targets = CompileConfig.from_dict({"targets": values}, where).targets
    assert targets is not None
    return targets


def _with_a_clock(design: Design, least_ns: float, bounds: Bounds, progress: Progress) -> Choice:
    """Choose a clock period by a rough search at each, then the rest at this one."""
    if not bounds:
        return _of_unchanged_knobs(design, least_ns)
    end_cpu_s = time.process_time() + REFUSAL_CPU_S
    search = _Search(design, progress, ROUGH)
    searches: dict[float, _Search] = {}

    def rough(period_ns: float) -> _Search:
        if period_ns not in searches:
            searches[period_ns] = search.clocked(period_ns)
        return searches[period_ns]

    def latency_cycles(period_ns: float) -> int | None:
        found = _if_possible(lambda: rough(period_ns).best(bounds))
        return None if found is None else round(found[1]["max_latency_ns"] / period_ns)

    def distance(period_ns: float) -> tuple[float, float]:
        return _if_possible(lambda: rough(period_ns).distance(bounds)) or (math.inf, math.inf)

    best = None if TIMES & bounds.keys() else fastest(clock_periods_ns(least_ns, FINE), latency_cycles)
    if best is None:
        best = min(clock_periods_ns(least_ns, COARSE), key=distance)
        between = [max(round(best * factor, 2), least_ns) for factor in (COARSE**-0.5, COARSE**0.5)]
        best = min((best, *between), key=distance)
        if FAR < distance(best)[0] < math.inf:
            raise rough(best).refusal(bounds, end_cpu_s)
    choice = _choose(_clocked(design, best), bounds, progress)
    return replace(choice, knobs=(*choice.knobs, ChosenKnob("clock_period_ns", f"{best:g}")))


def _of_unchanged_knobs(design: Design, least_ns: float) -> Choice:
    """Choose the clock alone."""
    latency_cycles = latency_at_clocks(design.graph, design.device, design.config)
    best = fastest(clock_periods_ns(least_ns), lambda period_ns: _if_possible(lambda: latency_cycles(period_ns)))
    clocked = design if best is None else _clocked(design, best)
    assert clocked.predicted_cycles  # or the refusal of its clock
    return Choice(clocked, (ChosenKnob("clock_period_ns", f"{clocked.config.clock_period_ns:g}"),), ())


def _clocked(design: Design, period_ns: float) -> Design:
    return replace(design, config=replace(design.config, clock_period_ns=period_ns))


def _if_possible(found: Callable[[], Found | None]) -> Found | None:
    """Return what is found, or None where the clock is too fast for an operation."""
    try:
        return found()
    except ConfigError:
        return None


def _choose(design: Design, asked: Bounds, progress: Progress) -> Choice:
    """Choose at the design's clock."""
    end_cpu_s = time.process_time() + REFUSAL_CPU_S
    search = _Search(design, progress)
    found = search.best(asked)
    if found is None:
        raise search.rough().refusal(asked, end_cpu_s)
    shape, reached = found
    knobs = _knobs(search, shape)
    names = ("layer_reuse_factor", "interleave", "copies")
    chosen_knobs = tuple(ChosenKnob(name, _text(knobs[name])) for name in names)
    return Choice(
        _with(design, knobs), chosen_knobs, tuple(Target(name, bound, reached[name]) for name, bound in asked.items())
    )


def _knobs(search: _Search, shape: Shape) -> dict[str, Any]:
    return {knob: getattr(search.knobs(shape), knob) for knob in CHOSEN_KNOBS}


def _with(design: Design, knobs: Mapping[str, Any]) -> Design:
    return replace(design, config=replace(design.config, **knobs))


class _Search:
    """A search at one clock; `ratio` is that of `Shapes`."""

    def __init__(self, design: Design, progress: Progress, ratio: float = 1.0) -> None:
        self._progress = progress
        self._device = design.device
        self._clock_period_ns = design.config.clock_period_ns
        self._shapes = Shapes(design.graph, design.device, self._clock_period_ns, design.config, progress, ratio)

    def clocked(self, clock_period_ns: float) -> _Search:
        """Return a search at another clock; what no clock changes is made once for both."""
        other = copy(self)
        other._clock_period_ns, other._shapes = clock_period_ns, self._shapes.clocked(clock_period_ns)
        return other

    def rough(self) -> _Search:
        """Return a rough search, which shares what this one has planned."""
        other = copy(self)
        other._shapes = self._shapes.spaced(ROUGH)
        return other

    def knobs(self, shape: Shape) -> Knobs:
        """Return the knobs of a shape."""
        return self._shapes.knobs(shape)

    def best(self, asked: Bounds) -> tuple[Shape, Bounds] | None:
        """Return the smallest shape within bounds of latency or interval, else the fastest, and what it reaches.

        None where nothing is within the bounds.
        """
        bounds = THE_PART | asked
        limits = Limits(
            bounds.get("max_interval_cycles", math.inf),
            bounds.get("max_latency_ns", math.inf) / self._clock_period_ns,
            bounds["max_share"],
        )
        within = [shape for shape in self._shapes.parallel(limits) if _is_within(self._estimated(shape), bounds)]
        if within and not TIMES & asked.keys():
            limits = replace(limits, latency_cycles=min(shape.latency_cycles for shape in within))
        within += [shape for shape in self._shapes.shared(limits) if _is_within(self._estimated(shape), bounds)]
        if TIMES & asked.keys():
            within.sort(key=lambda shape: (*shape.size, shape.latency_cycles))
        else:
            within.sort(key=lambda shape: (shape.latency_cycles, shape.interval_cycles, *shape.size))
        for done, shape in enumerate(within):
            self._progress(done, len(within))
            reached = self._exact(shape)
            if _is_within(reached, bounds):
                return shape, reached
        return None

    def distance(self, asked: Bounds) -> tuple[float, float]:
        """Return how far the nearest shape is from the bounds, at least 1, and the least share of those as near."""
        limits = Limits(asked.get("max_interval_cycles", math.inf))
        bounds = THE_PART | asked
        _, reached = self._reached(limits, bounds)
        far = np.maximum(excess(reached, bounds), 1)
        share = reached[:, NAMES.index("max_share")]
        return min(zip(far.tolist(), share.tolist(), strict=True), default=(math.inf, math.inf))

    def refusal(self, asked: Bounds, end_cpu_s: float) -> ConfigError:
        """Return the error for bounds that nothing meets, with the nearest designs and a curve of what is possible.

        After `end_cpu_s`, of `time.process_time`, no more designs are looked at, and those found are named by estimate.
        """
        bounds = THE_PART | asked
        shapes, reached = self._reached(Limits(all_copies="max_interval_cycles" in asked), bounds, end_cpu_s)
        where = f"{self._device.name} at {self._clock_period_ns:g} ns"
        problem = (
            f"no combination of reuse factors, interleave and copies has {in_words(asked, asked, '≤ ')} on {where}"
        )
        places = nearest(reached, bounds)
        if not places:
            least = min(map(self._estimated, shapes), key=lambda estimated: estimated["max_share"])
            takes = in_words(ALWAYS_NAMED, least)
            return ConfigError("targets", problem, f"The part is too small: the smallest design has {takes}")
        pair, along = curve(reached, bounds, places[0])
        known = {
            place: self._exact(shapes[place]) if time.process_time() < end_cpu_s else self._estimated(shapes[place])
            for place in dict.fromkeys((*places, *along))
        }
        offers = [in_words(named(asked), known[place]) for place in places]
        points = [in_words(pair, known[place]) for place in along]
        remedy = f"The nearest design{'s have' if len(offers) > 1 else ' has'} {'; '.join(offers)}"
        if len(points) > 1:
            remedy += f". Possible are {'; '.join(points)}"
        return ConfigError("targets", problem, remedy)

    def _reached(self, limits: Limits, bounds: Bounds, end_cpu_s: float = math.inf) -> tuple[list[Shape], Reached]:
        """Return all shapes with what they reach; after `end_cpu_s` no more than there are enough to be named."""
        shapes, rows = [], []
        for shape in self._shapes.all(limits):
            shapes.append(shape)
            estimated = self._estimated(shape)
            rows.append([estimated[name] for name in NAMES])
            if time.process_time() > end_cpu_s and len(nearest(np.array(rows, np.float64), bounds)) >= OFFERED:
                break
        return shapes, np.array(rows, np.float64).reshape(len(rows), len(NAMES))

    def _estimated(self, shape: Shape) -> Bounds:
        return self._quantities(shape, shape.latency_cycles, shape.interval_cycles)

    def _exact(self, shape: Shape) -> Bounds:
        plan = self._shapes.plan(shape)
        return self._quantities(shape, plan.latency_cycles, plan.steady.initiation_interval_cycles)

    def _quantities(self, shape: Shape, latency_cycles: int, interval_cycles: float) -> Bounds:
        resources = shape.resources
        return {
            "max_latency_ns": latency_cycles * self._clock_period_ns,
            "max_interval_cycles": interval_cycles,
            "max_luts": resources.luts,
            "max_ffs": resources.ffs,
            "max_dsps": resources.dsps,
            "max_brams": resources.bram18s,
            "max_share": shape.size[0],
        }


def _is_within(reached: Bounds, bounds: Bounds) -> bool:
    return all(reached[name] <= bound for name, bound in bounds.items())


def _text(value: Mapping[str, int] | int | None) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {factor}" for name, factor in value.items()) or "1 in every layer"
    return "as many as fit" if value is None else str(value)
