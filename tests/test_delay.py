"""The delay model: its formulas on a device of round numbers, and its distance from placed and routed designs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwire.datapath.datapath import Operation
from loopwire.datapath.ops import TableIndex
from loopwire.datapath.signals import Signal
from loopwire.devices import Delays, find_part, part_names
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import FixedType
from loopwire.timing.operation_delays import operation_delay_ns

ROUND = DelayModel(
    replace(
        find_part("xcku115"),
        name="round",
        delays=Delays(
            clock_to_q_ns=0.25,
            setup_ns=0.125,
            clock_uncertainty_ns=0.125,
            net_ns=1.0,
            net_fanout_ns=0.5,
            net_reach_ns=0.5,
            lut_ns=0.25,
            wide_mux_ns=0.125,
            carry_in_ns=0.5,
            carry_block_ns=0.0625,
            carry_out_ns=0.25,
            dsp_multiply_ns=4.0,
            dsp_cascade_ns=2.0,
            dsp_to_flip_flop_ns=0.3,
            dsp_to_product_register_ns=2.0,
            dsp_from_product_register_ns=2.0,
            bram_clock_to_out_ns=2.0,
            bram_registered_clock_to_out_ns=1.0,
        ),
    )
)
LUT4 = DelayModel(replace(ROUND.device, lut_inputs=4, wide_mux_levels=2, dsp_has_adder=False))
widths = st.integers(1, 64)


def test_registers() -> None:
    assert ROUND.register_overhead_ns == 0.5
    assert ROUND.stage_budget_ns(5.0) == 4.5


def test_a_period_too_short_for_any_logic() -> None:
    with pytest.raises(ConfigError) as caught:
        DelayModel(find_part("xcku115-flvb2104-2-i")).stage_budget_ns(0.5)
    assert str(caught.value) == (
        "clock period 0.5 ns: xcku115-flvb2104-2-i in speed grade 2 needs 0.76 ns for two registers and one look-up "
        "table. Give a longer clock period or a faster part"
    )


def test_fanout_grows_with_each_doubling() -> None:
    assert [ROUND.fanout(loads) for loads in (1, 4, 8, 64)] == [0, 0, 0.5, 2.0]


def test_reach_grows_with_the_side_of_the_square() -> None:
    assert [ROUND.reach(luts) for luts in (0, 100, 400)] == [0.0, 5.0, 10.0]


def test_dsp_blocks_are_as_far_apart_as_the_part_has_them() -> None:
    """Of the XCKU115 120 LUTs a block; half of them are used, and three in four of the blocks."""
    assert [DelayModel(find_part("xcku115")).luts_around(blocks) for blocks in (0, 3, 3072)] == [0, 240, 246116]


def test_a_saturation_by_few_bits_is_one_gate() -> None:
    """Two upper bits that must be alike, and the bit that passes: as many as a look-up table of four inputs sees."""
    assert ECP5.saturate(9, 8) < 1.2 * ECP5.gate()
    assert ECP5.saturate(11, 8) > 1.9 * ECP5.gate()


@pytest.mark.parametrize(
    ("clamp_low", "clamp_high", "delay_ns"),
    [
        (4096, 16383, ROUND.fanout(3 * 14) + ROUND.gate()),  # the two upper bits of 14, and a sign
        (-7 << 9, (7 << 9) - 1, ROUND.adder(6) + ROUND.mux2(13)),  # the upper six of 15, one too many
        (-3585, 3584, ROUND.adder(15) + ROUND.mux2(13)),  # all
    ],
)
def test_a_clamped_index_compares_upper_bits(clamp_low: int, clamp_high: int, delay_ns: float) -> None:
    form = TableForm("", 0, 1, 0, FixedType(8, 8), None, clamp_low, clamp_high, 0, 0, 0, 0, (0,), (), 0.0)
    a = Signal("a", 1, -(1 << 14), (1 << 14) - 1, 0, "", "")
    cell = Signal("cell", 1, 0, form.last_cell, 0, "", "")
    assert operation_delay_ns(Operation(TableIndex(form), (a,), cell), ROUND) == delay_ns


def test_adder_is_a_carry_chain() -> None:
    assert ROUND.adder(8) == ROUND.adder(16) == 1.0 + 0.5 + 0.25
    assert ROUND.adder(17) == 1.75 + 0.0625
    assert ROUND.adder(32) == 1.75 + 2 * 0.0625
    assert ROUND.adders(32, 3) == 3 * 1.75 + 2 * 0.0625


def test_operators_made_of_others() -> None:
    assert ROUND.gate() == 1.25
    assert ROUND.negate(20) == ROUND.round(20) == ROUND.compare(20) == ROUND.adder(20)
    assert ROUND.mux2(16) == 1.25 + 2 * 0.5
    assert ROUND.max(16) == ROUND.compare(16) + ROUND.mux2(16)
    assert ROUND.saturate(16, 16) == ROUND.saturate(8, 16) == 0
    assert ROUND.saturate(22, 17) == 1.25 + ROUND.mux2(17)
    assert ROUND.saturate(23, 17) == 2 * 1.25 + ROUND.mux2(17)
    assert LUT4.compare(20) == ROUND.adder(20) + ROUND.adder(1)


@pytest.mark.parametrize(("inputs", "levels"), [(1, 1), (6, 1), (7, 2), (36, 2), (37, 3)])
def test_reduction_levels(inputs: int, levels: int) -> None:
    assert ROUND.reduction(inputs) == levels * 1.25


@pytest.mark.parametrize(
    ("model", "entries", "muxes", "gates"),
    [
        (ROUND, 2, 0, 1),
        (ROUND, 64, 0, 1),
        (ROUND, 65, 1, 1),
        (ROUND, 512, 3, 1),
        (ROUND, 1024, 3, 2),
        (ROUND, 2048, 3, 2),
        (ROUND, 4096, 3, 3),
        (LUT4, 16, 0, 1),
        (LUT4, 64, 2, 1),
        (LUT4, 128, 4, 2),
        (LUT4, 512, 6, 3),
    ],
)
def test_rom_levels(model: DelayModel, entries: int, muxes: int, gates: int) -> None:
    loads = -(-entries // 2**model.device.lut_inputs)
    assert model.rom(entries, 1) == pytest.approx(model.fanout(loads) + gates * 1.25 + muxes * 0.125)


@pytest.mark.parametrize(
    ("width_a", "width_b", "blocks"),
    [(27, 18, 1), (18, 27, 1), (28, 18, 2), (27, 19, 2), (18, 36, 2), (35, 27, 2), (36, 27, 3), (53, 35, 4), (1, 1, 1)],
)
def test_dsp_blocks(width_a: int, width_b: int, blocks: int) -> None:
    assert ROUND.dsp_blocks(width_a, width_b) == blocks
    assert ROUND.dsp_multiplier(width_a, width_b) == 5.0 + 2.0 * (blocks - 1)


@given(widths, widths)
def test_dsp_blocks_cover_the_product(width_a: int, width_b: int) -> None:
    digit_a, digit_b = ROUND.device.dsp_a_bits - 1, ROUND.device.dsp_b_bits - 1
    assert ROUND.dsp_blocks(width_a, width_b) * digit_a * digit_b >= (width_a - 1) * (width_b - 1)


def test_small_products_are_quicker_in_luts() -> None:
    assert ROUND.multiplier(1, 12) == 1.25
    assert ROUND.multiplier(4, 4) == ROUND.adders(8, 2) == 3.5
    assert ROUND.multiplier(5, 5) == ROUND.adders(10, 1 + ROUND.ternary_levels) == 4.75  # three pairs at once
    assert ROUND.multiplier(7, 7) == 5.0
    assert ROUND.multiply_add(16, 16, 33) == 5.0
    assert ROUND.multiply_add(4, 4, 9) == 5.0
    assert LUT4.multiply_add(16, 16, 33) == 5.0 + LUT4.adder(33)


@given(st.sampled_from(part_names()), widths, widths)
def test_wider_is_never_quicker(name: str, width_a: int, width_b: int) -> None:
    model = DelayModel(find_part(name))
    for operator in (model.adder, model.compare, model.mux2, model.max, model.reduction):
        assert operator(width_a + 1) >= operator(width_a) > 0
    assert model.multiplier(width_a + 1, width_b) >= model.multiplier(width_a, width_b)
    assert model.multiplier(width_a, width_b) == model.multiplier(width_b, width_a)
    assert model.rom(2 * width_a, width_b) >= model.rom(width_a, width_b)


ECP5 = DelayModel(find_part("LFE5U-25F-8BG381C"))
ROUTED = {
    "add 16": (ECP5.adder(16), 2.39),
    "add 24": (ECP5.adder(24), 2.62),
    "add 24, twice": (ECP5.adders(24, 2), 4.01),
    "add 24, three times": (ECP5.adders(24, 3), 5.56),
    "add 32": (ECP5.adder(32), 2.82),
    "negate 16": (ECP5.negate(16), 2.28),
    "compare 16": (ECP5.compare(16), 3.17),
    "max 16": (ECP5.max(16), 5.26),
    "saturate 32 to 16": (ECP5.saturate(32, 16), 3.58),
    "multiply 16 x 12": (ECP5.multiplier(16, 12), 5.45),
    "multiply 16 x 16": (ECP5.multiplier(16, 16), 5.43),
    "multiply 24 x 16": (ECP5.multiplier(24, 16), 7.02),
    "rom 512 x 12": (ECP5.rom(512, 12), 4.66),
    "rom 1024 x 12": (ECP5.rom(1024, 12), 5.16),
}
"""Model, and the slowest period of three seeds by nextpnr-ecp5 (docs/delay-model.md), register to register."""


@pytest.mark.parametrize("design", ROUTED)
def test_estimate_is_near_the_routed_period(design: str) -> None:
    delay_ns, routed_period_ns = ROUTED[design]
    period_ns = delay_ns + ECP5.register_overhead_ns
    assert 0.95 * routed_period_ns < period_ns < 1.35 * routed_period_ns


def test_a_routed_path_of_virtex_ultrascale_plus() -> None:
    model = DelayModel(find_part("xcvu3p-ffvc1517-2-e"))
    seven_luts_ns = 7 * model.gate() + model.fanout(21) + model.fanout(19) + model.fanout(8)
    assert 1.0 < (model.device.delays.clock_to_q_ns + seven_luts_ns) / 2.331 < 1.4


@pytest.mark.parametrize("operator", ["gate", "adder", "max", "multiplier", "rom"])
def test_newer_families_are_faster(operator: str) -> None:
    arguments = {"gate": (), "adder": (24,), "max": (16,), "multiplier": (16, 16), "rom": (1024, 16)}[operator]
    names = ("LFE5U-85F-8BG381C", "xc7a100tcsg324-2", "xcku115-flvb2104-2-i", "xcvu13p-flga2577-2-e")
    delays_ns = [getattr(DelayModel(find_part(name)), operator)(*arguments) for name in names]
    assert delays_ns == sorted(delays_ns, reverse=True)


def test_jet_tagger_arithmetic_fits_five_nanoseconds_on_xcku115() -> None:
    model = DelayModel(find_part("xcku115-flvb2104-2-i"))
    budget_ns = model.stage_budget_ns(5.0)
    assert model.multiply_add(16, 16, 33) + model.round(33) < budget_ns
    assert model.adders(32, 4) < budget_ns < model.adders(32, 5)
    assert model.rom(1024, 16) < budget_ns
