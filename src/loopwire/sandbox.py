"""Reads files from outside in a process of its own, within limits of time and memory.

The libraries behind file formats, HDF5 first, are native code: on damaged or hostile bytes they may hang in a call that
no signal of Python's interrupts, ask for any amount of memory, or crash. So a file is read by a child that can be
killed, and what comes back is a `Description`: JSON and the bytes of arrays, no pickle. The child may have been taken
over, so its answer is checked like the file itself. It is a limit, not a jail: the child runs as the same user.

The child is a new interpreter, not a fork: a fork of a process that holds threads (BLAS, torch, Jupyter) may deadlock,
and `multiprocessing` imports the parent's main module again. It imports the reader's module only, and no site or
environment setting of Python's decides what it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from loopwire.bounded import MAX_TEXT_BYTES, MAX_VALUES, parse_json
from loopwire.errors import LoopwireError, ModelFileError, ToolError, UnsupportedError
from loopwire.text.names import printable

Array = npt.NDArray[Any]

CPU_S = 5
WALL_S = 10
MEMORY_BYTES = 1 << 30
"""Beyond what the interpreter takes with all it has imported."""
MAX_ARRAY_BYTES = 256 << 20
"""Of all arrays of a file: 2^26 float32 numbers, beyond any FPGA's memory."""
MAX_ARRAYS = 10_000
DTYPES = frozenset({"|i1", "|u1", *(f"{order}{kind}{size}" for order in "<>" for kind in "fiu" for size in (2, 4, 8))})
"""Plain numbers, as `numpy.dtype.str` names them."""
MAX_AXES = 8

LENGTH_BYTES = 8
MESSAGE_CHARACTERS = 1000
ERRORS: dict[str, type[LoopwireError]] = {error.__name__: error for error in (ModelFileError, UnsupportedError)}
"""What a reader may raise."""
TRUST = "Check the file; if you trust it, read it with --trust-file, from Python with trust=True"

BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from loopwire.sandbox import serve; serve(*sys.argv[2:])"
)
SINGLE_THREADED = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Each thread of a BLAS reserves address space, which is limited."""
NO_PLUGINS = {"HDF5_PLUGIN_PRELOAD": "::"}
"""HDF5 loads no filter from a folder, whatever a file asks for."""


@dataclass(frozen=True)
class Description:
    """What a file says: facts as JSON holds them, and arrays of plain numbers by name."""

    facts: Any
    arrays: Mapping[str, Array]


Reader = Callable[[Path], Description]
"""Reads a file, at the top of a module, with errors of `ERRORS`."""


def read_apart(reader: Reader, path: Path) -> Description:
    """Return what `reader` makes of a file, run in a process of its own.

    On Linux the process gets `CPU_S` of processor time, `WALL_S` in all and `MEMORY_BYTES`; on other POSIX systems
    memory is not limited; on others the file is read in this process.

    Raises:
        ModelFileError: the file, or what the process makes of it, is beyond a limit; or as the reader.
        UnsupportedError: as the reader.
        ToolError: the process cannot be started.
    """
    if os.name != "posix":
        return reader(path)
    with _child(reader, path) as (process, answer):
        try:
            return _received(answer)
        except TimeoutError:
            raise ModelFileError(str(path), f"reading it takes longer than {WALL_S} s", TRUST) from None
        except EOFError:
            raise _ended(str(path), process) from None
        except (ValueError, TypeError, LookupError, OverflowError):  # no answer that `serve` gives
            raise ModelFileError(str(path), "the process that reads it sent an invalid answer", TRUST) from None


def serve(reader: str, path: str) -> NoReturn:
    """Answer `read_apart` in the child: a length, a header in JSON, the bytes of the arrays."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what else may be printed goes elsewhere
    module, _, name = reader.partition(":")
    run: Reader = getattr(import_module(module), name)
    limit_this_process()
    header: dict[str, Any]
    arrays: list[Array] = []
    try:
        description = run(Path(path))
        arrays = [np.ascontiguousarray(array) for array in description.arrays.values()]  # single numbers get an axis
        listed = [[name, array.dtype.str, array.shape] for name, array in description.arrays.items()]
        header = {"facts": description.facts, "arrays": listed}
    except LoopwireError as error:
        texts = map(_printable, (error.where, error.problem, error.remedy))
        header = {"error": [type(error).__name__, *texts]}
    except MemoryError:
        problem = f"reading it takes more than {MEMORY_BYTES >> 20} MiB of memory"
        header = {"error": [ModelFileError.__name__, _printable(path), problem, TRUST]}
    except Exception as error:
        # Libraries raise nearly anything on damaged bytes, and nothing of the parent's is at stake here.
        problem = f"it is damaged: reading it ends in {type(error).__name__}"
        header = {"error": [ModelFileError.__name__, _printable(path), problem, TRUST]}
    text = json.dumps(header).encode()
    _write(answer, len(text).to_bytes(LENGTH_BYTES, "little") + text)
    for array in arrays:
        _write(answer, array.reshape(-1).view(np.uint8).data)
    os._exit(0)  # no library of this process need end well


