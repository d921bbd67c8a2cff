"""Registers stay where the schedule put them, in tools that know nothing of Loopwire: what the firmware tells them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from conformance import Case, types
from ensembles import write_files
from loopwire.errors import ToolError
from loopwire.targets.verilog.layer_module import BETWEEN_REGISTERS
from loopwire.targets.verilog.table_module import KEPT
from loopwire.tools import yosys
from test_conformance_verilog import lstm

needs_yosys = pytest.mark.skipif(
    not any(importlib.util.find_spec(module) for module, _ in yosys.PACKAGES.values()),
    reason="Yosys is not installed: pip install 'loopwire[synthesis]'",
)
LAYER = "kept_a"


@pytest.fixture
def design(tmp_path: Path) -> Path:
    """A folder with the SystemVerilog of an LSTM, whose tables have registers before them."""
    case = Case("kept", (3, 2), [lstm("a", 2, 2)], types("fixed<8,3>"), clock_period_ns=3.0, part="xcvu13p")
    write_files(case.firmware(case.graph()), tmp_path)
    return tmp_path


def yosys_finds(folder: Path, *commands: str) -> None:
    """Run commands on the layer.

    Raises:
        ToolError: one fails, such as a selection that should be empty.
    """
    files = " ".join(sorted(path.name for path in folder.glob("kept*.sv")))
    yosys.find_yosys().run([f"read_verilog -sv -defer {files}", f"hierarchy -top {LAYER}", *commands], folder, [])


@needs_yosys
@pytest.mark.parametrize("script", ["synth_ecp5 -run coarse:map_ram", "synth_xilinx -flatten -run prepare:map_memory"])
def test_yosys_leaves_registers_before_tables(script: str, design: Path) -> None:
    no_clocked_table = (f"{script} -top {LAYER}", "select -assert-none t:$mem_v2 r:RD_CLK_ENABLE=1'1 %i")
    yosys_finds(design, *no_clocked_table)
    for table in design.glob("*.sv"):
        table.write_text(table.read_text().replace(KEPT, ""))
    with pytest.raises(ToolError, match="Assertion failed"):
        yosys_finds(design, *no_clocked_table)


@needs_yosys
def test_one_control_clears_all_of_a_state_and_nothing_else(design: Path) -> None:
    yosys_finds(
        design,
        "proc",
        "opt_expr",
        "opt_dff -nodffe",
        f"cd {LAYER}",
        "select -set states w:h_prev w:c_prev %u",
        "select -set cleared i:step_clears_* %co1:+$sdff[SRST] t:$sdff %i",
        "select -assert-none @states %ci1:+$dff[Q] t:$dff %i",
        "select -assert-count 2 @cleared",
        "select -assert-count 2 @states %ci1:+$sdff[Q] @cleared %i",
    )


def test_delays_that_may_be_shift_registers_keep_flip_flops_at_both_ends(design: Path) -> None:
    text = (design / f"{LAYER}.sv").read_text()
    delays = re.findall(r"^  (.*)logic \[(\d+):1\].* \w+_q;$", text, re.MULTILINE)
    assert {style for style, stages in delays if int(stages) >= 3} == {BETWEEN_REGISTERS}
    assert {style for style, stages in delays if int(stages) < 3} == {""}
