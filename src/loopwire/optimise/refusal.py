"""What to offer where nothing meets the targets: the designs nearest to them, and a curve of what is possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from loopwire.report.chosen import QUANTITIES

NAMES = tuple(QUANTITIES)
OFFERED = 3
"""Designs that are named."""
POINTS = 6
"""Of the curve, at most."""
APART = 1.25
"""A design is named beside another one only where it is better in something by this factor."""
ALWAYS_NAMED = ("max_latency_ns", "max_interval_cycles", "max_share")
TINY = 1e-9

Bounds = Mapping[str, float]
Reached = NDArray[np.float64]
"""A row a design, a column for each of `NAMES`."""


def excess(reached: Reached, bounds: Bounds) -> NDArray[np.float64]:
    """Return by which factor each design (N,) exceeds the bound that it exceeds most; up to 1 where it is within all.

    What is more than the whole part is infinitely far.
    """
    factors = [_column(reached, name) / max(bound, TINY) for name, bound in bounds.items()]
    return np.where(_column(reached, "max_share") > 1, np.inf, np.max(factors, axis=0))


def nearest(reached: Reached, bounds: Bounds) -> list[int]:
    """Return the places of up to `OFFERED` designs that are nearest to the bounds, none like another."""
    far = excess(reached, bounds)
    order = np.lexsort((_column(reached, "max_share"), far))
    compared = [NAMES.index(name) for name in named(bounds)]
    return _unlike(reached[:, compared], order[np.isfinite(far[order])], OFFERED)


def curve(reached: Reached, bounds: Bounds, place: int) -> tuple[tuple[str, str], list[int]]:
    """Return two quantities, and the places of designs of which none is better in both, by the first one.

    The quantities are those by which the nearest design exceeds its bounds, or the one and what it is paid with.

    Args:
        reached: by all designs.
        bounds: that nothing meets.
        place: of the nearest design.
    """
    exceeded = [name for name in NAMES if name in bounds and reached[place, NAMES.index(name)] > bounds[name]]
    first, second = list(dict.fromkeys([*exceeded, "max_share", "max_latency_ns"]))[:2]
    columns = [NAMES.index(first), NAMES.index(second)]
    fits = np.flatnonzero(_column(reached, "max_share") <= 1)
    order = fits[np.lexsort(reached[fits][:, columns[::-1]].T)]
    found = _unlike(reached[:, columns], order, len(order))
    spread = {round(k * (len(found) - 1) / (POINTS - 1)) for k in range(POINTS)}
    return (first, second), [found[k] for k in sorted(spread)]


def named(bounds: Bounds) -> list[str]:
    """Return which quantities of a design are named: those bounded, cycles and share."""
    return [name for name in NAMES if name in bounds or name in ALWAYS_NAMED]


def in_words(names: Iterable[str], reached: Bounds, sign: str = "") -> str:
    """Return quantities of a design in words; with a sign, such as '≤ ', those of bounds."""
    words = []
    for name in names:
        quantity, form, _ = QUANTITIES[name]
        quantity = quantity.lower() if quantity[1].islower() else quantity
        words.append(f"{quantity} {sign}{form.format(reached[name])}")
    return ", ".join(words)


def _column(reached: Reached, name: str) -> NDArray[np.float64]:
    return reached[:, NAMES.index(name)]


def _unlike(values: Reached, order: NDArray[np.int64], count: int) -> list[int]:
    """Return the first places of an order, each better than all before it by `APART` in some column."""
    found: list[int] = []
    while len(order) and len(found) < count:
        found.append(int(order[0]))
        order = order[(values[order] * APART < values[order[0]]).any(axis=1)]
    return found
