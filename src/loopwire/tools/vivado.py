"""Vivado: scripts for a design by itself, and their run.

Ref: AMD UG835 (Tcl commands), UG905 (out-of-context design), UG903 (create_clock, set_input_delay),
     UG1118 (packaging of IP), UG994 (X_INTERFACE attributes).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from loopwire.errors import ConfigError, ToolError
from loopwire.hdl.module_port import CLOCK, RESET, ModulePort
from loopwire.report.built import Built
from loopwire.system.programs import run_tool
from loopwire.text.names import FileName
from loopwire.tools.rtl_files import RtlFiles
from loopwire.tools.vendor_templates import template
from loopwire.tools.vivado_reports import REPORTS, read_reports

PROGRAM = "vivado"
OUTSIDE_SHARE = 0.25
"""Of the clock period, for the way between a register outside of the design and one of its ports."""
CONSTRAINTS = Template("""\
create_clock -name aclk -period $period [get_ports aclk]
# Out of context the clock's skew is that of a buffer, not of a port.
set_property HD.CLK_SRC $buffer [get_ports aclk]
set_input_delay -clock aclk $outside [get_ports -filter {DIRECTION == IN && NAME != aclk}]
set_output_delay -clock aclk $outside [get_ports -filter {DIRECTION == OUT}]
""")
STREAMS = ("s_axis", "m_axis")
BUILD, PACKAGE = "build.tcl", "package_ip.tcl"
LOG = "loopwire_build.log"
COMMAND = f"{PROGRAM} -mode batch -nojournal -nolog -source {BUILD}"


def project_files(files: RtlFiles, part: str, clock_period_ns: float) -> dict[str, str]:
    """Return the scripts and constraints of a design, for a folder beside its `rtl`.

    Args:
        files: of the design.
        part: the FPGA.
        clock_period_ns: of `aclk`.

    Raises:
        ConfigError: the part is not one of AMD's, or its name lacks package and speed grade.
    """
    if not re.fullmatch(r"xc[a-z0-9]+(-[a-z0-9]+)+", part, re.I | re.ASCII):
        raise ConfigError(
            f"part {part!r}",
            "Vivado does not know it by this name",
            "Give an AMD part with package and speed grade, such as --part xcku115-flvb2104-2-i",
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
        f"{files.top}.xdc": CONSTRAINTS.substitute(
            period=f"{clock_period_ns:g}",
            outside=f"{OUTSIDE_SHARE * clock_period_ns:g}",
            buffer="BUFGCTRL_X0Y0" if part.lower().startswith("xc7") else "BUFGCE_X0Y0",
        ),
        f"{files.top}_ip.v": template("ip.template.v").substitute(
            top=files.top, ports=_ports(files), connections=_connections(files)
        ),
    }


def run(folder: Path, layers: Mapping[str, str]) -> Built:
    """Run the script of a folder and return what it reports after routing.

    Args:
        folder: that holds what `project_files` returns.
        layers: the layer of each module that is one's.

    Raises:
        ToolError: Vivado is not on PATH, fails, or leaves no report.
    """
    if shutil.which(PROGRAM) is None:
        raise ToolError(
            "Vivado",
            f"{PROGRAM} is not on PATH. The scripts are written",
            f"On a machine that has it, run: cd {folder} && {COMMAND}",
        )
    for report in REPORTS:
        (folder / report).unlink(missing_ok=True)
    failure = None
    try:
        run_tool("Vivado", COMMAND.split(), folder / LOG, directory=folder)
    except ToolError as error:
        # The script fails last of all where the clock is missed: then the reports tell by how much.
        failure = error
    try:
        return read_reports(folder, layers)
    except ToolError as error:
        raise failure or ToolError(error.where, error.problem, f"Read its log, {folder / LOG}") from None


def _listed(names: tuple[FileName, ...]) -> str:
    return "".join(f"\n    {name}" for name in names)


def _ports(files: RtlFiles) -> str:
    """Return the wrapper's ports; the attributes of a stream are before each of its signals."""
    lines = []
    for port in _wrapped_ports(files):
        stream, _, signal = port.name.rpartition("_t")
        width = f"[{port.bits - 1}:0] " if port.bits else ""
        declared = f"    {port.direction} wire {width}{port.name}"
        if stream in STREAMS:
            info = f'(* X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 {stream} T{signal.upper()}" *)'
            declared = f"    {info}\n{declared}"
        lines.append(declared)
    return ",\n".join(lines)


def _connections(files: RtlFiles) -> str:
    return "".join(f",\n      .{port.name}({port.name})" for port in _wrapped_ports(files))


def _wrapped_ports(files: RtlFiles) -> list[ModulePort]:
    return [port for port in files.ports if port.name not in (CLOCK.name, RESET.name)]
