"""The ULX3S, a board with a Lattice ECP5 and a USB-serial bridge (FT231X).

Ref: github.com/emard/ulx3s, doc/constraints/ulx3s_v20.lpf (pins); FTDI DS_FT231X, section 4.1 (baud rates).
"""

from __future__ import annotations

from importlib import resources
from string import Template

from loopwire.boards.hosted import hosted_module, static_text
from loopwire.boards.identity import Identity
from loopwire.boards.pll import Pll, find_pll
from loopwire.errors import ConfigError, nearest

PARTS = {f"ulx3s-{size}f": f"LFE5U-{size}F-6BG381C" for size in (12, 25, 45, 85)}
OSCILLATOR_MHZ = 25.0
BRIDGE_BAUD = (300, 3_000_000)
LEAST_CYCLES_PER_BIT = 8
"""So that a bit is read within an eighth of its middle."""


def board_part(board: str) -> str:
    """Return the FPGA on a board.

    Raises:
        ConfigError: the board is unknown.
    """
    if board not in PARTS:
        raise ConfigError(f"board {board!r}", "it is unknown", f"{nearest(board, PARTS)}Choose from {', '.join(PARTS)}")
    return PARTS[board]


def design_clock(clock_mhz: float) -> Pll:
    """Return the PLL for the fastest clock of the design that is not above `clock_mhz`.

    Raises:
        ConfigError: the PLL gives no such clock.
    """
    return find_pll(OSCILLATOR_MHZ, clock_mhz)


def board_files(identity: Identity, pll: Pll, baud: int) -> dict[str, str]:
    """Return the top module of a design on the board, what it needs beside `hosted_files`, and the pins.

    Args:
        identity: of the design.
        pll: of the design's clock.
        baud: of the serial line.

    Raises:
        ConfigError: the line is too fast for the clock or for the bridge.
    """
    least, most = BRIDGE_BAUD
    if not least <= baud <= most:
        raise ConfigError("baud", f"the board's bridge cannot send {baud} Bd", f"Choose from {least} to {most}")
    if pll.output_mhz * 1e6 < LEAST_CYCLES_PER_BIT * baud:
        raise ConfigError(
            "baud",
            f"a clock of {pll.output_mhz:g} MHz is too slow to read {baud} Bd",
            f"Give at most {pll.output_mhz * 1e6 / LEAST_CYCLES_PER_BIT:.0f}",
        )
    top = top_module(identity)
    text = Template(resources.files(__package__).joinpath("ulx3s.template.sv").read_text()).substitute(
        design=identity.name,
        top=top,
        hosted=hosted_module(identity),
        baud=baud,
        clock_mhz=f"{pll.output_mhz:g}",
        uart_rate=round(baud / (pll.output_mhz * 1e6) * 2**20),
        input_divider=pll.input_divider,
        feedback_divider=pll.feedback_divider,
        output_divider=pll.output_divider,
        output_phase=pll.output_divider // 2,
    )
    return {
        f"{top}.sv": text,
        f"{top}.lpf": resources.files(__package__).joinpath("ulx3s.lpf").read_text(),
        **{name: static_text(name) for name in ("loopwire_uart_rx.sv", "loopwire_uart_tx.sv")},
    }


def top_module(identity: Identity) -> str:
    """Return the name of the top module."""
    return f"{identity.name}_ulx3s"
