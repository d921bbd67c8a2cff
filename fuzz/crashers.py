"""What has failed once, kept for ever in tests/crashers with its right answer; tests/test_crashers.py replays it.

Each is a folder: the files of a case, or the graph and the knobs of a design, and `right.json`: the campaign, what the
case did when it was found, and what is right, which whoever mends the fault fills in. Until then the test fails.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import Case
from fuzz import ROOT
from loopwire.ir.graph import Graph
from loopwire.ir.text import parse_graph, print_graph
from loopwire.knobs import Knobs

CRASHERS = ROOT / "tests" / "crashers"
RIGHT = "right.json"
GRAPH, KNOBS = "graph.txt", "design.json"
DESIGNS = "designs"
"""The campaign whose cases are kept as graphs: of chains of layers and of graphs alike."""


@dataclass(frozen=True)
class Crasher:
    """A kept failure.

    Attributes:
        folder: of its files.
        campaign: that it belongs to.
        right: 'sound', or the error that is due, its text with `{folder}` for the folder of the files.
    """

    folder: Path
    campaign: str
    right: str | None

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the case, by their paths."""
        paths = [path for path in self.folder.rglob("*") if path.is_file() and path.name != RIGHT]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def design(self) -> Case:
        """Return a kept design."""
        facts = json.loads((self.folder / KNOBS).read_text())
        graph = parse_graph((self.folder / GRAPH).read_text())
        return KeptDesign(name=self.folder.name.replace("-", "_"), input_shape=(), layers=(), kept=graph, **facts)


@dataclass(frozen=True, kw_only=True)
class KeptDesign(Case):
    """A design of which the graph is kept, not the model that it came from."""

    kept: Graph

    def graph(self) -> Graph:
        """Return the kept graph."""
        return self.kept


def all_crashers() -> list[Crasher]:
    """Return what is kept, by name."""
    folders = sorted(path.parent for path in CRASHERS.glob(f"*/{RIGHT}"))
    return [Crasher(folder, facts["campaign"], facts["right"]) for folder in folders for facts in [_facts(folder)]]


def keep(campaign: str, files: Mapping[str, bytes], found: str) -> Path:
    """Keep the files of a case that fails; return its folder."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:8]
    folder = CRASHERS / f"{campaign}-{digest}"
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / RIGHT).write_text(json.dumps({"campaign": campaign, "found": found, "right": None}, indent=2) + "\n")
    return folder


def keep_design(case: Case, found: str) -> Path:
    """Keep a design that fails; return its folder."""
    default = vars(Knobs())
    facts: dict[str, Any] = {key: getattr(case, key) for key in default if getattr(case, key) != default[key]}
    facts |= {"part": case.part, "clock_period_ns": case.clock_period_ns}
    files = {GRAPH: print_graph(case.graph()).encode(), KNOBS: (json.dumps(facts, indent=2) + "\n").encode()}
    return keep(DESIGNS, files, found)


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / RIGHT).read_text())
    return facts
