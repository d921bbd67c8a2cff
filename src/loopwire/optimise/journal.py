"""What a search has judged, kept in a file so that a search that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loopwire.bounded import parse_json
from loopwire.errors import OutputError
from loopwire.optimise.criterion import Judgement, Measure
from loopwire.system.outputs import append, failures_reported, write_file

Choice = tuple[int, ...]
"""Fraction bits of every group."""


class Journal:
    """Judgements and costs by choice; every new one is written at once.

    A search is deterministic: run again with the journal of its first half, it asks for the same choices and gets
    their judgements from here. The first line of the file tells which search it belongs to.
    """

    def __init__(self, path: Path | None, search: str) -> None:
        """Open or begin a journal.

        Args:
            path: the file; None: nothing is kept.
            search: whatever decides the search's course, as a digest.

        Raises:
            OutputError: the file belongs to another search, or cannot be written.
        """
        self._known: dict[Choice, tuple[Judgement, float]] = {}
        self._path = path
        if path is None:
            return
        with failures_reported(path):
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        whole = self._read(path, lines, search)
        begun = "".join(f"{line}\n" for line in whole or [json.dumps({"search": search})])
        write_file(path, begun.encode())

    def __len__(self) -> int:
        return len(self._known)

    def get(self, choice: Choice) -> tuple[Judgement, float] | None:
        """Return what is known of a choice."""
        return self._known.get(choice)

    def __getitem__(self, choice: Choice) -> tuple[Judgement, float]:
        return self._known[choice]

    def add(self, choice: Choice, judgement: Judgement, cost: float) -> None:
        """Keep what was found out.

        Raises:
            OutputError: it cannot be written; the file is as it was.
        """
        if self._path is not None:
            entry = json.dumps({"choice": choice, "judgement": asdict(judgement), "cost": cost})
            with failures_reported(self._path):
                append(self._path, f"{entry}\n".encode())
        self._known[choice] = judgement, cost

    def remove(self) -> None:
        """Remove the file of a finished search.

        Raises:
            OutputError: it cannot be removed.
        """
        if self._path is not None:
            with failures_reported(self._path):
                self._path.unlink(missing_ok=True)

    def _read(self, path: Path, lines: Sequence[str], search: str) -> list[str]:
        """Take over what the lines say, up to one that was cut off; return those taken."""
        taken: list[str] = []
        for line in lines:
            try:
                entry: dict[str, Any] = parse_json(line)
                if not taken and entry["search"] != search:
                    break
                if taken:
                    self._take(entry)
            except (ValueError, LookupError, TypeError, AttributeError):
                break
            taken.append(line)
        if lines and not taken:
            raise OutputError(
                str(path),
                "it is not the state of this search: model, data or options differ",
                "Remove it to start again, or give the same model, data and options to continue",
            )
        return taken

    def _take(self, entry: dict[str, Any]) -> None:
        judgement = entry["judgement"]
        measures = tuple(Measure(**measure) for measure in judgement.pop("measures"))
        worst = Measure(**judgement.pop("worst"))
        self._known[tuple(entry["choice"])] = Judgement(measures, worst=worst, **judgement), float(entry["cost"])
