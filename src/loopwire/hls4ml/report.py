"""hls4ml's `report`: what is known of a written project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loopwire.hls4ml.substitutes import substituted
from loopwire.project.loaded import load_project


def read_vivado_report(hls_dir: str | Path, full_report: bool = False) -> dict[str, Any]:
    """Print what is known of a project, each number with its stage, and return what its `report.json` holds.

    Before a tool has run, resources are estimates: `loopwire build` adds Vivado's or Vitis's figures, `loopwire synth`
    those of open tools.

    Args:
        hls_dir: the project's folder.
        full_report: makes no difference: all is printed.

    Raises:
        OutputError: there is no project with a report in the folder.
    """
    report = load_project(hls_dir).report
    print(report.table())
    facts: dict[str, Any] = json.loads(report.to_json())
    return facts


def parse_vivado_report(hls_dir: str | Path) -> dict[str, Any]:
    """Return the same without printing it.

    Raises:
        OutputError: there is no project with a report in the folder.
    """
    facts: dict[str, Any] = json.loads(load_project(hls_dir).report.to_json())
    return facts


read_quartus_report = substituted("read_quartus_report", "hls4ml.report.read_vivado_report(folder)")
