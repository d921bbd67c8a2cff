"""The folder that a design is written to: all at once, and never over what is not Loopwire's.

A folder is Loopwire's if its `design.json` lists the files that Loopwire wrote there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loopwire.bounded import parse_json, read_bounded
from loopwire.errors import OutputError
from loopwire.system.folders import claim, empty, is_ours, owner, release
from loopwire.system.outputs import exchange, failures_reported
from loopwire.text.names import file_name

MARKER = "design.json"
ELSEWHERE = "Choose another folder, or move this one away"
MOST_FILE_BYTES = 1 << 30
"""Of a file in a project: bitstreams and netlists of the largest parts have some hundred million."""


def parse_facts(path: Path) -> dict[str, Any]:
    """Return what a `design.json` holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a table in JSON, or beyond all bounds.
    """
    try:
        facts = parse_json(read_bounded(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(facts, dict):
        raise ValueError(f"it holds {facts!r:.80}, not a table")
    return facts


def listed_files(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that Loopwire wrote into a folder, each one's digest by its name.

    Raises:
        ValueError: the facts list none, or something else.
    """
    own = facts.get("loopwire")
    files = own.get("files") if isinstance(own, dict) else None
    if not isinstance(own, dict) or not isinstance(files, dict):
        name, value = ("loopwire.files", files) if isinstance(own, dict) else ("loopwire", own)
        raise ValueError(f"{name!r} is {value!r:.80}, not a table")
    for name, digest in files.items():
        if not isinstance(digest, str):
            raise ValueError(f"'loopwire.files.{name:.80}' is {digest!r:.80}, not a digest")
    return files


@contextmanager
def reserved(path: Path) -> Iterator[Path]:
    """Keep a project's folder, or a file, from other processes, and give a place beside it to make files ready in.

    What can be known of it beforehand is checked: that it can be written, and is no other process's.

    Raises:
        OutputError: it cannot be written, or another process writes to it.
    """
    path = path.resolve()
    if path == path.parent:
        raise OutputError(str(path), "it is the root of all folders", "Choose another folder")
    place = path.with_name(f".loopwire-{path.name}")
    if is_ours(place):  # a command reserves what it writes at its end
        yield place
        return
    with failures_reported(path):
        made = [folder for folder in path.parents if not folder.exists()]
    try:
        with failures_reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not claim(place):
                remedy = "Wait until it is done, or choose another folder"
                raise OutputError(str(path), f"another loopwire is writing to it ({owner(place)})", remedy)
            old = place / "old"
            if old.exists() and not path.exists():  # left by a process that was killed between two renames
                old.rename(path)
            empty(place)
        yield place
    finally:
        release(place)
        for folder in made:
            with suppress(OSError):  # it holds the project, or something else
                folder.rmdir()


def write_project(path: Path, files: Mapping[str, str]) -> Path:
    """Write files into a folder that appears when it is complete, and return its path.

    Of a project of Loopwire that is there already, its own files are replaced and all others stay.

    Args:
        path: the folder; folders above it are made as well.
        files: contents by path in the folder; `design.json` is a JSON object, to which the list of files is added.

    Raises:
        OutputError: the folder holds something else, a file in it was changed, it cannot be written, or another
            process writes to it.
    """
    path = path.resolve()
    own = check_project(path)
    with failures_reported(path):
        foreign = [name for name in _files_in(path) if name not in own]
    clash = next((name for name in foreign if name in files), None)
    if clash is not None:
        raise OutputError(str(path), f"Loopwire would write {clash!r}, which exists already", "Move it away")
    texts = {file_name(name, str(path), OutputError): text for name, text in _with_list(files).items()}
    _write(path, {name: text.encode() for name, text in texts.items()}, foreign)
    return path


def replace_files(path: Path, files: Mapping[str, str]) -> None:
    """Replace some of a project's own files, all at once; the others stay as they are.

    Raises:
        OutputError: there is no project, a file of it was changed since it was written, it cannot be written, or
            another process writes to it.
    """
    own = check_project(path)
    for name in files.keys() - (own.keys() - {MARKER}):
        raise OutputError(str(path), f"its list of files lacks {name!r}", "Compile the model again")
    with failures_reported(path):
        facts = parse_facts(path / MARKER)
    facts["loopwire"]["files"] |= {name: _digest(text.encode()) for name, text in files.items()}
    fresh = {**files, MARKER: json.dumps(facts, indent=2) + "\n"}
    add_files(path, {name: text.encode() for name, text in fresh.items()})


def add_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Put files into a project's folder, all at once; what else is there stays.

    Raises:
        OutputError: the folder cannot be written, or another process writes to it.
    """
    path = path.resolve()
    with failures_reported(path):
        kept = [name for name in _files_in(path) if name not in files]
    _write(path, files, kept)


def _write(path: Path, files: Mapping[str, bytes], kept: Iterable[str]) -> None:
    """Let a folder hold some files, and of what it holds now what is named in `kept`."""
    with reserved(path) as place, failures_reported(path):
        empty(place)  # of what was exchanged before
        fresh = place / "new"
        for name, content in files.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for name in kept:
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(path / name, target)
        if not path.exists():
            fresh.rename(path)
        elif not exchange(fresh, path):
            old = place / "old"
            path.rename(old)
            try:
                fresh.rename(path)
            except BaseException:
                old.rename(path)
                raise


def _link(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such links."""
    try:
        os.link(file, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(file, target, follow_symlinks=False)


def check_project(path: Path, remedy: str = ELSEWHERE) -> Mapping[str, str]:
    """Return the files that Loopwire wrote into a folder, with their digests: none where it is empty or not there.

    Args:
        path: of the folder.
        remedy: what to do if its files are not as Loopwire wrote them.

    Raises:
        OutputError: it is a file, holds something else or a file changed since, or cannot be written.
    """
    with failures_reported(path):
        above = next((folder for folder in path.resolve().parents if folder.exists()), Path("/"))
        if not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(str(path), f"{above} is not a folder that can be written", "Choose another folder")
        if not path.exists():
            return {}
        if not path.is_dir():
            raise OutputError(str(path), "it is not a folder", "Choose another path")
        return _own_files(path, remedy) if any(path.iterdir()) else {}


def _own_files(path: Path, remedy: str) -> Mapping[str, str]:
    try:
        own = listed_files(parse_facts(path / MARKER))
    except FileNotFoundError:
        names = sorted(repr(entry.name) for entry in path.iterdir())
        held = ", ".join([*names[:3], "..."] if len(names) > 3 else names)
        raise OutputError(str(path), f"it holds something else ({held})", ELSEWHERE) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(str(path / MARKER), f"it does not list what Loopwire wrote here ({reason})", remedy) from None
    for name, digest in own.items():
        file = path / file_name(name, str(path), OutputError)
        if file.exists() and not _holds(file, digest):
            raise OutputError(str(path), f"{name!r} was changed since Loopwire wrote it", remedy)
    return {**own, MARKER: ""}


def _holds(file: Path, digest: str) -> bool:
    """Return whether a file is a regular one of this digest; one larger than any that is written is not read."""
    if not file.is_file() or file.stat().st_size > MOST_FILE_BYTES:
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, hashlib.sha256).hexdigest() == digest


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
