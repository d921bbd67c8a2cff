"""The cache: damaged or foreign entries are found and made again; folders that others can write into are not used."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loopwire.devices import find_part
from loopwire.emulator import fast_emulator, native_library
from loopwire.errors import LoopwireWarning, ToolError
from loopwire.simulate import verilator
from loopwire.system.cache import Files, cache_directory, cached
from loopwire.tools import nextpnr, routing, synthesis, yosys
from loopwire.tools.fabrics import FABRICS

MODULE = """\
module top (input logic aclk, input logic d, output logic q);
  always_ff @(posedge aclk) q <= q ^ d;
endmodule
"""


@dataclass(frozen=True)
class Entry:
    """What some part of Loopwire asked the cache for, and got."""

    kind: str
    parts: Sequence[bytes]
    files: Files


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Entry]]:
    """A real entry of each kind, as its part of Loopwire makes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOPWIRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = {}

        def record(kind: str, parts: Any, make: Callable[[], Files]) -> Files:
            parts = list(parts)
            found[kind] = Entry(kind, parts, cached(kind, parts, make))
            return found[kind].files

        for module in (native_library, verilator, synthesis, routing):
            patch.setattr(module, "cached", record)
        native_library.load.cache_clear()
        assert native_library.load(fast_emulator._SOURCE) is not None
        native_library.load.cache_clear()
        verilator._runtime(verilator.cxx_compiler())
        try:
            found_yosys = yosys.find_yosys()
            nextpnr.version()
        except ToolError:
            pass
        else:
            piece = synthesis.Piece("layer", "top", {"top.sv": MODULE.encode()}, {})
            synthesis.cell_counts(synthesis.Work(found_yosys, FABRICS["ecp5"], None), piece)
            routing.route(routing.Sources({"top.sv": MODULE}, "top"), find_part("LFE5U-12F"), 50.0)
        yield found


def flipped(position: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        bit = min(int(position * 8 * len(content)), 8 * len(content) - 1)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)

    return damage


def truncated(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def zeroed(first: float, last: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        start, stop = int(first * len(content)), int(last * len(content))
        path.write_bytes(content[:start] + bytes(stop - start) + content[stop:])

    return damage


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.rename(path.with_name("real"))
        make(path)

    return damage


def another_users(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(path, 12345, -1)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": truncated(0),
    "a tenth of it": truncated(0.1),
    "half of it": truncated(0.5),
    "without its last byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "zeroed": zeroed(0, 1),
    "first half zeroed": zeroed(0, 0.5),
    "second half zeroed": zeroed(0.5, 1),
    "middle zeroed": zeroed(0.4, 0.6),
    "first bit": flipped(0),
    "last bit": flipped(1),
    "middle bit": flipped(0.5),
    **{f"random bit {seed}": flipped(random.Random(seed).random()) for seed in range(5)},
    "one byte more": lambda path: path.write_bytes(path.read_bytes() + b"\0") and None,
    "another text": lambda path: path.write_text("hello") and None,
    "a link to the real one": replaced(lambda path: path.symlink_to("real")),
    "a folder": replaced(lambda path: path.mkdir()),
    "a named pipe": replaced(os.mkfifo),
    "open to all": lambda path: path.chmod(0o666),
    "another user's": another_users,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["fast_emulator", "verilator", "yosys", "netlist", "nextpnr"])
def test_a_damaged_entry_is_found_and_made_again(
    kind: str, damage: str, entries: dict[str, Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind not in entries:
        pytest.skip("Yosys or nextpnr is not installed")
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    entry = entries[kind]
    made = []

    def make() -> Files:
        made.append(kind)
        return entry.files

    assert cached(kind, entry.parts, make) == entry.files
    (path,) = (tmp_path / "cache").iterdir()
    DAMAGES[damage](path)
    with pytest.warns(LoopwireWarning, match=f"{path.name} is damaged, and is made again"):
        assert cached(kind, entry.parts, make) == entry.files
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cached(kind, entry.parts, make) == entry.files
    assert len(made) == 2


def test_a_damaged_library_is_compiled_again_and_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "one.cpp"
    source.write_text('extern "C" int one() { return 1; }\n')
    for damage in (truncated(0.5), zeroed(0, 1), flipped(0.3)):
        native_library.load.cache_clear()
        first = native_library.load(source)
        (path,) = (tmp_path / "cache").iterdir()
        damage(path)
        native_library.load.cache_clear()
        with pytest.warns(LoopwireWarning, match="is damaged"):
            second = native_library.load(source)
        assert first is not None and second is not None and first.one() == second.one() == 1


def test_an_entry_is_made_once_and_only_when_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))

    def fails() -> Files:
        raise ToolError("tool", "it failed", "Read its log")

    with pytest.raises(ToolError):
        cached("thing", [b"a"], fails)
    assert not list((tmp_path / "cache").iterdir())
    assert cached("thing", [b"a"], lambda: {"x": b"1"}) == {"x": b"1"}
    assert cached("thing", [b"a"], fails) == {"x": b"1"}
    assert cached("thing", [b"b"], lambda: {"x": b"2"}) == {"x": b"2"}


def test_two_who_make_the_same_at_once_are_both_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))

    def slow() -> Files:
        cached("thing", [b"a"], lambda: {"x": b"1", "log": b"first"})
        return {"x": b"1", "log": b"second"}

    assert cached("thing", [b"a"], slow)["x"] == b"1"
    assert cached("thing", [b"a"], slow)["x"] == b"1"


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("LOOPWIRE_CACHE", raising=False)
    assert cache_directory() == tmp_path / "xdg" / "loopwire"
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / """it's "mine" """ / "own"))
    assert cache_directory() == tmp_path / """it's "mine" """ / "own"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOOPWIRE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home" / ".cache" / "loopwire"


