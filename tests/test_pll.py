"""The PLL of ECP5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwire.boards.pll import find_pll
from loopwire.errors import ConfigError


@given(st.floats(10, 400))
def test_the_output_is_near_and_never_faster(wanted_mhz: float) -> None:
    pll = find_pll(25.0, wanted_mhz)
    assert pll.output_mhz <= wanted_mhz + 1e-9
    step_mhz = 25.0 / 8 if wanted_mhz < 250 else 25.0 / 5  # the feedback is divided by 80 at most
    assert wanted_mhz - pll.output_mhz < step_mhz
    assert 400 <= pll.oscillator_mhz <= 800 and pll.detector_mhz >= 3.125
    assert 1 <= pll.output_divider <= 128 and 1 <= pll.feedback_divider <= 80


@pytest.mark.parametrize("wanted_mhz", [25.0, 50.0, 62.5, 81.25, 100.0])
def test_multiples_are_met(wanted_mhz: float) -> None:
    pll = find_pll(25.0, wanted_mhz)
    assert pll.output_mhz == wanted_mhz and abs(pll.oscillator_mhz - 600) <= wanted_mhz / 2


def test_what_the_pll_cannot_give() -> None:
    with pytest.raises(ConfigError, match=r"clock: 5 MHz are outside of what the PLL gives. Choose from 10 to 400 MHz"):
        find_pll(25.0, 5.0)
