"""Frames in a stream of bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loopwire.boards.hdlc import FLAG, Decoder, encode

contents = st.binary(min_size=1, max_size=40) | st.lists(st.sampled_from(b"\x7d\x7e\x5d\x5e"), min_size=1).map(bytes)


def test_the_check_sequence_is_that_of_the_standard() -> None:
    """CRC-32 of '123456789' is cbf43926 (Williams, "A Painless Guide to CRC Error Detection Algorithms")."""
    assert encode(b"123456789") == FLAG + b"123456789" + bytes.fromhex("2639f4cb") + FLAG


@given(st.lists(contents, max_size=5), st.binary(max_size=20), st.data())
def test_frames_come_back_however_they_are_cut(frames: list[bytes], noise: bytes, data: st.DataObject) -> None:
    stream = noise.replace(FLAG, b"") + b"".join(map(encode, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    decoder = Decoder()
    parts = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    assert [frame for part in parts for frame in decoder.feed(part)] == frames


@given(contents, st.data())
def test_a_changed_bit_is_noticed(content: bytes, data: st.DataObject) -> None:
    stream = bytearray(encode(content))
    place = data.draw(st.integers(1, len(stream) - 2))
    stream[place] ^= 1 << data.draw(st.integers(0, 7))
    assert content not in Decoder().feed(bytes(stream))


def test_a_frame_is_broken_that_is_short_or_ends_in_an_escape() -> None:
    decoder = Decoder()
    assert decoder.feed(FLAG + FLAG) == []
    assert decoder.feed(b"abc" + FLAG) == [None]
    assert decoder.feed(b"abcdefgh\x7d" + FLAG) == [None]
    assert decoder.feed(encode(b"good")) == [b"good"]
