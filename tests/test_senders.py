"""Senders that break the framing: what is told of it, and from which beat on all is right again."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import Case
from loopwire.boards.identity import identity_of
from loopwire.config import CompileConfig
from loopwire.emulator.calls import evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import BoardError, ConfigError, VerificationError
from loopwire.ir.fixed_point import Integers
from loopwire.knobs import Knobs
from loopwire.verification import verify
from port_bench import Beat, Played, play
from test_conformance_verilog import dense, gru, rnn
from test_design import X, tagger

STEPS = 4

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "user": ({"user_bits": 33}, "user_bits: 33 bits are out of range. Give from 0 (none) to 32"),
    "negative": ({"id_bits": -1}, "id_bits: -1 bits are out of range. Give from 0 (none) to 16"),
    "narrow": (
        {"id_bits": 4, "channels": 28, "stateful": True},
        "id_bits: TID of 4 bits cannot number 28 channels. Give 5 or more, or 0 for no TID",
    ),
    "window": (
        {"require_tlast": True, "sliding_window": True},
        "require_tlast: it contradicts 'sliding_window', in which every beat is a sample and TLAST has no meaning. "
        "Leave 'require_tlast' out",
    ),
}


@pytest.mark.parametrize("choice", REFUSED)
def test_impossible_labels_and_framing_are_refused(choice: str) -> None:
    settings, text = REFUSED[choice]
    with pytest.raises(ConfigError) as refused:
        Knobs(**settings)
    assert str(refused.value) == text


def test_designs_with_labels_are_not_put_on_boards() -> None:
    with pytest.raises(BoardError) as refused:
        identity_of({"top": "tagger", "knobs": {"user_bits": 8}}, 4096)
    assert str(refused.value) == (
        "project tagger: its sequences have labels (user_bits = 8), which a host does not send. "
        "Compile it without 'user_bits'"
    )


def beats_of(steps: list[int], last: bool = True, **sideband: int) -> list[Beat]:
    """Return the beats of a sequence, a step each."""
    return [Beat(step & 0xFF, last and k == len(steps) - 1, **sideband) for k, step in enumerate(steps)]


def due(case: Case, sequences: list[list[int]]) -> list[int]:
    """Return the emulator's results of sequences."""
    x = np.zeros((len(sequences), STEPS, 1), np.int64)
    for row, steps in zip(x, sequences, strict=True):
        row[: len(steps), 0] = steps
    lengths = np.array([len(steps) for steps in sequences])
    (found,) = evaluate_integers(case.graph(), (x,), lengths)
    return lanes(found)


def lanes(results: Integers) -> list[int]:
    """Return results of bytes as they lie in TDATA."""
    return [sum((int(value) & 0xFF) << 8 * k for k, value in enumerate(row)) for row in results]


def sequences_of(lengths: list[int], seed: int = 1) -> list[list[int]]:
    source = random.Random(seed)
    return [[source.randint(-100, 100) for _ in range(length)] for length in lengths]


ONE = [gru("a", 1, 2)]


def played(case: Case, beats: list[Beat], folder: Path) -> Played:
    return play(case.firmware(case.graph()), beats, folder)


def test_longer_sequences_are_cut_off_where_tlast_is_required(tmp_path: Path) -> None:
    sent = sequences_of([4, 7, 2, 4, 9, 1])
    beats = [beat for steps in sent for beat in beats_of(steps)]
    strict = Case("cut_off", (STEPS, 1), ONE, require_tlast=True)
    found = played(strict, beats, tmp_path / "strict")
    assert found.data == due(strict, [steps[:STEPS] for steps in sent])
    assert (found.framing_error, found.overrun) == (False, True)
    # Else what is beyond the last step begins another sequence.
    usual = Case("runs_on", (STEPS, 1), ONE)
    found = played(usual, beats, tmp_path / "usual")
    assert found.data == due(usual, [part for steps in sent for part in (steps[:4], steps[4:8], steps[8:]) if part])
    assert (found.framing_error, found.overrun) == (False, True)


