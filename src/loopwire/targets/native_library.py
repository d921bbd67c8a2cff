"""C++ that is compiled once a machine, on first use, and kept in a cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from loopwire.cache import cache_directory
from loopwire.errors import ToolError

COMPILERS = ("g++", "clang++", "c++")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fwrapv", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra")


@lru_cache
def load(source: Path) -> ctypes.CDLL | None:
    """Compile `source` for this machine, unless that was done before, and load it.

    The compiler is $CXX or the first of `COMPILERS` found; the folder is `cache_directory`. A library is known by
    its source, its flags, its compiler's version and the machine's processor.

    Returns:
        The library, or None where there is no working compiler or no folder to keep it in.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS))), None)
    if compiler is None:
        return None
    try:
        version = subprocess.run([compiler, "--version"], capture_output=True, check=True).stdout
        key = hashlib.sha256(b"\0".join([source.read_bytes(), repr(FLAGS).encode(), version, _processor()]))
        library = cache_directory() / f"{source.stem}-{key.hexdigest()[:20]}.so"
        if not library.exists():
            _compile(compiler, source, library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.CalledProcessError, ToolError):
        return None


def _compile(compiler: str, source: Path, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as directory:
        built = Path(directory) / library.name
        subprocess.run([compiler, *FLAGS, str(source), "-o", str(built)], capture_output=True, check=True)
        built.replace(library)  # at once, so that another process never sees half of it


def _processor() -> bytes:
    """Return what -march=native depends on."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_bytes().splitlines()
        names = (b"model name", b"flags", b"Features")
        return b"\n".join(sorted({line for line in lines if line.startswith(names)}))
    return f"{platform.machine()} {platform.processor()}".encode()
