"""The scheduler against an exact solver: no loop is shorter, no pipeline has fewer stages."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.late_clamps import late_clamps
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.ops import Datapath
from loopwire.datapath.rotate_states import rotations
from loopwire.devices.delay_model import DelayModel
from loopwire.schedule import planner
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.scheduler import schedule
from schedule_oracle import Least, least
from test_expand import SOLVERS
from test_scheduler import DELAYS, some_datapath

ROOT = Path(__file__).parents[1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from(list(SOLVERS)), st.sampled_from([3.0, 5.0, 8.0]))
def test_random_datapaths_are_scheduled_in_the_least_stages(seed: int, solver: str, period_ns: float) -> None:
    datapath = some_datapath(seed, solver)
    for choice in (datapath, *list(rotations(with_dsp_adders(late_clamps(merge_addends(datapath)), DELAYS)))[-1:]):
        pipeline = schedule(choice, DELAYS, period_ns, (0, DELAYS.gate()))
        found = least(choice, DELAYS, period_ns, DELAYS.gate())
        assert Least(pipeline.loop_latency, pipeline.depth) == found


@pytest.mark.parametrize(("part", "types"), [("xcku115", None), ("xcvu13p", "jet_lstm")])
def test_the_jet_tagger_is_scheduled_in_the_least_stages(
    part: str, types: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each choice of its loop's is, and no place of the states' registers makes the loop of the one chosen shorter."""
    made: list[tuple[Datapath, DelayModel, float, Pipeline]] = []

    def kept(datapath: Datapath, delays: DelayModel, clock_period_ns: float, input_time: tuple[int, float]) -> Pipeline:
        pipeline = schedule(datapath, delays, clock_period_ns, input_time)
        made.append((datapath, delays, clock_period_ns, pipeline))
        return pipeline

    monkeypatch.setattr(planner, "schedule", kept)
    given = {} if types is None else tomllib.loads((ROOT / "bench" / "types" / f"{types}.toml").read_text())
    given.pop("layer", None)
    design = loopwire.compile(ROOT / "examples" / "jets" / "jet_lstm20.keras", {**given, "part": part})
    latency = design.firmware.loop_latency_cycles
    for datapath, delays, clock_period_ns, pipeline in made:
        found = least(datapath, delays, clock_period_ns, 0.0)
        assert Least(pipeline.loop_latency, pipeline.depth) == found
        if pipeline.loop_latency == latency:
            assert least(datapath, delays, clock_period_ns, 0.0, free=True).loop_latency == latency
