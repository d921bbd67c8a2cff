"""The clock period at which something takes the least time: fewer cycles of a slow clock, or more of a fast one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence

STEP_NS = 0.01
"""The smallest difference of two clock periods that are tried."""
SLOWEST_NS = 50.0
"""No slower clock is tried: at it a cell's whole loop is one cycle."""


def clock_periods_ns(least_ns: float, ratio: float = 1.0) -> list[float]:
    """Return periods to try, from `least_ns` to `SLOWEST_NS`: each so many times the last, or `STEP_NS` more.

    Args:
        least_ns: the shortest.
        ratio: of neighbours, at least 1.
    """
    periods = [round(math.ceil(least_ns / STEP_NS - 1e-9) * STEP_NS, 2)]
    while periods[-1] < SLOWEST_NS:
        periods.append(round(max(periods[-1] + STEP_NS, math.floor(periods[-1] * ratio / STEP_NS) * STEP_NS), 2))
    return periods


def fastest(periods_ns: Sequence[float], cycles: Callable[[float], int | None]) -> float | None:
    """Return the period at which `cycles` of it take the least time; None if none is possible.

    A slower clock never takes more cycles. So between two periods no time is less than the shorter period times the
    cycles at the longer one, and where this is more than the best that is known, nothing between needs a look (branch
    and bound).

    Args:
        periods_ns: rising.
        cycles: called with a period; None where the clock is too fast. What is possible at a period is so at all longer
            ones.
    """
    last = len(periods_ns) - 1
    known = {place: cycles(periods_ns[place]) for place in (0, last)}
    if known[last] is None:
        return None

    def time_ns(place: int) -> float:
        found = known[place]
        return math.inf if found is None else found * periods_ns[place]

    def between(low: int, high: int) -> tuple[float, int, int]:
        """Return the least time that can be after `low` and before `high`, and both."""
        return periods_ns[min(low + 1, high)] * (known[high] or 0), low, high

    best = min((time_ns(0), 0), (time_ns(last), last))
    open_intervals = [between(0, last)]
    while open_intervals:
        least_ns, low, high = heapq.heappop(open_intervals)
        if least_ns >= best[0]:
            break
        if high - low < 2 or known[low] == known[high]:
            continue
        middle = _middle(periods_ns, low, high)
        known[middle] = cycles(periods_ns[middle])
        best = min(best, (time_ns(middle), middle))
        if known[middle] is not None:
            heapq.heappush(open_intervals, between(low, middle))
        heapq.heappush(open_intervals, between(middle, high))
    return periods_ns[best[1]]


def _middle(periods_ns: Sequence[float], low: int, high: int) -> int:
    """Return the place of the geometric mean of two periods, between them."""
    mean = math.sqrt(periods_ns[low] * periods_ns[high])
    place = next(p for p in range(low + 1, high + 1) if p == high or periods_ns[p] >= mean)
    return min(place, high - 1)
