"""Builds SystemVerilog with Vivado."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwire.project.vendor import write_vendor_project
from loopwire.report.built import Built
from loopwire.tools import vivado
from loopwire.tools.rtl_files import RtlFiles

TARGET = "verilog"
VENDOR = "amd"


def run(project: Path, facts: Mapping[str, Any], part: str | None) -> Built:
    """Build a project; see `builders.registry.Builder`."""
    folder = project / "vivado"
    files = RtlFiles.read(project, facts)
    write_vendor_project(folder, vivado.project_files(files, part or facts["part"], facts["clock_period_ns"]))
    return vivado.run(folder, facts["layer_modules"])
