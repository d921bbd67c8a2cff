"""The files of a design as tools take them, and the ports of its top module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from loopwire.bounded import read_project_text
from loopwire.errors import OutputError
from loopwire.text.names import FileName, file_name

_PORT = re.compile(r"^ +(input|output) +logic (?:\[(\d+):0\] )?(\w+)", re.M)


@dataclass(frozen=True)
class Port:
    """A port of the top module; `bits` is None where it is no vector."""

    direction: str
    name: str
    bits: int | None


@dataclass(frozen=True)
class RtlFiles:
    """A folder of SystemVerilog.

    Attributes:
        top: name of the top module, in a file of this name.
        sources: names of the SystemVerilog files.
        memories: names of the files that they read.
        ports: of the top module.
    """

    top: str
    sources: tuple[FileName, ...]
    memories: tuple[FileName, ...]
    ports: tuple[Port, ...]

    @classmethod
    def read(cls, folder: Path, top: str) -> RtlFiles:
        """Return what stands in a project's folder `rtl`.

        Raises:
            OutputError: a file is called as none of a project is, or cannot be read.
        """
        names = sorted(file_name(file.name, str(folder), OutputError) for file in folder.iterdir())
        head, _, _ = read_project_text(folder / f"{top}.sv").partition(");")
        ports = [
            Port(direction, name, None if high is None else int(high) + 1)
            for direction, high, name in (match.groups() for match in _PORT.finditer(head))
        ]
        return cls(
            top,
            tuple(name for name in names if name.endswith(".sv")),
            tuple(name for name in names if not name.endswith(".sv")),
            tuple(ports),
        )
