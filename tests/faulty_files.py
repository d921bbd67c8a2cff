"""Lets each operation on files fail once: run by test_faulty_files.py in a process with `faulty_files.c` preloaded.

    python faulty_files.py SCENARIO ERROR FOLDER

A scenario is an action, and what must hold after it. It is done once as it is, and then once for each of its
operations on files below the folder, which fails with the error, each time in a forked process. What is wrong is
printed, a line each.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_files import dense, input_layer, lstm, write_h5
from loopwire.compiler import load
from loopwire.config import CompileConfig
from loopwire.data import read_data
from loopwire.errors import LoopwireError, LoopwireWarning
from loopwire.layers.model import Tensor
from loopwire.optimise.criterion import Judgement, Measure
from loopwire.optimise.journal import Journal
from loopwire.project.folder import check_project, replace_files, write_project
from loopwire.project.written import read_facts
from loopwire.system import cache
from loopwire.system.outputs import write_file

ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EACCES")}
FACTS = '{"loopwire": {"version": "0"}, "target": "vitis_hls", "top": "a", "part": "b", "clock_period_ns": 5}'
OLD = {"design.json": FACTS, "rtl/a.sv": "old a", "b.txt": "old b"}
NEW = {"design.json": FACTS, "rtl/a.sv": "new a", "c/d.txt": "new d"}


@dataclass(frozen=True)
class Scenario:
    """`prepare` fills a folder; `act` may raise an error of ours; `wrong` then says what is wrong, if it may not be."""

    prepare: Callable[[Path], object]
    act: Callable[[Path], object]
    wrong: Callable[[Path], str]


def _tree(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder but Loopwire's own list of them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.name != "design.json"}


def _contents(files: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in files.items() if name != "design.json"}


def _project_is(*allowed: dict[str, str]) -> Callable[[Path], str]:
    """Return a check that a project is whole, and one of some."""

    def wrong(folder: Path) -> str:
        project = folder / "project"
        found = _tree(project) if project.exists() else {}
        if found not in [_contents(files) for files in allowed]:
            return f"the project holds {found}"
        if found:
            check_project(project)
        return ""

    return wrong


def _write_old(folder: Path) -> None:
    write_project(folder / "project", OLD)


def _file_is(*allowed: bytes | None) -> Callable[[Path], str]:
    def wrong(folder: Path) -> str:
        path = folder / "file"
        found = path.read_bytes() if path.exists() else None
        return "" if found in allowed else f"the file holds {found!r}"

    return wrong


def _cached(folder: Path) -> None:
    """Use a cache in the folder; what it gives is right even where it cannot be used."""
    os.environ["LOOPWIRE_CACHE"] = str(folder / "cache")
    cache._usable.cache_clear()
    with warnings.catch_warnings(action="ignore", category=LoopwireWarning):
        for _ in range(2):
            assert cache.cached("test", [b"key"], lambda: {"made": b"content"}) == {"made": b"content"}


def _use_data(folder: Path) -> None:
    data = read_data(folder / "data.npz", [Tensor("x", (2,))], [Tensor("y", (2,))])
    assert data.inputs.tolist() == [[0.0, 1.0], [2.0, 3.0]] and data.labels is not None


def _use_journal(folder: Path) -> None:
    measure = Measure("auc", 0.9, None)
    Journal(folder / "journal", "this search").add((1,), Judgement((measure,), 0.1, 0.1, 0.9, measure), 1.0)


def _nothing(folder: Path) -> str:
    return ""


SCENARIOS = {
    "write a project": Scenario(lambda folder: None, lambda f: write_project(f / "project", NEW), _project_is({}, NEW)),
    "write over a project": Scenario(_write_old, lambda f: write_project(f / "project", NEW), _project_is(OLD, NEW)),
    "replace files": Scenario(
        _write_old,
        lambda f: replace_files(f / "project", {"b.txt": "new b", "rtl/a.sv": "new a"}),
        _project_is(OLD, {**OLD, "b.txt": "new b", "rtl/a.sv": "new a"}),
    ),
    "write a file": Scenario(lambda folder: None, lambda f: write_file(f / "file", b"new"), _file_is(None, b"new")),
    "write over a file": Scenario(
        lambda f: (f / "file").write_bytes(b"old"), lambda f: write_file(f / "file", b"new"), _file_is(b"old", b"new")
    ),
    "cache": Scenario(lambda folder: None, _cached, _nothing),
    "read a project": Scenario(_write_old, lambda f: read_facts(f / "project"), _project_is(OLD)),
    "read a model": Scenario(
        lambda f: write_h5(f / "m.h5", [input_layer((2, 3)), lstm(), dense(2, 2)]),
        lambda f: load(f / "m.h5", trust=True),
        _nothing,
    ),
    "read data": Scenario(
        lambda f: np.savez(f / "data.npz", X=np.arange(4.0).reshape(2, 2), y=np.array([0, 1])), _use_data, _nothing
    ),
    "read settings": Scenario(
        lambda f: (f / "a.toml").write_text("interleave = 2\n"),
        lambda f: CompileConfig.from_toml(f / "a.toml"),
        _nothing,
    ),
    "keep a search's state": Scenario(lambda folder: None, _use_journal, _nothing),
}


def main() -> None:
    """Run the scenario that the command line names."""
    scenario, error, place = SCENARIOS[sys.argv[1]], ERRORS[sys.argv[2]], Path(sys.argv[3]).resolve()
    shim = ctypes.CDLL(None)
    number, operations = 0, 1
    while number <= operations:
        folder = place / str(number)
        folder.mkdir()
        scenario.prepare(folder)
        told, operations_or_none = _in_a_fork(scenario, shim, folder, number, error)
        operations = operations if operations_or_none is None else max(operations, operations_or_none)
        if told:
            print(f"operation {number}: {told}")
        shutil.rmtree(folder)
        number += 1
    print(f"{operations} operations")


def _in_a_fork(scenario: Scenario, shim: ctypes.CDLL, folder: Path, number: int, error: int) -> tuple[str, int | None]:
    """Let the operation of a number fail; return what is wrong, and how many there were. Number 0 is none."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader) as answer:
            told = answer.read()
        os.waitpid(child, 0)
        count, _, text = told.partition("\n")
        return (text, int(count)) if count.isdigit() else (f"the process died: {told}", None)
    text = ""
    shim.loopwire_arm(os.fsencode(folder), ctypes.c_long(number), error)
    try:
        scenario.act(folder)
    except LoopwireError:
        text = "" if number else "it fails as it is"
    except BaseException as raised:
        text = f"{type(raised).__name__}: {raised}"
    count = shim.loopwire_seen()
    if not text:
        text = scenario.wrong(folder)
    os.write(writer, f"{count}\n{text}".encode())
    os._exit(0)


if __name__ == "__main__":
    main()
