"""Vivado: scripts for a design by itself, and the reports that they leave.

Ref: AMD UG835 (Tcl commands), UG905 (out-of-context design), UG903 (create_clock), UG1118 (packaging of IP),
     UG994 (X_INTERFACE attributes); the reports' form is that of Vivado 2021 to 2024.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from loopwire.errors import ConfigError, ToolError
from loopwire.report.built import Built, ResourceUse
from loopwire.synth.rtl_files import Port, RtlFiles
from loopwire.synth.tools import run_tool
from loopwire.synth.vendor_templates import template

PROGRAM = "vivado"
BUILD, PACKAGE = "build.tcl", "package_ip.tcl"
UTILIZATION, TIMING = "reports/utilization.rpt", "reports/timing.rpt"
LOG = "loopwire_build.log"
COMMAND = f"{PROGRAM} -mode batch -nojournal -nolog -source {BUILD}"

RESOURCES = {
    "CLB LUTs": "LUTs",
    "Slice LUTs": "LUTs",
    "CLB Registers": "FFs",
    "Slice Registers": "FFs",
    "DSPs": "DSPs",
    "Block RAM Tile": "BRAM 18k",
    "URAM": "URAMs",
}
"""What the report calls them, by family, and what we do."""
BRAM18_PER_TILE = 2


def project_files(files: RtlFiles, part: str, clock_period_ns: float) -> dict[str, str]:
    """Return the scripts and constraints of a design, for a folder beside its `rtl`.

    Args:
        files: of the design.
        part: the FPGA.
        clock_period_ns: of `aclk`.

    Raises:
        ConfigError: the part is not one of AMD's, or its name lacks package and speed grade.
    """
    if not re.fullmatch(r"xc\w+-\w+(-\w+)*", part, re.I):
        raise ConfigError(
            f"part {part!r}",
            "Vivado does not know it by this name",
            "Name a part of AMD's with package and speed grade, such as --part xcku115-flvb2104-2-i",
        )
    names = {
        "top": files.top,
        "part": part,
        "sources": _listed(files.sources),
        "memories": _listed(files.memories),
    }
    return {
        BUILD: template("build.template.tcl").substitute(names),
        PACKAGE: template("package_ip.template.tcl").substitute(names),
        f"{files.top}.xdc": f"create_clock -name aclk -period {clock_period_ns:g} [get_ports aclk]\n",
        f"{files.top}_ip.v": template("ip.template.v").substitute(
            top=files.top, ports=_ports(files), connections=_connections(files)
        ),
    }


def run(folder: Path) -> Built:
    """Run the script of a folder and return what it reports after routing.

    Raises:
        ToolError: Vivado is not on PATH, fails, or leaves no report.
    """
    if shutil.which(PROGRAM) is None:
        raise ToolError(
            "Vivado", f"{PROGRAM} is not on PATH. The scripts are written", f"Where it is: cd {folder} && {COMMAND}"
        )
    for report in (UTILIZATION, TIMING):
        (folder / report).unlink(missing_ok=True)
    run_tool("Vivado", COMMAND.split(), folder / LOG, directory=folder)
    return read_reports(folder)


def read_reports(folder: Path) -> Built:
    """Return what the reports of a run tell.

    Raises:
        ToolError: they are missing, or not what Vivado writes.
    """
    utilization, timing = (
        (folder / name).read_text() if (folder / name).exists() else "" for name in (UTILIZATION, TIMING)
    )
    version = re.search(r"^\| Tool Version\s*: Vivado v\.(\S+)", utilization, re.M)
    part = re.search(r"^\| Device\s*: (\S+)", utilization, re.M)
    if version is None or part is None:
        raise ToolError("Vivado", "it left no report of utilization", f"Read its log, {folder / LOG}")
    return Built(
        f"Vivado {version[1]}",
        "routed",
        clock_period_ns=_clock_period_ns(timing, folder),
        resources=tuple(_resources(utilization)),
        part=part[1],
    )


def _resources(report: str) -> Iterator[ResourceUse]:
    """Yield the first row of each resource; tables name their columns in their head."""
    columns: list[str] = []
    found: set[str] = set()
    for line in report.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "Site Type":
            columns = cells
        ours = RESOURCES.get(cells[0].rstrip("*"))
        if ours is None or ours in found or len(cells) != len(columns):
            continue
        row = dict(zip(columns, cells, strict=True))
        scale = BRAM18_PER_TILE if ours == "BRAM 18k" else 1
        used, available = (round(scale * float(row[column])) for column in ("Used", "Available"))
        found.add(ours)
        yield ResourceUse(ours, used, available)


def _clock_period_ns(report: str, folder: Path) -> float:
    """Return the period that would leave no slack: that of the clock less the worst slack."""
    slack = re.search(r"^\s*WNS\(ns\).*\n[\s-]+\n\s*(-?[\d.]+)\s", report, re.M)
    period = re.search(r"^aclk\s+\{[^}]*\}\s+([\d.]+)", report, re.M)
    if slack is None or period is None:
        raise ToolError("Vivado", "it left no report of timing for aclk", f"Read its log, {folder / LOG}")
    return round(float(period[1]) - float(slack[1]), 3)


def _listed(names: tuple[str, ...]) -> str:
    return "".join(f"\n    {name}" for name in names)


def _ports(files: RtlFiles) -> str:
    """Return the wrapper's ports; the attributes of a stream stand before each of its signals."""
    lines = []
    for port in _stream_ports(files):
        stream, _, signal = port.name.rpartition("_t")
        info = f'(* X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 {stream} T{signal.upper()}" *)'
        width = "" if port.bits is None else f"[{port.bits - 1}:0] "
        lines.append(f"    {info}\n    {port.direction} wire {width}{port.name}")
    return ",\n".join(lines)


def _connections(files: RtlFiles) -> str:
    return "".join(f",\n      .{port.name}({port.name})" for port in _stream_ports(files))


def _stream_ports(files: RtlFiles) -> list[Port]:
    return [port for port in files.ports if port.name not in ("aclk", "aresetn")]
