"""The scheduler against an exact solver: no loop is shorter, no pipeline has fewer stages."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.late_clamps import late_clamps
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.ops import ShiftAdd
from loopwire.datapath.rotate_states import rotations
from loopwire.devices import Device
from loopwire.devices.delay_model import DelayModel
from loopwire.schedule import planner
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.scheduler import schedule, shortest
from schedule_oracle import Least, least
from test_expand import SOLVERS
from test_scheduler import DELAYS, some_datapath

ROOT = Path(__file__).parents[1]


def without_long_wires(device: Device) -> DelayModel:
    """Return delays without wires longer than an average one, which the solver leaves out."""
    return DelayModel(replace(device, delays=replace(device.delays, net_reach_ns=0.0)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from(list(SOLVERS)), st.sampled_from([3.0, 5.0, 8.0]))
def test_random_datapaths_are_scheduled_in_the_least_stages(seed: int, solver: str, period_ns: float) -> None:
    datapath, delays = some_datapath(seed, solver), without_long_wires(DELAYS.device)
    for choice in (datapath, *list(rotations(with_dsp_adders(late_clamps(merge_addends(datapath)), DELAYS)))[-1:]):
        pipeline = schedule(choice, delays, period_ns, (0, delays.gate()))
        found = least(choice, delays, period_ns, delays.gate())
        assert Least(pipeline.loop_latency, pipeline.depth) == found


@pytest.mark.parametrize(("part", "types"), [("xcku115", None), ("xcvu13p", "jet_lstm")])
def test_the_jet_tagger_is_scheduled_in_the_least_stages(
    part: str, types: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing tried on its loop, and with all but counters."""
    made: list[Datapath] = []

    def kept(choices: Sequence[Datapath], *given: Any) -> list[Pipeline]:
        made.extend(choices)
        return shortest(choices, *given)

    monkeypatch.setattr(planner, "shortest", kept)
    given = {} if types is None else tomllib.loads((ROOT / "bench" / "types" / f"{types}.toml").read_text())
    given.pop("layer", None)
    design = loopwire.compile(ROOT / "examples" / "jets" / "jet_lstm20.keras", {**given, "part": part})
    assert design.firmware.loop_latency_cycles > 1
    delays, clock_period_ns = without_long_wires(design.device), design.config.clock_period_ns
    # The first has no attempt made on it, the last all: the solver takes long for each.
    for datapath in (made[0], [choice for choice in made if not has_counters(choice)][-1]):
        pipeline = schedule(datapath, delays, clock_period_ns, (0, 0.0))
        found = least(datapath, delays, clock_period_ns, 0.0)
        assert Least(pipeline.loop_latency, pipeline.depth) == found


def has_counters(datapath: Datapath) -> bool:
    """Say whether a tree counts bits, of which the solver knows nothing."""
    return any(isinstance(op.kind, ShiftAdd) and any(op.kind.tree.heaps) for op in datapath.operations)
