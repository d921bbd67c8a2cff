"""What failed once and is mended: each kept case ends as is right."""

from __future__ import annotations

import pytest
from fuzz.crashers import DESIGNS, Crasher, all_crashers
from fuzz.designs import prove_cases
from fuzz.run import FILES

KEPT = all_crashers()


@pytest.mark.parametrize(
    "crasher", [kept for kept in KEPT if kept.campaign in FILES], ids=lambda kept: kept.folder.name
)
def test_files(crasher: Crasher) -> None:
    outcome = FILES[crasher.campaign].outcome(crasher.files)
    assert (outcome.text or outcome.kind) == crasher.right, (
        "right.json tells what is right; where that is null, fill it in"
    )


def test_designs() -> None:
    """All in one simulation, and their HLS C++ in one."""
    cases = [kept.design() for kept in KEPT if kept.campaign == DESIGNS]
    tally = prove_cases(cases, 1, range(len(cases)), ("HLS", "Icarus"))
    assert not tally.failures


def test_every_crasher_belongs_to_a_campaign() -> None:
    assert {kept.campaign for kept in KEPT} <= {*FILES, DESIGNS}
