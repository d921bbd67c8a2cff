"""Choosing reuse factors, interleave and copies by what the design shall not exceed: `loopwire compile --max-...`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwire.arguments import instance
from loopwire.config import CHOSEN_KNOBS, CompileConfig
from loopwire.design import Design
from loopwire.design_targets import DesignTargets
from loopwire.errors import ConfigError
from loopwire.knobs import Knobs
from loopwire.optimise.clock import clock_periods_ns, fastest
from loopwire.optimise.shapes import Limits, Shape, Shapes
from loopwire.report.chosen import QUANTITIES, ChosenKnob, Target
from loopwire.system.progress import Progress, silent

Bounds = dict[str, float]
THE_PART: Bounds = {"max_share": 1.0}
TIMES = {"max_latency_ns", "max_interval_cycles"}
COARSE, FINE = 1.25, 1.05
"""Ratios of clock periods that are tried one after the other, where each is a search of its own."""


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
        targets = CompileConfig.from_dict({"targets": {**(targets or {}), **bounds}}, where="choose").targets
        assert targets is not None
    replace(design.config, targets=targets)  # refuses what contradicts them
    if not design.target.PREDICTS:
        problem = f"the cycles and the area of {design.config.target} are known to its tool only"
        raise ConfigError("targets", problem, "Give knobs instead")
    if targets.min_clock_ns is None:
        return _choose(design, targets.bounds(), progress or silent)[0]
    return _with_a_clock(design, targets.min_clock_ns, targets.bounds(), progress or silent)


def _with_a_clock(design: Design, least_ns: float, bounds: Bounds, progress: Progress) -> Choice:
    """Choose at many clock periods, and return the best choice of all."""
    found: dict[float, tuple[Choice, Bounds]] = {}

    def latency_cycles(period_ns: float) -> int | None:
        clocked = replace(design, config=replace(design.config, clock_period_ns=period_ns))
        try:
            chosen, reached = _choose(clocked, bounds, progress) if bounds else (Choice(clocked, (), ()), {})
            cycles = chosen.design.predicted_cycles.latency_cycles
        except ConfigError:  # too fast a clock for an operation, or nothing within the bounds
            return None
        knobs = (*chosen.knobs, ChosenKnob("clock_period_ns", f"{period_ns:g}"))
        found[period_ns] = replace(chosen, knobs=knobs), reached
        return cycles

    if TIMES & bounds.keys():
        for period_ns in clock_periods_ns(least_ns, COARSE):
            latency_cycles(period_ns)
        best = min(found, key=lambda period_ns: found[period_ns][1]["max_share"], default=None)
    else:
        best = fastest(clock_periods_ns(least_ns, FINE if bounds else 1.0), latency_cycles)
    chosen, _ = _choose(design, bounds, progress) if best is None else found[best]  # or its refusal
    return chosen


def _choose(design: Design, asked: Bounds, progress: Progress) -> tuple[Choice, Bounds]:
    """Choose at the design's clock; return what the choice reaches too."""
    search = _Search(design, progress)
    found = search.best(THE_PART | asked, None if TIMES & asked.keys() else "max_latency_ns")
    if found is None:
        raise search.refusal(asked)
    shape, reached = found
    knobs = {knob: getattr(search.knobs(shape), knob) for knob in CHOSEN_KNOBS}
    chosen = replace(design, config=replace(design.config, **knobs))
    told = tuple(ChosenKnob(knob, _text(knobs[knob])) for knob in ("layer_reuse_factor", "interleave", "copies"))
    return Choice(chosen, told, tuple(Target(name, bound, reached[name]) for name, bound in asked.items())), reached


class _Search:
    def __init__(self, design: Design, progress: Progress) -> None:
        self._progress = progress
        self._device = design.device
        self._clock_period_ns = design.config.clock_period_ns
        self._shapes = Shapes(design.graph, design.device, self._clock_period_ns, design.config, progress)

    def knobs(self, shape: Shape) -> Knobs:
        """Return the knobs of a shape."""
        return self._shapes.knobs(shape)

    def best(self, bounds: Bounds, least: str | None) -> tuple[Shape, Bounds] | None:
        """Return the smallest shape within the bounds, or the one with the least of one quantity, and what it reaches.

        None where nothing is within the bounds.
        """
        limits = Limits(
            bounds.get("max_interval_cycles", math.inf),
            bounds.get("max_latency_ns", math.inf) / self._clock_period_ns,
            bounds.get("max_share", math.inf),
            all_copies=least == "max_interval_cycles",
        )
        within = [shape for shape in self._shapes.all(limits) if _is_within(self._estimated(shape), bounds)]
        within.sort(key=self._order(least))
        for done, shape in enumerate(within):
            self._progress(done, len(within))
            reached = self._exact(shape)
            if _is_within(reached, bounds):
                return shape, reached
        return None

    def refusal(self, asked: Bounds) -> ConfigError:
        """Return the error for bounds that nothing meets: which are in the way, and the nearest that can be met."""
        told = ", ".join(_told(name, value) for name, value in asked.items())
        problem = f"no reuse factors, interleave and copies give at most {told} on {self._device.name}"
        wanted = THE_PART | asked
        nearest = [self._nearest(name, {n: v for n, v in wanted.items() if n != name}) for name in wanted]
        if any(nearest):
            return ConfigError(
                "targets", problem, f"The others kept, what can be had is {' or '.join(filter(None, nearest))}"
            )
        alone = [self._nearest(name, {}) for name in wanted]
        return ConfigError(
            "targets", problem, f"The least of each, without the others, are {', '.join(filter(None, alone))}"
        )

    def _nearest(self, name: str, others: Bounds) -> str:
        found = self.best(others, name)
        return "" if found is None else _told(name, found[1][name])

    def _order(self, least: str | None) -> Callable[[Shape], tuple[float, ...]]:
        if least is None:
            return lambda shape: (*shape.size, shape.latency_cycles)
        return lambda shape: (self._estimated(shape)[least], shape.interval_cycles, *shape.size)

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


def _told(name: str, value: float) -> str:
    quantity, form, _ = QUANTITIES[name]
    return f"{quantity.lower() if quantity[1].islower() else quantity} {form.format(value)}"


def _text(value: Mapping[str, int] | int | None) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {factor}" for name, factor in value.items()) or "1 in every layer"
    return "as many as fit" if value is None else str(value)
