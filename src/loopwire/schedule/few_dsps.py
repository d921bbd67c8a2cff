"""All engines within the DSP blocks that a user allows."""

from __future__ import annotations

from collections.abc import Callable

from loopwire.datapath.lut_products import dsps
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.knobs import Knobs
from loopwire.schedule.engine import Engine
from loopwire.schedule.network import Network
from loopwire.timing.pipeline import Pipeline


def pipelines_within(
    network: Network, knobs: Knobs, delays: DelayModel, make: Callable[[Engine, int | None], Pipeline]
) -> list[Pipeline]:
    """Return the pipelines of all engines, those of the first ones with as many DSP blocks fewer as need be.

    Args:
        network: whose engines they are.
        knobs: the user's choices.
        delays: of the part.
        make: makes the pipeline of an engine with at most so many DSP blocks, or as few as can be.

    Raises:
        ConfigError: more DSP blocks are left than are allowed.
    """
    pipelines = [make(engine, None) for engine in network.engines]
    if knobs.dsp_budget is None:
        return pipelines
    copies = [knobs.copies if index < network.copied else 1 for index in range(len(pipelines))]

    def used() -> int:
        return sum(n * dsps(pipeline.datapath, delays) for n, pipeline in zip(copies, pipelines, strict=True))

    for index, engine in enumerate(network.engines):
        if (excess := used() - knobs.dsp_budget) > 0:
            pipelines[index] = make(
                engine, max(dsps(pipelines[index].datapath, delays) - -(-excess // copies[index]), 0)
            )
    if (least := used()) > knobs.dsp_budget:
        raise ConfigError(
            "dsp_budget",
            f"{least} DSP blocks are the fewest with all products of two vectors made of look-up tables; "
            f"{knobs.dsp_budget} are allowed",
            f"Give {least} or more, a larger reuse_factor, or lut_product_bits for products with weights too",
        )
    return pipelines