def limit_this_process() -> None:
    """Take `CPU_S` of processor time and, on Linux, `MEMORY_BYTES` from now on; end at the latest after `WALL_S`."""
    import resource

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WALL_S + 1)  # also where the parent has gone
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _write(file: int, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


@contextmanager
def _child(reader: Reader, path: Path) -> Iterator[tuple[subprocess.Popen[bytes], _Answer]]:
    """Run `serve` in a process group of its own, which is killed at the end."""
    where = f"Python interpreter {sys.executable!r}"
    if not sys.executable or getattr(sys, "frozen", False):
        raise ToolError(where, "it cannot start a process to read a file in", "Read files that you trust, trust=True")
    home = str(Path(__file__).parents[1])  # inside an archive, where the package lies in one
    paths = [home, *(entry for entry in sys.path if Path(entry).is_absolute())]
    name = f"{reader.__module__}:{reader.__qualname__}"
    command = [sys.executable, "-I", "-c", BOOT, json.dumps(paths), name, os.fspath(path)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **SINGLE_THREADED, **NO_PLUGINS},
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a null byte in a path
        raise ToolError(where, f"it cannot be started ({error})", "Check the installation of Python") from None
    assert process.stdout is not None
    try:
        yield process, _Answer(process.stdout.fileno(), time.monotonic() + WALL_S)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where all have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


@dataclass(frozen=True)
class _Answer:
    """The child's end of a pipe, read until a point of time (of `time.monotonic`)."""

    file: int
    deadline_s: float

    def read(self, size: int) -> bytearray:
        """Return a given number of bytes.

        Raises:
            EOFError: the child has ended before.
            TimeoutError: it lasts too long.
        """
        content = bytearray(size)
        left = memoryview(content)
        poll = select.poll()
        poll.register(self.file, select.POLLIN)
        while left:
            if not poll.poll(max(0.0, self.deadline_s - time.monotonic()) * 1000):
                raise TimeoutError
            received = os.readv(self.file, [left])
            if not received:
                raise EOFError
            left = left[received:]
        return content


def _received(answer: _Answer) -> Description:
    """Read the answer of a child that may be anybody's.

    Raises:
        ModelFileError, UnsupportedError: the reader's.
        ValueError, TypeError, LookupError: it is not one of `serve`.
    """
    length = int.from_bytes(answer.read(LENGTH_BYTES), "little")
    if length > 2 * MAX_TEXT_BYTES:
        raise ValueError
    header = parse_json(bytes(answer.read(length)), 2 * MAX_TEXT_BYTES, 2 * MAX_VALUES)
    if "error" in header:
        kind, where, problem, remedy = map(_printable, header["error"])
        raise ERRORS[kind](where, problem, remedy)
    left = MAX_ARRAY_BYTES
    arrays: dict[str, Array] = {}
    if len(header["arrays"]) > MAX_ARRAYS:
        raise ValueError
    for name, dtype, shape in header["arrays"]:
        size = np.dtype(dtype).itemsize * _count(shape) if dtype in DTYPES else left + 1
        left -= size
        if left < 0 or not isinstance(name, str):
            raise ValueError
        arrays[name] = np.frombuffer(answer.read(size), dtype).reshape(shape)
    return Description(header["facts"], arrays)


def _count(shape: Any) -> int:
    """Return the elements of an array of this shape."""
    if len(shape) > MAX_AXES or not all(type(length) is int and 0 <= length <= MAX_ARRAY_BYTES for length in shape):
        raise ValueError
    return prod(shape)


def _printable(text: Any) -> str:
    """Return a text that neither moves a terminal's cursor nor fills its window."""
    if not isinstance(text, str):
        raise TypeError
    return printable(text[:MESSAGE_CHARACTERS])


def _ended(where: str, process: subprocess.Popen[bytes]) -> LoopwireError:
    """Return what is wrong where a child has ended without an answer."""
    try:
        status = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return ModelFileError(where, "the process that reads it sent no answer", TRUST)
    if status == -signal.SIGXCPU:
        return ModelFileError(where, f"reading it takes more than {CPU_S} s of processor time", TRUST)
    if status < 0:
        return ModelFileError(where, f"reading it ends in signal {-status} ({signal.strsignal(-status)})", TRUST)
    remedy = "Check the installation of Python, numpy and h5py"
    return ToolError(sys.executable, f"a process to read {where} ended with status {status} before it could", remedy)
