"""Commands that signals end, at random times and two side by side: results whole or absent, and nothing left behind."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keras_files import dense, input_layer, lstm, write_h5
from loopwire.project.written import read_facts, read_report
from loopwire.system.cache import cache_directory

PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from loopwire.cli import main; main()"
)
"""Where the tests run in the background, children inherit that SIGINT is ignored."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
TARGETS = ("verilog", "vitis_hls")
ENDED = re.compile(r"stopped by (Ctrl-C|SIGTERM)\. (Nothing was written|Kept: the project, .*)\n")


@dataclass
class Runs:
    """Commands of one model in a folder of their own, with temporary files and a cache of their own."""

    folder: Path
    environment: Mapping[str, str] = field(init=False)
    model: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("tmp", "out", "cache"):
            (self.folder / name).mkdir(mode=0o700)
        for entry in cache_directory().glob("*.zip"):  # what is there already need not be made
            if entry.name.startswith(("fast_emulator-", "verilator-")):
                shutil.copy(entry, self.folder / "cache")
        self.environment = {
            **os.environ,
            "TMPDIR": str(self.folder / "tmp"),
            "LOOPWIRE_CACHE": str(self.folder / "cache"),
        }
        self.model = write_h5(self.folder / "tiny.h5", [input_layer((4, 3)), lstm(), dense(2)])

    def start(self, out: str, target: str = "verilog", sequences: int = 4) -> subprocess.Popen[str]:
        """Start a compilation."""
        options = ("--out", self.folder / "out" / out, "--target", target, "--simulate", sequences)
        command = [sys.executable, "-c", PROGRAM, "compile", self.model, *options]
        return subprocess.Popen(
            list(map(str, command)),
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def left(self) -> list[str]:
        """Return what is in the folders and is no result."""
        places = [*(self.folder / "tmp").iterdir(), *(self.folder / "out").glob(".*")]
        return [str(path) for path in (*places, *(self.folder / "cache").glob("loopwire-tmp-*"))]

    def processes(self) -> list[int]:
        """Return the processes that have these temporary files: commands and what they have started."""
        mark = f"TMPDIR={self.folder / 'tmp'}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:  # it has ended, or is another user's
                continue
        return found

    def require_no_processes(self) -> None:
        deadline = time.monotonic() + 10
        while self.processes():
            assert time.monotonic() < deadline, f"processes go on: {self.processes()}"
            time.sleep(0.02)

    def require_whole(self) -> None:
        """Every result is a complete project."""
        for out in (self.folder / "out").glob("[!.]*"):
            read_facts(out)
            read_report(out)


def kill_at_random_times(folder: Path, pairs: int, seed: int) -> None:
    """Run two compilations side by side, send each a signal at a random time, and look at what is left.

    Some have nothing in the cache yet, some write to one and the same folder, some over an earlier result.
    """
    chance = random.Random(seed)
    runs = Runs(folder)
    began_s = time.monotonic()
    assert runs.start("first").wait() == 0
    longest_s = 1.2 * (time.monotonic() - began_s)
    ended = dict.fromkeys((*SIGNALS, None), 0)
    for number in range(pairs):
        if chance.random() < 0.15:
            for entry in (folder / "cache").glob("*.zip"):
                entry.unlink()
        outs = [chance.choice(("first", "second", f"new{number}")) for _ in range(2)]
        processes = [runs.start(out, chance.choice(TARGETS)) for out in outs]
        signals = [chance.choice(SIGNALS) for _ in processes]
        due_s = [time.monotonic() + chance.uniform(0.3, longest_s) for _ in processes]
        for when_s, process, name in sorted(zip(due_s, processes, signals, strict=True), key=lambda one: one[0]):
            time.sleep(max(0.0, when_s - time.monotonic()))
            process.send_signal(name)
        for process, name in zip(processes, signals, strict=True):
            _, told = process.communicate(timeout=30)
            if process.returncode in (0, 1):  # done before the signal, or refused as the other has its folder
                assert process.returncode == 0 or "another loopwire is writing to it (process" in told, told
                ended[None] += 1
                continue
            ended[name] += 1
            if process.returncode == 128 + name:
                assert ENDED.fullmatch(told), told
            else:  # killed, or not yet so far that it listens
                assert process.returncode == -name, (process.returncode, told)
        runs.require_no_processes()
        runs.require_whole()
        if signal.SIGKILL not in signals:
            assert not runs.left()
        elif runs.left():
            for out in dict.fromkeys(outs):
                assert runs.start(out, sequences=1).wait() == 0
            assert not runs.left()
    print({getattr(name, "name", "not ended by it"): count for name, count in ended.items()})


def test_kills_at_random_times(tmp_path: Path) -> None:
    kill_at_random_times(tmp_path, pairs=2, seed=1)


@pytest.mark.slow
def test_two_hundred_kills_at_random_times(tmp_path: Path) -> None:
    kill_at_random_times(tmp_path, pairs=100, seed=2)


@pytest.mark.parametrize(("name", "by"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_while_a_tool_runs(name: signal.Signals, by: str, tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.start("out") as process:
        while not any((tmp_path / "tmp").glob("*/simulation/model")):
            assert process.poll() is None
            time.sleep(0.01)
        for _ in range(2):
            process.send_signal(name)
        assert process.communicate(timeout=30)[1] == f"stopped by {by}. Nothing was written\n"
        assert process.returncode == 128 + name
    runs.require_no_processes()
    assert not runs.left() and not list((tmp_path / "out").iterdir())


def test_two_runs_to_one_folder(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first = runs.start("out")
    while not (tmp_path / "out" / ".loopwire-out" / "lock").exists():
        time.sleep(0.01)
    second = runs.start("out")
    assert "another loopwire is writing to it (process" in second.communicate()[1]
    assert second.returncode == 1
    assert first.wait() == 0
    runs.require_whole()
