"""Results that appear whole or not at all, and in place of what was there before at once."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwire.errors import OutputError
from loopwire.system.folders import temporary_folder

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
"""What a file system says that cannot exchange."""


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and folders above it where there are none.

    Raises:
        OutputError: it cannot be written; what was there before is as it was.
    """
    with failures_reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path.parent) as place:
            fresh = place / "fresh"
            fresh.write_bytes(content)
            fresh.replace(path)


def append(path: Path, content: bytes, to_disk: bool = False) -> None:
    """Add all of some bytes to a file, or none.

    Args:
        path: of the file.
        content: the bytes.
        to_disk: whether to wait until they are on the disk.

    Raises:
        OSError: they cannot be written.
    """
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            while content:
                content = content[file.write(content) :]
            if to_disk:
                os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def check_file(path: Path) -> None:
    """Refuse at once what `write_file` would refuse after the work.

    Raises:
        OutputError: the file cannot be written.
    """
    with failures_reported(path):
        if path.is_dir():
            raise OutputError(str(path), "it is a folder", f"Name a file in it, such as {path / 'result'}")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        with temporary_folder(above):
            pass


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders take each other's place at once.

    Returns:
        False where the system or the file system cannot do that.

    Raises:
        OSError: it fails.

    Ref: rename(2), RENAME_EXCHANGE.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in NOT_HERE:
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))


@contextmanager
def failures_reported(path: Path) -> Iterator[None]:
    """Make what the system refuses an error that names the result.

    Raises:
        OutputError: something was refused.
    """
    try:
        yield
    except OSError as error:
        remedy = "Free some space, or choose another place" if error.errno in NO_SPACE else "Choose another folder"
        raise OutputError(str(path), f"it cannot be written ({error.strerror or error})", remedy) from None
