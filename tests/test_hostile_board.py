"""A board that is none, or means ill: the host ends with an error, soon, whatever comes over the line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwire.boards.client import BoardClient
from loopwire.boards.hdlc import FLAG, MAX_FRAME_BYTES, Decoder, encode
from loopwire.boards.identity import Identity
from loopwire.boards.link import IDENTIFY, RESET, Link
from loopwire.errors import BoardError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.types import FixedType

TIMEOUT_S = 0.4
TYPE = FixedType(16, 6)
BEATS = BeatFormat(3, 16, True)
IDENTITY = Identity("same", "0123456789abcdef", (5, 3), 5, TYPE, BEATS, TYPE, BEATS, True, False, 4096)


class Board:
    """Answers frames from the host with those that `answer` gives; talks all the time where `idle` says something."""

    name = "hostile"

    def __init__(self, answer: Callable[[bytes], list[bytes]], idle: bytes = b"") -> None:
        self._answer, self._idle = answer, idle
        self._decoder = Decoder()
        self._coming = bytearray()
        self._number = 0

    @property
    def in_waiting(self) -> int:
        return len(self._coming)

    def write(self, data: bytes) -> int:
        for frame in self._decoder.feed(data):
            assert frame is not None
            for kind_and_content in self._answer(frame):
                self._coming += self.frame(kind_and_content, consumed=frame[1])
        return len(data)

    def frame(self, kind_and_content: bytes, consumed: int = 0) -> bytes:
        self._number += 1
        header = bytes([kind_and_content[0], self._number % 256, consumed, 0])
        return encode(header + kind_and_content[1:])

    def read(self, size: int) -> bytes:
        if not self._coming:
            time.sleep(0.001)
            self._coming += self._idle or (self.frame(b"\x02") if self._idle is None else b"")
        taken, self._coming = bytes(self._coming[:size]), self._coming[size:]
        return taken


def identifies(facts: bytes) -> Callable[[bytes], list[bytes]]:
    """A board that tells these facts, and nothing else ever."""
    return lambda frame: [b"\x01" + facts] if frame[0] == IDENTIFY else []


def run(board: Board) -> None:
    client = BoardClient(board, TIMEOUT_S)
    client.run(np.zeros((7, 5, 3), np.int64), np.full(7, 5))


@pytest.mark.parametrize("idle", [b"x", b"\x7d", FLAG, FLAG + b"x", b"x" * 5000, encode(b"\x02\0\0\0")])
def test_a_line_that_talks_all_the_time_is_no_board(idle: bytes) -> None:
    begin = time.monotonic()
    with pytest.raises(BoardError, match=r"nothing answers within 0.4 s"):
        Link(Board(lambda _: [], idle), TIMEOUT_S).begin()
    assert time.monotonic() - begin < 10 * TIMEOUT_S


@pytest.mark.parametrize("idle", [b"x" * 5000, b"x", None])
def test_a_board_that_talks_of_nothing_is_dead(idle: Any) -> None:
    begin = time.monotonic()
    with pytest.raises(BoardError, match=r"sent 0 of 7 results and then nothing for 0.4 s|frame .* was broken"):
        run(Board(identifies(IDENTITY.to_bytes()), idle))
    assert time.monotonic() - begin < 10 * TIMEOUT_S


def test_a_frame_without_end_is_broken_and_forgotten() -> None:
    decoder = Decoder()
    frames = [frame for _ in range(300) for frame in decoder.feed(FLAG[:1] + b"x" if not _ else b"x" * 10_000)]
    assert frames.count(None) == len(frames) > 0 and len(decoder._pending) <= MAX_FRAME_BYTES
    assert decoder.feed(FLAG + encode(b"sound"))[-1] == b"sound"


def facts(**changed: Any) -> dict[str, Any]:
    return {**json.loads(IDENTITY.to_bytes()), **changed}


def beats(**changed: Any) -> dict[str, Any]:
    return {**facts()["input"], **changed}


HOSTILE_FACTS: list[Any] = [
    [],
    1,
    "text",
    None,
    {},
    {"protocol": 1},
    facts(protocol=True),
    facts(protocol=[1]),
    facts(protocol=-1),
    facts(surplus=1),
    facts(name=7),
    facts(name="x\x1b[2J"),
    facts(name="x" * 300),
    facts(digest=None),
    facts(input_shape=7),
    facts(input_shape="53"),
    facts(input_shape=[]),
    facts(input_shape=[5, 3, 1]),
    facts(input_shape=[-5, -3]),
    facts(input_shape=[0, 3]),
    facts(input_shape=[True, 3]),
    facts(input_shape=[5.0, 3]),
    facts(input_shape=[5, 4]),
    facts(input_shape=[10**9, 3]),
    facts(steps=-5),
    facts(steps=15),
    facts(steps=10**9),
    facts(steps=True),
    facts(input_type=7),
    facts(input_type="fixed<16,6"),
    facts(input_type="fixed<8,6>"),
    facts(input_type="ufixed<16,6>"),
    facts(input_type="fixed<1000000000,6>"),
    facts(input_type="fixed<16,1000000000>"),
    facts(input_type=f"fixed<16,-{10**300}>"),
    facts(input=7),
    facts(input=[]),
    facts(input={}),
    facts(input=beats(count=10**9)),
    facts(input=beats(count=0)),
    facts(input=beats(count=-3)),
    facts(input=beats(count="3")),
    facts(input=beats(width=0)),
    facts(input=beats(width=10**9)),
    facts(input=beats(signed=1)),
    facts(input=beats(vectors_per_beat=2, beats_per_vector=2)),
    facts(input=beats(vectors_per_beat=10**6)),
    facts(input=beats(beats_per_vector=2)),
    facts(input=beats(beats_per_vector=2, bus_bits=16)),
    facts(input=beats(beats_per_vector=2, bus_bits=8)),
    facts(input=beats(bus_bits=40)),
    facts(input=beats(bus_bits=49)),
    facts(input=beats(bus_bits="48")),
    facts(input=beats(bus_bits=8 * 10**9)),
    facts(per_step=1),
    facts(remembers=None),
    facts(buffer_bytes=0),
    facts(buffer_bytes=10**9),
]


@pytest.mark.parametrize("told", HOSTILE_FACTS, ids=lambda told: json.dumps(told)[-60:])
def test_what_identifies_a_hostile_board_is_not_believed(told: Any) -> None:
    begin = time.monotonic()
    with pytest.raises(BoardError, match=r"cannot be read. Build the bitstream with|it speaks version"):
        Identity.from_bytes(json.dumps(told).encode(), "hostile")
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 60_000,
        b'{"protocol":' * 5000,
        b"[" + b"1," * 30_000 + b"1]",
        b'{"protocol":1' + b"0" * 5000 + b"}",
        b"\xff",
    ],
)
def test_texts_that_identify_nothing(content: bytes) -> None:
    with pytest.raises(BoardError, match="the identity of the design cannot be read"):
        Identity.from_bytes(content, "hostile")


@pytest.mark.parametrize(
    "sound",
    [
        IDENTITY,
        replace(IDENTITY, input=BeatFormat(3, 16, True, 1, 2, 32)),
        replace(IDENTITY, input=BeatFormat(3, 16, True, 5, 1, 256), input_shape=(3,), steps=1, per_step=False),
    ],
)
def test_what_identifies_a_sound_board_is_read(sound: Identity) -> None:
    assert Identity.from_bytes(sound.to_bytes(), "board") == sound


WORDS = st.sampled_from(["protocol", *facts(), *beats()])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("fixed<1,1>"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw imports
@given(changes=st.dictionaries(WORDS, VALUES, max_size=2), inner=st.dictionaries(WORDS, VALUES, max_size=2))
def test_any_identity_is_read_or_refused(changes: dict[str, Any], inner: dict[str, Any]) -> None:
    told = facts(input=beats(**inner), **{key: value for key, value in changes.items() if key != "input"})
    try:
        identity = Identity.from_bytes(json.dumps(told, default=str).encode(), "hostile")
    except BoardError:
        return
    assert identity.input.bits <= 1 << 20 and 0 < identity.steps <= 1 << 20


def test_results_of_any_bytes_end() -> None:
    random = np.random.default_rng(7)

    def answer(frame: bytes) -> list[bytes]:
        if frame[0] == IDENTIFY:
            return [b"\x01" + IDENTITY.to_bytes()]
        if frame[0] == RESET:
            return []
        return [bytes([random.integers(0, 5)]) + random.bytes(random.integers(0, 40)) for _ in range(3)]

    for _ in range(6):
        with pytest.raises(BoardError):
            run(Board(answer))
