"""What engines are estimated to take, against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

import loopwire
from loopwire.area.cells import Cells, Resources
from loopwire.area.engine_area import PORTS
from loopwire.area.multipliers import Multipliers, count_multipliers
from loopwire.area.resources import estimate
from loopwire.config import CompileConfig
from loopwire.datapath.ops import Products
from loopwire.devices import find_part
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.report.stored import from_json
from loopwire.schedule import planner
from loopwire.schedule.plan import Plan, plan

UNITS, FEATURES, STEPS = 16, 6, 5


def tagger() -> Model:
    source = np.random.default_rng(1)
    kernels = (source.normal(size=(4 * UNITS, n)) for n in (FEATURES, UNITS))
    cell = Lstm("cell", *kernels, source.normal(size=4 * UNITS))
    head = Dense("head", source.normal(size=(2, UNITS)), source.normal(size=2))
    return chain("tagger", (STEPS, FEATURES), (cell, head), "test")


def planned(**settings: object) -> Plan:
    design = loopwire.compile(tagger(), CompileConfig.from_dict(settings))
    return plan(design.graph, design.device, design.config.clock_period_ns, design.config)


def estimated(found: Plan, part: str = "xcku115") -> list[Resources]:
    device = find_part(part)
    return [estimate(p, t, device) for p, t in zip(found.pipelines, found.timing.engines, strict=True)]


@pytest.mark.parametrize(
    ("words", "bits", "part", "blocks"),
    [
        (60, 360, "xcku115", 10),
        (512, 37, "xcku115", 2),
        (1024, 36, "xcku115", 2),
        (1025, 18, "xcku115", 2),
        (16384, 3, "xcku115", 3),
        (20000, 1, "xcku115", 2),
        (670, 1760, "LFE5U-85F", 98),
    ],
)
def test_roms_take_the_fewest_block_rams_of_one_shape(words: int, bits: int, part: str, blocks: int) -> None:
    assert find_part(part).block_rams(words, bits) == blocks


def test_bits_are_counted_only_where_the_time_is_too_short_for_sums_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of three take the place of counters as far as loop and pipeline stay as short."""
    found = planned(model={"precision": "fixed<10,4>"})
    monkeypatch.setattr(planner, "slower_sums", lambda tree, delays: iter(()))
    counted = planned(model={"precision": "fixed<10,4>"})
    lengths = [[(p.loop_latency, p.depth) for p in each.pipelines] for each in (found, counted)]
    assert lengths[0] == lengths[1]
    assert estimated(found)[0].luts < 0.95 * estimated(counted)[0].luts


@pytest.mark.parametrize(
    ("part", "factors", "luts"), [("xcku115", (3, 5), 13), ("xcku115", (4, 4), 18), ("xcku115", (6, 7), 38)]
)
def test_narrow_products_are_chains_that_add_pairs_and_three_of_these(
    part: str, factors: tuple[int, int], luts: int
) -> None:
    assert Cells(find_part(part)).product_luts(*factors) == luts


def test_multipliers_are_counted_as_they_are_built() -> None:
    cell, head = planned(reuse_factor=8, layer_reuse_factor={"head": 32}).pipelines
    # Two units a chunk, four gates, all columns; three products of two vectors a unit.
    assert count_multipliers(cell.datapath) == Multipliers(4 * 2 * (FEATURES + UNITS), 3 * 2)
    assert count_multipliers(head.datapath) == Multipliers(1, 0)
    (parallel,) = planned(multipliers="dsp").pipelines
    assert count_multipliers(parallel.datapath).elementwise == 3 * UNITS
    (trees,) = planned(multipliers="shift_add").pipelines
    assert count_multipliers(trees.datapath) == Multipliers(0, 3 * UNITS)


