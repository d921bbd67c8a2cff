"""A project that was written before: its facts, and its report, to which tools add what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwire.bounded import read_bounded
from loopwire.errors import ConfigError, FixedTypeError, OutputError
from loopwire.ir.graph import Graph
from loopwire.ir.text import parse_graph
from loopwire.ir.verify import verify
from loopwire.project.facts import check_facts
from loopwire.project.files import GRAPH
from loopwire.project.folder import MARKER, check_project, listed_files, parse_facts, replace_files
from loopwire.report.built import Built
from loopwire.report.drawings import Drawings
from loopwire.report.html import page
from loopwire.report.stored import drawings_from_json, from_json
from loopwire.report.summary import Report
from loopwire.text.names import take_in

REPORT, DRAWINGS = "report.json", "drawings.json"
MAX_DRAWINGS_BYTES = 32 << 20
MAX_GRAPH_BYTES = 256 << 20


def read_facts(project: Path) -> Mapping[str, Any]:
    """Return what `design.json` tells of a project whose files are as Loopwire wrote them.

    Raises:
        OutputError: there is no project in the folder, or a file of it was changed or removed since.
    """
    try:
        if project.is_file():
            raise OutputError(str(project), "it is a file", f"Compile a model first: loopwire compile {project}")
        if not (project / MARKER).is_file():
            problem = f"it holds no {MARKER}, so it is not a project" if project.exists() else "there is no such folder"
            raise OutputError(str(project), problem, "Give the folder that loopwire compile has written")
        own = check_project(project, "Compile the model again")
        missing = next((name for name in own if not (project / name).is_file()), None)
        if missing is not None:
            problem = f"{missing!r} was removed since Loopwire wrote it"
            raise OutputError(str(project), problem, "Compile the model again")
        facts = parse_facts(project / MARKER)
    except (OSError, ValueError) as error:
        raise OutputError(str(project / MARKER), f"it cannot be read ({error})", "Compile the model again") from None
    check_facts(str(project), facts)
    _require_modules(project, facts)
    return facts


def read_graph(project: Path) -> Graph:
    """Return a project's graph.

    Raises:
        GraphTextError: its text is no graph.
        OutputError: it cannot be read, or is a graph that no model gives.
    """
    path = project / GRAPH
    try:
        return verify(parse_graph(read_bounded(path, MAX_GRAPH_BYTES).decode()))
    except (OSError, ValueError, AssertionError, LookupError) as error:
        raise OutputError(str(path), f"it is not a graph of a model ({error})", "Compile the model again") from None


def read_verilog_facts(project: Path) -> Mapping[str, Any]:
    """Return what `design.json` tells of a project of SystemVerilog.

    Raises:
        OutputError: as for `read_facts`.
        ConfigError: it is one of HLS C++.
    """
    facts = read_facts(project)
    if facts["target"] != "verilog":
        raise ConfigError(
            str(project), "it holds HLS C++, not SystemVerilog", "Run loopwire build, or compile with --target verilog"
        )
    return facts


def _require_modules(project: Path, facts: Mapping[str, Any]) -> None:
    """Refuse a design whose top, or a layer's module, is not among the files that `design.json` lists."""
    if "layer_modules" not in facts:
        return
    listed = {Path(name).name for name in listed_files(facts)}
    for module in (facts["top"], *facts["layer_modules"]):
        if f"{module}.sv" not in listed:
            problem = f"{MARKER} lists no file of the module {module!r}"
            raise OutputError(str(project), problem, "Compile the model again")


def read_report(project: Path) -> Report:
    """Return a project's report.

    Raises:
        OutputError: the project has none, or one of another version of Loopwire.
    """
    try:
        report = from_json(read_bounded(project / REPORT).decode())
        take_in(report.model, str(project / REPORT), "the model", OutputError)
        return report
    except (OSError, ValueError, ConfigError, FixedTypeError) as error:
        raise OutputError(
            str(project / REPORT),
            f"it is not this version's report ({getattr(error, 'strerror', None) or error})",
            "Compile the model again",
        ) from None


def report_files(report: Report, drawings: Drawings) -> dict[str, str]:
    """Return the files of a report by their names in a project: what `add_built` reads, and what people read."""
    return {
        REPORT: report.to_json(),
        DRAWINGS: drawings.to_json(),
        "report.md": report.to_markdown(),
        "report.html": page(report, drawings),
    }


def _read_drawings(project: Path) -> Drawings:
    try:
        return drawings_from_json(read_bounded(project / DRAWINGS, MAX_DRAWINGS_BYTES).decode())
    except (OSError, ValueError) as error:
        raise OutputError(
            str(project / DRAWINGS),
            f"this version did not draw it ({getattr(error, 'strerror', None) or error})",
            "Compile the model again",
        ) from None


def add_built(project: Path, built: Built) -> Report:
    """Return a project's report with what a tool found, in place of what it found before, and write it there.

    Raises:
        OutputError: the project has no report, a file of it was changed, or it cannot be written.
    """
    before = read_report(project)
    others = (other for other in before.built if (other.stage, other.part) != (built.stage, built.part))
    report = replace(before, built=(*others, built))
    replace_files(project, report_files(report, _read_drawings(project)))
    return report
