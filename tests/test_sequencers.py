"""Where shared hardware counts its words again: what nothing reads for long is in no registers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import loopwire
from loopwire.config import CompileConfig
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import chain
from loopwire.schedule.plan import plan
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.sequencers import served_stages

UNITS = 32


def pipelines(reuse_factor: int) -> tuple[Pipeline, ...]:
    source = np.random.default_rng(1)
    kernels = (source.normal(size=(4 * UNITS, n)) for n in (3, UNITS))
    cell = Lstm("cell", *kernels, source.normal(size=4 * UNITS))
    head = Dense("head", source.normal(size=(UNITS, UNITS)), source.normal(size=UNITS))
    settings = {"reuse_factor": reuse_factor, "multipliers": "dsp"}
    design = loopwire.compile(chain("tagger", (5, 3), (cell, head), "test"), CompileConfig.from_dict(settings))
    return plan(design.graph, design.device, design.config.clock_period_ns, design.config).pipelines


@pytest.mark.parametrize("reuse_factor", [1, 4, 32, 128, 1024])
def test_every_stage_that_reads_is_served_in_time(reuse_factor: int) -> None:
    for pipeline in pipelines(reuse_factor):
        served = served_stages(pipeline)
        sharing = pipeline.datapath.sharing
        read = {stage for _, stage in pipeline.reads()} | set(pipeline.stage_of().values()) | {0}
        assert all(any(stage in stages for stages in served) for stage in read if stage >= 0)
        assert all(before.stop < after.start for before, after in pairwise(served))
        assert len(served) == 1 or not sharing.is_parallel
        for before, after in pairwise(served):
            assert after.start - before.start < sharing.cycles, "it has stopped counting"
            assert after.start not in read, "its counts are there a cycle later"


def test_what_is_carried_does_not_grow_with_the_reuse_factor() -> None:
    for pipeline in pipelines(1024):
        assert pipeline.depth > 1000
        assert sum(map(len, served_stages(pipeline))) < 80
