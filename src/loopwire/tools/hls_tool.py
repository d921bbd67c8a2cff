"""Vitis HLS and Vivado HLS: running a project's script and reading the report of its synthesis.

Ref: AMD UG1399, "vitis_hls", "vitis-run", csynth report; Xilinx UG902 for Vivado HLS, whose report has the same form.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from loopwire.errors import ToolError
from loopwire.report.built import Built, ResourceUse
from loopwire.system.programs import run_tool

SCRIPT = "build_prj.tcl"
LOG = "loopwire_build.log"


@dataclass(frozen=True)
class HlsTool:
    """A program that runs the script of a project."""

    program: str
    name: str
    arguments: tuple[str, ...]


TOOLS = (
    HlsTool("vitis_hls", "Vitis HLS", ("-f", SCRIPT, "csim=1 synth=1")),
    HlsTool("vitis-run", "Vitis HLS", ("--mode", "hls", "--tcl", SCRIPT)),
    HlsTool("vivado_hls", "Vivado HLS", ("-f", SCRIPT, "csim=1 synth=1")),
)
"""The preferred one first."""
PERFORMANCE, LATENCY = "PerformanceEstimates/SummaryOfTimingAnalysis", "PerformanceEstimates/SummaryOfOverallLatency"
RESOURCES = {"LUT": "LUTs", "FF": "FFs", "DSP": "DSPs", "DSP48E": "DSPs", "BRAM_18K": "BRAM 18k", "URAM": "URAMs"}
"""What the report calls them, and what we do; Vivado HLS calls DSP blocks DSP48E."""


def run(project: Path, top: str) -> Built:
    """Simulate and synthesise an HLS project with the tool on PATH.

    Args:
        project: the folder.
        top: the top function's name.

    Returns:
        The tool's estimates, before place and route.

    Raises:
        ToolError: there is no such tool, it fails, or it leaves no report.
    """
    tool = next((tool for tool in TOOLS if shutil.which(tool.program)), None)
    if tool is None:
        where = project.resolve()
        raise ToolError(
            "HLS synthesis",
            f"none of {', '.join(tool.program for tool in TOOLS)} is on PATH",
            f"On a machine that has one, run: cd {where} && vitis_hls -f {SCRIPT} "
            f"(from 2024.2: vitis-run --mode hls --tcl {SCRIPT})",
        )
    report = project / f"{top}_prj" / "solution1" / "syn" / "report" / f"{top}_csynth.xml"
    report.unlink(missing_ok=True)
    run_tool(tool.name, (tool.program, *tool.arguments), project / LOG, directory=project)
    if not report.exists():
        raise ToolError(tool.name, "it wrote no synthesis report", f"Read its log, {project / LOG}")
    return read_report(report, tool.name)


def read_report(report: Path, tool: str) -> Built:
    """Return what a csynth report tells; what a tool left undefined ('undef', '?', '-') is left out.

    Raises:
        ToolError: the file is no such report.
    """
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ToolError(
            str(report), f"it is not a report of HLS synthesis ({error})", "Run the synthesis again"
        ) from None
    period = root.findtext(f"{PERFORMANCE}/EstimatedClockPeriod", "")
    resources = []
    for name, ours in RESOURCES.items():
        used = _count(root, f"AreaEstimates/Resources/{name}")
        if used is not None:
            resources.append(ResourceUse(ours, used, _count(root, f"AreaEstimates/AvailableResources/{name}")))
    return Built(
        f"{tool} {root.findtext('ReportVersion/Version', '')}".strip(),
        "synthesised",
        float(period) if period.replace(".", "", 1).isdigit() else None,
        _count(root, f"{LATENCY}/Worst-caseLatency"),
        _count(root, f"{LATENCY}/Interval-max"),
        tuple(resources),
    )


def _count(root: ElementTree.Element, place: str) -> int | None:
    text = root.findtext(place, "")
    return int(text) if text.isdigit() else None