def test_consistent_senders_are_not_told_of(tmp_path: Path) -> None:
    sent = sequences_of([4, 4, 4])
    case = Case("consistent", (STEPS, 1), ONE)
    for last in (True, False):
        found = played(case, [beat for steps in sent for beat in beats_of(steps, last)], tmp_path / str(last))
        assert found.data == due(case, sent) and not found.framing_error and not found.overrun


def test_tlast_within_a_step_ends_step_and_sequence(tmp_path: Path) -> None:
    case = Case("within", (STEPS, 3), [rnn("a", 3, 2)], bus_bits=16)
    x = np.array([[[1, 2, 3], [4, 0, 0], [0] * 3, [0] * 3], [[7, 8, 9], [1, 2, 3], [4, 5, 6], [7, 8, 9]]])
    beats = [Beat(0x0201), Beat(0x0003), Beat(0x0004, last=True)]
    for step in x[1]:
        beats += [Beat(int(step[0] | step[1] << 8)), Beat(int(step[2]))]
    found = played(case, beats, tmp_path)
    (expected,) = evaluate_integers(case.graph(), (x,), np.array([2, 4]))
    assert found.data == lanes(expected)
    assert (found.framing_error, found.overrun) == (True, True)


def test_tkeep_with_holes_is_told_of(tmp_path: Path) -> None:
    case = Case("holes", (STEPS, 1), [dense("a", 1, 1)], bus_bits=16)
    right = [Beat(0x0201, keep=3), Beat(0x0403, last=True, keep=3), Beat(0x05, last=True, keep=1)]
    assert not played(case, right, tmp_path / "right").framing_error
    found = played(case, [*right, Beat(0x0605, last=True, keep=2)], tmp_path / "wrong")
    assert found.framing_error and not found.overrun


def test_a_lost_call_leaves_the_channels_in_step(tmp_path: Path) -> None:
    """What comes until the channel's next call is dropped; states stay with their channels."""
    channels = 3
    case = Case("lost_call", (1, 1), [rnn("a", 1, 2)], stateful=True, channels=channels, id_bits=3, user_bits=9)
    calls = [(number, number % channels) for number in range(15)]
    sent = [call for call in calls if call[0] != 4]
    # Call 5 is not channel 1's: it and 6 are dropped, until 7 comes.
    kept = [number for number, _ in sent if number not in (5, 6)]
    beats = [beat for n, channel in sent for beat in beats_of([n * 7 - 50], id=channel, user=(n + 200) << 1)]
    found = played(case, beats, tmp_path)
    assert [(user - 200, id) for _, _, user, id in found.beats] == [(n, n % channels) for n in kept]
    assert (found.framing_error, found.overrun) == (True, False)
    x = np.array([n * 7 - 50 for n in kept]).reshape(-1, 1, 1)
    for channel in range(channels):
        own = [index for index, n in enumerate(kept) if n % channels == channel]
        fresh = np.zeros(len(own), np.bool_)
        calls = np.ones(len(own), np.int64)
        (expected,) = evaluate_calls(evaluate_integers, case.graph(), (x[own],), fresh, 1, calls)
        assert [found.data[index] for index in own] == lanes(expected)


def test_labels_and_a_constant_latency_are_verified() -> None:
    everything = CompileConfig(user_bits=7, id_bits=5, fixed_latency=True, require_tlast=True)
    design = tagger(everything)
    found = verify(design, X[:12], 12).simulated
    least, greatest = tagger().firmware.latency_range_cycles
    assert least < greatest and found.greatest_latency_cycles == found.least_latency_cycles == greatest
    labels = design.firmware.files["loopwire_labels.sv"].replace("read_place + PLACE_BITS'(1)", "read_place")
    faulty = tagger(everything)
    faulty.hardware.__dict__["firmware"] = replace(
        design.firmware, files={**design.firmware.files, "loopwire_labels.sv": labels}
    )
    with pytest.raises(VerificationError, match="m_axis_tuser or m_axis_tid is not the sequence's"):
        verify(faulty, X[:12], 12)
