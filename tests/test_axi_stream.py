"""How vectors lie in beats, and which widths of a bus are legal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwire.errors import ConfigError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.knobs import Knobs
from loopwire.schedule.bus import beat_formats

ONE = BeatFormat(3, 12, signed=True)


@st.composite
def formats(draw: st.DrawFn) -> tuple[BeatFormat, int]:
    """A format on some bus, and the most vectors of a sequence."""
    form = BeatFormat(draw(st.integers(1, 5)), draw(st.integers(1, 70)), draw(st.booleans()))
    most = draw(st.integers(1, 6))
    if draw(st.booleans()):
        return form, most
    return form.on_bus(8 * draw(st.integers(form.lane_bits // 8, most * form.vector_bits // 8)), most), most


@given(formats(), st.data())
def test_what_is_packed_comes_back(chosen: tuple[BeatFormat, int], data: st.DataObject) -> None:
    form, most = chosen
    lengths = np.array(data.draw(st.lists(st.integers(1, most), min_size=1, max_size=4)))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    vectors = random.integers(-(1 << 62), 1 << 62, (lengths.sum(), form.count)) % (
        1 << min(form.width - form.signed, 62)
    )
    vectors = vectors.astype(object if form.width > 62 else np.int64)
    beats = form.beats(vectors, lengths)
    assert beats.lengths.tolist() == form.beat_counts(lengths).tolist() and beats.lengths.sum() == len(beats.lanes)
    assert form.pack(beats.lanes).shape == (len(beats.lanes), form.bits // 8)
    assert np.array_equal(form.unpack(form.pack(beats.lanes)), beats.lanes)
    assert np.array_equal(form.unpack_keep(form.pack_keep(beats.kept)), beats.kept)
    again, counts = form.vectors(beats)
    assert np.array_equal(again, vectors) and np.array_equal(counts, lengths)


def test_several_vectors_a_beat() -> None:
    form = ONE.on_bus(104, 5)
    assert (form.vectors_per_beat, form.lanes, form.bits, form.keep_bits, form.keep_bytes) == (2, 6, 104, 13, 2)
    beats = form.beats(np.arange(12).reshape(4, 3), np.array([3, 1]))
    assert beats.lanes.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 0, 0, 0], [9, 10, 11, 0, 0, 0]]
    assert beats.kept.tolist() == [2, 1, 1] and beats.lengths.tolist() == [2, 1]
    assert form.pack_keep(beats.kept).tolist() == [[0xFF, 0x0F], [0x3F, 0], [0x3F, 0]]
    assert form.pack(beats.lanes)[0].tolist() == [0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 0]


def test_a_vector_in_several_beats() -> None:
    form = ONE.on_bus(40, 5)
    assert (form.beats_per_vector, form.lanes, form.bits, form.keep_bits) == (2, 2, 40, 0)
    beats = form.beats(np.arange(6).reshape(2, 3), np.array([2]))
    assert beats.lanes.tolist() == [[0, 1], [2, 0], [3, 4], [5, 0]] and beats.lengths.tolist() == [4]


@pytest.mark.parametrize("keep", [0b000001, 0b111110, 0b0, 0b1110111111])
def test_a_tkeep_that_no_beat_has_shows(keep: int) -> None:
    form = ONE.on_bus(104, 5)
    assert form.unpack_keep(np.array([[keep & 0xFF, keep >> 8]], np.uint8)).tolist() == [-1]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"bus_bits": 20}, "bus_bits: 20 bits are not a whole number of bytes. Give 16 or 24"),
        ({"bus_bits": 3}, "bus_bits: 3 bits are not a whole number of bytes. Give 8"),
        (
            {"bus_bits": 64, "io": "parallel"},
            "bus_bits: a beat of io = 'parallel' is as wide as a sequence. Leave one of the two out",
        ),
        ({"io": "wide"}, "io: 'wide' is unknown. Choose from stream, parallel"),
        (
            {"bus_bits": 16},
            "bus_bits: 16 bits are out of range: an element takes 24. Give a multiple of 8 from 24 to 240",
        ),
        (
            {"bus_bits": 248},
            "bus_bits: 248 bits are out of range: a whole sequence takes 240. Give a multiple of 8 from 24 to 240",
        ),
    ],
)
def test_impossible_buses_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        beat_formats([(ONE, 5)], [(BeatFormat(2, 17, signed=False), 1)], Knobs(**settings))
    assert str(error.value) == text
