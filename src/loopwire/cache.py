"""What is made once on a machine and used again: a folder of the user's."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from loopwire.errors import ToolError


def cache_directory() -> Path:
    """Return the folder of what is made once and used again.

    It is $LOOPWIRE_CACHE, else `loopwire` in $XDG_CACHE_HOME, else in ~/.cache.
    Ref: XDG Base Directory Specification 0.8.

    Raises:
        ToolError: the folder cannot be made.
    """
    own = os.environ.get("LOOPWIRE_CACHE")
    xdg = os.environ.get("XDG_CACHE_HOME")
    directory = Path(own) if own else (Path(xdg) if xdg else Path.home() / ".cache") / "loopwire"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"cache folder {directory}",
            f"it cannot be made ({error.strerror})",
            "Set LOOPWIRE_CACHE to a folder that can be written",
        ) from None
    return directory


def cached_folder(kind: str, parts: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """Return a folder of files that follow from `parts` alone, made now or earlier.

    It appears when it is complete. Where `make` fails, the folder it worked in stays, since errors name logs in it.

    Args:
        kind: first word of the folder's name.
        parts: all that decides what the files hold.
        make: fills an empty folder.

    Raises:
        ToolError: the cache folder cannot be made.
    """
    key = hashlib.sha256()
    for part in parts:
        key.update(hashlib.sha256(part).digest())
    cache = cache_directory()
    folder = cache / f"{kind}-{key.hexdigest()[:20]}"
    if not folder.exists():
        fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=cache))
        make(fresh)
        try:
            fresh.rename(folder)
        except OSError:  # another process was quicker
            shutil.rmtree(fresh)
    return folder
