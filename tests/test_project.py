"""Writing the project folder: complete or not at all, and never over what is the user's."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from loopwire.errors import OutputError
from loopwire.project import folder
from loopwire.project.folder import check_project, replace_files, reserved, write_project
from loopwire.system import outputs

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
    told = rf"holds something else \('{name}'\)" if name == "notes.txt" else r"does not list what .+ wrote here \(.+\)"
    message = rf"it {told}. Choose another folder, or move this one away"
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
    with pytest.raises(OutputError, match=r"Loopwire would write 'report.md', which exists already. Move it away"):
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
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if self.name == "README.md":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"/p: it cannot be written \(No space left on device\). Free some space"):
        write_project(tmp_path / "p", FILES)
    assert contents(tmp_path) == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["p"] * before


def test_space_is_not_the_remedy_for_other_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, content: bytes) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(OutputError) as caught:
        write_project(tmp_path / "p", FILES)
    assert str(caught.value) == f"{tmp_path / 'p'}: it cannot be written (Read-only file system). Choose another folder"


def test_of_many_files_three_are_named(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=r"it holds something else \('a', 'b', 'c', ...\)"):
        check_project(tmp_path)


def test_an_exchange_without_the_systems_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "exchange", lambda *_: False)
    write_project(tmp_path / "p", FILES)
    write_project(tmp_path / "p", {**FILES, "more": "1"})
    assert contents(tmp_path / "p")["more"] == "1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["p"]


def test_a_failed_exchange_puts_the_old_project_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "exchange", lambda *_: False)
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


def test_a_project_whose_writer_was_killed_between_two_renames_comes_back(tmp_path: Path) -> None:
    write_project(tmp_path / "p", FILES)
    old = contents(tmp_path)
    (tmp_path / ".loopwire-p").mkdir()
    (tmp_path / "p").rename(tmp_path / ".loopwire-p" / "old")
    (tmp_path / ".loopwire-p" / "new").mkdir()
    with reserved(tmp_path / "p"):
        pass
    assert contents(tmp_path) == old


def test_a_refused_exchange_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        outputs.exchange(tmp_path / "a", tmp_path / "b")


def test_what_is_not_ours_is_not_copied(tmp_path: Path) -> None:
    path = write_project(tmp_path / "p", FILES)
    (path / "run.log").write_text("gigabytes")
    number = (path / "run.log").stat().st_ino
    replace_files(path, {"README.md": "# b\n"})
    assert contents(path)["README.md"] == "# b\n"
    assert (path / "run.log").stat().st_ino == number
    assert set(check_project(path)) == {"rtl/a.sv", "README.md", "design.json"}


def test_a_command_may_write_twice(tmp_path: Path) -> None:
    with reserved(tmp_path / "p"):
        path = write_project(tmp_path / "p", FILES)
        replace_files(path, {"README.md": "# b\n"})
        folder.add_files(path, {"routed/design.bit": b"1"})
    written = contents(tmp_path)
    assert written["p/README.md"] == "# b\n" and written["p/routed/design.bit"] == "1" and len(written) == 4


def test_a_copy_does_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(folder.os, "link", refused)
    path = write_project(tmp_path / "p", FILES)
    (path / "run.log").write_text("mine")
    (path / "link").symlink_to("run.log")
    write_project(path, FILES)
    assert contents(path)["run.log"] == "mine" and (path / "link").is_symlink()


def test_two_that_write_to_one_folder(tmp_path: Path) -> None:
    program = "import sys\nfrom pathlib import Path\nfrom loopwire.project.folder import reserved\n"
    program += "with reserved(Path(sys.argv[1])):\n  print(flush=True)\n  input()"
    command = [sys.executable, "-c", program, str(tmp_path / "p")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "\n"
        text = rf"/p: another loopwire is writing to it \(process {other.pid}\). Wait until it is done, or choose"
        with pytest.raises(OutputError, match=text):
            write_project(tmp_path / "p", FILES)
        write_project(tmp_path / "q", FILES)
        other.communicate("\n")
    write_project(tmp_path / "p", FILES)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["p", "q"]


def test_a_reserved_folder_that_is_not_written_leaves_nothing(tmp_path: Path) -> None:
    with reserved(tmp_path / "a" / "b" / "c"), reserved(tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not list(tmp_path.iterdir())


def test_the_root_is_no_project() -> None:
    with (
        pytest.raises(OutputError, match=r"/: it is the root of all folders. Choose another folder"),
        reserved(Path("/")),
    ):
        pass
    with pytest.raises(OutputError, match="/: it holds something else"):
        check_project(Path("/"))


def test_a_file_appears_whole_or_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "above" / "types.toml"
    outputs.check_file(path)
    assert not list(tmp_path.iterdir())
    outputs.write_file(path, b"1")
    rename = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if self.name == "fresh":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(OutputError, match=r"types.toml: it cannot be written \(Input/output error\)"):
            outputs.write_file(path, b"2")
    assert path.read_bytes() == b"1" and list(path.parent.iterdir()) == [path]
    outputs.write_file(path, b"3")
    assert path.read_bytes() == b"3"
    with pytest.raises(OutputError, match=r"above: it is a folder. Name a file in it, such as .*/above/result"):
        outputs.check_file(path.parent)
    with pytest.raises(OutputError, match=r"below: it cannot be written \(Not a directory\). Choose another folder"):
        outputs.check_file(path / "below")
