"""The campaigns of `make fuzz` themselves: their originals are sound, they see faults of each kind, cases repeat."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import crashers, designs
from fuzz.files import FileCampaign
from fuzz.run import FILES
from fuzz.workers import GRACE_S, Limits, alone

from loopwire.emulator import fast_emulator
from loopwire.errors import ModelFileError
from loopwire.ir.fixed_point import Integers
from loopwire.ir.text import print_graph
from random_models import buildable

CASES = 40


@pytest.mark.parametrize(
    "campaign",
    [pytest.param(files, marks=[pytest.mark.slow] if name == "onnx" else [], id=name) for name, files in FILES.items()],
)
def test_originals_are_sound(campaign: FileCampaign) -> None:
    for files in campaign.originals:
        assert campaign.outcome(files).kind == "sound", sorted(files)


@pytest.mark.parametrize("campaign", FILES.values(), ids=FILES)
def test_some_mutated_files(campaign: FileCampaign) -> None:
    assert campaign.originals  # which are made before the time counts
    outcomes = dict(campaign.run(1, range(CASES), time.monotonic() + 60))
    failed = {number: outcome for number, outcome in outcomes.items() if outcome.failed}
    assert not failed
    assert Counter(outcome.kind for outcome in outcomes.values())["refused"] > 0


@pytest.mark.parametrize("campaign", FILES.values(), ids=FILES)
def test_cases_repeat(campaign: FileCampaign) -> None:
    number = 7
    assert campaign.mutated(1, number) == campaign.mutated(1, number) != campaign.mutated(2, number)


def spin() -> None:
    while True:
        pass


def hang() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    spin()


def refuse() -> None:
    raise ModelFileError("here", "no", "Try another")


@pytest.mark.parametrize(
    ("check", "kind", "text"),
    [
        (lambda: None, "sound", ""),
        (refuse, "refused", "ModelFileError: here: no. Try another"),
        (lambda: [][1], "failed", "IndexError: list index out of range"),
        (spin, "failed", "it took longer than 0.2 s"),
        (hang, "failed", "it took longer than 0.2 s in a call that no signal interrupts"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "failed", "the process died: SIGKILL"),
        (lambda: np.ones(1 << 29), "failed", "MemoryError: Unable to allocate"),
    ],
)
def test_workers_see_every_kind_of_fault(check: Callable[[], object], kind: str, text: str) -> None:
    begin = time.monotonic()
    outcome = alone(check, Limits(seconds=0.2, memory_bytes=1 << 30))
    assert outcome.kind == kind and outcome.text.startswith(text)
    assert time.monotonic() - begin < 60 * GRACE_S


def test_random_designs_conform_and_are_counted() -> None:
    tally = designs.prove_group(designs.DESIGNS, 1, range(2, 5))
    assert not tally.failures
    assert tally.designs["RTL"] == 3 and tally.sequences["RTL"] > 3 * designs.DISTURBED and tally.bits > 0


def test_a_wrong_machine_is_seen_and_its_design_minimised(monkeypatch: pytest.MonkeyPatch) -> None:
    right = fast_emulator.FastEmulator.run_all

    def wrong(emulator: fast_emulator.FastEmulator, *arguments: Any) -> tuple[Integers, ...]:
        return tuple(result ^ 1 for result in right(emulator, *arguments))

    monkeypatch.setattr(fast_emulator.FastEmulator, "run_all", wrong)
    number = next(number for number in range(9) if not designs.case_of(designs.DESIGNS, 1, number).remembers)
    (failure,) = designs.prove_group(designs.DESIGNS, 1, range(number, number + 1)).failures
    assert failure[1] == "RTL" and "fast emulator" in failure[2]
    case = designs.minimal(designs.case_of(designs.DESIGNS, 2, number), lambda case: len(case.layers) > 0)
    assert len(case.layers) == 1 and case.copies == 1 and case.input_type == "fixed<6,3>"


def test_crashers_are_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crashers, "CRASHERS", tmp_path)
    case = buildable(designs.case_of(designs.DESIGNS, 1, 3))
    crashers.keep("models", {"model.h5": b"x"}, "it crashed")
    crashers.keep_design(case, "a bit")
    kept = {crasher.campaign: crasher for crasher in crashers.all_crashers()}
    assert kept["models"].files == {"model.h5": b"x"} and kept["models"].right is None
    assert print_graph(kept["designs"].design().graph()) == print_graph(case.graph())


@pytest.mark.slow
@pytest.mark.parametrize("group", range(34))
def test_two_thousand_random_graphs(group: int) -> None:
    """Each group is one simulation; some of its graphs go through the slower machines, too."""
    numbers = range(group * designs.GROUP, (group + 1) * designs.GROUP)
    tally = designs.prove_group(designs.GRAPHS, 15, numbers)
    assert not tally.failures and tally.designs["RTL"] == designs.GROUP


def test_random_graphs_conform() -> None:
    tally = designs.prove_group(designs.GRAPHS, 3, range(2))
    assert not tally.failures
    assert tally.designs["RTL"] == 2
