"""C++ that is compiled once a machine, on first use, and kept in the cache."""

from __future__ import annotations

import ctypes
import platform
import warnings
from functools import lru_cache
from pathlib import Path

from loopwire.errors import LoopwireWarning, ToolError
from loopwire.system.cache import Files, cache_directory, cached
from loopwire.system.cxx import compile_cxx, compiler_version, cxx_compiler, load_library
from loopwire.system.folders import temporary_folder

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fwrapv", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra")
LIBRARY = "library.so"


@lru_cache
def load(source: Path) -> ctypes.CDLL | None:
    """Compile `source` for this machine, unless that was done before, and load it.

    A library is known by its source, its flags, its compiler and this one's version, and the machine's processor.

    Returns:
        The library, or None, after a `LoopwireWarning`, where there is no compiler that works.
    """
    try:
        compiler = cxx_compiler()
        key = (source.read_bytes(), repr((FLAGS, compiler)).encode(), compiler_version(compiler).encode(), _processor())
        files = cached(source.stem, key, lambda: _compile(compiler, source))
        # In the cache, since programs may be forbidden to run among the temporary files.
        with temporary_folder(cache_directory()) as place:
            library = place / LIBRARY
            library.write_bytes(files[LIBRARY])
            return load_library(library)
    except ToolError as error:
        warnings.warn(f"evaluation is slow without its compiled part. {error}", LoopwireWarning, stacklevel=2)
        return None


def _compile(compiler: tuple[str, ...], source: Path) -> Files:
    with temporary_folder(cache_directory()) as place:
        library = place / LIBRARY
        compile_cxx(compiler, [*FLAGS, source], library)
        load_library(library)  # what cannot be loaded is not kept
        return {LIBRARY: library.read_bytes()}


def _processor() -> bytes:
    """Return what -march=native depends on."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_bytes().splitlines()
        names = (b"model name", b"flags", b"Features")
        return b"\n".join(sorted({line for line in lines if line.startswith(names)}))
    return f"{platform.machine()} {platform.processor()}".encode()
