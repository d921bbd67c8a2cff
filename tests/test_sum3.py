"""Sums of three, counters and products in the slices of AMD's parts equal those of every part, for all inputs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from loopwire.errors import ToolError
from loopwire.tools.fabrics import FABRICS
from loopwire.tools.yosys import find_yosys

LOGIC = ("setattr -mod -unset keep_hierarchy *", "proc", "flatten", "opt_clean")


REGISTERS = (
    "ACASC",
    "AD",
    "ALUMODE",
    "A",
    "BCASC",
    "B",
    "CARRYIN",
    "CARRYINSEL",
    "C",
    "D",
    "INMODE",
    "M",
    "OPMODE",
    "P",
)
DSP48E2 = f"""\
module DSP48E2 #(parameter {", ".join(f"{name}REG = 1" for name in REGISTERS)}, USE_MULT = "MULTIPLY") (
    input signed [29:0] A, input signed [17:0] B, input signed [47:0] C, PCIN, output signed [47:0] P,
    input [26:0] D, input [4:0] INMODE, input [3:0] ALUMODE, input [8:0] OPMODE, input [2:0] CARRYINSEL,
    input [29:0] ACIN, input [17:0] BCIN, input CARRYIN);
  // Table 2-4 to 2-9 of UG579: X and Y are the multiplier's parts at 01 01, Z is C at 011, W is 0 at 00.
  wire plain = OPMODE == 9'b00_011_01_01 && {{ALUMODE, INMODE, CARRYINSEL, CARRYIN}} == 0;
  wire signed [26:0] wide = A[26:0];
  assign P = plain && {" + ".join(f"{name}REG" for name in REGISTERS)} == 0 ? wide * B + C : 48'bx;
