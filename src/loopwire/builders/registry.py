"""Chooses the vendor's tool that builds a project: those of this folder, and those that other packages register."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from loopwire.devices import find_part
from loopwire.errors import ConfigError
from loopwire.plugins import BUILDERS
from loopwire.report.built import Built


class Builder(Protocol):
    """The module `builder` of a tool.

    Attributes:
        TARGET: whose projects it takes.
        VENDOR: whose parts it is for.
    """

    TARGET: str
    VENDOR: str

    @staticmethod
    def run(project: Path, facts: Mapping[str, Any], part: str | None) -> Built:
        """Build a written project, and return what the tool reported.

        Args:
            project: its folder.
            facts: of its `design.json`.
            part: an FPGA in place of the project's.

        Raises:
            ConfigError: it cannot be built for this part.
            ToolError: the tool is missing or fails.
        """


def find_builder(name: str | None, facts: Mapping[str, Any], part: str | None) -> Builder:
    """Return the tool of this name; without one, that of the part's vendor, else the first that takes the project.

    Raises:
        ConfigError: the tool is unknown, or none takes such a project.
        ToolError: a tool from outside cannot be imported.
    """
    if name is not None:
        BUILDERS.require("--tool", name)
    fitting = {tool: builder for tool in BUILDERS.names if facts["target"] == (builder := _load(tool)).TARGET}
    if name is None:
        asked = part or facts["part"]
        vendor = _vendor(asked)
        name = next((tool for tool, builder in fitting.items() if vendor == builder.VENDOR), None)
        if vendor is None:
            name = next(iter(fitting), None)
        elif name is None and fitting:
            problem = f"it is of {vendor}, and none of {', '.join(fitting)} builds its parts"
            raise ConfigError(f"part {asked!r}", problem, "Run loopwire synth, or loopwire route for an ECP5")
    if name not in fitting:
        remedy = f"Choose from {', '.join(fitting)}" if fitting else "Compile with --target vitis_hls for Vitis HLS"
        what = f"{name} does not take" if name else "no tool here takes"
        raise ConfigError("the project", f"{what} a project of target {facts['target']!r}", remedy)
    return fitting[name]


def _vendor(part: str) -> str | None:
    try:
        return find_part(part).vendor
    except ConfigError:
        return None


def _load(tool: str) -> Builder:
    return cast(Builder, BUILDERS.load(tool))
