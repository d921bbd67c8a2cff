"""What is made once on a machine and used again.

An entry is one file, a zip archive of what was made. Its name ends in the SHA-256 of its bytes: what was truncated,
zeroed or flipped is found, and made again. Entries are read into memory and used from there, so that nothing can change
between the check and the use. As they are code that runs and numbers that are believed, the folder and those above it
must be such that nobody else can write into them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from loopwire.errors import LoopwireWarning
from loopwire.system.folders import new_folder, temporary_folder

Files = Mapping[str, bytes]
"""Contents by name."""
KEY_DIGITS = 32
_log = logging.getLogger(__name__)
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cached(kind: str, parts: Iterable[bytes], make: Callable[[], Files]) -> Files:
    """Return files that follow from `parts` alone, made now or earlier.

    Two processes that make the same at once do not disturb each other. Where the cache cannot be used or is full, a
    `LoopwireWarning` says so, and the files are made all the same.

    Args:
        kind: first word of the entry's name.
        parts: all that decides what the files hold.
        make: returns the files; what it raises is raised.
    """
    key = hashlib.sha256()
    for part in parts:
        key.update(hashlib.sha256(part).digest())
    name = f"{kind}-{key.hexdigest()[:KEY_DIGITS]}"
    directory = cache_directory()
    for entry in _entries(directory, name):
        content = _read(entry)
        if content is not None and entry.stem == f"{name}-{hashlib.sha256(content).hexdigest()}":
            _log.info("from the cache: %s", entry)
            return _unpacked(content)
        _warn(f"{entry} is damaged, and is made again")
        _discard(entry)
    files = make()
    _store(directory, name, _packed(files))
    return files


def cache_directory() -> Path:
    """Return the folder of what is made once and used again.

    It is $LOOPWIRE_CACHE, else `loopwire` in $XDG_CACHE_HOME, else in ~/.cache; where that cannot be written, or others
    could write there, a folder of this process's, after a `LoopwireWarning`.

    Ref: XDG Base Directory Specification 0.8.
    """
    own = os.environ.get("LOOPWIRE_CACHE")
    above = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111, as there may be no home
    return _usable(Path(own).absolute() if own else Path(above, "loopwire"))


@cache
def _usable(directory: Path) -> Path:
    """Return a folder if it is fit for a cache, else one of this process's."""
    try:
        if directory.is_absolute():
            _make(directory)
            directory = directory.resolve()
            problem = _objection(directory)
        else:
            problem = "it is not absolute, as of a user without a home folder"
    except OSError as error:
        problem = f"it cannot be created ({error.filename}: {error.strerror})"
    if problem is None:
        return directory
    _warn(
        f"cache folder {directory}: {problem}. What is made is kept for this run only. "
        "Set LOOPWIRE_CACHE to a folder that only you can write"
    )
    return new_folder()


def _make(directory: Path) -> None:
    """Make a folder and those above it for its user alone, whatever the umask."""
    for folder in (*reversed(directory.parents), directory):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def _objection(directory: Path) -> str | None:
    """Say why a folder is no place for a cache: somebody else could put something there, or its user cannot.

    Folders above it may be root's, or whose the root folder is (in some containers root's number is another), and
    everybody may write into one where all can only remove their own, such as /tmp.

    Ref: OpenSSH, misc.c, `safe_path`.
    """
    user, roots = os.geteuid(), {0, Path("/").stat().st_uid}
    for folder in (directory, *directory.parents):
        status = folder.stat()
        where = "it" if folder == directory else str(folder)
        if status.st_uid != user and (folder == directory or status.st_uid not in roots):
            return f"{where} belongs to another user"
        if status.st_mode & OTHERS_WRITE and (folder == directory or not status.st_mode & stat.S_ISVTX):
            return f"others can write into {where} (mode {stat.S_IMODE(status.st_mode):o})"
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return "it cannot be written"
    return None


def _entries(directory: Path, name: str) -> list[Path]:
    try:
        return sorted(directory.glob(f"{name}-*.zip"))
    except OSError as error:
        _warn(f"cache folder {directory}: it cannot be read ({error.strerror})")
        return []


def _read(entry: Path) -> bytes | None:
    """Return the bytes of an entry; None where they cannot be read or may be another's."""
    try:
        with os.fdopen(os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & OTHERS_WRITE:
                return None
            return file.read()
    except OSError:
        return None


def _store(directory: Path, name: str, content: bytes) -> None:
    try:
        with temporary_folder(directory) as place:  # in the same file system, so that the entry appears whole
            fresh = place / "entry"
            fresh.write_bytes(content)
            fresh.chmod(0o600)
            fresh.replace(directory / f"{name}-{hashlib.sha256(content).hexdigest()}.zip")
    except OSError as error:
        _warn(f"cache folder {directory}: it cannot be written ({error.strerror}). What was made is not kept")


def _packed(files: Files) -> bytes:
    """Return files as an archive, which is the same for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _unpacked(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _discard(entry: Path) -> None:
    try:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    except OSError as error:
        _warn(f"{entry} cannot be removed ({error.strerror})")


def _warn(text: str) -> None:
    warnings.warn(text, LoopwireWarning, stacklevel=3)
