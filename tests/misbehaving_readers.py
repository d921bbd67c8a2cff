"""Readers for `loopwire.sandbox` that do what native code does on hostile files."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from loopwire.errors import DataError, UnsupportedError
from loopwire.sandbox import Description


def sound(path: Path) -> Description:
    print("a library that talks")
    os.write(1, b"in native code, too")
    arrays = {"a": np.arange(6, dtype=">f4").reshape(2, 3), "none": np.zeros((0, 4)), "one": np.float16(3)}
    return Description({"size": path.stat().st_size, "pid": os.getpid()}, arrays)  # type: ignore[arg-type]


def waits(path: Path) -> Description:
    time.sleep(3600)
    return sound(path)


def spins(path: Path) -> Description:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    while True:
        pass


def leaves_a_child_that_holds_the_pipe(path: Path) -> Description:
    if os.fork() == 0:
        path.with_suffix(".pid").unlink(missing_ok=True)
        time.sleep(3600)
    os._exit(0)


def asks_for_memory(path: Path) -> Description:
    return Description(None, {"a": np.ones(1 << 29)})


def asks_for_native_memory(path: Path) -> Description:
    allocate = ctypes.CDLL(None).malloc
    allocate.restype = ctypes.c_void_p
    ctypes.memset(allocate(ctypes.c_size_t(2 << 30)), 1, 2 << 30)
    return sound(path)


def crashes(path: Path) -> Description:
    ctypes.string_at(0)
    return sound(path)


def exits(path: Path) -> Description:
    os._exit(7)


def raises_ours(path: Path) -> Description:
    raise UnsupportedError(str(path), "it feedbacks\x07\x1b[2J " + 5000 * "x", "Stop it")


def raises_another_of_ours(path: Path) -> Description:
    raise DataError(str(path), "it is wrong", "Mend it")


def raises_anything(path: Path) -> Description:
    raise ZeroDivisionError("\ud800")


def writes_a_file(path: Path) -> Description:
    path.with_suffix(".written").write_bytes(b"x")
    return sound(path)


def gives_objects(path: Path) -> Description:
    return Description({"a": {1, 2}}, {})


def gives_an_array_of_objects(path: Path) -> Description:
    return Description({}, {"a": np.array([print], object)})


def tells_its_modules(path: Path) -> Description:
    return Description(sorted(name for name in sys.modules if "." not in name), {})
