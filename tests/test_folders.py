"""Folders of one process: claimed by a lock, removed at the end, and swept by the next run after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from loopwire.errors import ToolError
from loopwire.system import folders
from loopwire.system.folders import claim, keep, new_folder, owner, release, sweep, temporary_folder


def in_another_process(statement: str) -> subprocess.Popen[str]:
    """Run a statement in a process that then waits; return when it was run."""
    program = (
        f"from pathlib import Path\nfrom loopwire.system.folders import *\n{statement}\nprint(flush=True)\ninput()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "\n"
    return process


def test_a_temporary_folder_is_its_users_alone_and_goes(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
        (folder / "below" / "file").touch()
        (folder / "link").symlink_to(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_one_process(tmp_path: Path) -> None:
    path = tmp_path / "claimed"
    process = in_another_process(f"claim(Path({str(path)!r}))")
    with process:
        assert not claim(path)
        assert owner(path) == f"process {process.pid}"
        process.kill()
    assert claim(path)
    assert not claim(path)
    assert owner(path) == f"process {os.getpid()}"
    release(path)
    release(path)
    assert not path.exists()


def test_a_folder_that_two_threads_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one does so while the first one removes it."""
    folder, removed = new_folder(tmp_path), folders._remove

    def remove(path: Path) -> None:
        monkeypatch.undo()
        release(path)
        removed(path)

    monkeypatch.setattr(folders, "_remove", remove)
    release(folder)
    assert not folder.exists()
    assert not folders.is_ours(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, None])
def test_what_a_process_leaves(number: signal.Signals | None, tmp_path: Path) -> None:
    with in_another_process(f"new_folder(Path({str(tmp_path)!r}))") as process:
        sweep(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1, "it was removed while its owner lives"
        if number is not None:
            process.send_signal(number)
    assert len(list(tmp_path.iterdir())) == (1 if number == signal.SIGKILL else 0)
    with temporary_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_what_is_not_ours_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{folders.PREFIX}file").touch()
    (tmp_path / "else").mkdir()
    (tmp_path / f"{folders.PREFIX}link").symlink_to("else")
    (tmp_path / f"{folders.PREFIX}folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    user = os.geteuid() + 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: user)
        sweep(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "else",
        f"{folders.PREFIX}file",
        f"{folders.PREFIX}link",
    ]


def test_without_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(folders.fcntl, "flock", no_locks)
    folder = new_folder(tmp_path)
    sweep(tmp_path)
    assert folder.exists()
    release(folder)
    assert not folder.exists()


def test_a_kept_file_outlives_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        (folder / "log").write_text("why")
        kept = keep(folder / "log")
    assert kept.read_text() == "why" and kept.parent == tmp_path
    assert keep(kept) == kept


def test_no_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(ToolError, match=r"temporary files: no folder for them can be written. Set TMPDIR to a folder"):
        new_folder()
