"""A written project as Python reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwire import arguments
from loopwire.project.written import read_facts, read_report
from loopwire.report.summary import Report


@dataclass(frozen=True, repr=False)
class Project:
    """A folder that `loopwire compile` has written.

    Attributes:
        folder: where it is.
        facts: what its `design.json` holds.
        report: what its `report.json` holds.
    """

    folder: Path
    facts: Mapping[str, Any]
    report: Report

    def __repr__(self) -> str:
        return f"<Project {str(self.folder)!r}: {self.facts['target']}, {self.report!r}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def load_project(path: str | Path) -> Project:
    """Return a written project with its facts and its report; what tools found since is among these.

    Raises:
        OutputError: there is no project in the folder, one without a report or of another version of Loopwire, or a
            file of it was changed.
    """
    folder = arguments.path("path", path)
    return Project(folder, read_facts(folder), read_report(folder))
