"""slang and Icarus Verilog accept what is in no ensemble, too; of designs in one `conformance.prove` asks them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elaboration import icarus_says, slang_accepts
from ensembles import write_files
from hostile_names import NAMES
from loopwire import CompileConfig, compile, load
from loopwire.boards.project import write_board
from test_conformance_verilog import TOOL_CASES
from test_hostile_names import named as chain_of

JET_TAGGER = Path(__file__).parents[1] / "examples" / "jets" / "jet_lstm20.keras"
PLL = """\
module EHXPLLL #(
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0, CLKOP_ENABLE = "",
    FEEDBK_PATH = "", OUTDIVIDER_MUXA = "", PLLRST_ENA = "", INTFB_WAKE = "", STDBY_ENABLE = "", DPHASE_SOURCE = ""
) (
    input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP,
    output CLKOP, LOCK
);
endmodule
"""
"""A primitive of the part, which its tools know."""


@pytest.fixture(scope="module")
def designs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a folder with the designs of testbenches and one with hostile names, and their top modules."""
    folder = tmp_path_factory.mktemp("designs")
    firmware = [case.firmware(case.graph()) for case in TOOL_CASES] + [compile(chain_of(NAMES, "hostile")).firmware]
    for design in firmware:
        write_files(design, folder)
    return folder, [design.top for design in firmware]


def test_slang_accepts_them(designs: tuple[Path, list[str]], capfd: pytest.CaptureFixture[str]) -> None:
    assert slang_accepts(*designs), "".join(capfd.readouterr())[-5000:]


def test_icarus_has_nothing_to_say(designs: tuple[Path, list[str]]) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed (apt install iverilog)")
    assert icarus_says(*designs) == ""


def test_slang_accepts_the_demonstration_on_a_board(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    design = compile(load(JET_TAGGER), CompileConfig(part="LFE5U-85F", clock_period_ns=20.0))
    written = write_board(design.write(tmp_path / "project"), "ulx3s-85f", tmp_path / "board", None, 1_000_000)
    (tmp_path / "board" / "pll.sv").write_text(PLL)
    assert slang_accepts(tmp_path / "board", [written.top]), "".join(capfd.readouterr())[-5000:]
