"""Further tools that accept SystemVerilog without a word: slang, the strictest, and Icarus Verilog.

Verilator and Yosys let much pass that IEEE 1800-2017 forbids, such as the use of a name before its declaration.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pyslang import driver

WAIVED = {
    "useless-cast": "each operand is cast to the width of its operation, one that has it already too",
    "shift-count-overflow": "a shift by a parameter may be by the whole width, and the result is 0, as meant",
}
"""Of slang's warnings (`-Wextra`), and why."""


def slang_accepts(folder: Path, tops: Sequence[str]) -> bool:
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


def icarus_says(folder: Path, tops: Sequence[str]) -> str:
    """Return what Icarus Verilog, where it is installed, says of all modules of a folder: nothing, if all is well."""
    if shutil.which("iverilog") is None:
        return ""
    names = [option for top in tops for option in ("-s", top)]
    files = sorted(path.name for path in folder.glob("*.sv"))
    command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "/dev/null", *names, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr + (f"it returns {done.returncode}" if done.returncode else "")
