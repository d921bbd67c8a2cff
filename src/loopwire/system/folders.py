"""Folders that a process has for itself, and what a killed one left of them.

A folder is claimed by a lock on a file in it. The kernel gives up the lock when the process ends, however it ends; so a
folder whose lock is free is nobody's, and the next run removes it.

Ref: flock(2).
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from loopwire.errors import ToolError

LOCK = "lock"
PREFIX = "loopwire-tmp-"
_held: dict[Path, int] = {}
"""Descriptors of the locks of this process's folders."""
os.register_at_fork(after_in_child=_held.clear)


def claim(path: Path) -> bool:
    """Make a folder this process's own, by making it or by taking over one that is nobody's, with what is in it.

    Returns:
        False where another process, or this one, has it.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        try:
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:  # whoever had it has removed it just now
            continue
        if _lock(lock) is False:
            os.close(lock)
            return False
        if _is_in_place(path, lock):
            _held[path] = lock
            os.truncate(lock, 0)
            os.write(lock, f"process {os.getpid()}\n".encode())
            return True
        os.close(lock)


def is_ours(path: Path) -> bool:
    """Say whether this process has claimed a folder."""
    return path in _held


def empty(path: Path) -> None:
    """Remove all that is in a folder of this process's."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK:
            entry.unlink(missing_ok=True)


def owner(path: Path) -> str:
    """Return who has claimed a folder, as 'process 1234'."""
    try:
        return (path / LOCK).read_text().strip() or "another process"
    except OSError:
        return "another process"


def release(path: Path) -> None:
    """Remove a folder of this process's and all that is in it; nothing happens where it was removed before.

    Two threads may do so at once. It stays claimed until it is removed, so that what is interrupted is removed at the
    process's end.
    """
    if path in _held:
        _remove(path)
        lock = _held.pop(path, None)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def temporary_folder(above: Path | None = None) -> Iterator[Path]:
    """Make a folder in another one, by default that of temporary files, and remove it at the end."""
    folder = new_folder(above)
    try:
        yield folder
    finally:
        release(folder)


def new_folder(above: Path | None = None) -> Path:
    """Make a folder in another one, by default that of temporary files; it lasts to `release` or the process's end.

    Raises:
        ToolError: no folder for temporary files can be written.
    """
    place = temporary_files() if above is None else above
    _sweep_once(place)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        try:
            if claim(folder):
                return folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def fill(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write texts into a folder by their paths in it, and return where each is."""
    paths = [folder / name for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return paths


def temporary_files() -> Path:
    """Return the folder of temporary files: $TMPDIR or the system's.

    Raises:
        ToolError: there is none that can be written.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        problem, remedy = "no folder for them can be written", "Set TMPDIR to a folder that can"
        raise ToolError("temporary files", problem, remedy) from None


@contextlib.contextmanager
def all_released() -> Iterator[None]:
    """Remove at the end all folders that were claimed meanwhile, whatever holds them."""
    before = set(_held)
    try:
        yield
    finally:
        for path in set(_held) - before:
            release(path)


def sweep(above: Path) -> None:
    """Remove the temporary folders of this user's that dead processes left in a folder."""
    for path in above.glob(f"{PREFIX}*"):
        # One that somebody else removes meanwhile, or that is not ours, is none of ours to remove.
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.geteuid():
                _remove_if_nobodys(path)


def keep(file: Path) -> Path:
    """Return a file that outlives this process: a copy of one in a folder that does not, else the file itself."""
    if not any(file.is_relative_to(folder) for folder in list(_held)):
        return file
    handle, name = tempfile.mkstemp(prefix="loopwire-", suffix=f"-{file.name}", dir=temporary_files())
    os.close(handle)
    return Path(shutil.copyfile(file, name))


@atexit.register
def release_all() -> None:
    """Remove all folders of this process's."""
    for path in list(_held):
        release(path)


@cache
def _sweep_once(above: Path) -> None:
    sweep(above)


def _remove_if_nobodys(path: Path) -> None:
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if _lock(lock) and _is_in_place(path, lock):
            _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    """Remove a folder whose lock is ours: the lock last, so that nobody takes the folder while it is emptied."""
    with contextlib.suppress(OSError):
        empty(path)
        (path / LOCK).unlink(missing_ok=True)
        path.rmdir()


def _lock(file: int) -> bool | None:
    """Lock a file, and say whether that was possible; None on a file system without locks, where nobody can know."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_in_place(path: Path, lock: int) -> bool:
    """Say whether a lock is still on the file that is in the folder now."""
    try:
        return os.path.samestat((path / LOCK).stat(), os.fstat(lock))
    except FileNotFoundError:
        return False
