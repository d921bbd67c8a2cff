"""Frames in a stream of bytes: flags around them, escapes in them, a check sequence behind.

Ref: RFC 1662, "PPP in HDLC-like Framing": section 4 (octet-stuffed framing), appendix C.3 (32-bit FCS).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

FLAG = b"\x7e"
ESCAPE = b"\x7d"
TOGGLED = 0x20
CHECK_BYTES = 4
MAX_FRAME_BYTES = 1 << 20
"""As it comes; the largest that a design gives is a result, and far below. A longer one is broken."""


def encode(content: bytes) -> bytes:
    """Return a frame of `content`, at least one byte."""
    assert content
    plain = content + zlib.crc32(content).to_bytes(CHECK_BYTES, "little")
    return FLAG + plain.replace(ESCAPE, _escaped(ESCAPE)).replace(FLAG, _escaped(FLAG)) + FLAG


def _escaped(byte: bytes) -> bytes:
    return ESCAPE + bytes([byte[0] ^ TOGGLED])


@dataclass
class Decoder:
    """Takes frames out of the bytes that arrive; what comes before the first flag is ignored."""

    _pending: bytearray = field(default_factory=bytearray)
    _in_frame: bool = False

    def feed(self, received: bytes) -> list[bytes | None]:
        """Return the frames that end in `received`: their contents, or None for one that is broken."""
        frames: list[bytes | None] = []
        first, *others = received.split(FLAG)
        self._pending += first
        if len(self._pending) > MAX_FRAME_BYTES:
            self._pending, self._in_frame = bytearray(), False
            frames.append(None)
        for following in others:
            if self._in_frame and self._pending:
                frames.append(_decode(bytes(self._pending)))
            self._in_frame = True
            self._pending = bytearray(following)
        return frames


def _decode(stuffed: bytes) -> bytes | None:
    head, *escaped = stuffed.split(ESCAPE)
    if not all(escaped):
        return None
    plain = head + b"".join(bytes([part[0] ^ TOGGLED]) + part[1:] for part in escaped)
    content, check = plain[:-CHECK_BYTES], plain[-CHECK_BYTES:]
    return content if content and zlib.crc32(content) == int.from_bytes(check, "little") else None
