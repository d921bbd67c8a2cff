"""Files are read in a process of its own: what it does and answers harms nobody, and it works from any parent."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import misbehaving_readers as readers
from loopwire import sandbox
from loopwire.errors import LoopwireError, ModelFileError, ToolError, UnsupportedError
from loopwire.sandbox import MAX_ARRAY_BYTES, read_apart

SOURCE = Path(sandbox.__file__).parents[1]
TAGGER = Path(__file__).parents[1] / "examples" / "jets" / "jet_lstm20.keras"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.any"
    path.write_bytes(b"12345")
    return path


def test_facts_and_arrays_come_back(file: Path) -> None:
    description = read_apart(readers.sound, file)
    assert description.facts["size"] == 5 and description.facts["pid"] != os.getpid()
    assert list(description.arrays) == ["a", "none", "one"]
    np.testing.assert_array_equal(description.arrays["a"], [[0, 1, 2], [3, 4, 5]])
    assert description.arrays["none"].shape == (0, 4) and description.arrays["one"].dtype == np.float16


def test_it_imports_little(file: Path) -> None:
    modules = read_apart(readers.tells_its_modules, file).facts
    assert {"torch", "keras", "alkaid", "matplotlib", "sklearn", "pytest"}.isdisjoint(modules)


MISBEHAVIOUR: list[tuple[sandbox.Reader, type[LoopwireError], str]] = [
    (readers.asks_for_memory, ModelFileError, "reading it takes more than 1024 MiB of memory. Check the file; if you"),
    (readers.asks_for_native_memory, ModelFileError, r"reading it ends in signal 11 \(Segmentation fault\)"),
    (readers.crashes, ModelFileError, r"reading it ends in signal 11 \(Segmentation fault\). Check the file; if you"),
    (readers.exits, ToolError, "a process to read .* ended with status 7 before it could. Check the installation"),
    (readers.raises_ours, UnsupportedError, r"it feedbacks\\x07\\x1b\[2J x*. Stop it$"),
    (readers.raises_another_of_ours, ModelFileError, "the process that reads it sent an invalid answer"),
    (readers.raises_anything, ModelFileError, "it is damaged: reading it ends in ZeroDivisionError. Check the file"),
    (readers.writes_a_file, ModelFileError, "it is damaged: reading it ends in OSError|signal 25"),
    (readers.gives_objects, ToolError, "ended with status 1"),
    (readers.gives_an_array_of_objects, ModelFileError, "the process that reads it sent an invalid answer"),
]


@pytest.mark.parametrize(("reader", "error", "text"), MISBEHAVIOUR, ids=lambda value: getattr(value, "__name__", None))
def test_a_reader_that_misbehaves(reader: sandbox.Reader, error: type[LoopwireError], text: str, file: Path) -> None:
    with pytest.raises(error, match=text) as caught:
        read_apart(reader, file)
    assert len(str(caught.value)) < 2000
    assert sum(path.stat().st_size for path in file.parent.iterdir()) == 5, "nothing was written"


def test_a_reader_that_waits_is_ended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_S", 1)
    with pytest.raises(ModelFileError, match=r"reading it takes longer than 1 s. Check the file; if you trust it,"):
        read_apart(readers.waits, file)


def test_a_reader_whose_child_holds_the_pipe_is_ended_with_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_S", 1)
    with pytest.raises(ModelFileError, match="reading it takes longer than 1 s"):
        read_apart(readers.leaves_a_child_that_holds_the_pipe, file)


def test_processor_time_is_limited_whatever_signals_are_blocked(file: Path) -> None:
    with pytest.raises(ModelFileError, match=r"more than 5 s of processor time|longer than 10 s"):
        read_apart(readers.spins, file)


def header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


ANSWERS = {
    "nothing": b"",
    "half a length": b"\x05\0\0",
    "a length beyond all memory": b"\xff" * 8,
    "no JSON": header(b"{"),
    "a list": header(b"[]"),
    "a number": header(b"1"),
    "deep JSON": header(b"[" * 50_000 + b"]" * 50_000),
    "many values": header(b"[" + b"0," * 250_000 + b"0]"),
    "no arrays": header(b'{"facts": 1}'),
    "an unknown error": header(b'{"error": ["SystemExit", "a", "b", "c"]}'),
    "an error of lists": header(b'{"error": ["ModelFileError", ["a"], "b", "c"]}'),
    "an error that is short": header(b'{"error": ["ModelFileError"]}'),
    "objects": header(b'{"facts": 1, "arrays": [["a", "|O", [1]]]}') + bytes(8),
    "a dtype that is a list": header(b'{"facts": 1, "arrays": [["a", [["b", "<f4"]], [1]]]}') + bytes(8),
    "a negative shape": header(b'{"facts": 1, "arrays": [["a", "<f4", [-1]]]}') + bytes(8),
    "two negative lengths": header(b'{"facts": 1, "arrays": [["a", "<f4", [-1, -1]]]}') + bytes(8),
    "a shape of truth": header(b'{"facts": 1, "arrays": [["a", "<f4", [true]]]}') + bytes(8),
    "a shape of halves": header(b'{"facts": 1, "arrays": [["a", "<f4", [0.5]]]}') + bytes(8),
    "a shape that is a text": header(b'{"facts": 1, "arrays": [["a", "<f4", "1"]]}') + bytes(8),
    "too many axes": header(b'{"facts": 1, "arrays": [["a", "<f4", [1,1,1,1,1,1,1,1,1]]]}') + bytes(8),
    "none of too many": header(b'{"facts": 1, "arrays": [["a", "<f4", [0, 1000000000000000000]]]}'),
    "too much": header(b'{"facts": 1, "arrays": [["a", "<f4", [%d]]]}' % MAX_ARRAY_BYTES),
    "too little": header(b'{"facts": 1, "arrays": [["a", "<f4", [4]]]}') + bytes(15),
    "a name that is a number": header(b'{"facts": 1, "arrays": [[1, "<f4", [1]]]}') + bytes(8),
    "too many arrays": header(b'{"facts": 1, "arrays": [' + b'["a","<f4",[0]],' * 10_000 + b'["a","<f4",[0]]]}'),
}


@pytest.mark.parametrize("content", ANSWERS.values(), ids=ANSWERS)
def test_no_answer_of_a_hostile_child_is_believed(content: bytes) -> None:
    out, into = os.pipe()
    try:
        with os.fdopen(into, "wb") as file:
            child = os.fork()
            if child == 0:
                file.write(content)
                file.flush()
                os._exit(0)
        with pytest.raises((ValueError, TypeError, LookupError, EOFError)):
            sandbox._received(sandbox._Answer(out, time.monotonic() + 5))
        os.close(out)
    finally:
        os.waitpid(child, 0)


SCRIPT = (
    "import sys, loopwire\n"
    f"kinds = sorted(loopwire.load({str(TAGGER)!r}).layer_kinds().values())\n"
    r"sys.stdout.write(f'{kinds}\n')  # one write a line, since threads share the output"
    "\n"
)
EXPECTED = "['Dense', 'Flatten', 'LSTM']"


def as_a_script(folder: Path) -> list[str]:
    (folder / "script.py").write_text(SCRIPT)
    return [str(folder / "script.py")]


def from_standard_input(folder: Path) -> list[str]:
    (folder / "json.py").write_text("raise SystemExit('the folder of the user is no library')")
    return ["-c", SCRIPT]


def from_a_thread_of_many(folder: Path) -> list[str]:
    return ["-c", f"import threading\nfor k in range(3): threading.Thread(target=lambda: exec({SCRIPT!r})).start()"]


@pytest.mark.parametrize("parent", [as_a_script, from_standard_input, from_a_thread_of_many])
def test_it_works_from_any_parent(parent: Callable[[Path], list[str]], tmp_path: Path) -> None:
    arguments = parent(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONSAFEPATH": "1"}
    given = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert set(given.stdout.splitlines()) == {EXPECTED}, given.stderr


def test_it_works_from_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        for path in SOURCE.glob("loopwire/**/*.py"):
            archive.write(path, path.relative_to(SOURCE))
    script = f"import sys; sys.path.insert(0, 'app.zip')\n{SCRIPT}import loopwire.sandbox as s; print(s.__file__)"
    script = script.replace(
        "loopwire.load", "__import__('importlib').import_module('loopwire.frontends.keras.model').read_keras"
    )
    given = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    kinds, place = given.stdout.splitlines() or (given.stderr, "")
    assert kinds == EXPECTED and "app.zip" in place


def test_a_process_without_an_interpreter_says_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(ToolError, match=r"it cannot start a process to read a file in. Read files that"):
        read_apart(readers.sound, file)
