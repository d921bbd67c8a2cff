"""What look-up tables are used for: the device data have a factor for each."""

from __future__ import annotations

from enum import StrEnum


class LutKind(StrEnum):
    """What look-up tables are used for, as `devices.LutFactors` names it; the formulas count each in its own unit."""

    ADDER = "adder"
    """Bits of a carry chain."""
    CONSTANT = "constant"
    """Bits to which a constant is added, or that are compared with one."""
    TREE = "tree"
    """Bits of the carry chains of a shift-add tree."""
    PRODUCT = "product"
    """Bits of one factor times those of a constant that are 1."""
    MULTIPLES = "multiples"
    """Look-up tables of products made of them in carry chains."""
    CHOICE = "choice"
    """Bits of multiplexers."""
    TABLE = "table"
    """Look-up tables of ROMs, and bits of the adders behind them."""
    MEMORY = "memory"
    """Look-up tables of ROMs of weights, memories and shift registers."""
    CONTROL = "control"
    """Look-up tables of feeders and collectors."""


AS_COUNTED = (LutKind.MEMORY, LutKind.MULTIPLES)
"""The kinds whose unit is a look-up table; the factors of the others are fitted."""
