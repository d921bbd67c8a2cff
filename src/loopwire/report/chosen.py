"""Which knobs were chosen for a design's targets, and what it reaches of them."""

from __future__ import annotations

from dataclasses import dataclass

Row = tuple[str, str, str]

QUANTITIES = {
    "max_latency_ns": ("Latency", "{:g} ns", "predicted"),
    "max_interval_cycles": ("Initiation interval", "{:g} cycles", "predicted"),
    "max_luts": ("LUTs", "{:g}", "estimated"),
    "max_ffs": ("FFs", "{:g}", "estimated"),
    "max_dsps": ("DSPs", "{:g}", "estimated"),
    "max_brams": ("BRAM 18k", "{:g}", "estimated"),
    "max_share": ("Largest share of the part", "{:.1%}", "estimated"),
}
"""Of each target: what it bounds, how a number of it is written, and at which stage it is known."""


@dataclass(frozen=True)
class Target:
    """A bound by its name in the configuration, and what the design reaches."""

    name: str
    bound: float
    reached: float

    def row(self) -> Row:
        """Return (quantity, value, stage)."""
        quantity, form, stage = QUANTITIES[self.name]
        return f"Target: {quantity}", f"{form.format(self.reached)} of at most {form.format(self.bound)}", stage


@dataclass(frozen=True)
class ChosenKnob:
    """A knob by its name in the configuration, with its value as a text."""

    name: str
    value: str

    def row(self) -> Row:
        """Return (quantity, value, stage)."""
        return f"Chosen: {self.name}", self.value, "scheduled"
