"""The line between host and board, frame by frame: `hdl/loopwire_host.sv` describes the protocol."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loopwire.boards.hdlc import FLAG, Decoder, encode
from loopwire.errors import BoardError

IDENTIFY, RESET, WRITE = 1, 2, 16
LAST, FRESH = 1, 2
"""Added to WRITE."""
IDENTITY, RESULT = 1, 3
NUMBERS = 256
HEADER_BYTES = 4
ERRORS = ("a frame from the host was broken", "a frame from the host was lost", "a frame from the host meant nothing")

READ_S = 0.02
READ_BYTES = 1 << 16
"""At a time, so that a line that talks without end is stopped at the deadline."""
ATTEMPTS = 4
"""At the first contact: a board that has just come up may miss one."""
TRY_AGAIN = "Try again; if it stays so, check the cable, or build the bitstream for a slower baud rate"


class Port(Protocol):
    """A serial line: `serial.Serial`, or a stand-in."""

    @property
    def name(self) -> str | None:
        """What it is called."""

    @property
    def in_waiting(self) -> int:
        """Bytes that have come."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, or fewer if no more come for a short while."""

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""


@dataclass(frozen=True)
class Frame:
    """What the board sent: `consumed` is the number of the last frame that has left its buffer."""

    kind: int
    consumed: int
    content: bytes


class Link:
    """Frames to and from a board, numbered and checked.

    Args:
        port: the line.
        timeout_s: without an answer, after which the board is taken for dead.
    """

    def __init__(self, port: Port, timeout_s: float) -> None:
        self.where = port.name or "board"
        self.timeout_s = timeout_s
        self._port = port
        self._decoder = Decoder()
        self._arrived: deque[bytes | None] = deque()
        self._sent_number = os.urandom(1)[0]  # an answer to an earlier question will hardly fit
        self._received_number: int | None = None

    def begin(self) -> bytes:
        """Reset the design and return what identifies it; forget what still comes from an earlier conversation.

        Raises:
            BoardError: nothing answers.
        """
        for _ in range(ATTEMPTS):
            with _line_failures(self.where):
                self._port.write(FLAG)  # ends what noise may have begun
            self.send(RESET)
            number = self.send(IDENTIFY)
            deadline = time.monotonic() + self.timeout_s / ATTEMPTS
            while time.monotonic() < deadline and self._wait(deadline):
                content = self._arrived.popleft()
                if content is not None and content[0] == IDENTITY and content[2] == number:
                    self._received_number = content[1]
                    return content[HEADER_BYTES:]
        raise BoardError(
            self.where,
            f"nothing answers within {self.timeout_s:.3g} s",
            "Check that the board is on and holds a bitstream of Loopwire's, and that --baud is that of the bitstream",
        )

    def send(self, command: int, content: bytes = b"") -> int:
        """Send a frame, and return its number.

        Raises:
            BoardError: the line is broken.
        """
        self._sent_number = (self._sent_number + 1) % NUMBERS
        with _line_failures(self.where):
            self._port.write(encode(bytes([command, self._sent_number]) + content))
        return self._sent_number

    def receive(self, deadline: float, silence: str, remedy: str) -> Frame:
        """Return the next frame.

        Args:
            deadline: of `time.monotonic`, for a frame that has not come yet.
            silence: what is wrong if none comes.
            remedy: against it.

        Raises:
            BoardError: none comes, it is broken, one before it was lost, or it tells of an error.
        """
        if not self._wait(deadline):
            raise BoardError(self.where, silence, remedy)
        content = self._arrived.popleft()
        if content is None:
            raise BoardError(self.where, "a frame from the board was broken", TRY_AGAIN)
        kind, number, consumed, errors = content[:HEADER_BYTES]
        if errors:
            reported = [text for bit, text in enumerate(ERRORS) if errors >> bit & 1]
            raise BoardError(self.where, f"the board reports that {' and '.join(reported)}", TRY_AGAIN)
        assert self._received_number is not None, "receive before begin"
        self._received_number = (self._received_number + 1) % NUMBERS
        if number != self._received_number:
            raise BoardError(self.where, "a frame from the board was lost", TRY_AGAIN)
        return Frame(kind, consumed, content[HEADER_BYTES:])

    def _wait(self, deadline: float) -> bool:
        """Return whether a frame is there before the deadline."""
        while not self._arrived:
            with _line_failures(self.where):
                received = self._port.read(min(max(1, self._port.in_waiting), READ_BYTES))
            frames = self._decoder.feed(received)
            self._arrived += [None if frame is None or len(frame) < HEADER_BYTES else frame for frame in frames]
            if not self._arrived and time.monotonic() > deadline:
                return False
        return True


@contextmanager
def open_port(name: str, baud: int) -> Iterator[Port]:
    """Open a serial port.

    Raises:
        BoardError: pyserial is missing, or the port does not exist or cannot be opened.
    """
    try:
        import serial
        from serial.tools import list_ports
    except ImportError:
        raise BoardError(name, "the Python package pyserial was not found", "Run 'pip install pyserial'") from None
    ports = ", ".join(sorted(found.device for found in list_ports.comports())) or "none"
    if Path(name).is_dir() or Path(name).is_file():
        kind = "folder" if Path(name).is_dir() else "file"
        raise BoardError(
            name, f"it is a {kind}, not a serial port", f"Give the port of the board. Ports found: {ports}"
        )
    try:
        port = serial.Serial(name, baud, timeout=READ_S, exclusive=True)
    except (OSError, ValueError) as error:  # serial.SerialException is an OSError
        if isinstance(error, OSError) and error.errno == 2:
            raise BoardError(name, "there is no such port", f"Connect the board. Ports found: {ports}") from None
        reason = " ".join(str(error).split())
        remedy = "Close what else uses it; on Linux, its users belong to the group that owns it, often 'dialout'"
        raise BoardError(name, f"it cannot be opened ({reason})", remedy) from None
    with port:
        yield port


@contextmanager
def _line_failures(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = " ".join(str(error).split())
        raise BoardError(where, f"the connection broke ({reason})", "Connect the board again") from None
