"""Each operation on files fails once, by a library that is loaded before: what is written is whole or as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loopwire
from faulty_files import ERRORS, SCENARIOS

HERE = Path(__file__).parent
FEWEST = 2
"""Operations on files that each scenario has at least: with fewer it would show nothing."""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("the library that lets operations fail is for Linux, and gcc makes it")
    library = tmp_path_factory.mktemp("shim") / "faulty_files.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, HERE / "faulty_files.c"]
    subprocess.run(command, check=True)
    return library


def assert_no_operation_does_harm(scenario: str, error: str, shim: Path, place: Path) -> None:
    package = Path(loopwire.__file__).parents[1]
    environment = {**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": f"{package}:{HERE}"}
    command = [sys.executable, HERE / "faulty_files.py", scenario, error, place]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    *wrong, count = done.stdout.splitlines() or ["nothing"]
    assert done.returncode == 0, done.stderr
    assert not wrong, "\n".join(wrong)
    assert int(count.split()[0]) >= FEWEST


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_full_disk(scenario: str, shim: Path, tmp_path: Path) -> None:
    assert_no_operation_does_harm(scenario, "ENOSPC", shim, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_error(scenario: str, error: str, shim: Path, tmp_path: Path) -> None:
    assert_no_operation_does_harm(scenario, error, shim, tmp_path)
