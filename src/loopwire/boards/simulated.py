"""A board in simulation: a design and its host module behind a pseudo-terminal, for the client of real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loopwire.errors import ToolError
from loopwire.simulate import verilator
from loopwire.system.programs import Process, started

_DRIVER = Path(__file__).with_name("pty_driver.cpp")


def build_model(top: str, sources: Sequence[Path], directory: Path) -> Path:
    """Compile a module with the byte-wide ports of `loopwire_host` to a program that `simulated_board` runs.

    Args:
        top: name of the module.
        sources: SystemVerilog files; memory files are looked for where the program runs.
        directory: where to build.

    Raises:
        ToolError: Verilator or a C++ compiler is missing or fails.
    """
    return verilator.build_program(top, sources, _DRIVER, directory)


@contextmanager
def simulated_board(program: Path, directory: Path, cycles_per_byte: int = 1) -> Iterator[tuple[Process, str]]:
    """Run a simulated board and yield its process and the name of its terminal.

    Args:
        program: what `build_model` made.
        directory: of the design's memory files.
        cycles_per_byte: least distance of two bytes to the board; no serial line holds bytes back.

    Raises:
        ToolError: the program does not start.
    """
    with started("simulation", [program, cycles_per_byte], directory) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        if not name:
            raise ToolError("simulation", f"{program} opened no terminal", "Start it by hand to see why")
        yield process, name
