"""Mutated conversations: what a board, or what pretends to be one, sends to `loopwire run`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from fuzz.files import FileCampaign, Files
from fuzz.mutations import Mutator, mutate_bytes, mutate_json
from loopwire.boards.client import BoardClient
from loopwire.boards.hdlc import Decoder, encode
from loopwire.boards.identity import Identity
from loopwire.boards.link import HEADER_BYTES, IDENTIFY, IDENTITY, LAST, RESULT, WRITE
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.types import FixedType

TYPE = FixedType.parse("fixed<8,3>")
SEQUENCES, STEPS, FEATURES = 5, 3, 2
IDENTITY_FILE, ANSWERS = "identity.json", "answers.bin"
TIMEOUT_S = 0.02
CHATTER = b"\x7e\x00"
"""A line that talks all the time, and says nothing."""


class Streams(FileCampaign):
    """A conversation with a board ends: with its results, or an error of ours."""

    name = "streams"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """An identity, and how the answers are changed: 'answers.bin' is laid over what a sound board sends."""
        formats = BeatFormat(FEATURES, TYPE.width, signed=True), BeatFormat(1, TYPE.width, signed=True)
        shape, digest = (STEPS, FEATURES), "0" * 16
        identity = Identity("same", digest, shape, STEPS, TYPE, formats[0], TYPE, formats[1], False, False, 4096)
        return [{IDENTITY_FILE: identity.to_bytes(), ANSWERS: bytes(64)}]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Of the identity its tree."""
        return (mutate_json, mutate_json, mutate_bytes) if file == IDENTITY_FILE else (mutate_bytes,)

    def check(self, folder: Path) -> None:
        """Talk to the board."""
        port = _Board((folder / IDENTITY_FILE).read_bytes(), (folder / ANSWERS).read_bytes())
        client = BoardClient(port, TIMEOUT_S)
        shape, steps = client.identity.input_shape, client.identity.steps
        assert all(isinstance(n, int) and n > 0 for n in shape) and len(shape) in (1, 2), f"an input of shape {shape}"
        if shape != (STEPS, FEATURES):
            return
        results = client.run(np.zeros((SEQUENCES, *shape), np.int64), np.full(SEQUENCES, steps))
        assert len(results) == SEQUENCES


class _Board:
    """A line to a board that gives one byte a sequence; `change` is laid over what it sends."""

    name = "board"

    def __init__(self, identity: bytes, change: bytes) -> None:
        self._identity, self._change = identity, change
        self._decoder = Decoder()
        self._pending = bytearray()
        self._number = self._bytes_in = self._sent = 0
        self._chatters = len(change) > 1000

    @property
    def in_waiting(self) -> int:
        return len(self._pending)

    def write(self, data: bytes) -> int:
        for frame in self._decoder.feed(data):
            if frame is None:
                continue
            command, number = frame[0], frame[1]
            if command == IDENTIFY:
                self._answer(IDENTITY, number, self._identity)
            elif command & WRITE:
                self._bytes_in += len(frame) - 2
                beats = self._bytes_in // FEATURES
                self._bytes_in = 0 if command & LAST else self._bytes_in % (FEATURES * STEPS)
                for _ in range(beats // STEPS):
                    self._answer(RESULT, number, bytes(1))
        return len(data)

    def read(self, size: int) -> bytes:
        if not self._pending and self._chatters:
            return CHATTER
        received, self._pending = bytes(self._pending[:size]), self._pending[size:]
        return received

    def _answer(self, kind: int, consumed: int, content: bytes) -> None:
        self._number = (self._number + 1) % 256
        header = bytes([kind, self._number, consumed, 0])
        assert len(header) == HEADER_BYTES
        frame = bytearray(encode(header + content))
        for k in range(len(frame)):
            place = self._sent + k
            if place < len(self._change):
                frame[k] ^= self._change[place]
        self._sent += len(frame)
        self._pending += frame


CAMPAIGN = Streams()
