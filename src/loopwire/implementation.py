"""A written project through open tools: synthesised, or placed and routed; what they find goes to its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loopwire import arguments
from loopwire.bounded import read_project_text
from loopwire.devices import Device, find_part
from loopwire.errors import ConfigError, nearest
from loopwire.project.folder import add_files
from loopwire.project.loaded import Project
from loopwire.project.written import add_built, read_report, read_verilog_facts
from loopwire.report.built import Built
from loopwire.report.summary import Report
from loopwire.system.progress import Progress
from loopwire.system.workers import Workers
from loopwire.text.names import FileName
from loopwire.tools import harness, nextpnr
from loopwire.tools.fabrics import FABRICS, Fabric, fabric_of
from loopwire.tools.routing import Sources
from loopwire.tools.routing import route as route_sources
from loopwire.tools.rtl_files import ports_of
from loopwire.tools.synthesis import synthesise as synthesise_layers
from loopwire.tools.yosys import find_yosys

FOLDER = "routed"
"""Of bitstream and logs, in the project."""


@dataclass(frozen=True)
class Routed:
    """A project as placed and routed.

    Attributes:
        built: what nextpnr found.
        report: the project's, with that in it; None of a board's folder, which has none.
        asked_clock_period_ns: that the design was to reach.
        bitstream: its file.
    """

    built: Built
    report: Report | None
    asked_clock_period_ns: float
    bitstream: Path

    @property
    def slack_ns(self) -> float:
        """By how much the clock period is shorter than the one asked for; negative where it is missed."""
        assert self.built.clock_period_ns is not None
        return self.asked_clock_period_ns - self.built.clock_period_ns

    def facts(self) -> dict[str, Any]:
        """Return what was found, without the report, as JSON holds it."""
        asked = {"asked_clock_period_ns": self.asked_clock_period_ns, "slack_ns": self.slack_ns}
        return {**asdict(self.built), **asked, "bitstream": str(self.bitstream)}


def synthesise(
    project: Project | str | Path,
    part: str | None = None,
    *,
    family: str | None = None,
    timeout_minutes: float | None = None,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Built:
    """Synthesise a written project with Yosys, layer by layer; add what it takes to its report, and return it.

    Args:
        project: a folder that `Design.write` or `loopwire compile` has written, with its report.
        part: the FPGA; None: the project's.
        family: of a part that is not known, instead: no shares are given.
        timeout_minutes: for each layer; None: none.
        progress: called with the pieces done, of how many.
        workers: of `system.workers`, which synthesise layers side by side; None: this machine, a layer on each core.

    Raises:
        ConfigError: the part or the family is unknown, or the project holds HLS C++.
        OutputError: there is no project with a report in the folder, or a file of it was changed.
        ToolError: Yosys is missing, fails or takes too long.
    """
    folder, timeout_s = _folder(project), _seconds(timeout_minutes)
    facts = read_verilog_facts(folder)
    read_report(folder)  # refuses now what has no report to add to
    fabric, device = _fabric(part, family, facts["part"])
    find_yosys()
    built = synthesise_layers(
        folder / "rtl", facts["top"], facts["layer_modules"], fabric, device, timeout_s, progress, workers
    )
    add_built(folder, built)
    return built


def route(
    project: Project | str | Path,
    part: str | None = None,
    *,
    seed: int = 1,
    timeout_minutes: float | None = None,
    progress: Progress | None = None,
) -> Routed:
    """Place and route a written project on an ECP5 with nextpnr; add what is found to its report, and return it.

    Args:
        project: a folder that `Design.write`, `loopwire compile` or `loopwire board` has written.
        part: an ECP5; None: the project's.
        seed: of the placer.
        timeout_minutes: for each tool; None: none.
        progress: called with the steps done, of how many.

    Raises:
        ConfigError: no open tool routes the part, or the project holds HLS C++.
        OutputError: there is no project with a report in the folder, or a file of it was changed.
        ToolError: a tool is missing, fails or takes too long, or the part is too small.
    """
    folder, timeout_s = _folder(project), _seconds(timeout_minutes)
    facts = read_verilog_facts(folder)
    on_board = "board" in facts
    if not on_board:
        read_report(folder)  # refuses now what has no report to add to
    device = find_part(part or facts["part"])
    nextpnr.part_options(device)
    nextpnr.version()
    find_yosys()
    clock_mhz: float = facts["board"]["clock_mhz"] if on_board else 1e3 / facts["clock_period_ns"]
    routed = route_sources(_sources(folder, facts), device, clock_mhz, seed, timeout_s, progress=progress)
    add_files(folder, {f"{FOLDER}/{name}": content for name, content in routed.files.items()})
    report = None if on_board else add_built(folder, routed.built)
    return Routed(routed.built, report, 1e3 / clock_mhz, folder / FOLDER / nextpnr.BITSTREAM)


def _folder(project: Any) -> Path:
    if isinstance(project, Project):
        return project.folder
    return Path(arguments.instance((str, Path), "Give the folder that Design.write has written")("project", project))


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * arguments.positive("timeout_minutes", minutes)


def _fabric(part: str | None, family: str | None, project_part: str) -> tuple[Fabric, Device | None]:
    """Return how to synthesise, and the part whose shares are given."""
    if family is not None:
        if part is not None:
            raise ConfigError(
                "--family", "it is for a part that Loopwire does not know, and --part is given too", "Give one of them"
            )
        if family not in FABRICS:
            hint = f"{nearest(family, FABRICS)}Choose from {', '.join(FABRICS)}"
            raise ConfigError("--family", f"{family!r} is unknown", hint)
        return FABRICS[family], None
    device = find_part(part or project_part)
    return fabric_of(device), device


def _sources(project: Path, facts: Mapping[str, Any]) -> Sources:
    """Return what is routed: a board's folder as it is, a bare design behind shift registers."""
    top = facts["top"]
    written = [project / name for name in facts["loopwire"]["files"]]
    if "board" in facts:
        pins = project / f"{top}.lpf"
        files = {FileName(path.name): read_project_text(path) for path in written if path != pins}
        return Sources(files, top, read_project_text(pins))
    files = {FileName(path.name): read_project_text(path) for path in written if path.parent.name == "rtl"}
    text = harness.harness_text(top, ports_of(facts))
    return Sources({**files, FileName(f"{harness.NAME}.sv"): text}, harness.NAME)
