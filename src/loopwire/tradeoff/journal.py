"""The file that keeps a search: optuna's journal, written a whole generation or a whole outcome at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from loopwire.system.outputs import append


class Journal(JournalFileBackend):  # type: ignore[misc]  # optuna, where it is missing, has type Any
    """optuna's format, a line an entry, with one writer.

    `JournalFileBackend` waits for the disk after each entry, and a stop between two leaves half a trial. Here entries
    wait for `flush`, which writes all or none. A line that a power cut has cut off is taken away.
    """

    def __init__(self, path: Path) -> None:
        """Open or begin a file.

        Raises:
            OSError: it cannot be written.
        """
        self._path, self._others = path, JournalFileSymlinkLock(str(path))
        super().__init__(str(path), self._others)
        self._waiting: list[str] = []
        with path.open("r+b") as file:
            text = file.read()
            if text.startswith(b"{"):
                file.truncate(text.rfind(b"\n") + 1)
        self._written = text.count(b"\n")

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the entries from a number on, those that wait too."""
        if log_number_from < self._written:
            yield from super().read_logs(log_number_from)
        for line in self._waiting[max(log_number_from - self._written, 0) :]:
            yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Let entries wait."""
        self._waiting += [f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs]

    def flush(self) -> None:
        """Write the entries that wait, and wait until they are on the disk.

        Raises:
            OSError: they cannot be written; none is.
        """
        if not self._waiting:
            return
        self._others.acquire()
        try:
            append(self._path, "".join(self._waiting).encode(), to_disk=True)
        finally:
            self._others.release()
        self._written += len(self._waiting)
        self._waiting.clear()
