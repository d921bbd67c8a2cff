"""A design with the few pins that any package has: its ports as shift registers.

A beat of 100 and more bits has more wires than a package has pins. Shift registers at all ports keep every path of the
design between two registers of the same clock, which is how it will be timed where it is used, too.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from loopwire.errors import OutputError

NAME = "loopwire_pins"
CLOCK = "aclk"
_PORT = re.compile(r"^\s*(input|output)\s+logic\s*(?:\[(\d+):0\])?\s*(\w+)", re.MULTILINE)
_TEMPLATE = Template(Path(__file__).with_name("harness.template.sv").read_text())


def harness_text(top: str, text: str) -> str:
    """Return the module, called `NAME`, around a design.

    Args:
        top: the design's top module.
        text: its SystemVerilog, with a port a line.

    Raises:
        OutputError: it is none that Loopwire wrote.
    """
    _, begin, rest = text.partition(f"module {top} (")
    ports, end, _ = rest.partition(");")
    if not (begin and end):
        raise OutputError(f"{top}.sv", "its module does not begin as Loopwire writes it", "Compile the model again")
    bits = {"input": 0, "output": 0}
    connections = [f"      .{CLOCK}"]
    for direction, last, port in _PORT.findall(ports):
        if port == CLOCK:
            continue
        first, width = bits[direction], int(last or 0) + 1
        bits[direction] += width
        register = "to_design" if direction == "input" else "from_design"
        connections.append(f"      .{port}({register}[{first + width - 1}:{first}])")
    return _TEMPLATE.substitute(
        top=top,
        connections=",\n".join(connections),
        in_last=bits["input"] - 1,
        out_last=bits["output"] - 1,
    )
