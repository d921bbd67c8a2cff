"""What look-up tables are used for, and how many of them synthesis makes for each unit that the formulas count."""

from __future__ import annotations

from enum import StrEnum


class LutKind(StrEnum):
    """What look-up tables are used for; the formulas count each in a unit of its own."""

    ADDER = "adder"
    """Bits of a carry chain."""
    CONSTANT = "constant"
    """Bits to which a constant is added, or that are compared with one."""
    TREE = "tree"
    """Bits of the carry chains of a shift-add tree."""
    PRODUCT = "product"
    """Bits of one factor times bits of the other."""
    MULTIPLES = "multiples"
    """Look-up tables of products made of them in ECP5's carry chains."""
    CHOICE = "choice"
    """Bits of multiplexers."""
    TABLE = "table"
    """Look-up tables of ROMs, and bits of the adders behind them."""
    MEMORY = "memory"
    """Look-up tables of ROMs of weights, memories and shift registers."""
    CONTROL = "control"
    """Look-up tables of feeders and collectors."""


AS_COUNTED = LutKind.MEMORY
"""The kind whose unit is a look-up table; the factors of the others are fitted."""
LUT_FACTORS = {
    4: {
        LutKind.ADDER: 0.84,
        LutKind.CONSTANT: 0.86,
        LutKind.TREE: 1.1,
        LutKind.PRODUCT: 2.48,
        LutKind.MULTIPLES: 1.0,
        LutKind.CHOICE: 2.29,
        LutKind.TABLE: 0.72,
        LutKind.MEMORY: 1.0,
        LutKind.CONTROL: 0.98,
    },
    6: {
        LutKind.ADDER: 0.84,
        LutKind.CONSTANT: 0.33,
        LutKind.TREE: 0.94,
        LutKind.PRODUCT: 1.2,
        LutKind.MULTIPLES: 1.0,
        LutKind.CHOICE: 1.26,
        LutKind.TABLE: 1.2,
        LutKind.MEMORY: 1.0,
        LutKind.CONTROL: 1.09,
    },
}
"""Look-up tables for each unit, by inputs of a look-up table: least squares over one half of the networks of
bench/synthesis.json, `python bench/synthesis.py fit`; products on six inputs from single ones, synthesised alone."""
