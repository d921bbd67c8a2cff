"""Writing the project folder: complete or not at all, and never over what is the user's."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from loopwire.errors import OutputError
from loopwire.project import check_project, write_project

FILES = {"rtl/a.sv": "module a; endmodule\n", "README.md": "# a\n", "design.json": '{"loopwire": {"version": "1"}}'}


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_and_those_above_it(tmp_path: Path) -> None:
    path = write_project(tmp_path / "build" / "jets", FILES)
    assert path == tmp_path / "build" / "jets"
    written = contents(tmp_path)
    assert written["build/jets/rtl/a.sv"] == FILES["rtl/a.sv"] and len(written) == 3
    listed = json.loads(written["build/jets/design.json"])["loopwire"]
    assert listed["version"] == "1" and set(listed["files"]) == {"rtl/a.sv", "README.md"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    write_project(tmp_path, FILES)
    assert len(contents(tmp_path)) == 3


def test_a_project_is_replaced_and_other_files_in_it_stay(tmp_path: Path) -> None:
    path = write_project(tmp_path / "p", FILES)
    (path / "rtl" / "mine.txt").write_text("mine")
    (path / "vivado").mkdir()
    (path / "vivado" / "run.log").write_text("log")
    (path / "link").symlink_to("vivado")
    write_project(path, {"rtl/b.sv": "module b; endmodule\n", "design.json": '{"loopwire": {}}'})
    assert set(contents(path)) == {"rtl/b.sv", "design.json", "rtl/mine.txt", "vivado/run.log"}
    assert (path / "link").is_symlink()
    assert [entry.name for entry in tmp_path.iterdir()] == ["p"]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    assert contents(write_project(tmp_path / "a", FILES)) == contents(write_project(tmp_path / "b", FILES))


@pytest.mark.parametrize(
    "held",
    [{"notes.txt": "mine"}, {"design.json": "{}"}, {"design.json": "no JSON"}, {"design.json": '{"loopwire": 1}'}],
)
def test_a_folder_that_holds_something_else(held: dict[str, str], tmp_path: Path) -> None:
    for name, text in held.items():
        (tmp_path / name).write_text(text)
    (name,) = held
    message = rf"it holds something else \('{name}'\). Choose another folder, or move this one away"
    with pytest.raises(OutputError, match=message):
        write_project(tmp_path, FILES)
    assert contents(tmp_path) == held


def test_a_changed_file_is_the_users(tmp_path: Path) -> None:
    write_project(tmp_path, FILES)
    (tmp_path / "README.md").write_text("my notes")
    with pytest.raises(OutputError, match=r"'README.md' was changed since Loopwire wrote it. Choose another folder"):
        write_project(tmp_path, FILES)
    assert (tmp_path / "README.md").read_text() == "my notes"


def test_a_new_file_that_would_lie_on_the_users(tmp_path: Path) -> None:
    write_project(tmp_path, FILES)
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(OutputError, match=r"Loopwire would write 'report.md', which is there already. Move it away"):
        write_project(tmp_path, {**FILES, "report.md": "new"})
    assert (tmp_path / "report.md").read_text() == "mine"


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("mine")
    with pytest.raises(OutputError, match=r"it is not a folder. Choose another path"):
        check_project(tmp_path / "p")
    with pytest.raises(OutputError, match=r"p is not a folder that can be written. Choose another folder"):
        write_project(tmp_path / "p" / "q", FILES)
    assert contents(tmp_path) == {"p": "mine"}


@pytest.mark.parametrize("before", [False, True])
def test_a_full_disk_leaves_nothing_and_loses_nothing(
    before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        write_project(tmp_path / "p", FILES)
    old = contents(tmp_path)
    write = Path.write_text

    def full(self: Path, text: str, *options: Any) -> int:
        if self.name == "README.md":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, text, *options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match=r"/p: it cannot be written \(No space left on device\). Free some space"):
        write_project(tmp_path / "p", FILES)
    assert contents(tmp_path) == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["p"] * before


def test_space_is_not_the_remedy_for_other_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, text: str, *options: Any) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(OutputError) as caught:
        write_project(tmp_path / "p", FILES)
    assert str(caught.value) == f"{tmp_path / 'p'}: it cannot be written (Read-only file system). Choose another folder"


def test_of_many_files_three_are_named(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=r"it holds something else \('a', 'b', 'c', ...\)"):
        check_project(tmp_path)


def test_a_failed_exchange_puts_the_old_project_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path / "p", FILES)
    old = contents(tmp_path)
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match=r"it cannot be written \(Permission denied\)"):
        write_project(tmp_path / "p", {**FILES, "more": ""})
    assert contents(tmp_path) == old
