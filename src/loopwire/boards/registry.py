"""Finds boards: a folder a kind with a module `board`, and those that other packages register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from loopwire.boards.identity import Identity
from loopwire.errors import ConfigError, nearest
from loopwire.plugins import BOARDS


@dataclass(frozen=True)
class BoardSources:
    """A design on a board.

    Attributes:
        top: the top module.
        files: it, what it needs beside `hosted_files`, and the pins, by file name.
        clock_mhz: of the design.
    """

    top: str
    files: Mapping[str, str]
    clock_mhz: float


class Board(Protocol):
    """The module `board` of a kind of boards.

    Attributes:
        PARTS: the FPGA on each board, by the board's name.
    """

    PARTS: Mapping[str, str]

    @staticmethod
    def sources(identity: Identity, clock_mhz: float, baud: int) -> BoardSources:
        """Return a design on the board.

        Args:
            identity: of the design.
            clock_mhz: the fastest clock that it may have.
            baud: of the serial line.

        Raises:
            ConfigError: the board has no such clock or line.
        """


def find_board(name: str) -> tuple[Board, str]:
    """Return a board, and the FPGA on it.

    Raises:
        ConfigError: the board is unknown.
        ToolError: a board from outside cannot be imported.
    """
    boards = {board: kind for kind in map(_load, BOARDS.names) for board in kind.PARTS}
    if name not in boards:
        problem, remedy = "it is unknown", f"{nearest(name, boards)}Choose from {', '.join(boards)}"
        raise ConfigError(f"board {name!r}", problem, remedy)
    return boards[name], boards[name].PARTS[name]


def _load(kind: str) -> Board:
    return cast(Board, BOARDS.load(kind))
