"""The designs that a search begins with: what the chooser and the search for types find by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.design_targets import DesignTargets
from loopwire.errors import LoopwireError
from loopwire.optimise.chooser import choose
from loopwire.optimise.precision import find_precision
from loopwire.tradeoff.space import MOST_FRACTION_BITS, Space, Values
from loopwire.tradeoff.trial import Task

TIMES_THE_LEAST = (1.5, 2, 4, 8, 16)
"""Latencies, as multiples of the least, whose smallest designs are taken."""
PLAIN_FRACTION_BITS = MOST_FRACTION_BITS - 2
PARALLEL: Mapping[str, Any] = {"reuse_factor": 1, "layer_reuse_factor": {}, "interleave": None, "copies": 1}
TYPES = ("model", "kind", "layer")


def seeds(task: Task, space: Space, bounds: Mapping[str, float], seed: int) -> list[Values]:
    """Return choices: of the chooser's designs, each with plain types and with types that keep the criterion.

    Args:
        task: the model and the events.
        space: of the choices.
        bounds: of `DesignTargets`, on what a design reaches.
        seed: of the search for types.
    """
    typed = [space.base]
    try:
        found = find_precision(task.model, task.events, task.criterion, seed=seed)
        kept = {field.name: getattr(space.base, field.name) for field in fields(CompileConfig)}
        typed.append(replace(found.config, **{name: kept[name] for name in kept if name not in TYPES}))
    except LoopwireError:  # too few events, or too strict: the search has to find types by itself
        pass
    choices: list[Values] = []
    for config in typed:
        for part in space.parts:
            for chosen in _chosen(compile_silently(task.model, replace(config, part=part)), space, bounds):
                values = space.values(chosen, PLAIN_FRACTION_BITS)
                choices += [values] if values not in choices else []
    return choices


def _chosen(design: Design, space: Space, bounds: Mapping[str, float]) -> list[CompileConfig]:
    """Return the configurations of a design's fastest hardware, and of its smallest for some latencies."""
    plain = replace(design, config=replace(design.config, **PARALLEL))
    found = [plain.config]
    try:
        within = DesignTargets(max_share=bounds.get("max_share", 1.0), min_clock_ns=space.least_clock_ns)
        fastest = choose(plain, within).design
        found.append(fastest.config)
        least_ns = fastest.predicted_cycles.latency_cycles * fastest.config.clock_period_ns
        found += [choose(plain, max_latency_ns=least_ns * times).design.config for times in TIMES_THE_LEAST]
    except LoopwireError:  # nothing fits the part
        pass
    return found
