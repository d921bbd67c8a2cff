"""The files of a design as tools take them, and the ports of its top module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwire.errors import OutputError
from loopwire.hdl.module_port import ModulePort
from loopwire.text.names import FileName, file_name


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
    ports: tuple[ModulePort, ...]

    @classmethod
    def read(cls, project: Path, facts: Mapping[str, Any]) -> RtlFiles:
        """Return what is in a project's folder `rtl`, given its `design.json`.

        Raises:
            OutputError: a file is called as none of a project is, or cannot be read.
        """
        folder = project / "rtl"
        names = sorted(file_name(file.name, str(folder), OutputError) for file in folder.iterdir())
        return cls(
            facts["top"],
            tuple(name for name in names if name.endswith(".sv")),
            tuple(name for name in names if not name.endswith(".sv")),
            ports_of(facts),
        )


def ports_of(facts: Mapping[str, Any]) -> tuple[ModulePort, ...]:
    """Return the ports of a design's top module, given its project's `design.json`."""
    return tuple(ModulePort(port["direction"], name, port["bits"]) for name, port in facts["ports"].items())
