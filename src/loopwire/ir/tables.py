"""Functions of one number as small ROMs: a plain table, or two tables and an adder; never a multiplier.

A bipartite table splits the index into x0, x1, x2 from the top: one ROM, indexed by x0 and x1, holds the function
on a coarse grid, another, indexed by x0 and x2, what to add in between with a slope shared by all x1 of one x0.

Ref: D. Das Sarma and D. W. Matula, "Faithful bipartite ROM reciprocal tables", ARITH 1995.
Ref: M. J. Schulte and J. E. Stine, "Approximating elementary functions with symmetric bipartite tables", IEEE Trans.
     Computers 48(8), 1999.
Ref: F. de Dinechin and A. Tisserand, "Multipartite table methods", IEEE Trans. Computers 54(3), 2005.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from loopwire.errors import ConfigError, nearest
from loopwire.ir.functions import FUNCTIONS, TABULATED
from loopwire.ir.table_form import TableForm
from loopwire.ir.table_search import LARGEST_INDEX, cheapest
from loopwire.ir.table_target import Target
from loopwire.ir.types import FixedType

__all__ = ["TableForm", "design_table"]

LARGEST_WIDTH = 48
"""Bits of a result: functions are computed in float64, whose 53 bits leave some to judge errors with."""
REACH = 1 << 61
"""The largest input that the search counts up to: it does so in 64 bits, and takes differences."""
MOST_ENTRIES = 1 << 16
"""That a user may allow: 64 block RAMs of 18 kbit, for one table."""
ENTRY_SEARCH_RATIO = 1.05
"""The error of a table of limited size is the least possible within this factor, as far as the search sees."""


@lru_cache(maxsize=1024)
def design_table(
    function: str,
    low: int,
    high: int,
    fraction_in: int,
    out: FixedType,
    *,
    max_error_steps: float = 1.0,
    max_entries: int | None = None,
    fold: bool = False,
) -> TableForm:
    """Return the cheapest table, by `TableForm.lut6_estimate`, of a function over the integers low…high.

    Args:
        function: a name in `TABULATED`.
        low: smallest input, in steps of 2**-fraction_in.
        high: largest input.
        fraction_in: fraction bits of the inputs.
        out: type of the results; the function is clipped to its range.
        max_error_steps: the error of every result stays below this many steps of `out`.
        max_entries: if given, the error is instead the least that a table of at most this many entries allows.
        fold: whether the function's symmetry may be used to tabulate one side only.

    Raises:
        ConfigError: the function is unknown or not defined on all inputs, or no table so small or so exact exists.
    """
    assert low <= high
    where = f"table of {function}"
    if function not in TABULATED:
        known = ", ".join(FUNCTIONS)
        raise ConfigError(
            where, f"{function!r} is not a known function", f"{nearest(function, FUNCTIONS)}Choose from {known}"
        )
    real = TABULATED[function]
    if low <= real.defined_above * 2.0**fraction_in:
        raise ConfigError(
            where,
            f"it is not defined on all inputs, which reach down to {low * 2.0**-fraction_in:g}",
            f"Give inputs above {real.defined_above:g}",
        )
    if max_entries is not None and max_entries < 2:
        raise ConfigError(where, f"{max_entries} entries cannot distinguish two inputs", "Allow at least 2 entries")
    if max_entries is not None and max_entries > MOST_ENTRIES:
        raise ConfigError(where, f"{max_entries} entries are too many to search", f"Allow at most {MOST_ENTRIES}")
    near_low, near_high = (_nearer_end(where, function, end, fraction_in, out) for end in (low, high))
    symmetries = [None, real.symmetry] if fold and real.symmetry and low < 0 else [None]
    if out.width > LARGEST_WIDTH:
        raise ConfigError(
            where,
            f"results of {out.width} bits are finer than the function can be computed",
            f"Give a result type of at most {LARGEST_WIDTH} bits",
        )
    targets = [Target(function, near_low, near_high, fraction_in, out, symmetry) for symmetry in symmetries]
    if max_entries is not None:
        return replace(_most_exact(targets, max_entries), low=low, high=high)
    found = cheapest(targets, max_error_steps, None)
    if found is None:
        raise ConfigError(
            where,
            f"no table of at most {LARGEST_INDEX} cells keeps the error below {max_error_steps:g} steps of {out}",
            "Give a result type with fewer fraction bits, a larger max_error_steps (rounding alone costs 0.5), or a "
            "table_size (TableSize for hls4ml)",
        )
    return replace(found, low=low, high=high)


def _nearer_end(where: str, function: str, end: int, fraction_in: int, out: FixedType) -> int:
    """Return an end of the inputs, or one within `REACH` beyond which the function is as good as constant."""
    near = max(-REACH, min(end, REACH))
    ends = np.ldexp(np.array([near, end], np.float64), -fraction_in)
    ends = TABULATED[function].real(ends).clip(out.min_integer * out.step, out.max_integer * out.step)
    if abs(ends[1] - ends[0]) > out.step / 2**10:
        raise ConfigError(
            where,
            f"its inputs reach to {end * 2.0**-fraction_in:g} in steps of 2^-{fraction_in}; a table can index those "
            f"up to {abs(near) * 2.0**-fraction_in:g}",
            "Give the operand of the activation, role preactivation, a type with fewer fraction bits",
        )
    return near


def _most_exact(targets: list[Target], max_entries: int) -> TableForm:
    """Search the least error, in steps, for which a table fits in `max_entries`."""
    unmet, met = 0.5, float(targets[0].out.max_integer - targets[0].out.min_integer + 1)
    best = cheapest(targets, met, max_entries)
    assert best is not None, "one entry suffices for an error as large as the range"
    met = max(best.max_error_steps, unmet)
    while met > unmet * ENTRY_SEARCH_RATIO:
        middle = float(np.sqrt(met * unmet))
        found = cheapest(targets, middle, max_entries)
        if found is None:
            unmet = middle
        else:
            best, met = found, min(middle, found.max_error_steps)
    return best
