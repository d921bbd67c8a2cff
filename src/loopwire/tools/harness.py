"""A design with the few pins that any package has: its ports as shift registers.

A beat of 100 and more bits has more wires than a package has pins. Shift registers at all ports keep every path of the
design between two registers of the same clock, which is how it will be timed where it is used, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

from loopwire.hdl.module_port import CLOCK, ModulePort

NAME = "loopwire_pins"
_TEMPLATE = Template(Path(__file__).with_name("harness.template.sv").read_text())


def harness_text(top: str, ports: Iterable[ModulePort]) -> str:
    """Return the module, called `NAME`, around a design with a top module of these ports."""
    bits = {"input": 0, "output": 0}
    connections = [f"      .{CLOCK.name}"]
    for port in ports:
        if port.name == CLOCK.name:
            continue
        first, width = bits[port.direction], max(port.bits, 1)
        bits[port.direction] += width
        register = "to_design" if port.direction == "input" else "from_design"
        connections.append(f"      .{port.name}({register}[{first + width - 1}:{first}])")
    return _TEMPLATE.substitute(
        top=top,
        connections=",\n".join(connections),
        in_last=bits["input"] - 1,
        out_last=bits["output"] - 1,
    )
