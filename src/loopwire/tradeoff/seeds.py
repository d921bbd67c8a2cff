"""The designs that a search begins with: what the chooser and the search for types find by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.design_targets import DesignTargets
from loopwire.errors import LoopwireError, ToolError
from loopwire.layers.model import Model
from loopwire.optimise.chooser import choose, smallest
from loopwire.optimise.precision import find_precision
from loopwire.schedule.plan import plan
from loopwire.system.workers import Workers, in_order
from loopwire.tradeoff.space import MOST_FRACTION_BITS, Space, Values
from loopwire.tradeoff.trial import Task

TIMES_THE_LEAST = (1.5, 2, 4, 8, 16)
"""Latencies, as multiples of the least, whose smallest designs are taken."""
PLAIN_FRACTION_BITS = MOST_FRACTION_BITS - 2
PARALLEL: Mapping[str, Any] = {"reuse_factor": 1, "layer_reuse_factor": {}, "interleave": None, "copies": 1}
TYPES = ("model", "kind", "layer")


@dataclass(frozen=True, eq=False)
class _Shared:
    model: Model
    space: Space
    bounds: Mapping[str, float]


def seeds(task: Task, space: Space, bounds: Mapping[str, float], seed: int, workers: Workers) -> list[Values]:
    """Return choices: of the chooser's designs, each with plain types and with types that keep the criterion.

    Args:
        task: the model and the events.
        space: of the choices.
        bounds: of `DesignTargets`, on what a design reaches.
        seed: of the search for types.
        workers: where all this is tried.
    """
    typed = [space.base]
    try:
        found = find_precision(task.model, task.events, task.criteria, seed=seed, workers=workers)
        kept = {field.name: getattr(space.base, field.name) for field in fields(CompileConfig)}
        typed.append(replace(found.config, **{name: kept[name] for name in kept if name not in TYPES}))
    except ToolError:
        raise
    except LoopwireError:  # too few events, or too strict: the search has to find types by itself
        pass
    bases = [replace(config, part=part) for config in typed for part in space.parts]
    choices: list[Values] = []
    for chosen in in_order(workers, _chosen, _Shared(task.model, space, bounds), bases):
        for config in chosen:
            values = space.values(config, PLAIN_FRACTION_BITS)
            choices += [values] if values not in choices else []
    return choices


def _chosen(shared: _Shared, config: CompileConfig) -> list[CompileConfig]:
    """Return the configurations of a design's fastest hardware, and of its smallest for some latencies."""
    plain = compile_silently(shared.model, replace(config, **PARALLEL))
    found = [plain.config]
    try:
        share, least_clock_ns = shared.bounds.get("max_share", 1.0), shared.space.least_clock_ns
        fastest = choose(plain, DesignTargets(max_share=share, min_clock_ns=least_clock_ns)).design
        found.append(fastest.config)
        clock_period_ns = fastest.config.clock_period_ns
        least_ns = plan(fastest.graph, fastest.device, clock_period_ns, fastest.config).latency_cycles * clock_period_ns
        found += [design.config for design in smallest(plain, [least_ns * times for times in TIMES_THE_LEAST])]
    except LoopwireError:  # nothing fits the part
        pass
    return found
