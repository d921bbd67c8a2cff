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
        input_shape: of a sequence, (steps, features) or (features,).
        input_type, output_type: of the elements.
        input_beats: of a full sequence.
        input_elements, output_elements: in a beat.
        per_step: each input beat gives an output beat; else a sequence gives one.
        buffer_bytes: that may be on their way to the board.
    """

    name: str
    digest: str
    input_shape: tuple[int, ...]
    input_type: FixedType
    input_beats: int
    input_elements: int
    output_type: FixedType
    output_elements: int
    per_step: bool
    buffer_bytes: int

    @property
    def input(self) -> BeatFormat:
        """Return how an input beat's elements lie in its bytes."""
        return BeatFormat(self.input_elements, self.input_type.width, self.input_type.signed)

    @property
    def output(self) -> BeatFormat:
        """Return how an output beat's elements lie in its bytes."""
        return BeatFormat(self.output_elements, self.output_type.width, self.output_type.signed)

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


_READERS: dict[str, Any] = {"input_shape": tuple, "input_type": FixedType.parse, "output_type": FixedType.parse}


def identity_of(facts: Mapping[str, Any], buffer_bytes: int) -> Identity:
    """Return the identity of a written project, given its `design.json`."""
    input_type, output_type = (FixedType.parse(facts[port]["type"]) for port in ("input", "output"))
    return Identity(
        name=facts["top"],
        digest=sources_digest(facts),
        input_shape=tuple(facts["model"]["input_shape"]),
        input_type=input_type,
        input_beats=facts["input"]["beats"],
        input_elements=facts["input"]["elements"],
        output_type=output_type,
        output_elements=facts["output"]["elements"],
        per_step=facts["output"]["per_step"],
        buffer_bytes=buffer_bytes,
    )


def sources_digest(facts: Mapping[str, Any]) -> str:
    """Return a digest of a written project's sources."""
    sources = [f"{name} {digest}\n" for name, digest in facts["loopwire"]["files"].items() if name.startswith("rtl/")]
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:DIGEST_DIGITS]
