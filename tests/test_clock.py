"""The clock of the least time: the same as a look at every clock finds, with few looks."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from loopwire.optimise.clock import SLOWEST_NS, clock_periods_ns, fastest


@given(
    st.floats(0.5, 8),
    st.lists(st.floats(0.3, 60), min_size=1, max_size=12),
    st.floats(0, 12),
    st.sampled_from([1.0, 1.05, 1.3]),
)
def test_the_best_of_all_is_found(least_ns: float, paths_ns: list[float], needed_ns: float, ratio: float) -> None:
    def cycles(period_ns: float) -> int | None:
        return None if period_ns < needed_ns else sum(math.ceil(path / period_ns) for path in paths_ns)

    periods = clock_periods_ns(least_ns, ratio)
    least = min(found * period for period in periods if (found := cycles(period)) is not None)
    chosen = fastest(periods, cycles)
    assert chosen in periods
    assert (cycles(chosen) or math.inf) * chosen == pytest.approx(least, rel=1e-12)


def test_few_clocks_are_looked_at() -> None:
    seen = []

    def cycles(period_ns: float) -> int:
        seen.append(period_ns)
        return 20 * math.ceil(16 / (period_ns - 0.4)) + 9

    periods = clock_periods_ns(1.0)
    fastest(periods, cycles)
    assert len(periods) > 4000 and len(seen) < 60


def test_none_is_possible() -> None:
    assert fastest(clock_periods_ns(2.0), lambda period: None) is None


@pytest.mark.parametrize(("least_ns", "ratio", "first"), [(2.0, 1.0, [2.0, 2.01]), (2.501, 1.25, [2.51, 3.13, 3.91])])
def test_periods(least_ns: float, ratio: float, first: list[float]) -> None:
    periods = clock_periods_ns(least_ns, ratio)
    assert periods[: len(first)] == first
    assert periods == sorted(set(periods)) and periods[-1] >= SLOWEST_NS
