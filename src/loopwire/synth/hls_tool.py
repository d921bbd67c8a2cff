"""Vitis HLS and Vivado HLS: running a project's script and reading the report of its synthesis.

Ref: AMD UG1399, "vitis_hls", "vitis-run", csynth report; Xilinx UG902 for Vivado HLS, whose report has the same form.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from loopwire.errors import ToolError
from loopwire.synth.tools import run_tool

SCRIPT = "build_prj.tcl"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "vitis_hls": ("-f", SCRIPT, "csim=1 synth=1"),
    "vitis-run": ("--mode", "hls", "--tcl", SCRIPT),
    "vivado_hls": ("-f", SCRIPT, "csim=1 synth=1"),
}
"""How each tool runs the script, the preferred one first."""
FIGURES = {
    "clock_period_ns": "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod",
    "latency_cycles": "PerformanceEstimates/SummaryOfOverallLatency/Worst-caseLatency",
    "initiation_interval_cycles": "PerformanceEstimates/SummaryOfOverallLatency/Interval-max",
    "lut": "AreaEstimates/Resources/LUT",
    "ff": "AreaEstimates/Resources/FF",
    "dsp": "AreaEstimates/Resources/DSP",
    "dsp48e": "AreaEstimates/Resources/DSP48E",
    "bram_18k": "AreaEstimates/Resources/BRAM_18K",
    "uram": "AreaEstimates/Resources/URAM",
}
"""Where the report has them; Vivado HLS calls DSP blocks DSP48E."""


def run(project: Path) -> dict[str, float]:
    """Simulate and synthesise an HLS project with the tool on PATH, and return the figures of its report.

    Returns:
        What of `FIGURES` the report gives: estimates of HLS synthesis, before place and route.

    Raises:
        ToolError: there is no such tool, it fails, or it leaves no report.
    """
    tool = next((name for name in COMMANDS if shutil.which(name)), None)
    if tool is None:
        command = " ".join(("vitis_hls", "-f", SCRIPT))
        raise ToolError(
            "HLS synthesis",
            f"none of {', '.join(COMMANDS)} is on PATH",
            f"Where one is, run in {project}: {command} (vivado_hls -f {SCRIPT} before 2020.2)",
        )
    run_tool(tool, (tool, *COMMANDS[tool]), project / f"{tool}.log", directory=project)
    reports = sorted(project.glob("*_prj/solution1/syn/report/*_csynth.xml"))
    top = next((report for report in reports if report.parents[3].name == _project_of(report)), None)
    if top is None:
        raise ToolError(tool, "it left no report of its synthesis", f"Read its log, {project / f'{tool}.log'}")
    return read_report(top)


def read_report(report: Path) -> dict[str, float]:
    """Return the figures of a csynth report; what a tool left undefined ('undef', '?') is left out.

    Raises:
        ToolError: the file is no such report.
    """
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ToolError(str(report), f"it is no report of HLS synthesis ({error})", "Run the synthesis again") from None
    found = {name: root.findtext(place, "") for name, place in FIGURES.items()}
    return {name: float(text) for name, text in found.items() if text.replace(".", "", 1).isdigit()}


def _project_of(report: Path) -> str:
    """Return the name of the project whose top function a report is about."""
    return f"{report.name.removesuffix('_csynth.xml')}_prj"
