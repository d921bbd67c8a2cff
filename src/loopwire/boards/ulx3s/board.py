"""The ULX3S, a board with a Lattice ECP5 and a USB-serial bridge (FT231X).

Ref: github.com/emard/ulx3s, doc/constraints/ulx3s_v20.lpf (pins); FTDI DS_FT231X, section 4.1 (baud rates).
"""

from __future__ import annotations

from importlib import resources
from string import Template

from loopwire.boards.hosted import hosted_module
from loopwire.boards.identity import Identity
from loopwire.boards.pll import find_pll
from loopwire.boards.registry import BoardSources
from loopwire.errors import ConfigError
from loopwire.hdl.library import library_files

PARTS = {f"ulx3s-{size}f": f"LFE5U-{size}F-6BG381C" for size in (12, 25, 45, 85)}
OSCILLATOR_MHZ = 25.0
BRIDGE_BAUD = (300, 3_000_000)
LEAST_CYCLES_PER_BIT = 8
"""So that a bit is read within an eighth of its middle."""


def sources(identity: Identity, clock_mhz: float, baud: int) -> BoardSources:
    """Return the top module of a design on the board, what it needs beside `hosted_files`, and the pins.

    Raises:
        ConfigError: the PLL gives no such clock, or the line is too fast for the clock or for the bridge.
    """
    pll = find_pll(OSCILLATOR_MHZ, clock_mhz)
    least, most = BRIDGE_BAUD
    if not least <= baud <= most:
        raise ConfigError("baud", f"the board's bridge cannot send {baud} Bd", f"Choose from {least} to {most}")
    if pll.output_mhz * 1e6 < LEAST_CYCLES_PER_BIT * baud:
        raise ConfigError(
            "baud",
            f"a clock of {pll.output_mhz:g} MHz is too slow to read {baud} Bd",
            f"Give at most {pll.output_mhz * 1e6 / LEAST_CYCLES_PER_BIT:.0f}",
        )
    top = f"{identity.name}_ulx3s"
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
    files = {
        f"{top}.sv": text,
        f"{top}.lpf": resources.files(__package__).joinpath("ulx3s.lpf").read_text(),
        **library_files(["loopwire_uart_rx", "loopwire_uart_tx"]),
    }
    return BoardSources(top, files, pll.output_mhz)
