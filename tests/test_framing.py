"""Broken framing changes no result, and is told of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopwire.hdl.axi_stream import BeatFormat, Sideband
from loopwire.hdl.framing import Framed, break_framing, ending_in_zeros, framed_well

LONGEST = 7


@given(st.integers(2, 4), st.lists(st.integers(1, LONGEST), min_size=1, max_size=12), st.integers(0, 2**32))
def test_tkeep_breaks_as_a_module_mends_it(per_beat: int, lengths: list[int], seed: int) -> None:
    format = BeatFormat(1, 8, signed=False, vectors_per_beat=per_beat)
    beats = format.beats(np.zeros((sum(lengths), 1), np.int64), np.array(lengths))
    well, sent = framed_well(format, beats), break_framing(format, beats, LONGEST, np.random.default_rng(seed))
    assert sent.beats is beats
    # Up to the highest 1, but for what lies beyond the longest sequence, is what the last beats hold: a step at least.
    bits = np.unpackbits(sent.keep, axis=1, bitorder="little")[:, :per_beat]
    kept = np.where(bits.any(axis=1), per_beat - np.argmax(bits[:, ::-1], axis=1), 1)
    ends = np.cumsum(beats.lengths) - 1
    full = np.array(lengths) == LONGEST
    assert (kept[ends][~full] == beats.kept[ends][~full]).all()
    assert (kept[ends][full] >= beats.kept[ends][full]).all()
    assert np.array_equal(sent.overruns[ends], kept[ends] > beats.kept[ends])
    assert np.array_equal(sent.errors | sent.overruns, (sent.keep != well.keep).any(axis=1))
    assert not well.errors.any() and not well.overruns.any()


def test_a_last_step_is_cut_short_where_it_ends_in_zeros() -> None:
    format = BeatFormat(5, 8, signed=True, beats_per_vector=3, bus_bits=16)
    sequences = np.ones((200, 2, 5), np.int64)
    lengths = np.full(200, 2)
    changed = ending_in_zeros(format, sequences, lengths, np.random.default_rng(1))
    short = (changed != sequences).any(axis=(1, 2))
    assert 40 < short.sum() < 90 and (changed[:, 0] == 1).all()
    beats = format.beats(changed.reshape(-1, 5), lengths)
    sent = break_framing(format, beats, 2, np.random.default_rng(1))
    last = np.cumsum(sent.beats.lengths) - 1
    assert np.array_equal(sent.errors[last], short) and sent.errors.sum() == short.sum() and not sent.overruns.any()
    assert set(sent.beats.lengths[~short]) == {6} and set(sent.beats.lengths[short]) == {4, 5}
    starts = np.cumsum(sent.beats.lengths) - sent.beats.lengths
    for sequence, (start, length) in enumerate(zip(starts, sent.beats.lengths, strict=True)):
        lanes = np.zeros((6, 2), np.int64)
        lanes[:length] = sent.beats.lanes[start : start + length]
        np.testing.assert_array_equal(lanes.reshape(2, 6)[:, :5], changed[sequence])


def test_one_vector_a_beat_has_no_framing_to_break() -> None:
    format = BeatFormat(2, 8, signed=True)
    beats = format.beats(np.zeros((4, 2), np.int64), np.array([3, 1]))
    sent: Framed = break_framing(format, beats, 3, np.random.default_rng(1))
    assert sent.beats is beats and not sent.errors.any() and not sent.overruns.any()
    sequences = np.ones((9, 3, 2), np.int64)
    np.testing.assert_array_equal(
        ending_in_zeros(format, sequences, np.full(9, 3), np.random.default_rng(1)), sequences
    )


@given(st.lists(st.integers(1, LONGEST), min_size=1, max_size=12), st.integers(0, 2**32), st.booleans(), st.booleans())
def test_what_is_dropped_comes_besides(lengths: list[int], seed: int, strict: bool, per_channel: bool) -> None:
    format, sideband = BeatFormat(1, 8, signed=False), Sideband(strict=strict, channels=3 if per_channel else 1)
    beats = format.beats(np.arange(sum(lengths))[:, np.newaxis], np.array(lengths))
    sent = break_framing(format, beats, LONGEST, np.random.default_rng(seed), sideband)
    starts = np.cumsum(sent.beats.lengths) - sent.beats.lengths
    for k, (start, length) in enumerate(zip(starts + sent.dropped, lengths, strict=True)):
        own = sent.beats.lanes[start : start + length]
        np.testing.assert_array_equal(own, beats.lanes[sum(lengths[:k]) :][:length])
        surplus = sent.beats.lengths[k] - sent.dropped[k] - length
        assert surplus == 0 or (strict and length == LONGEST)
        assert sent.overruns[start + length - 1] == (surplus > 0)
        assert sent.errors[starts[k]] == (sent.dropped[k] > 0) and (sent.dropped[k] == 0 or per_channel)
    assert sent.errors.sum() == np.count_nonzero(sent.dropped)
