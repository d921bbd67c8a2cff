"""A sum of three in the slices of AMD's parts equals the one of every part, by proof over all terms."""

from __future__ import annotations

import itertools
from importlib import resources
from pathlib import Path

import pytest

from loopwire.errors import ToolError
from loopwire.tools.fabrics import FABRICS
from loopwire.tools.yosys import find_yosys

LOGIC = ("proc", "flatten", "opt_clean")


@pytest.mark.parametrize("width", [1, 2, 6])
def test_sums_are_equal(width: int, tmp_path: Path) -> None:
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(str(error))
    text = resources.files("loopwire.hdl").joinpath("loopwire_sum3.sv").read_text()
    (tmp_path / "loopwire_sum3.sv").write_text(text)
    signs = list(itertools.product((0, 1), repeat=2))
    ports = f"input [{width - 1}:0] a, b, c, output [{width * len(signs) - 1}:0] y"
    sums = [
        f"loopwire_sum3 #({width}, {b}, {c}) sum_{b}{c} (a, b, c, y[{width * k} +: {width}]);"
        for k, (b, c) in enumerate(signs)
    ]
    (tmp_path / "top.sv").write_text("\n  ".join([f"module top ({ports});", *sums]) + "\nendmodule\n")
    read = "read_verilog -sv -defer top.sv loopwire_sum3.sv"
    yosys.run(
        (
            *(read, "hierarchy -top top", *LOGIC, "design -stash every"),
            *(read, *FABRICS["xcup"].commands("top"), f"select -assert-count {width * len(signs)} t:LUT*"),
            *("techmap -autoproc -map +/xilinx/cells_sim.v", *LOGIC, "design -stash slices"),
            *("design -copy-from every -as every top", "design -copy-from slices -as slices top"),
            *("miter -equiv -flatten every slices miter", "sat -verify -prove trigger 0 -set-def-inputs miter"),
        ),
        tmp_path,
        (),
    )
