"""Knobs chosen for targets: the smallest or the fastest of what can be tried, and the same again from the file."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import loopwire
from loopwire.area.cells import Resources
from loopwire.area.engine_area import areas
from loopwire.config import CompileConfig
from loopwire.design_targets import DesignTargets
from loopwire.errors import ConfigError
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.optimise import chooser
from loopwire.optimise.chooser import Choice, choose
from loopwire.optimise.config_file import to_toml
from loopwire.optimise.refusal import NAMES, curve, excess, nearest
from loopwire.report.stored import from_json
from loopwire.schedule.plan import latency_at_clocks, plan

UNITS, FEATURES, STEPS, CLASSES = 4, 3, 5, 2
SMALL_TYPES = {"precision": "fixed<10,4,RND,SAT>", "table_size": 64}


def tagger() -> Model:
    source = np.random.default_rng(1)
    kernels = (source.normal(size=(4 * UNITS, n)) for n in (FEATURES, UNITS))
    cell = Lstm("cell", *kernels, source.normal(size=4 * UNITS))
    head = Dense("head", source.normal(size=(CLASSES, UNITS)), source.normal(size=CLASSES), Function("relu"))
    return chain("tagger", (STEPS, FEATURES), (cell, head), "test")


def config(targets: dict[str, Any] | None = None, **settings: Any) -> CompileConfig:
    given = {"multipliers": "dsp", "model": SMALL_TYPES} | settings
    return CompileConfig.from_dict(given if targets is None else given | {"targets": targets})


def chosen(targets: dict[str, Any], **settings: Any) -> Choice:
    return choose(loopwire.compile(tagger(), config(**settings)), DesignTargets(**targets))


@pytest.fixture(scope="module")
def all_designs() -> list[tuple[int, float]]:
    """Latency in cycles and largest share of designs with knobs given by hand."""
    design = loopwire.compile(tagger(), config())
    found = []
    for cell, head, interleave in product((1, 2, 4, 8, 16), (1, 2, 4, 8), (None, 1)):
        knobs = replace(
            design.config,
            layer_reuse_factor={"cell": cell, "head": head} if cell * head > 1 else {},
            interleave=interleave,
        )
        made = plan(design.graph, design.device, 5.0, knobs)
        total = sum((area.resources for area in areas(made, design.device)), Resources())
        found.append((made.latency_cycles, max(total.shares(design.device).values())))
    return found


def test_within_a_latency_the_smallest_is_chosen(all_designs: list[tuple[int, float]]) -> None:
    for bound in sorted({latency for latency, _ in all_designs})[::4]:
        smallest = min(size for latency, size in all_designs if latency <= bound)
        choice = chosen({"max_latency_ns": 5 * bound})
        latency, reached = judged(choice)
        assert latency <= bound
        assert reached <= smallest * 1.001, f"{choice.knobs} within {bound} cycles"


def test_within_a_share_the_fastest_is_chosen(all_designs: list[tuple[int, float]]) -> None:
    for bound in sorted({size for _, size in all_designs})[::6]:
        fastest = min(latency for latency, size in all_designs if size <= bound)
        choice = chosen({"max_share": bound})
        latency, reached = judged(choice)
        assert reached <= bound
        assert latency <= fastest, f"{choice.knobs} within {bound:.3%}"


def judged(choice: Choice) -> tuple[int, float]:
    report = choice.design.report()
    assert report.predicted is not None
    return report.predicted.latency_cycles, max(use.used / (use.available or 1) for use in report.estimated)


def test_the_search_says_how_far_it_is() -> None:
    seen: list[tuple[int, int]] = []
    choose(loopwire.compile(tagger(), config()), DesignTargets(max_latency_ns=1e6), lambda *now: seen.append(now))
    engines = [total for _, total in seen].count(seen[0][1])
    assert seen[:engines] == [(done, engines) for done in range(engines)]
    assert engines > 8


def test_copies_are_chosen_where_one_cell_is_too_slow() -> None:
    choice = chosen({"max_interval_cycles": 2}, io="parallel")
    assert choice.design.config.copies > 1
    assert choice.design.firmware.initiation_interval_cycles <= 2
    assert choice.targets[0].reached == choice.design.firmware.initiation_interval_cycles


def test_layers_without_steps_are_folded_too() -> None:
    source = np.random.default_rng(2)
    layers = tuple(Dense(name, source.normal(size=(4, 4)), source.normal(size=4)) for name in ("a", "b"))
    design = loopwire.compile(chain("dense", (4,), layers, "test"), config(model={"precision": "fixed<10,4,RND,SAT>"}))
    choice = choose(design, DesignTargets(max_interval_cycles=8))
    assert dict(choice.design.config.layer_reuse_factor) == {"a": 8, "b": 8}
    assert choice.design.firmware.initiation_interval_cycles == 8


def test_layers_are_no_faster_than_the_one_that_feeds_them() -> None:
    cell, head = chosen({"max_interval_cycles": 200}).design.firmware.engines
    assert (cell.spacing, head.spacing) == (UNITS * UNITS, CLASSES * UNITS)


def test_the_choice_is_the_same_again_and_from_its_file() -> None:
    targets = {"max_latency_ns": 1000, "max_share": 0.5}
    first, again = (chosen(targets, name="again").design for _ in range(2))
    text = to_toml(first.config)
    given = loopwire.compile(tagger(), CompileConfig.from_dict(tomllib.loads(text)))
    assert first.firmware.files == again.firmware.files == given.firmware.files


def test_the_report_tells_targets_and_knobs() -> None:
    choice = chosen({"max_latency_ns": 1000, "max_dsps": 100})
    report = replace(choice.design.report(), targets=choice.targets, chosen=choice.knobs)
    rows = {quantity: (value, stage) for quantity, value, stage in report.rows()}
    value, stage = rows["Target: Latency"]
    assert value.endswith(" ns of at most 1000 ns") and stage == "predicted"
    assert rows["Target: DSPs"][0].endswith(" of at most 100") and "Chosen: layer_reuse_factor" in rows
    assert from_json(report.to_json()) == report


OFFER = r"latency [\d.]+ ns, initiation interval [\d.]+ cycles, "
SHARE = r"largest share of the part [\d.]+%"


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (
            {"max_latency_ns": 10},
            r"targets: no combination of reuse factors, interleave and copies has latency ≤ 10 ns on "
            r"xcku115-flvb2104-2-i at "
            rf"5 ns\. The nearest designs have ({OFFER}{SHARE}; ){{2}}{OFFER}{SHARE}\. "
            rf"Possible are (latency \d+ ns, {SHARE}; ){{5}}latency \d+ ns, {SHARE}$",
        ),
        (
            {"max_latency_ns": 200, "max_dsps": 20},
            rf"has latency ≤ 200 ns, DSPs ≤ 20 on .* The nearest designs have {OFFER}DSPs \d+, .*Possible are "
            r"(latency \d+ ns, DSPs \d+; )+latency \d+ ns, DSPs \d+$",
        ),
        (
            {"max_interval_cycles": 1, "max_latency_ns": 1, "max_luts": 1},
            rf"interval ≤ 1 cycles, LUTs ≤ 1 on .* The nearest designs have ({OFFER}LUTs \d+, {SHARE}(; )?)+$",
        ),
        (
            {"max_latency_ns": 10, "min_clock_ns": 2.0},
            rf"on xcku115-flvb2104-2-i at [\d.]+ ns\. The nearest designs have {OFFER}",
        ),
    ],
)
def test_targets_that_nothing_meets_are_refused_with_the_nearest_three(targets: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        chosen(targets)


def test_a_refusal_out_of_time_names_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chooser, "REFUSAL_CPU_S", 0.0)
    with pytest.raises(ConfigError, match=rf"has latency ≤ 20 ns on .* The nearest design(s have| has) {OFFER}"):
        choose(loopwire.compile(tagger(), config()), DesignTargets(max_latency_ns=20))


def test_a_part_that_is_too_small_is_refused_with_what_the_smallest_design_takes() -> None:
    source = np.random.default_rng(3)
    wide = chain("wide", (320,), (Dense("d", source.normal(size=(320, 320)), source.normal(size=320)),), "test")
    design = loopwire.compile(
        wide, config(part="xc7a12tcpg238-1", clock_period_ns=20.0, model={"precision": "fixed<10,4,RND,SAT>"})
    )
    with pytest.raises(
        ConfigError, match=rf"The part is too small: the smallest design has {OFFER}largest share .* \d{{3,}}"
    ):
        choose(design, max_latency_ns=1e6)


def test_the_nearest_designs_can_be_had() -> None:
    targets = {"max_latency_ns": 200.0, "max_dsps": 20}
    with pytest.raises(ConfigError) as error:
        chosen(targets)
    for offer in error.value.remedy.split(". Possible")[0].split("; "):
        latency_ns, dsps = (int(re.search(f"{name} (\\d+)", offer)[1]) for name in ("latency", "DSPs"))  # type: ignore[index]
        assert latency_ns > 200 or dsps > 20
        reached = {
            target.name: target.reached for target in chosen({"max_latency_ns": latency_ns, "max_dsps": dsps}).targets
        }
        assert reached["max_latency_ns"] <= latency_ns and reached["max_dsps"] <= dsps


@given(st.integers(0, 1 << 32), st.integers(1, 200))
def test_offers_are_nearest_and_a_curve_falls(seed: int, designs: int) -> None:
    reached = np.random.default_rng(seed).lognormal(size=(designs, len(NAMES)))
    bounds = {"max_latency_ns": 0.1, "max_dsps": 0.1}
    far, fits = excess(reached, bounds), reached[:, NAMES.index("max_share")] <= 1
    assert (np.isfinite(far) == fits).all()
    places = nearest(reached, bounds)
    assert len(places) == len(set(places)) <= 3 and bool(places) == fits.any()
    if places:
        assert far[places[0]] == far.min()
        pair, along = curve(reached, bounds, places[0])
        first, second = (reached[along, NAMES.index(name)] for name in pair)
        assert (np.diff(first) > 0).all() and (np.diff(second) < 0).all() and fits[along].all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"targets": {}}, "targets: none is given. Choose from max_latency_ns, max_interval_cycles, max_luts"),
        ({"targets": {"max_latency": 3}}, "'max_latency' is not a setting. Did you mean 'max_latency_ns'"),
        ({"targets": {"max_luts": -1}}, "targets, max_luts: -1 is out of range. Give 0 or more"),
        ({"targets": {"max_share": "120%"}}, "targets, max_share: 120% is more than the whole part. Give at most 100%"),
        (
            {"targets": {"max_share": 60}},
            "6000% is more than the whole part. Give at most 100%. Did you mean 60%?",
        ),
        ({"targets": {"max_share": "half"}}, "'half' is not a share. Give a number up to 1, or percents such as '60%'"),
        (
            {"targets": {"max_dsps": 5}, "reuse_factor": 4},
            "reuse_factor: it is set, and 'targets' decide it too. Leave one of the two out of the settings",
        ),
        ({"targets": {"max_dsps": 5}, "copies": 2}, "copies: it is set, and 'targets'"),
        (
            {"targets": {"max_latency_ns": 500}, "dsp_budget": 80},
            "dsp_budget: 80 DSP blocks are for given knobs, and 'targets' choose these. Give max_dsps = 80 among the "
            "targets instead, or knobs in place of targets",
        ),
    ],
)
def test_impossible_targets_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        CompileConfig.from_dict(settings)
    assert text in str(error.value)


def test_knobs_of_the_design_contradict_targets() -> None:
    with pytest.raises(ConfigError, match="interleave: it is set, and 'targets' decide it too"):
        chosen({"max_dsps": 5}, interleave=1)


def test_targets_are_for_hardware_whose_cycles_are_known() -> None:
    with pytest.raises(ConfigError) as error:
        chosen({"max_dsps": 5}, target="vitis_hls", multipliers="auto")
    text = "targets: the cycles and the area of vitis_hls are known to its tool only. Give knobs instead"
    assert str(error.value) == text


def test_targets_are_not_compiled_before_knobs_are_chosen() -> None:
    with pytest.raises(ConfigError, match="targets: no knobs have been chosen for them"):
        loopwire.compile(tagger(), config({"max_dsps": 5}))


def test_the_clock_is_chosen_to_a_hundredth_of_a_nanosecond() -> None:
    design = loopwire.compile(tagger(), config())
    choice = choose(design, min_clock_ns=2.0)
    chosen = choice.design.config
    assert chosen.knobs == design.config.knobs
    assert [knob.name for knob in choice.knobs] == ["clock_period_ns"]
    # By hand: every hundredth of a nanosecond that is near, and every tenth that is not.
    near = [round(chosen.clock_period_ns + 0.01 * k, 2) for k in range(-30, 31)]
    latency_cycles, least_ns = latency_at_clocks(design.graph, design.device, design.config), latency_ns(choice.design)
    for period_ns in {*near, *(round(2.0 + 0.1 * k, 2) for k in range(480))}:
        with suppress(ConfigError):  # too fast a clock
            assert latency_cycles(period_ns) * period_ns >= least_ns * (1 - 1e-12)


@pytest.mark.parametrize("settings", [{}, {"reuse_factor": 2}, {"multipliers": "auto", "part": "xcvu13p"}], ids=str)
def test_clocks_side_by_side_have_the_latencies_of_each_alone(settings: dict[str, Any]) -> None:
    design = loopwire.compile(tagger(), config(**settings))
    latency_cycles = latency_at_clocks(design.graph, design.device, design.config)
    for period_ns in (40.0, 2.5, 3.3, 9.1):
        alone = plan(design.graph, design.device, period_ns, design.config)
        assert latency_cycles(period_ns) == alone.latency_cycles


def test_the_clock_is_chosen_with_the_knobs() -> None:
    design = loopwire.compile(tagger(), config())
    fixed = choose(design, max_share=0.01)
    free = choose(design, max_share=0.01, min_clock_ns=2.0)
    assert judged(free)[0] * free.design.config.clock_period_ns <= judged(fixed)[0] * 5.0
    small = choose(design, max_latency_ns=400, min_clock_ns=2.0)
    assert judged(small)[0] * small.design.config.clock_period_ns <= 400
    assert judged(small)[1] <= judged(choose(design, max_latency_ns=400))[1]


def latency_ns(design: loopwire.Design) -> float:
    return design.predicted_cycles.latency_cycles * design.config.clock_period_ns
