"""The C++ compiler of this computer."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from loopwire.errors import ToolError
from loopwire.system.folders import temporary_folder
from loopwire.system.programs import require_output, run_tool

COMPILERS = ("g++", "clang++", "c++")
NAME = "C++ compiler"
VERSION_S = 60
"""In which a compiler must tell its version: long for a slow network file system."""


def cxx_compiler() -> tuple[str, ...]:
    """Return the command of a C++20 compiler: $CXX, the first of `COMPILERS` found, or the one in PyPI's ziglang.

    Raises:
        ToolError: there is none.
    """
    for command in (tuple(shlex.split(os.environ.get("CXX", ""))), *((name,) for name in COMPILERS)):
        path = shutil.which(command[0]) if command else None
        if path is not None:
            return (path, *command[1:])
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "c++")
    raise ToolError(
        "simulation",
        "no C++ compiler was found (g++, clang++ or the Python package ziglang)",
        "Install one: 'apt install g++', or 'pip install ziglang'",
    )


@cache
def compiler_version(compiler: tuple[str, ...]) -> str:
    """Return what a compiler prints of itself.

    Raises:
        ToolError: it fails, or does not answer.
    """
    with temporary_folder() as place:
        return run_tool(NAME, [*compiler, "--version"], place / "version.log", timeout_s=VERSION_S)


def compile_cxx(compiler: Sequence[str], arguments: Sequence[object], output: Path) -> str:
    """Compile to a file, beside which `compile.log` is written, and return what the compiler printed.

    It runs in the file's folder, from which relative paths among the arguments start.

    Raises:
        ToolError: it fails, or writes nothing.
    """
    log = output.with_name("compile.log")
    printed = run_tool(NAME, [*compiler, *arguments, "-o", output.name], log, output.parent)
    require_output(NAME, output, log)
    return printed


def load_library(library: Path) -> ctypes.CDLL:
    """Load what was compiled.

    Raises:
        ToolError: it is no library that this computer can load.
    """
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise ToolError(NAME, f"it made a library that cannot be loaded ({error})", "Choose another with CXX") from None
