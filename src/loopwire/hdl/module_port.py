"""The ports of a module, as its header declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["input", "output"]


@dataclass(frozen=True)
class ModulePort:
    """A port; `bits` is 0 where it is not a vector. `about` tells readers of the header what it is."""

    direction: Direction
    name: str
    bits: int = 0
    about: str = ""

    def declaration(self, end: str = ",") -> str:
        """Return its line of the header."""
        bus = f"[{self.bits - 1}:0] " if self.bits else ""
        return f"    {self.direction:6} logic {bus}{self.name}{end}{f'   // {self.about}' if self.about else ''}"


CLOCK = ModulePort("input", "aclk")
RESET = ModulePort("input", "aresetn")
STATUS = (
    ModulePort("output", "status_framing_error", about="since the reset a beat broke the framing"),
    ModulePort("output", "status_overrun", about="since the reset a sequence was longer than it may be"),
)
"""The status outputs of a design's input."""


def declarations(ports: tuple[ModulePort, ...]) -> list[str]:
    """Return the lines of a header, the last one without a comma."""
    return [port.declaration("" if port is ports[-1] else ",") for port in ports]
