"""Programs: what they print and leave, their errors, and that none outlives Loopwire."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from loopwire.errors import ToolError
from loopwire.system import cxx, programs
from loopwire.system.cxx import compile_cxx, compiler_version, cxx_compiler, load_library
from loopwire.system.programs import run_tool


def shell(script: str, log: Path, **options: float) -> str:
    return run_tool("sh", ["sh", "-c", script], log, **options)


def test_a_failing_tool_shows_its_first_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ToolError, match=f"sh: it failed: Error: one. Read its log, {log}"):
        shell("echo note; echo Error: one; echo Error: two >&2; exit 3", log)
    with pytest.raises(ToolError, match=r"it failed: exit status 3. It printed nothing"):
        shell("exit 3", log)
    with pytest.raises(ToolError, match="absent-tool cannot be started"):
        run_tool("absent", ["absent-tool"], log)
    with pytest.raises(ToolError, match=f"sh: it did not finish within 0.05 s. .*-minutes, or read its log, {log}"):
        run_tool("sh", ["sleep", "60"], log, timeout_s=0.05)
    assert run_tool("sh", ["sh", "-c", "echo $GREETING"], log, tmp_path, {"GREETING": "hi"}) == "hi\n"


@pytest.mark.parametrize(
    ("name", "meaning"),
    [("KILL", ", as where memory runs out"), ("SEGV", ", a crash: a fault of the program, or its stack is too small")]
    + [(name, "") for name in ("TERM", "HUP")],
)
def test_the_signal_that_ended_a_tool_is_told(name: str, meaning: str, tmp_path: Path) -> None:
    number = signal.Signals[f"SIG{name}"]
    with pytest.raises(ToolError, match=re.escape(f"it failed: killed by signal {number} (SIG{name}){meaning}")):
        shell(f"echo note; kill -{name} $$", tmp_path / "log")


def test_a_log_among_temporary_files_outlives_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (
        programs.temporary_folder() as place,
        pytest.raises(ToolError, match=r"it failed: Error. Read its log, ") as caught,
    ):
        shell("echo Error; exit 1", place / "log")
    log = Path(caught.value.remedy.removeprefix("Read its log, "))
    assert log.read_text() == "Error\n" and log.parent == tmp_path


def test_the_stack_is_as_large_as_the_system_allows(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    told = shell("ulimit -S -s", tmp_path / "log").strip()
    assert told == ("unlimited" if most == resource.RLIM_INFINITY else str(most // 1024))


def test_temporary_files_of_a_tool_go_with_it(tmp_path: Path) -> None:
    left = Path(shell('touch "$TMPDIR/left"; echo "$TMPDIR"', tmp_path / "log").strip())
    assert not left.exists()


CHILDREN = "sh -c 'sleep 600; true' & echo $! >children; sleep 600 & echo $! >>children; wait"
"""A program with children and grandchildren."""


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def require_dead(children: Path) -> None:
    numbers = [int(line) for line in children.read_text().split()]
    assert len(numbers) == 2
    deadline = time.monotonic() + 10
    while any(map(alive, numbers)):
        assert time.monotonic() < deadline, "a child outlives the tool"
        time.sleep(0.02)


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"it did not finish within 0\.5 s"):
        run_tool("sh", ["sh", "-c", CHILDREN], tmp_path / "log", tmp_path, timeout_s=0.5)
    require_dead(tmp_path / "children")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_program_outlives_this_one(number: signal.Signals, tmp_path: Path) -> None:
    program = (
        "from loopwire.system.programs import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what runs in the background ignores SIGINT
        f"run_tool('sh', ['sh', '-c', {CHILDREN!r}], Path('log'))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            children = tmp_path / "children"
            while not children.exists() or len(children.read_text().split()) < 2:
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(number)
            assert process.wait(10) == -number
        finally:
            process.kill()
    require_dead(tmp_path / "children")


def test_programs_are_stopped_in_all_threads(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(shell, "echo Error; sleep 600", tmp_path / str(number)) for number in range(2)]
        while len(programs._running) < 2:
            time.sleep(0.02)
        programs.stop_all()
    assert all(isinstance(future.exception(), KeyboardInterrupt) for future in futures)


def fake_compiler(folder: Path, script: str, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    program = folder / "fake-g++"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    patch.setenv("CXX", str(program))
    return cxx_compiler()


def test_a_compiler_that_hangs_on_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cxx, "VERSION_S", 0.1)
    with pytest.raises(ToolError, match=r"C\+\+ compiler: it did not finish within 0.1 s"):
        compiler_version(fake_compiler(tmp_path, "sleep 600", monkeypatch))


def test_a_compiler_that_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = fake_compiler(tmp_path, "exit 0", monkeypatch)
    with pytest.raises(
        ToolError, match=r"it ended without an error but did not write it.so. Check that it works, or install"
    ):
        compile_cxx(compiler, ["it.cpp"], tmp_path / "it.so")


def test_a_compiler_that_writes_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = fake_compiler(tmp_path, "for last; do :; done; echo hello >$last", monkeypatch)
    compile_cxx(compiler, ["it.cpp"], tmp_path / "it.so")
    with pytest.raises(ToolError, match=r"it made a library that cannot be loaded \(.*\). Choose another with CXX"):
        load_library(tmp_path / "it.so")
    with pytest.raises(ToolError, match="simulation: it failed: "):
        os.chmod(tmp_path / "it.so", 0o755)  # noqa: PTH101
        run_tool("simulation", [tmp_path / "it.so"], tmp_path / "log")


def test_a_machine_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(cxx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"no C\+\+ compiler was found .* 'apt install g\+\+'"):
        cxx_compiler()
    monkeypatch.setattr(cxx.importlib.util, "find_spec", lambda name: name == "ziglang")
    assert cxx_compiler()[1:] == ("-m", "ziglang", "c++")
