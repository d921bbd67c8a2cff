"""An ECP5's product of carry chains and look-up tables equals the one of every part, by proof over all factors."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from loopwire.errors import ToolError
from loopwire.tools.fabrics import FABRICS
from loopwire.tools.yosys import find_yosys

MODELS = "+/lattice/cells_sim_ecp5.v"
"""Of the cells, in the folder that Yosys brings."""
LOGIC = ("proc", "flatten", "opt_clean")


@pytest.mark.parametrize(
    ("a_width", "a_signed", "b_width", "b_signed", "added"),
    [
        (1, 0, 4, 1, 0),
        (1, 1, 3, 1, 1),
        (2, 1, 5, 0, 0),
        (3, 0, 3, 0, 3),
        (3, 1, 5, 1, 4),
        (4, 1, 4, 1, 8),
        (5, 0, 5, 1, 16),  # the constant rides along with the upper row
        (5, 1, 7, 1, 5),  # and here it does not: it has bits below
        (6, 0, 7, 1, 0),
        (6, 0, 6, 1, 64),
        (7, 1, 5, 0, 0),
        (7, 0, 6, 0, 32),
        (8, 1, 4, 1, 0),
    ],
)
def test_products_are_equal(
    a_width: int, a_signed: int, b_width: int, b_signed: int, added: int, tmp_path: Path
) -> None:
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(str(error))
    width = a_width + b_width + 1
    (tmp_path / "loopwire_product.sv").write_text(
        resources.files("loopwire.hdl").joinpath("loopwire_product.sv").read_text()
    )
    ports = f"input [{a_width - 1}:0] a, input [{b_width - 1}:0] b, output [{width - 1}:0] y"
    numbers = {"A_WIDTH": a_width, "B_WIDTH": b_width, "A_SIGNED": a_signed, "B_SIGNED": b_signed, "Y_WIDTH": width}
    given = ", ".join(f".{name}({number})" for name, number in (numbers | {"ADDED": added}).items())
    instance = f"loopwire_product #({given}) product (.a(a), .b(b), .y(y));"
    (tmp_path / "top.sv").write_text(f"module top ({ports});\n  {instance}\nendmodule\n")
    read = "read_verilog -sv -defer top.sv loopwire_product.sv"
    mapped = FABRICS["ecp5"].commands("top")
    yosys.run(
        (
            *(read, "hierarchy -top top", *LOGIC, "design -stash every"),
            *(read, *mapped, f"select -assert-min {int(min(a_width, b_width) > 1)} t:CCU2C"),
            *(f"techmap -autoproc -map {MODELS}", *LOGIC, "design -stash ecp5"),
            *("design -copy-from every -as every top", "design -copy-from ecp5 -as ecp5 top"),
            *("miter -equiv -flatten every ecp5 miter", "sat -verify -prove trigger 0 -set-def-inputs miter"),
        ),
        tmp_path,
        (),
    )
