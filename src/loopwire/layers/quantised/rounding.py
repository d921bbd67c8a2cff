"""Tanh and sigmoid rounded to nearest, exactly, of numbers that are too fine for a table of all of them.

    y₀ = a table of f(x) - h/2 that is right within one step h: the result or the one below
    y = y₀ + h - h·[x < t(y₀ + h)]      t(y) is the least x from which on f(x) rounds to y or more

The comparison is a cast: of x - t it keeps the sign alone. On real numbers y₀ + h/2 is f(x) and x is at least t.
"""

from __future__ import annotations

import numpy as np

from loopwire.ir.functions import below_of, threshold_of
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.emitter import Emitter

MOST_INDEX_BITS = 10
"""Numbers of more bits are not looked up one by one."""
SATURATED_INTEGER_BITS = 6
"""Beyond ±32 no result of `MOST_ROUNDED_BITS` fraction bits changes."""


def rounded(e: Emitter, function: str, x: Value, fraction: int, name: str, note: str = "") -> Value:
    """Add tanh or sigmoid of x, rounded to nearest with `fraction` fraction bits."""
    b = e.b
    holds_all = FixedType(fraction + 2, 2, rounding=Rounding.RND, overflow=Overflow.SAT)
    if x.type.element.integer > SATURATED_INTEGER_BITS:
        near = FixedType(
            SATURATED_INTEGER_BITS + x.type.element.fraction, SATURATED_INTEGER_BITS, overflow=Overflow.SAT
        )
        x = b.cast(x, near, f"{name}_near")
    if x.type.element.width <= MOST_INDEX_BITS:
        return b.table(function, x, holds_all, max_error_steps=0.5, name=name, note=note)
    grid = x.type.element.fraction
    below = b.table(below_of(function, fraction), x, holds_all, name=f"{name}_below", note="f(x) - h/2")
    # Half a step on real numbers is rounded to a whole one.
    step = b.const(
        np.float64(2.0 ** -(fraction + 1)), FixedType(1, 1 - fraction, signed=False, rounding=Rounding.RND), "step"
    )
    above = b.add(below, step, f"{name}_above", "y₀ + h")
    threshold = b.table(
        threshold_of(function, fraction, grid),
        above,
        FixedType(grid + 8, 8, rounding=Rounding.RND, overflow=Overflow.SAT),
        max_error_steps=0.5,
        name=f"{name}_threshold",
        note="t(y₀ + h)",
    )
    sign = FixedType(1, 1 - fraction, overflow=Overflow.SAT)
    short = b.cast(b.sub(x, threshold, f"{name}_beyond"), sign, f"{name}_short", "-h where x < t", in_reals=True)
    return b.add(above, short, name, note)
