"""HLS projects compiled with g++: the C simulation as a function of numpy arrays.

The `ap_fixed` headers are those that the installed `alkaid` package carries.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ToolError
from loopwire.system.cxx import compile_cxx, cxx_compiler, load_library
from loopwire.system.folders import temporary_folder

STREAM_HEADERS = Path(__file__).parent / "hls_simulation"
AP_HEADERS = Path("codegen", "hls", "source", "ap_types", "include")
WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",
    "-Wno-unused-label",
    "-Wno-uninitialized",
    "-Wno-maybe-uninitialized",
)
"""All warnings but those of what only HLS tools read (their directives, and labels, by which they name loops), and
those that g++ sees through the default constructor of the `ap_fixed` headers' numbers: it trims bits not yet set."""
# Without NDEBUG the headers stop at casts that drop more bits than a number has, which the hardware does not.
FLAGS = ("-std=c++11", "-shared", "-fPIC", "-fvisibility=hidden", "-DNDEBUG")
"""Hidden, so that the tables of two designs of one name stay apart when both are loaded."""
OPTIMISED, QUICKLY_COMPILED = "-O3", "-O0"
BRIDGE = "_bridge.cpp"


class HlsEmulator:
    """The C simulation of one design, from `compile`."""

    def __init__(self, library: ctypes.CDLL, top: str) -> None:
        sizes = (ctypes.c_longlong * 3)()
        getattr(library, f"{top}_sizes")(sizes)
        self.beats, self.input_size, self.output_size = sizes
        self._predict = getattr(library, f"{top}_predict")

    def predict(self, x: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.int64]:
        """Run sequences through the firmware's C++.

        Args:
            x: integers (N, ...), all elements of a sequence's input, counted in steps of its type.
            lengths: (N,) steps of each sequence, for a design with streams; None: all of them.

        Returns:
            Integers (N, elements of the result).
        """
        count = len(x)
        numbers = np.ascontiguousarray(x.reshape(count, -1), np.int64)
        assert numbers.shape[1] == self.input_size, f"{numbers.shape[1]} elements for {self.input_size}"
        steps = np.ascontiguousarray(np.full(count, self.beats) if lengths is None else lengths, np.int64)
        assert count == 0 or 1 <= steps.min() <= steps.max() <= self.beats
        results = np.empty((count, self.output_size), np.int64)
        status = self._predict(_address(numbers), _address(steps), ctypes.c_longlong(count), _address(results))
        assert status == 0, "the firmware waits for a beat that never comes"
        return results


def compile(project: Path, *, exact_widths: bool = False) -> HlsEmulator:
    """Compile the C simulation of a project's folder.

    Args:
        project: the folder.
        exact_widths: let accumulators have exactly the synthesised widths; slow.

    Raises:
        ToolError: no C++ compiler, no `ap_fixed` header, no project in the folder, or one that does not compile.
    """
    return compile_all([project], exact_widths=exact_widths)[0]


def compile_all(projects: Sequence[Path], *, exact_widths: bool = False, optimise: bool = True) -> list[HlsEmulator]:
    """Compile several projects, of different tops, at once: quicker than one by one."""
    bridges = [_bridge(project) for project in projects]
    sources = [source for bridge in bridges for source in (f"firmware/{_top(bridge)}.cpp", bridge.name)]
    folders = [part for bridge in bridges for part in ("-iquote", bridge.parent.resolve())]
    headers = header_options()
    widths = ["-DLOOPWIRE_EXACT_WIDTHS"] if exact_widths else []
    level = OPTIMISED if optimise else QUICKLY_COMPILED
    with temporary_folder() as place:
        unit, library = place / "simulation.cpp", place / "simulation.so"
        unit.write_text("".join(f'#include "{source}"\n' for source in sources))
        options = [level, *FLAGS, *WARNINGS, *widths, *folders, *headers]
        printed = compile_cxx(cxx_compiler(), [*options, unit.name], library)
        assert not printed, f"warnings of the generated C++:\n{printed}"
        loaded = load_library(library)
    return [HlsEmulator(loaded, _top(bridge)) for bridge in bridges]


def ap_headers() -> Path:
    """Return the folder of `ap_fixed.h` in the installed alkaid package.

    Raises:
        ToolError: it is not there.
    """
    package = importlib.util.find_spec("alkaid")
    for place in (package.submodule_search_locations or []) if package else []:
        if (Path(place) / AP_HEADERS / "ap_fixed.h").exists():
            return Path(place) / AP_HEADERS
    raise ToolError("C simulation", "the header ap_fixed.h is not found", "Install it: pip install alkaid")


def header_options() -> tuple[str, ...]:
    """Return the options of g++ for the headers of `ap_fixed` and of streams.

    Raises:
        ToolError: `ap_fixed.h` is not found.
    """
    return tuple(part for path in (ap_headers(), STREAM_HEADERS) for part in ("-isystem", str(path)))


def _bridge(project: Path) -> Path:
    found = sorted(project.glob(f"*{BRIDGE}"))
    if len(found) != 1:
        raise ToolError(str(project), f"{len(found)} files *{BRIDGE}, where an HLS project has one", "Name its folder")
    return found[0]


def _top(bridge: Path) -> str:
    return bridge.name.removesuffix(BRIDGE)


def _address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
