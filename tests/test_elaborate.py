"""Every design is SystemVerilog that further tools accept without a word: slang, the strictest, and Icarus Verilog.

Verilator and Yosys let much pass that IEEE 1800-2017 forbids, such as the use of a name before its declaration.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pyslang import driver

from conformance import Case
from ensembles import write_files
from hostile_names import NAMES
from loopwire import CompileConfig, compile, load
from loopwire.boards.project import write_board
from test_conformance_verilog import GROUPS, TOOL_CASES
from test_hostile_names import named as chain_of

JET_TAGGER = Path(__file__).parents[1] / "examples" / "jets" / "jet_lstm20.keras"
WAIVED = {
    "useless-cast": "a width is told at each operand, where it is that already too",
    "shift-count-overflow": "a shift by a parameter may be by the whole width, and the result is 0, as meant",
}
"""Of slang's warnings (`-Wextra`), and why."""
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
    """Return a folder with all designs of the conformance suite, one with hostile names, and their top modules."""
    folder = tmp_path_factory.mktemp("designs")
    cases: list[Case] = [case for cases in GROUPS.values() for case in cases()] + TOOL_CASES
    firmware = [case.firmware(case.graph()) for case in cases]
    firmware += [compile(chain_of(NAMES, "hostile")).firmware]
    for design in firmware:
        write_files(design, folder)
    tops = [design.top for design in firmware]
    assert len(set(tops)) == len(tops)
    return folder, tops


def slang_accepts(folder: Path, tops: list[str]) -> bool:
    """Return whether slang elaborates all modules of a folder without error or warning; it prints what it finds."""
    slang = driver.Driver()
    slang.addStandardArgs()
    files = folder / "files.txt"
    files.write_text("\n".join(str(path) for path in sorted(folder.glob("*.sv"))))
    waived = " ".join(f"-Wno-{name}" for name in WAIVED)
    named = " ".join(f"--top {top}" for top in tops)
    options = f"slang --single-unit --timescale 1ns/1ps -Wextra -Werror {waived} {named} -f {files}"
    return (
        slang.parseCommandLine(options)
        and slang.processOptions()
        and slang.parseAllSources()
        and (slang.runFullCompilation(True))
    )


def test_slang_accepts_every_design(designs: tuple[Path, list[str]], capfd: pytest.CaptureFixture[str]) -> None:
    assert slang_accepts(*designs), "".join(capfd.readouterr())[-5000:]


def test_icarus_has_nothing_to_say(designs: tuple[Path, list[str]]) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed (apt install iverilog)")
    folder, tops = designs
    names = [option for top in tops for option in ("-s", top)]
    files = sorted(path.name for path in folder.glob("*.sv"))
    command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "/dev/null", *names, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_slang_accepts_the_demonstration_on_a_board(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    design = compile(load(JET_TAGGER), CompileConfig(part="LFE5U-85F", clock_period_ns=20.0))
    written = write_board(design.write(tmp_path / "project"), "ulx3s-85f", tmp_path / "board", None, 1_000_000)
    (tmp_path / "board" / "pll.sv").write_text(PLL)
    assert slang_accepts(tmp_path / "board", [written.top]), "".join(capfd.readouterr())[-5000:]
