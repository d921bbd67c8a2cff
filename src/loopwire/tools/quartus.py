"""Quartus Prime: a project for a design by itself, and the reports that it leaves.

Ref: Intel "Quartus Prime Settings File Reference Manual" (MNL-Q21005), "Quartus Prime Scripting" (quartus_sh --flow);
     the reports' form is that of Quartus Prime 17 to 26.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from loopwire.errors import ConfigError, ToolError
from loopwire.report.built import Built, ResourceUse
from loopwire.system.programs import run_tool
from loopwire.tools.rtl_files import RtlFiles
from loopwire.tools.vendor_templates import template

PROGRAM = "quartus_sh"
LOG = "loopwire_build.log"
OUTPUT = "output_files"

FAMILIES = {
    "10ax": "Arria 10",
    "10as": "Arria 10",
    "10cx": "Cyclone 10 GX",
    "10cl": "Cyclone 10 LP",
    "10m": "MAX 10",
    "1s": "Stratix 10",
    "5a": "Arria V",
    "5c": "Cyclone V",
    "5s": "Stratix V",
    "ag": "Agilex 7",
    "a5": "Agilex 5",
    "a3": "Agilex 3",
    "ep4ce": "Cyclone IV E",
    "ep4cgx": "Cyclone IV GX",
}
"""By how the names of their parts begin; the longest beginning decides."""
RESOURCES = {
    "Logic utilization (in ALMs)": "ALMs",
    "Total logic elements": "Logic elements",
    "Total registers": "FFs",
    "Total dedicated logic registers": "FFs",
    "Total RAM Blocks": "RAM blocks",
    "Total DSP Blocks": "DSPs",
    "Embedded Multiplier 9-bit elements": "9-bit multipliers",
}


def project_files(files: RtlFiles, part: str, clock_period_ns: float) -> dict[str, str]:
    """Return the project and constraints of a design, for a folder beside its `rtl`.

    Args:
        files: of the design.
        part: the FPGA.
        clock_period_ns: of `aclk`.

    Raises:
        ConfigError: the part is of no known family.
    """
    prefixes = [prefix for prefix in FAMILIES if re.fullmatch(rf"{prefix}[a-z0-9]*", part, re.I | re.ASCII)]
    if not prefixes:
        known = ", ".join(dict.fromkeys(FAMILIES.values()))
        raise ConfigError(
            f"part {part!r}", "its family is not one that Loopwire builds with Quartus", f"Choose from {known}"
        )
    source = "set_global_assignment -name SYSTEMVERILOG_FILE ../rtl/{}"
    pin = "set_instance_assignment -name VIRTUAL_PIN ON -to {}"
    settings = template("project.template.qsf").substitute(
        top=files.top,
        part=part,
        family=FAMILIES[max(prefixes, key=len)],
        sources="\n".join(source.format(name) for name in files.sources),
        pins="\n".join(pin.format(port.name) for port in files.ports if port.name != "aclk"),
    )
    return {
        f"{files.top}.qpf": f'PROJECT_REVISION = "{files.top}"\n',
        f"{files.top}.qsf": settings,
        f"{files.top}.sdc": f"create_clock -name aclk -period {clock_period_ns:g} [get_ports aclk]\n"
        "derive_clock_uncertainty\n",
    }


def run(folder: Path, top: str) -> Built:
    """Compile the project of a folder and return what Quartus reports after routing.

    Raises:
        ToolError: Quartus is not on PATH, fails, or leaves no report.
    """
    command = [PROGRAM, "--flow", "compile", top]
    if shutil.which(PROGRAM) is None:
        raise ToolError(
            "Quartus",
            f"{PROGRAM} is not on PATH. The project is written",
            f"On a machine that has it, run: cd {folder} && {' '.join(command)}",
        )
    for report in (folder / OUTPUT).glob(f"{top}.*"):
        report.unlink()
    run_tool("Quartus", command, folder / LOG, directory=folder)
    return read_reports(folder, top)


def read_reports(folder: Path, top: str) -> Built:
    """Return what the reports of a compilation tell.

    Raises:
        ToolError: they are missing, or not what Quartus writes.
    """
    fit, timing = (_text(folder / OUTPUT / f"{top}.{name}") for name in ("fit.summary", "sta.rpt"))
    version = re.search(r"^Quartus Prime Version : (\S+)", fit, re.M)
    part = re.search(r"^Device : (\S+)", fit, re.M)
    if version is None or part is None:
        raise ToolError("Quartus", "it wrote no fitter summary", f"Read its log, {folder / LOG}")
    # One row a corner: the slowest counts. "Restricted" is what the clock network allows as well.
    rows = re.findall(r"^; [\d.]+ MHz\s*; ([\d.]+) MHz\s*; aclk\s*;", timing, re.M)
    if not rows:
        raise ToolError("Quartus", "it reported no Fmax of aclk", f"Read its log, {folder / LOG}")
    return Built(
        f"Quartus Prime {version[1]}",
        "routed",
        clock_period_ns=round(1e3 / min(map(float, rows)), 3),
        resources=tuple(_resources(fit)),
        part=part[1],
    )


def _resources(summary: str) -> Iterator[ResourceUse]:
    for line in summary.splitlines():
        name, _, value = line.partition(" : ")
        counts = re.match(r"([\d,]+)(?: / ([\d,]+))?", value)
        if name.strip() in RESOURCES and counts is not None:
            used, available = (None if text is None else int(text.replace(",", "")) for text in counts.groups())
            assert used is not None
            yield ResourceUse(RESOURCES[name.strip()], used, available)


def _text(file: Path) -> str:
    """Return a report's text; Quartus writes degrees in Latin-1."""
    return file.read_text(encoding="latin-1") if file.exists() else ""
