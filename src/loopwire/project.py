"""The folder that a design is written to: all at once, and never over what is not Loopwire's.

A folder is Loopwire's if its `design.json` lists the files that Loopwire wrote there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopwire.errors import OutputError
from loopwire.project_facts import MARKER, parse_facts
from loopwire.text.names import file_name

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
ELSEWHERE = "Choose another folder, or move this one away"


def write_project(path: Path, files: Mapping[str, str]) -> Path:
    """Write files into a folder that appears when it is complete, and return its path.

    Of a project of Loopwire that is there already, its own files are replaced and all others stay.

    Args:
        path: the folder; folders above it are made as well.
        files: contents by path in the folder; `design.json` is a JSON object, to which the list of files is added.

    Raises:
        OutputError: the folder holds something else, a file in it was changed, or it cannot be written.
    """
    path = path.resolve()
    with _failures_reported(path):
        own = check_project(path)
        foreign = [name for name in _files_in(path) if name not in own]
        clash = next((name for name in foreign if name in files), None)
        if clash is not None:
            raise OutputError(str(path), f"Loopwire would write {clash!r}, which is there already", "Move it away")
        above = next(folder for folder in path.parents if folder.exists())
        # A folder beside the final one is in the same file system, so that renaming is atomic.
        with tempfile.TemporaryDirectory(prefix=".loopwire-", dir=above) as place:
            fresh, old = Path(place, "new"), Path(place, "old")
            for name, text in _with_list(files).items():
                target = fresh / file_name(name, str(path), OutputError)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            for name in foreign:
                target = fresh / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path / name, target, follow_symlinks=False)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                path.rename(old)
            try:
                fresh.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise
    return path


def replace_files(path: Path, files: Mapping[str, str]) -> None:
    """Replace some of a project's own files; the others stay as they are.

    Raises:
        OutputError: there is no project, a file of it was changed since it was written, or it cannot be written.
    """
    with _failures_reported(path):
        own = check_project(path)
        assert files.keys() <= own.keys() - {MARKER}, f"files of the project: {sorted(files)}"
        facts = parse_facts(path / MARKER)
        facts["loopwire"]["files"] |= {name: _digest(text.encode()) for name, text in files.items()}
        fresh = {**files, MARKER: json.dumps(facts, indent=2) + "\n"}
        # All are written before any takes its place, so that a full disk changes nothing.
        with tempfile.TemporaryDirectory(prefix=".loopwire-", dir=path.resolve().parent) as place:
            for number, text in enumerate(fresh.values()):
                Path(place, str(number)).write_text(text)
            for number, name in enumerate(fresh):
                Path(place, str(number)).replace(path / name)


def check_project(path: Path) -> Mapping[str, str]:
    """Return the files that Loopwire wrote into a folder, with their digests: none where it is empty or not there.

    Raises:
        OutputError: it is a file, holds something else or a file changed since, or cannot be written.
    """
    with _failures_reported(path):
        above = next(folder for folder in path.resolve().parents if folder.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(str(path), f"{above} is not a folder that can be written", "Choose another folder")
        if not path.exists():
            return {}
        if not path.is_dir():
            raise OutputError(str(path), "it is not a folder", "Choose another path")
        return _own_files(path) if any(path.iterdir()) else {}


def _own_files(path: Path) -> Mapping[str, str]:
    try:
        facts = parse_facts(path / MARKER)
        own: dict[str, str] = facts["loopwire"]["files"]
        assert isinstance(own, dict)
    except (OSError, ValueError, LookupError, TypeError, AssertionError):
        names = sorted(repr(entry.name) for entry in path.iterdir())
        held = ", ".join([*names[:3], "..."] if len(names) > 3 else names)
        raise OutputError(str(path), f"it holds something else ({held})", ELSEWHERE) from None
    for name, digest in own.items():
        file = path / file_name(name, str(path), OutputError)
        if file.exists() and (not file.is_file() or _digest(file.read_bytes()) != digest):
            raise OutputError(str(path), f"{name!r} was changed since Loopwire wrote it", ELSEWHERE)
    return {**own, MARKER: ""}


def _with_list(files: Mapping[str, str]) -> dict[str, str]:
    facts: dict[str, Any] = json.loads(files[MARKER])
    listed = {name: _digest(text.encode()) for name, text in sorted(files.items()) if name != MARKER}
    return {**files, MARKER: json.dumps({**facts, "loopwire": {**facts["loopwire"], "files": listed}}, indent=2) + "\n"}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _files_in(path: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(path):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [Path(folder, name) for name in (*names, *links)]
    return [file.relative_to(path).as_posix() for file in found]


@contextmanager
def _failures_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Free some space, or choose another place" if error.errno in NO_SPACE else "Choose another folder"
        raise OutputError(str(path), f"it cannot be written ({error.strerror or error})", remedy) from None
