"""What each engine of a plan is made of: its multipliers, and its estimated share of a part."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.area.cells import Cells, Resources
from loopwire.area.multipliers import Multipliers, count_multipliers
from loopwire.area.ports import ports
from loopwire.area.resources import estimate
from loopwire.datapath.ops import Chunk, Columns, Hold, Tile
from loopwire.devices import Device
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.schedule.plan import Plan
from loopwire.timing.pipeline import Pipeline

PORTS = "ports"


@dataclass(frozen=True)
class EngineArea:
    """An engine, all of its copies together; or all that is at the ports and between the engines.

    Attributes:
        engine: its name; `PORTS` where it is none.
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
    """Return the area of every engine, and of the ports and channels."""
    found = []
    engines = zip(plan.engines, plan.pipelines, plan.timing.engines, strict=True)
    for index, (engine, pipeline, timing) in enumerate(engines):
        copies = plan.copies if index < plan.copied else 1
        found.append(_engine_area(engine.name, pipeline, timing, copies, device))
    return (*found, EngineArea(PORTS, (), 1, 1, Multipliers(), ports(plan, Cells(device))))


def _engine_area(name: str, pipeline: Pipeline, timing: EngineTiming, copies: int, device: Device) -> EngineArea:
    datapath = pipeline.datapath
    worked = [op.result.layer for op in datapath.operations if not isinstance(op.kind, Hold | Columns | Chunk | Tile)]
    layers = dict.fromkeys(layer for layer in worked if layer)
    multipliers, resources = count_multipliers(datapath) * copies, estimate(pipeline, timing, device) * copies
    return EngineArea(name, tuple(layers), copies, datapath.sharing.cycles, multipliers, resources)
