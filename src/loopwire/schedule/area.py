"""What each engine of a plan is made of: its multipliers, and its estimated share of a part."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.devices import Device
from loopwire.schedule.datapath import Columns, Hold
from loopwire.schedule.plan import Plan
from loopwire.schedule.resources import Multipliers, Resources, count_multipliers, estimate


@dataclass(frozen=True)
class EngineArea:
    """An engine, all of its copies together.

    Attributes:
        engine: its name.
        layers: whose operations it does.
        copies: of the engine.
        reuse_factor: products that a multiplier serves in each step.
        multipliers: as scheduled.
        resources: as estimated.
    """

    engine: str
    layers: tuple[str, ...]
    copies: int
    reuse_factor: int
    multipliers: Multipliers
    resources: Resources


def areas(plan: Plan, device: Device) -> tuple[EngineArea, ...]:
    """Return the area of every engine."""
    found = []
    for index, (engine, pipeline, timing) in enumerate(zip(plan.chain, plan.pipelines, plan.timings, strict=True)):
        datapath, copies = pipeline.datapath, plan.copies if index < plan.copied else 1
        worked = [op.result.layer for op in datapath.operations if not isinstance(op.kind, Hold | Columns)]
        layers = dict.fromkeys(layer for layer in worked if layer)
        reuse_factor = 1 if datapath.folding is None else datapath.folding.cycles
        multipliers, resources = count_multipliers(datapath) * copies, estimate(pipeline, timing, device) * copies
        found.append(EngineArea(engine.name, tuple(layers), copies, reuse_factor, multipliers, resources))
    return tuple(found)