endmodule
"""
"""What a block without registers does, as far as ours uses it."""


def prove_equal(module: str, ports: str, instances: Sequence[str], luts: int, place: Path) -> None:
    """Prove that instances of a module, mapped to slices, are equal to its own text, and take so many tables."""
    (place / f"{module}.sv").write_text(resources.files("loopwire.hdl").joinpath(f"{module}.sv").read_text())
    (place / "top.sv").write_text("\n  ".join([f"module top ({ports});", *instances]) + "\nendmodule\n")
    prove(f"read_verilog -sv -defer top.sv {module}.sv", luts, place)


def prove(read: str, luts: int, place: Path, count: str = "t:LUT*") -> None:
    """Prove that module top, mapped to slices, is equal to its text, and takes so many tables, or of `count`."""
    (place / "dsp48e2.v").write_text(DSP48E2)
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(str(error))
    yosys.run(
        (
            *(read, "hierarchy -top top", *LOGIC, "design -stash every"),
            *(read, *FABRICS["xcup"].commands("top"), "flatten", f"select -assert-count {luts} {count}"),
            *("techmap -autoproc -map +/xilinx/cells_sim.v -map dsp48e2.v", *LOGIC, "design -stash slices"),
            *("design -copy-from every -as every top", "design -copy-from slices -as slices top"),
            *("miter -equiv -flatten every slices miter", "sat -verify -prove trigger 0 -set-def-inputs miter"),
        ),
        place,
        (),
    )


@pytest.mark.parametrize("width", [1, 2, 6])
def test_sums_are_equal(width: int, tmp_path: Path) -> None:
    kinds = [(b, c, 0, 0, 0) for b, c in itertools.product((0, 1), repeat=2)]
    kinds += [(0, 1, 1, 0, 2), (0, 0, 37, 11, 22)]
    ports = f"input [{width - 1}:0] a, b, c, output [{width * len(kinds) - 1}:0] y"
    sums = [
        f"loopwire_sum3 #({width}, {', '.join(str(number % (1 << width)) for number in kind)}) "
        f"sum_{k} (a, b, c, y[{width * k} +: {width}]);"
        for k, kind in enumerate(kinds)
    ]
    prove_equal("loopwire_sum3", ports, sums, width * len(kinds), tmp_path)


def test_counters_are_equal(tmp_path: Path) -> None:
    """Two bits of a count of up to five share a look-up table."""
    kinds = [(bits, inverted) for bits in range(2, 7) for inverted in {0, 1, bits}]
    ends = list(itertools.accumulate(2 * bits.bit_length() for bits, _ in kinds))
    counters = [
        f"loopwire_counters #({bits}, {bits.bit_length()}, 2, {inverted}) "
        f"count_{k} (b[{2 * bits - 1}:0], y[{end - 1} -: {2 * bits.bit_length()}]);"
        for k, ((bits, inverted), end) in enumerate(zip(kinds, ends, strict=True))
    ]
    luts = {2: 1, 3: 1, 4: 2, 5: 2, 6: 3}
    ports = f"input [11:0] b, output [{ends[-1] - 1}:0] y"
    prove_equal("loopwire_counters", ports, counters, 2 * sum(luts[bits] for bits, _ in kinds), tmp_path)


@pytest.mark.parametrize("signs", ["", "signed", "mixed"])
def test_products_are_equal(signs: str, tmp_path: Path) -> None:
    """A factor without a sign beside one with a sign has a 0 for it, and no partial product of that."""
    sign = "" if signs == "" else "signed"
    factors = "a * b" if signs != "mixed" else "a * $signed({1'b0, b})"
    ports = f"input {sign} [4:0] a, input {'signed' if signs == 'signed' else ''} [2:0] b, output {sign} [7:0] y"
    (tmp_path / "top.sv").write_text(f"module top ({ports}); assign y = {factors}; endmodule\n")
    prove("read_verilog -sv top.sv", 12, tmp_path)


def test_products_of_variables_are_equal(tmp_path: Path) -> None:
    """`loopwire_product`, which no DSP block makes, takes the same chains."""
    kinds = [
        (4, 5, 1, 1, 0),
        (3, 4, 0, 0, 0),
        (3, 3, 0, 1, 4),
        (4, 3, 1, 0, 0),
        (1, 3, 1, 1, 0),
        (6, 7, 0, 1, 0),
        (4, 5, 0, 1, 32),
    ]
    widths = [a + b + 1 for a, b, *_ in kinds]
    ends = list(itertools.accumulate(widths))
    products = [
        f"loopwire_product #({a}, {b}, {a_signed}, {b_signed}, {width}, {added}) "
        f"product_{k} (a[{a - 1}:0], b[{b - 1}:0], y[{end - 1} -: {width}]);"
        for k, ((a, b, a_signed, b_signed, added), width, end) in enumerate(zip(kinds, widths, ends, strict=True))
    ]
    prove_equal(
        "loopwire_product", f"input [5:0] a, input [6:0] b, output [{ends[-1] - 1}:0] y", products, 115, tmp_path
    )


@pytest.mark.parametrize(("a_signed", "b_signed", "added"), [(0, 1, 4), (1, 1, -3), (1, 0, 64), (0, 0, 7)])
def test_rounded_products_are_equal(a_signed: int, b_signed: int, added: int, tmp_path: Path) -> None:
    """`loopwire_rounded_product` is a DSP block."""
    module = "loopwire_rounded_product"
    (tmp_path / f"{module}.sv").write_text(resources.files("loopwire.hdl").joinpath(f"{module}.sv").read_text())
    instance = f"{module} #(4, 5, {a_signed}, {b_signed}, 11, {added}) product (a, b, y);"
    (tmp_path / "top.sv").write_text(
        f"module top (input [3:0] a, input [4:0] b, output [10:0] y);\n  {instance}\nendmodule\n"
    )
    prove(f"read_verilog -sv -defer top.sv {module}.sv", 1, tmp_path, "t:DSP48E2 t:LUT* t:CARRY4")
