"""The folder of a design on a board: all sources, the pins, and what the board is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwire.boards.hosted import BUFFER_BYTES, hosted_files
from loopwire.boards.identity import Identity, identity_of
from loopwire.boards.registry import find_board
from loopwire.boards.several_ports import TURNS, Side, one_stream_module
from loopwire.bounded import read_project_text
from loopwire.hdl.library import library_files
from loopwire.knobs import Knobs
from loopwire.project.folder import MARKER, write_project
from loopwire.project.written import read_verilog_facts


@dataclass(frozen=True)
class WrittenBoard:
    """What is in a board's folder."""

    identity: Identity
    top: str
    part: str
    clock_mhz: float


def hosted_sources(project: Path) -> tuple[Identity, dict[str, str]]:
    """Return a written project's design with the modules that serve it to a host, by file name.

    Raises:
        OutputError: the project cannot be read.
        ConfigError: it is no SystemVerilog.
    """
    facts = read_verilog_facts(project)
    return _hosted(project, facts)


def write_board(project: Path, board: str, folder: Path, clock_mhz: float | None, baud: int) -> WrittenBoard:
    """Write the sources of a written project's design on a board.

    Args:
        project: the folder that `Design.write` made.
        board: its name.
        folder: to write to, which appears when it is complete.
        clock_mhz: the fastest clock; None: the one that the design was compiled for.
        baud: of the serial line.

    Raises:
        OutputError: the project cannot be read, or the folder not be written.
        ConfigError: the board is unknown or has no such clock or line, or the project is no SystemVerilog.
    """
    on_board, part = find_board(board)
    facts = read_verilog_facts(project)
    identity, sources = _hosted(project, facts)
    made = on_board.sources(identity, 1e3 / facts["clock_period_ns"] if clock_mhz is None else clock_mhz, baud)
    sources |= made.files
    written = WrittenBoard(identity, made.top, part, made.clock_mhz)
    board_facts = {"name": board, "design": identity.digest, "clock_mhz": made.clock_mhz, "baud": baud}
    facts = {**facts, "part": part, "top": written.top, "board": board_facts}
    write_project(folder, {**sources, MARKER: json.dumps(facts)})
    return written


def _hosted(project: Path, facts: Mapping[str, Any]) -> tuple[Identity, dict[str, str]]:
    identity = identity_of(facts, BUFFER_BYTES)
    names = [name for name in facts["loopwire"]["files"] if name.startswith("rtl/")]
    sources = {Path(name).name: read_project_text(project / name) for name in names} | hosted_files(identity)
    if "inputs" in facts:
        sides = Side.of(facts["inputs"]), Side.of(facts["outputs"])
        remembers = Knobs(**facts["knobs"]).remembers
        sources[f"{identity.name}.sv"] = one_stream_module(identity.name, facts["top"], *sides, remembers)
        sources |= library_files([TURNS])
    return identity, sources
