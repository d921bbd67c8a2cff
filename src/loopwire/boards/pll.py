"""Dividers of the PLL of Lattice ECP5.

Ref: Lattice FPGA-TN-02200, "ECP5 and ECP5-5G sysCLOCK PLL/DLL Design and Usage Guide"; FPGA-DS-02012, "sysCLOCK PLL
     Timing" (ranges of the oscillator and of the output). Project Trellis, ecppll (lowest frequency at the phase
     detector; phase of the primary output).
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.errors import ConfigError

INPUT_DIVIDERS = range(1, 129)
FEEDBACK_DIVIDERS = range(1, 81)
OUTPUT_DIVIDERS = range(1, 129)
DETECTOR_MHZ = (3.125, 400.0)
OSCILLATOR_MHZ = (400.0, 800.0)
OUTPUT_MHZ = (10.0, 400.0)
BEST_OSCILLATOR_MHZ = 600.0
TINY_MHZ = 1e-9


@dataclass(frozen=True)
class Pll:
    """An EHXPLLL whose primary output is fed back: output = input / CLKI_DIV · CLKFB_DIV.

    The oscillator runs at output · CLKOP_DIV.
    """

    input_mhz: float
    input_divider: int
    feedback_divider: int
    output_divider: int

    @property
    def detector_mhz(self) -> float:
        """Frequency at the phase detector."""
        return self.input_mhz / self.input_divider

    @property
    def output_mhz(self) -> float:
        """Frequency of the primary output."""
        return self.input_mhz * self.feedback_divider / self.input_divider

    @property
    def oscillator_mhz(self) -> float:
        """Frequency of the oscillator."""
        return self.output_mhz * self.output_divider


def find_pll(input_mhz: float, wanted_mhz: float) -> Pll:
    """Return the PLL whose output is nearest to a frequency, never above it.

    Raises:
        ConfigError: the frequency is outside what the PLL gives.
    """
    low, high = OUTPUT_MHZ
    if not low <= wanted_mhz <= high:
        raise ConfigError(
            "clock", f"{wanted_mhz:g} MHz are outside of what the PLL gives", f"Choose from {low:g} to {high:g} MHz"
        )
    possible = [
        Pll(input_mhz, divider, feedback, round(BEST_OSCILLATOR_MHZ * divider / (input_mhz * feedback)))
        for divider in INPUT_DIVIDERS
        if DETECTOR_MHZ[0] <= input_mhz / divider <= DETECTOR_MHZ[1]
        for feedback in FEEDBACK_DIVIDERS
        if low <= input_mhz * feedback / divider <= wanted_mhz + TINY_MHZ
    ]
    assert possible, f"{input_mhz} MHz"
    best = min(possible, key=lambda pll: (-pll.output_mhz, pll.input_divider))
    assert best.output_divider in OUTPUT_DIVIDERS and OSCILLATOR_MHZ[0] <= best.oscillator_mhz <= OSCILLATOR_MHZ[1]
    return best
