"""What fits the words of the vector machine: numbers, tables and tiles of matrices."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.emulator.vector_assembler import TILE_ROWS, Opcode
from loopwire.ir.fixed_point import Integers
from loopwire.ir.interval import Range
from loopwire.ir.table_form import TableForm

LARGEST_TABLE = 1 << 20


class UnsuitableError(Exception):
    """The graph is outside the machine's limits: numbers beyond 64 bits, a large table."""


def fits(value_range: Range, bits: int) -> bool:
    """Say whether words of a given number of bits hold a range."""
    return -(1 << (bits - 1)) <= value_range.low and value_range.high < 1 << (bits - 1)


def is_wide(*needed: Range) -> bool:
    """Say whether rows of int64 are needed for numbers of all these ranges."""
    if all(fits(r, 32) for r in needed):
        return False
    if all(fits(r, 64) for r in needed):
        return True
    raise UnsuitableError("numbers beyond 64 bits")


def shifted(value_range: Range, bits: int) -> Range:
    """Return the range of numbers times a power of two."""
    return Range(value_range.low << bits, value_range.high << bits)


def largest_shift(wide: bool) -> int:
    """Numbers that fit after a larger shift are all 0, whatever the shift."""
    return 63 if wide else 31


def magnitude(value_range: Range) -> int:
    """Return the largest absolute value of a range."""
    return max(abs(value_range.low), abs(value_range.high))


@lru_cache(maxsize=256)
def table_cells(form: TableForm) -> tuple[int, int, npt.NDArray[np.int64]]:
    """Return the lowest input with a result of its own, the bits dropped, and the results from there to the highest."""
    # A folded table drops bits of |x|, which is not the same as dropping them of x.
    dropped = form.dropped_bits if form.symmetry is None else 0
    count = ((form.domain_high - form.domain_low) >> dropped) + 1
    if count > LARGEST_TABLE:
        raise UnsuitableError(f"a table of {count} entries")
    return form.domain_low, dropped, form.evaluate(form.domain_low + (np.arange(count) << dropped))


def packed_tiles(matrices: Integers, kernel: Opcode) -> npt.NDArray[Any]:
    """Pack matrices (…, m, n) into tiles (…, m / TILE_ROWS, n, TILE_ROWS), filled up with zeros.

    For the int16 kernel two columns, the first in the low half, are one.
    """
    *steps, rows, columns = matrices.shape
    missing_column = columns % 2 if kernel is Opcode.MATVEC_INT16 else 0
    padding = [(0, 0)] * len(steps) + [(0, -rows % TILE_ROWS), (0, missing_column)]
    dtype = {Opcode.MATVEC_FLOAT64: np.float64, Opcode.MATVEC_INT64: np.int64}.get(kernel, np.int32)
    padded = np.pad(matrices.astype(dtype), padding)
    if kernel is Opcode.MATVEC_INT16:
        padded = (padded[..., 0::2] & 0xFFFF) | (padded[..., 1::2] << 16)
    return padded.reshape(*steps, -1, TILE_ROWS, padded.shape[-1]).swapaxes(-1, -2)