def test_folders_are_made_for_their_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "above" / "cache"))
    before = os.umask(0)
    try:
        cached("thing", [b"a"], lambda: {"x": b"1"})
    finally:
        os.umask(before)
    (entry,) = (tmp_path / "above" / "cache").iterdir()
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "above", tmp_path / "above" / "cache", entry)]
    assert modes == [0o700, 0o700, 0o600]


def a_file(folder: Path, _: pytest.MonkeyPatch) -> None:
    folder.rmdir()
    folder.touch()


def below_a_file(folder: Path, patch: pytest.MonkeyPatch) -> None:
    a_file(folder, patch)
    patch.setenv("LOOPWIRE_CACHE", str(folder / "below"))


def open_to_all(folder: Path, _: pytest.MonkeyPatch) -> None:
    folder.chmod(0o777)


def below_one_open_to_the_group(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "below").mkdir()
    folder.chmod(0o770)
    patch.setenv("LOOPWIRE_CACHE", str(folder / "below"))


def someone_elses(folder: Path, _: pytest.MonkeyPatch) -> None:
    another_users(folder)


def relative(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("LOOPWIRE_CACHE")
    patch.setenv("XDG_CACHE_HOME", "relative")


def read_only(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "access", lambda path, mode: Path(path) != folder)


UNFIT = {
    a_file: r"cache: it cannot be created \(.*/cache: File exists\)",
    below_a_file: r"below: it cannot be created \(.*/cache: File exists\)",
    open_to_all: r"cache: others can write into it \(mode 777\)",
    below_one_open_to_the_group: r"below: others can write into .*/cache \(mode 770\)",
    someone_elses: "cache: it belongs to another user",
    read_only: "cache: it cannot be written",
    relative: "relative/loopwire: it is not absolute, as of a user without a home folder",
}


@pytest.mark.parametrize("make_unfit", UNFIT)
def test_a_folder_unfit_for_a_cache_is_not_used_which_is_said_once(
    make_unfit: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("LOOPWIRE_CACHE", str(folder))
    make_unfit(folder, monkeypatch)
    before = list(folder.rglob("*"))
    remedy = "What is made is kept for this run only. Set LOOPWIRE_CACHE to a folder that only you can write"
    with pytest.warns(LoopwireWarning, match=f"^cache folder .*{UNFIT[make_unfit]}. {remedy}$"):
        assert cached("thing", [b"a"], lambda: {"x": b"1"}) == {"x": b"1"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cached("thing", [b"a"], lambda: pytest.fail("made again")) == {"x": b"1"}
    assert list(folder.rglob("*")) == before


def test_a_full_disk_is_said_and_what_was_made_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(
        LoopwireWarning, match=r"cannot be written \(No space left on device\). What was made is not kept"
    ):
        assert cached("thing", [b"a"], lambda: {"x": b"1"}) == {"x": b"1"}
    assert not list((tmp_path / "cache").iterdir())
