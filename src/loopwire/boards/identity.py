"""What a board tells of the design that it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from loopwire.errors import BoardError, FixedTypeError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.types import FixedType

PROTOCOL = 1
DIGEST_DIGITS = 16


@dataclass(frozen=True)
class Identity:
    """A design, and how it takes sequences and gives results.

    Attributes:
        name: of the top module.
        digest: of the design's sources, in hexadecimal digits.
        input_shape: of a sequence, (steps, features) or (features,); of a sample where windows slide, (features,).
        steps: vectors of a full sequence.
        input_type, output_type: of the elements.
        input, output: how they lie in beats.
        per_step: each step gives a result; else a sequence gives one.
        remembers: what came before counts, unless a sequence is fresh.
        buffer_bytes: that may be on their way to the board.
    """

    name: str
    digest: str
    input_shape: tuple[int, ...]
    steps: int
    input_type: FixedType
    input: BeatFormat
    output_type: FixedType
    output: BeatFormat
    per_step: bool
    remembers: bool
    buffer_bytes: int

    def to_bytes(self) -> bytes:
        """Return the text that stands in the board's memory."""
        facts = {**asdict(self), "input_type": str(self.input_type), "output_type": str(self.output_type)}
        return json.dumps({"protocol": PROTOCOL, **facts}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> Identity:
        """Read what `to_bytes` wrote.

        Raises:
            BoardError: it is something else, or was written for another version of the protocol.
        """
        remedy = "Build the bitstream with this version of Loopwire"
        try:
            facts: dict[str, Any] = json.loads(content)
            protocol = facts.pop("protocol")
        except (ValueError, LookupError, AttributeError):
            raise BoardError(where, "what identifies the design cannot be read", remedy) from None
        if protocol != PROTOCOL:
            raise BoardError(where, f"it speaks version {protocol} of the protocol, not {PROTOCOL}", remedy)
        try:
            return cls(**{key: _READERS.get(key, lambda value: value)(value) for key, value in facts.items()})
        except (TypeError, AttributeError, FixedTypeError):
            raise BoardError(where, "what identifies the design cannot be read", remedy) from None


_READERS: dict[str, Any] = {
    "input_shape": tuple,
    "input_type": FixedType.parse,
    "input": lambda values: BeatFormat(**values),
    "output_type": FixedType.parse,
    "output": lambda values: BeatFormat(**values),
}


def identity_of(facts: Mapping[str, Any], buffer_bytes: int) -> Identity:
    """Return the identity of a written project, given its `design.json`."""
    input_type, output_type = (FixedType.parse(facts[port]["type"]) for port in ("input", "output"))
    return Identity(
        name=facts["top"],
        digest=sources_digest(facts),
        input_shape=tuple(facts["input"]["shape"]),
        steps=facts["input"]["steps"],
        input_type=input_type,
        input=_format(facts["input"], input_type),
        output_type=output_type,
        output=_format(facts["output"], output_type),
        per_step=facts["output"]["per_step"],
        remembers=facts["stateful"] or facts["sliding_window"],
        buffer_bytes=buffer_bytes,
    )


def _format(port: Mapping[str, Any], element: FixedType) -> BeatFormat:
    return BeatFormat(
        port["elements"],
        element.width,
        element.signed,
        vectors_per_beat=port["vectors_per_beat"],
        beats_per_vector=port["beats_per_vector"],
        bus_bits=port["bits"],
    )


def sources_digest(facts: Mapping[str, Any]) -> str:
    """Return a digest of a written project's sources."""
    sources = [f"{name} {digest}\n" for name, digest in facts["loopwire"]["files"].items() if name.startswith("rtl/")]
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:DIGEST_DIGITS]
