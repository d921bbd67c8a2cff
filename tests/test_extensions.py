"""A package from outside adds a cell, a frontend, a target and a family of FPGAs: one file or folder each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loopwire.config import CompileConfig
from loopwire.errors import ConfigError
from loopwire.plugins import TARGETS, Plugins

OUTSIDE = Path(__file__).parent / "outside"


def run_outside(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python where the package from outside is installed."""
    path = os.pathsep.join([str(OUTSIDE), *(entry for entry in sys.path if entry)])
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)


def test_one_of_each_compiles_predicts_and_reports(tmp_path: Path) -> None:
    done = run_outside(OUTSIDE / "compile_toys.py", tmp_path)
    assert done.returncode == 0, done.stderr
    verilog, hls, listing, refused = done.stdout.splitlines()
    assert verilog.startswith("verilog: RTL equals the emulator on 40 sequences")
    assert hls.startswith("vitis_hls: HLS C++ equals the emulator on 40 sequences")
    assert listing == "listing: The listing equals the emulator on 40 sequences (0 of them short): 0 bits differ"
    assert refused == "copies: a listing has no copies. Leave it out"
    assert {path.name for path in (tmp_path / "listing").iterdir()} == {
        "design.json",
        "graph.txt",
        "listing.txt",
        "report.json",
    }


def test_names_are_known_before_anything_is_imported() -> None:
    program = "import sys\nfrom loopwire.config import CompileConfig\nCompileConfig(target='listing')\n"
    done = run_outside("-c", f"{program}sys.exit('loopwire_toys' in sys.modules or 'loopwire.targets' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_what_is_not_installed_is_refused() -> None:
    assert TARGETS.names == TARGETS.own == ("verilog", "vitis_hls")
    with pytest.raises(ConfigError, match=r"target: 'listing' is unknown. Choose from verilog, vitis_hls"):
        CompileConfig(target="listing")


def test_a_folder_without_the_module_is_no_plugin() -> None:
    assert Plugins("loopwire.targets", "proof").own == ("verilog", "vitis_hls")
    assert Plugins("loopwire.targets", "frontend").own == ()
