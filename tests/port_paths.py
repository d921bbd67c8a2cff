"""Paths through gates alone from an input port of a module to one of its outputs, found in Yosys' netlist."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Bit = int | str
"""A wire's number in the netlist; a constant is a text."""


def netlists(tops: Sequence[str], folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the flat netlist of each top: its ports, and cells of one bit but for arithmetic and memories.

    Args:
        tops: names of modules.
        folder: with their SystemVerilog.
    """
    sources = " ".join(sorted(path.name for path in folder.glob("*.sv")))
    commands = [f"read_verilog -sv {sources}"]
    for top in tops:
        flat = "proc; flatten; opt_clean; simplemap"
        commands += ["design -save all", f"hierarchy -top {top}; {flat}; write_json {top}.json", "design -load all"]
    calls = "; ".join(f"ys.run_pass({command!r}, d)" for line in commands for command in line.split("; "))
    program = f"from pyosys import libyosys as ys; d = ys.Design(); {calls}"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return {top: json.loads((folder / f"{top}.json").read_text())["modules"][top] for top in tops}


def port_paths(module: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every pair of an input and an output port between which there is a path without a register."""
    follows: dict[Bit, set[Bit]] = {}
    for cell in module["cells"].values():
        ports = cell["connections"]
        outputs = [bit for name in _driven_at_once(cell) for bit in ports[name]]
        inputs = [bit for name, way in cell["port_directions"].items() if way == "input" for bit in ports[name]]
        for bit in inputs:
            follows.setdefault(bit, set()).update(outputs)
    found = []
    by_way: dict[str, list[tuple[str, set[Bit]]]] = {"input": [], "output": []}
    for name, port in module["ports"].items():
        by_way[port["direction"]].append((name, {bit for bit in port["bits"] if isinstance(bit, int)}))
    for source, bits in by_way["input"]:
        seen, new = set(bits), list(bits)
        while new:
            following = follows.get(new.pop(), set()) - seen
            seen |= following
            new += following
        found += [(source, target) for target, driven in by_way["output"] if driven & seen]
    return found


def _driven_at_once(cell: Mapping[str, Any]) -> list[str]:
    """Return the outputs of a cell that change with its inputs, not with a clock."""
    kind, outputs = cell["type"], [name for name, way in cell["port_directions"].items() if way == "output"]
    if "dff" in kind.lower():
        return []
    if kind == "$memrd_v2" and int(cell["parameters"]["CLK_ENABLE"], 2):
        return []
    return outputs
