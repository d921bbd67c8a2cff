"""Builds HLS C++ with Vitis HLS or Vivado HLS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwire.errors import ConfigError
from loopwire.report.built import Built
from loopwire.tools import hls_tool

TARGET = "vitis_hls"
VENDOR = "amd"


def run(project: Path, facts: Mapping[str, Any], part: str | None) -> Built:
    """Build a project; see `builders.registry.Builder`."""
    if part is not None:
        raise ConfigError("--part", "HLS C++ is written for one part", "Compile the model for it: --part")
    return hls_tool.run(project, facts["top"])
