"""Sequences to a board, results back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loopwire.boards.hosted import BUFFER_BYTES
from loopwire.boards.identity import Identity
from loopwire.boards.link import FRESH, LAST, RESULT, WRITE, Frame, Link, Port
from loopwire.errors import BoardError
from loopwire.ir.fixed_point import Integers
from loopwire.system.progress import Progress

Counts = npt.NDArray[np.int64]
Fresh = npt.NDArray[np.bool_]

ANSWER_S = 2.0
"""That a board may take to answer what it has received."""
BITS_PER_BYTE = 10
FRAME_BYTES = 512
"""Of input beats in a frame: some ten bytes surround them."""
FRAME_HEADER_BYTES = 2
FRAMES_ON_THEIR_WAY = 100
"""Their numbers, of 8 bits, must tell them apart."""
RESULT_BYTES_ON_THEIR_WAY = 2048
"""The board cannot be stopped, so what is asked of it at a time must fit the buffers on the way."""


def timeout_s(baud: int) -> float:
    """Return how long a board may be silent, since what is on its way to it takes its time."""
    return ANSWER_S + BITS_PER_BYTE * BUFFER_BYTES / baud


class BoardClient:
    """A board that holds a design.

    Args:
        port: the line to it.
        timeout_s: without an answer that leads on, after which the board is taken for dead.

    Attributes:
        where: the name of the line.
        identity: what the board tells of the design.

    Raises:
        BoardError: nothing answers, or not as Loopwire's boards do.
    """

    def __init__(self, port: Port, timeout_s: float = ANSWER_S) -> None:
        self._link = Link(port, timeout_s)
        self.where = self._link.where
        self.identity = Identity.from_bytes(self._link.begin(), self._link.where)

    def run(
        self, integers: Integers, lengths: Counts, fresh: Fresh | None = None, progress: Progress | None = None
    ) -> Integers:
        """Return the results of sequences, counted in steps of the output type.

        Args:
            integers: (N, *input shape), counted in steps of the input type.
            lengths: steps of each sequence (N,).
            fresh: which sequences forget what came before, in a design that remembers (N,); None: none.
            progress: called with how many results have come, and of how many.

        Returns:
            integers (N, results, elements), a result for each step or one; what a short sequence lacks is 0.

        Raises:
            BoardError: the board fails, or the line to it.
        """
        identity = self.identity
        counts = lengths if identity.per_step else np.ones_like(lengths)
        due = identity.output.beat_counts(counts) * (identity.output.bits // 8)
        exchange = _Exchange(self._link, identity.buffer_bytes, np.cumsum(due))
        exchange.run(_frames(identity, integers, lengths, fresh), progress)
        data = np.frombuffer(exchange.results, np.uint8).reshape(-1, identity.output.bits // 8)
        # Beats of results are padded as those of zeros are.
        like = identity.output.beats(np.zeros((int(counts.sum()), identity.output.count), np.int64), counts)
        values, _ = identity.output.vectors(replace(like, lanes=identity.output.unpack(data)))
        per_sequence = identity.steps if identity.per_step else 1
        results = np.zeros((len(lengths), per_sequence, identity.output.count), values.dtype)
        results[np.arange(per_sequence) < counts[:, np.newaxis]] = values
        return results


@dataclass(frozen=True)
class _Outgoing:
    """A frame of input beats; `complete` sequences end in it or before."""

    command: int
    content: bytes
    complete: int

    @property
    def buffered_bytes(self) -> int:
        return FRAME_HEADER_BYTES + len(self.content)


class _Exchange:
    """Frames sent as the board has room for them, and what comes back.

    Args:
        link: to the board.
        buffer_bytes: of the board.
        due: bytes of all results up to and with each sequence's (N,).
    """

    def __init__(self, link: Link, buffer_bytes: int, due: Counts) -> None:
        self._link = link
        self._buffer_bytes = buffer_bytes
        self._due = due
        self._on_their_way: deque[tuple[int, int]] = deque()  # numbers and bytes of frames
        self._asked_bytes = 0
        self.results = bytearray()

    def run(self, frames: Iterator[_Outgoing], progress: Progress | None) -> None:
        """Send all frames and gather all results."""
        following = next(frames, None)
        deadline = time.monotonic() + self._link.timeout_s
        while following is not None or self._on_their_way or len(self.results) < self._due[-1]:
            while following is not None and self._has_room(following):
                number = self._link.send(following.command, following.content)
                self._on_their_way.append((number, following.buffered_bytes))
                self._asked_bytes = int(self._due[following.complete - 1]) if following.complete else 0
                following = next(frames, None)
            silence = (
                f"the board sent {self._complete} of {len(self._due)} results and then nothing "
                f"for {self._link.timeout_s:.3g} s"
            )
            remedy = "Try again; if it stays so, build the bitstream for a slower clock"
            before = self._open
            self._take(self._link.receive(deadline, silence, remedy))
            if self._open != before:
                deadline = time.monotonic() + self._link.timeout_s
            elif time.monotonic() > deadline:  # it talks, but of nothing
                raise BoardError(self._link.where, silence, remedy)
            if progress is not None:
                progress(self._complete, len(self._due))

    @property
    def _complete(self) -> int:
        return int(np.searchsorted(self._due, len(self.results), side="right"))

    def _has_room(self, frame: _Outgoing) -> bool:
        return (
            sum(size for _, size in self._on_their_way) + frame.buffered_bytes <= self._buffer_bytes
            and len(self._on_their_way) < FRAMES_ON_THEIR_WAY
            and self._asked_bytes - len(self.results) < RESULT_BYTES_ON_THEIR_WAY
        )

    @property
    def _open(self) -> tuple[int, int]:
        """Frames on their way and bytes of results: what an answer changes."""
        return len(self._on_their_way), len(self.results)

    def _take(self, frame: Frame) -> None:
        while any(number == frame.consumed for number, _ in self._on_their_way):
            self._on_their_way.popleft()
        if frame.kind != RESULT:
            return
        current = self._complete
        lacking = int(self._due[current]) - len(self.results) if current < len(self._due) else 0
        if len(frame.content) > lacking:
            raise BoardError(
                self._link.where,
                f"the board sent {len(frame.content)} bytes where {lacking} of result {current} were expected",
                "Build the bitstream again",
            )
        self.results += frame.content


def _frames(identity: Identity, integers: Integers, lengths: Counts, fresh: Fresh | None) -> Iterator[_Outgoing]:
    """Cut the beats of sequences into frames.

    A sequence that ends by itself may share a frame with the next one; one that does not ends with its frame.
    """
    format = identity.input
    vectors = integers.reshape(len(integers), identity.steps, format.count)
    beats = format.beats(vectors[np.arange(identity.steps) < lengths[:, np.newaxis]], lengths)
    packed, ends = format.pack(beats.lanes), np.cumsum(beats.lengths)
    pending, command = bytearray(), WRITE
    for index, (end, count) in enumerate(zip(ends, beats.lengths, strict=True)):
        if fresh is not None and fresh[index]:
            if pending:
                yield _Outgoing(command, bytes(pending), index)
            pending, command = bytearray(), WRITE + FRESH
        pending += packed[end - count : end].tobytes()
        absent = format.vectors_per_beat - int(beats.kept[end - 1])
        if absent:
            del pending[-(format.bits // 8 - (format.vectors_per_beat - absent) * format.vector_bits // 8) :]
        while len(pending) > FRAME_BYTES:
            yield _Outgoing(command, bytes(pending[:FRAME_BYTES]), index)
            pending, command = pending[FRAME_BYTES:], WRITE
        if absent or lengths[index] < identity.steps:
            yield _Outgoing(command + LAST, bytes(pending), index + 1)
            pending, command = bytearray(), WRITE
    if pending:
        yield _Outgoing(command, bytes(pending), len(ends))