def test_a_product_takes_the_dsp_blocks_that_its_factors_need() -> None:
    (pipeline,) = planned(multipliers="dsp").pipelines
    ((kintex,), (ecp5,)) = (estimated(planned(multipliers="dsp"), part) for part in ("xcku115", "LFE5U-85F"))
    multipliers = count_multipliers(pipeline.datapath).total
    assert kintex.dsps == ecp5.dsps == multipliers
    weights = planned(multipliers="dsp", model={"input": "fixed<24,6>"})
    (wide,) = estimated(weights, "LFE5U-85F")
    # 24 bits of input are two digits of 18; a few weights are 0 or powers of two.
    products = 4 * UNITS * FEATURES
    assert multipliers + 0.98 * products < wide.dsps <= multipliers + products


def test_reuse_trades_multipliers_for_memory() -> None:
    found = [sum(estimated(planned(reuse_factor=r, multipliers="dsp")), Resources()) for r in (1, 4, 8, 32)]
    assert [r.dsps for r in found] == sorted((r.dsps for r in found), reverse=True)
    assert [r.luts for r in found] == sorted((r.luts for r in found), reverse=True)
    # 32 words of weights still fit look-up tables; more words stand in block RAM.
    assert [r.bram18s for r in found] == [0, 0, 0, 0]
    (cell, _) = estimated(planned(reuse_factor=64, layer_reuse_factor={"head": 1}))
    assert cell.bram18s >= 64 * 4 * UNITS * (FEATURES + UNITS) * 16 / 64 / 18432


def test_resources_add_and_are_shares_of_a_part() -> None:
    some = Resources(luts=10, dsps=2) + Resources(ffs=5, dsps=1)
    assert some * 2 == Resources(luts=20, ffs=10, dsps=6)
    device = find_part("xcku115")
    assert some.shares(device) == {"luts": 10 / device.luts, "ffs": 5 / device.ffs, "dsps": 3 / device.dsps}
    assert Resources(urams=1).shares(device)["urams"] > 1, "a part without UltraRAM holds none"


def test_the_report_tells_multipliers_and_resources_of_all_copies() -> None:
    settings = {"reuse_factor": 8, "layer_reuse_factor": {"head": 32}, "copies": 2}
    report = loopwire.compile(tagger(), CompileConfig.from_dict(settings)).report()
    rows = {quantity: (value, stage) for quantity, value, stage in report.rows()}
    assert rows["Multipliers"] == ("365: 353 for matrices, 12 element by element", "scheduled")
    assert rows["DSPs"] == ("365 of 5 520 (6.6%)", "estimated")
    engines = [(e.engine, e.layers, e.copies, e.reuse_factor) for e in report.engines[:2]]
    assert engines == [("engine", ("cell",), 2, 8), ("engine_tail_1", ("head",), 1, 32)]
    assert report.engines[2].engine == PORTS, "what deals sequences to the copies"
    assert from_json(report.to_json()).engines == report.engines
    assert "| engine | cell | 2 | 8 | 364 |" in report.to_markdown()


def test_auto_does_not_solve_large_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwire.schedule.planner.SOLVED_PRODUCTS", 4 * UNITS * FEATURES)
    (pipeline,) = planned(part="xcvu13p").pipelines
    multiplied = [op.operands[0].count for op in pipeline.datapath.operations if isinstance(op.kind, Products)]
    assert multiplied == [4 * UNITS * UNITS], "the recurrent matrix only"


@pytest.mark.parametrize(("part", "blocks"), [("xcku115", 5 * 6), ("xcvu13p", 0)])
def test_tables_are_in_block_ram_where_that_is_the_smaller_share(part: str, blocks: int) -> None:
    """A block RAM is worth 154 look-up tables of xcku115, 321 of xcvu13p."""
    head = Dense("head", np.full((5, 3), 0.123), np.zeros(5), Function("softmax"))
    design = loopwire.compile(chain("softmax", (3,), (head,), "test"), part=part, precision="fixed<16,6,RND,SAT>")
    (area, _) = design.firmware.areas
    assert area.resources.bram18s == blocks
