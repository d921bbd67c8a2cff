"""What each engine of a plan is made of: its multipliers, and its estimated share of a part."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.area.cells import Cells, Resources
from loopwire.area.multipliers import Multipliers, count_multipliers
from loopwire.area.ports import network_ports, ports
from loopwire.area.resources import estimate
from loopwire.datapath.ops import Chunk, Columns, Hold, Tile
from loopwire.devices import Device
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.schedule.network_plan import NetworkPlan
from loopwire.schedule.plan import Plan
from loopwire.timing.pipeline import Pipeline

PORTS = "ports"


@dataclass(frozen=True)
class EngineArea:
    """An engine, all of its copies together; or all that is between the ports and the engines.

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


def network_areas(plan: NetworkPlan, device: Device) -> tuple[EngineArea, ...]:
    """Return the area of every engine of a network, and of its ports and channels."""
    found = [
        _engine_area(engine.name, pipeline, timing, 1, device)
        for engine, pipeline, timing in zip(plan.engines, plan.pipelines, plan.timing.engines, strict=True)
    ]
    around = network_ports(plan, Cells(device))
    return (*found, EngineArea(PORTS, (), 1, 1, Multipliers(), around))


def areas(plan: Plan, device: Device) -> tuple[EngineArea, ...]:
    """Return the area of every engine, and of the ports."""
    found = []
    for index, (engine, pipeline, timing) in enumerate(zip(plan.chain, plan.pipelines, plan.timings, strict=True)):
        copies = plan.copies if index < plan.copied else 1
        found.append(_engine_area(engine.name, pipeline, timing, copies, device))
    around = ports(plan, Cells(device))
    if around != Resources():
        found.append(EngineArea(PORTS, (), 1, 1, Multipliers(), around))
    return tuple(found)


def _engine_area(name: str, pipeline: Pipeline, timing: EngineTiming, copies: int, device: Device) -> EngineArea:
    datapath = pipeline.datapath
    worked = [op.result.layer for op in datapath.operations if not isinstance(op.kind, Hold | Columns | Chunk | Tile)]
    layers = dict.fromkeys(layer for layer in worked if layer)
    multipliers, resources = count_multipliers(datapath) * copies, estimate(pipeline, timing, device) * copies
    return EngineArea(name, tuple(layers), copies, datapath.sharing.cycles, multipliers, resources)
