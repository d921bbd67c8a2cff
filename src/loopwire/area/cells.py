"""Cells of a device, and how many of them small pieces of hardware take."""

from __future__ import annotations

from dataclasses import dataclass, fields

from loopwire.devices import Device

LEAST_SRL_STAGES = 3
"""Shorter ones stay flip-flops."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Cells of a device; half of a 36-kbit block RAM is one of 18 kbit.

    No estimate has UltraRAM: it cannot be initialised (UG573), so it holds no weights.
    """

    luts: int = 0
    ffs: int = 0
    dsps: int = 0
    bram18s: int = 0
    urams: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.luts + other.luts,
            self.ffs + other.ffs,
            self.dsps + other.dsps,
            self.bram18s + other.bram18s,
            self.urams + other.urams,
        )

    def counts(self) -> tuple[int, ...]:
        """Return how many of each of `KINDS`."""
        return self.luts, self.ffs, self.dsps, self.bram18s, self.urams

    def __mul__(self, copies: int) -> Resources:
        return Resources(*(getattr(self, f.name) * copies for f in fields(self)))

    def shares(self, device: Device) -> dict[str, float]:
        """Return, for each kind of cell that is used, the share of the device's; infinite where it has none."""
        used = zip(KINDS, self.counts(), capacities(device), strict=True)
        return {kind: count / capacity for kind, count, capacity in used if count}


KINDS = tuple(field.name for field in fields(Resources))
"""The kinds of cells."""


def capacities(device: Device) -> tuple[float, ...]:
    """Return how many cells of each kind a device has; next to none for none, so that any share is too large."""
    return tuple(getattr(device, kind) or 1e-9 for kind in KINDS)


class Cells:
    """How many cells of a device small pieces of hardware take."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def selection_luts(self, ways: int, bits: int) -> int:
        """Return the look-up tables that choose between a number of words: one chooses between four, or between two."""
        choices = 4 if self.device.lut_inputs >= 6 else 2
        return -(-(ways - 1) // (choices - 1)) * bits

    def memory(self, words: int, bits: int) -> Resources:
        """Return what a memory read without a clock takes."""
        if words == 1:
            return Resources(ffs=bits)
        cell = self.device.memories
        banks = -(-words // cell.words)
        halved = 2 if words <= cell.half_words else 1
        return Resources(
            luts=round(bits * (banks * cell.luts / cell.bits / halved + cell.luts_a_bank_bit * (banks - 1)))
        )

    def product_luts(self, rows: int, columns: int) -> int:
        """Return the look-up tables of a product whose `rows` choose multiples of a signed number.

        With four inputs, of an ECP5's `loopwire_product`: a chain of n bits takes n of them, an even number; one that
        adds multiples begins with a carry. With six, of `tools/maps/xilinx_product.v`: one for each bit of a chain.
        """
        if rows == 1:
            return columns
        if self.device.lut_inputs >= 6:
            pairs, odd = divmod(rows, 2)
            threes, twos = divmod(pairs - 1, 2)
            return (pairs + twos) * (columns + 2) + threes * (columns + 4) + odd * (columns + 1)
        if rows <= 3:
            single = rows % 2
            pair = 2 * ((columns + 3) // 2) + 1
            return pair + single * (2 * ((columns + 4) // 2) + 1)
        upper = rows // 2
        chain = 2 * ((upper + columns + 1) // 2)
        return self.product_luts(rows - upper, columns) + self.product_luts(upper, columns) + chain

    def delay(self, bits: int, stages: int) -> Resources:
        """Return what delays a given number of bits by a given number of stages."""
        if stages >= LEAST_SRL_STAGES and self.device.srl_stages:
            return Resources(luts=bits * -(-stages // self.device.srl_stages))
        return Resources(ffs=bits * max(stages, 0))
