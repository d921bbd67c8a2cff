"""A written project placed, routed and packed on an ECP5: its clock, what it takes, and a bitstream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from loopwire.devices import Device
from loopwire.report.built import Built
from loopwire.system.cache import Files, cached
from loopwire.system.folders import temporary_folder
from loopwire.system.progress import Progress
from loopwire.text.names import FileName
from loopwire.tools import nextpnr
from loopwire.tools.fabrics import fabric_of, uses
from loopwire.tools.fit import require_fit
from loopwire.tools.yosys import find_yosys

COUNTS, PINS = "counts.json", "pins.lpf"
CLOCK = "aclk"
STEPS = 3
"""Synthesis, place and route, packing: a cached step is done at once."""


@dataclass(frozen=True)
class Sources:
    """What is routed.

    Attributes:
        files: texts by file name, SystemVerilog (`.sv`) and memory files.
        top: the top module, with no more pins than the package has.
        pins: Lattice preferences (LPF) that place them; those that it does not name may be anywhere.
    """

    files: Mapping[FileName, str]
    top: str
    pins: str = ""


@dataclass(frozen=True)
class RoutedDesign:
    """What was found, and the files of the tools by name: bitstream, report and logs."""

    built: Built
    files: Files


def route(
    sources: Sources,
    device: Device,
    clock_mhz: float,
    seed: int = 1,
    timeout_s: float | None = None,
    progress: Progress | None = None,
) -> RoutedDesign:
    """Place and route a design.

    Args:
        sources: of the design.
        device: an ECP5.
        clock_mhz: that the tools aim at.
        seed: of the placer.
        timeout_s: that each tool may take.
        progress: called with the steps done and `STEPS`.

    Raises:
        ConfigError: no open tool routes the part.
        ToolError: a tool is missing, fails or takes too long, or the part is too small.
    """
    options = (*nextpnr.part_options(device), "--freq", f"{clock_mhz:.3f}", "--timing-allow-fail", "--seed", str(seed))
    options += (*nextpnr.PLACER, *nextpnr.ROUTER)
    version = nextpnr.version()
    step = progress or (lambda done, of: None)
    netlist = _netlist(sources, device, timeout_s)
    _check_size(netlist[COUNTS], device)
    step(1, STEPS)

    def make() -> Files:
        with temporary_folder() as place:
            (place / nextpnr.NETLIST).write_bytes(netlist[nextpnr.NETLIST])
            (place / PINS).write_text(sources.pins)
            routed = nextpnr.place_and_route(place, (*options, "--lpf", PINS, "--lpf-allow-unconstrained"), timeout_s)
            step(2, STEPS)
            return {**routed, **nextpnr.pack_bitstream(place)}

    key = [version.encode(), " ".join(options).encode(), sources.pins.encode(), netlist[nextpnr.NETLIST]]
    files = cached("nextpnr", key, make)
    step(STEPS, STEPS)
    found = nextpnr.read_report(files[nextpnr.REPORT].decode(), CLOCK)
    built = Built(
        f"nextpnr-ecp5 {version}",
        "routed",
        found.clock_period_ns,
        resources=uses(found.used, device),
        part=device.name,
        critical_path=found.critical_path,
    )
    return RoutedDesign(built, files)


def _netlist(sources: Sources, device: Device, timeout_s: float | None) -> Files:
    """Return the netlist of all modules as one, and its cells' counts."""
    yosys = find_yosys()
    modules = sorted(name for name in sources.files if name.endswith(".sv"))
    commands = (
        f"read_verilog -sv -defer {' '.join(modules)}",
        *fabric_of(device).commands(sources.top),
        f"tee -o {COUNTS} stat -json",
        *nextpnr.ONE_MODULE,
        *nextpnr.BARE_CHAINS,
        f"write_json {nextpnr.NETLIST}",
    )

    def make() -> Files:
        with temporary_folder() as place:
            for name, text in sources.files.items():
                (place / name).write_text(text)
            return yosys.run(commands, place, (COUNTS, nextpnr.NETLIST), timeout_s)

    texts = [part.encode() for name in sorted(sources.files) for part in (name, sources.files[name])]
    return cached("netlist", [str(yosys).encode(), *(line.encode() for line in commands), *texts], make)


def _check_size(counts: bytes, device: Device) -> None:
    cells = json.loads(counts)["design"]["num_cells_by_type"]
    resources = uses(fabric_of(device).resources(cells), device)
    require_fit(Built("Yosys", "synthesised", resources=resources, part=device.name))
