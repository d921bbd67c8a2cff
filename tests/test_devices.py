"""FPGA parts are found by the names their makers print, and their data make sense."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, astuple
from importlib import resources
from itertools import pairwise

import pytest

from loopwire.devices import device as families
from loopwire.devices import find_part, part_names
from loopwire.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "family", "speed_grade", "luts", "dsps"),
    [
        ("xcku115-flvb2104-2-i", "kintex_ultrascale", "2", 663_360, 5_520),
        ("xcku115", "kintex_ultrascale", "2", 663_360, 5_520),
        ("xcku040-ffva1156-1-c", "kintex_ultrascale", "1", 242_400, 1_920),
        ("xcvu13p-flga2577-2-e", "virtex_ultrascale_plus", "2", 1_728_000, 12_288),
        ("xcvu9p-flgb2104-3-e", "virtex_ultrascale_plus", "3", 1_182_240, 6_840),
        ("xcu250-figd2104-2L-e", "virtex_ultrascale_plus", "2", 1_728_000, 12_288),
        ("xcu55c-fsvh2892-2L-e", "virtex_ultrascale_plus", "2", 1_303_680, 9_024),
        ("xc7a100tcsg324-1", "artix_7", "1", 63_400, 240),
        ("xc7a35ticsg324-1L", "artix_7", "1", 20_800, 90),
        ("XC7A200T-FBG484-3", "artix_7", "3", 134_600, 740),
        ("xc7z020clg400-1", "artix_7", "1", 53_200, 220),
        ("xczu9eg-ffvb1156-2-e", "zynq_ultrascale_plus", "2", 274_080, 2_520),
        ("xczu3egsbva484-1", "zynq_ultrascale_plus", "1", 70_560, 360),
        ("xczu48dr-fsvg1517-2-e", "zynq_ultrascale_plus", "2", 425_280, 4_272),
        ("xcku15p-ffve1517-2-i", "kintex_ultrascale_plus", "2", 522_720, 1_968),
        ("xcvu37p-fsvh2892-2L-e", "virtex_ultrascale_plus", "2", 1_303_680, 9_024),
        ("xcu30-fbvb900-2-e", "virtex_ultrascale_plus", "2", 230_400, 1_728),
        ("xc7k325tffg900-2", "kintex_7", "2", 203_800, 840),
        ("xc7k480tiffg1156-2L", "kintex_7", "2", 298_600, 1_920),
        ("xc7vx690tffg1927-2", "virtex_7", "2", 433_200, 3_600),
        ("xc7z045ffg900-2", "zynq_7000", "2", 218_600, 900),
        ("xc7z007sclg225-1", "artix_7", "1", 14_400, 66),
        ("LFE5U-85F-8BG381C", "ecp5", "8", 83_640, 156),
        ("LFE5UM5G-45F-8BG554I", "ecp5", "8", 43_848, 72),
        ("lfe5u-25f", "ecp5", "6", 24_288, 28),
    ],
)
def test_find_part(name: str, family: str, speed_grade: str, luts: int, dsps: int) -> None:
    device = find_part(f" {name} ")
    assert device.name == name
    assert (device.family, device.speed_grade) == (family, speed_grade)
    assert (device.luts, device.dsps) == (luts, dsps)


def test_dsp_shapes() -> None:
    shapes = {name: find_part(name) for name in ("xcku115", "xcvu13p", "xc7a100t", "lfe5u-85")}
    assert [(part.dsp_a_bits, part.dsp_b_bits) for part in shapes.values()] == [(27, 18), (27, 18), (25, 18), (18, 18)]
    assert [part.lut_inputs for part in shapes.values()] == [6, 6, 6, 4]


def test_unknown_part_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        find_part("xcku116-flvb2104-2-i")
    text = str(caught.value)
    assert text.startswith(
        "part 'xcku116-flvb2104-2-i': the data of kintex ultrascale (xcku025 …) lack this part: how much logic and "
        "memory it has. Did you mean 'xcku115' or 'xcku060'? It has xcku025, "
    )


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("xcvc1902-vsva2197-2MP-e-S", "Versal part, of whose cells .* no delays are public"),
        ("xczu7ev-ffvc1156-2LV-e", "grade works at 0.72 V, at which no delays are public"),
        ("xcu50-fsvh2104-2LV-e", "grade works at 0.72 V"),
        ("xc7s50csga324-1", "Spartan-7 part, of which counts and delays have not been collected"),
        ("xcvu095-ffva2104-2-e", "Virtex UltraScale part, of which counts"),
        ("xcau25p-ffvb676-2-e", "Artix or a Spartan UltraScale"),
        ("xck26", "Kria module's part, whose grade .* works at 0.72 V"),
        ("zcu111", "board: give its part"),
        ("pynq-z2", "board: give its part"),
        ("U250", "board: give its part"),
        ("10CX220YF780I5G", "Intel part, of whose cells no delays are public"),
    ],
)
def test_what_is_missing_of_a_part_is_told(name: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"^part '{name}': it.*{missing}.* Known families: artix 7 "):
        find_part(name)


def test_a_family_with_the_cells_of_another() -> None:
    ours, theirs = find_part("xczu9eg-ffvb1156-1-e"), find_part("xcvu9p-flgb2104-1-e")
    assert (ours.delays, ours.dsp_a_bits, ours.carry_bits) == (theirs.delays, theirs.dsp_a_bits, theirs.carry_bits)
    assert find_part("xc7k325t").delays == find_part("xc7a100t").delays


@pytest.mark.parametrize("name", ["", "fpga", "xcku115-", "xcku115-flvb2104-2-i-extra", "xczu9eh"])
def test_what_is_no_part_name(name: str) -> None:
    with pytest.raises(ConfigError, match="this part is not known"):
        find_part(name)


def test_unknown_speed_grade_names_the_known() -> None:
    with pytest.raises(ConfigError) as caught:
        find_part("xcku115-flvb2104-4-i")
    assert str(caught.value) == (
        "part 'xcku115-flvb2104-4-i': speed grade '4' is not in the data of xcku115. Choose from 2, 1, 3"
    )


@pytest.mark.parametrize("name", part_names())
def test_data_make_sense(name: str) -> None:
    device = find_part(name)
    delays = device.delays
    assert device.ffs >= device.luts > 1000
    assert device.dsps > 0
    assert device.bram18s > 0
    assert all(depth * width in (16_384, 18_432) for depth, width in device.bram18_shapes)
    assert all(0 <= delay_ns < 10 for delay_ns in astuple(delays))
    assert delays.carry_block_ns < delays.lut_ns < delays.net_ns < delays.dsp_multiply_ns
    assert delays.dsp_to_product_register_ns <= delays.dsp_multiply_ns
    assert delays.bram_registered_clock_to_out_ns < delays.bram_clock_to_out_ns


@pytest.mark.parametrize(
    "slow_to_fast",
    [
        ("xcku115-1", "xcku115-2", "xcku115-3"),
        ("xcvu13p-1", "xcvu13p-2", "xcvu13p-3"),
        ("xc7a100t-1", "xc7a100t-2", "xc7a100t-3"),
        ("lfe5u-85f-6", "lfe5u-85f-7", "lfe5u-85f-8"),
    ],
)
def test_faster_grades_are_faster_everywhere(slow_to_fast: tuple[str, ...]) -> None:
    all_delays = [astuple(find_part(name).delays) for name in slow_to_fast]
    setup, uncertainty = 1, 2
    for slower, faster in pairwise(all_delays):
        for index, (slow_ns, fast_ns) in enumerate(zip(slower, faster, strict=True)):
            assert fast_ns < slow_ns or fast_ns == slow_ns == 0 or index in (setup, uncertainty)


def test_device_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        find_part("xcku115").luts = 0  # type: ignore[misc]


FAMILY = (resources.files("loopwire.devices") / "ecp5.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('vendor = "lattice"', "vendor = 3", "'vendor' is 3, not a text"),
        ('synthesis = "ecp5"', "", "'synthesis' is None, not a text"),
        ("[memories]", "[memory]", "it has no table [memories]"),
        ("(?P<speed>", "(?P<pace>", "'name_pattern' lacks a group 'part' or 'speed'"),
        ("(?P<speed>", "((?P<speed>", "'name_pattern' is not a regular expression: missing ), unterminated subpattern"),
        ('speed_grade = "6"', 'speed_grade = "5"', "it lacks [delays.5], the default speed grade's"),
        ("tree = 1.07", "", "[lut_factors] lacks 'tree'"),
        ("tree = 1.07", "tree = 1.07\nhedge = 1", "[lut_factors] has an unknown 'hedge'"),
        ("carry_bits = 2", "carry_bits = -2", "[fabric] carry_bits is -2, not a number of 0 or more"),
        ("luts = 12000, ", "", "[parts.lfe5u-12] lacks 'luts'"),
        ("[16384, 1]", "[16384]", "'bram18_shapes' is not a list of [depth, width]"),
        ("[fabric]", "[fabric", "it is not TOML: "),
    ],
)
def test_a_file_that_is_no_family(old: str, new: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert old in FAMILY
    monkeypatch.setattr(families, "data_files", lambda *_: [("own/toy.toml", FAMILY.replace(old, new, 1))])
    families._families.cache_clear()
    try:
        with pytest.raises(ConfigError) as refused:
            find_part("lfe5u-12")
    finally:
        families._families.cache_clear()
    assert str(refused.value).startswith(f"own/toy.toml: {text}")
    assert str(refused.value).endswith("Correct the file; those in loopwire/devices are examples")


def test_import_reads_no_data() -> None:
    program = "import sys, loopwire.devices; sys.exit('tomllib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
