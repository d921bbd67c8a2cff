"""What a board tells of the design that it holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from loopwire.boards.several_ports import BYTE, Side
from loopwire.bounded import parse_json
from loopwire.errors import BoardError, FixedTypeError, OutputError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.types import FixedType
from loopwire.knobs import Knobs

PROTOCOL = 1
MAX_BYTES = 1 << 16
MAX_COUNT = 1 << 20
"""Of steps, elements, lanes, bits and bytes."""
MAX_BEAT_BITS = 1 << 20
DIGEST_DIGITS = 16
ONE_STREAM = "ports"
"""What the name of the module ends with that gives a design of several ports one stream each way."""


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
        several: its beats carry those of several inputs, or outputs, in turn, as its project tells.
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
    several: bool = False

    def to_bytes(self) -> bytes:
        """Return the text that is in the board's memory."""
        facts = {**asdict(self), "input_type": str(self.input_type), "output_type": str(self.output_type)}
        if not self.several:
            del facts["several"]
        return json.dumps({"protocol": PROTOCOL, **facts}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> Identity:
        """Read what `to_bytes` wrote.

        Raises:
            BoardError: it is something else, or was written for another version of the protocol.
        """
        remedy = "Build the bitstream with this version of Loopwire"
        try:
            facts: dict[str, Any] = parse_json(content, MAX_BYTES)
            protocol = _count(facts.pop("protocol"))
            if protocol != PROTOCOL:
                raise BoardError(where, f"it speaks version {protocol} of the protocol, not {PROTOCOL}", remedy)
            identity = cls(**{key: _READERS[key](value) for key, value in facts.items()})
            identity._check()
        except (ValueError, LookupError, TypeError, AttributeError, FixedTypeError):
            raise BoardError(where, "the identity of the design cannot be read", remedy) from None
        return identity

    def _check(self) -> None:
        """Raise ValueError where shapes, types and beats contradict one another."""
        if prod(self.input_shape) != self.steps * self.input.count:
            raise ValueError
        for element, beats in ((self.input_type, self.input), (self.output_type, self.output)):
            if (element.width, element.signed) != (beats.width, beats.signed) or beats.bits > MAX_BEAT_BITS:
                raise ValueError


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MAX_COUNT:
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _word(value: Any) -> str:
    if not re.fullmatch(r"\w{1,255}", value, re.ASCII):
        raise ValueError
    return str(value)


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) not in (1, 2):
        raise ValueError
    return tuple(map(_count, value))


def _beats(values: Mapping[str, Any]) -> BeatFormat:
    count, width, vectors, parts = (
        _count(values[key]) for key in ("count", "width", "vectors_per_beat", "beats_per_vector")
    )
    bus_bits = None if values["bus_bits"] is None else _count(values["bus_bits"])
    if vectors > 1 and (parts > 1 or vectors * count > MAX_COUNT):
        raise ValueError
    lane_bits = (width + 7) // 8 * 8
    if parts > 1:
        whole = bus_bits is not None and bus_bits // lane_bits * parts >= count
    else:
        whole = bus_bits is None or bus_bits >= vectors * count * lane_bits
    if not whole or (bus_bits or 0) % 8:
        raise ValueError
    return BeatFormat(count, width, _flag(values["signed"]), vectors, parts, bus_bits)


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _word,
    "digest": _word,
    "input_shape": _shape,
    "steps": _count,
    "input_type": FixedType.parse,
    "input": _beats,
    "output_type": FixedType.parse,
    "output": _beats,
    "per_step": _flag,
    "remembers": _flag,
    "buffer_bytes": _count,
    "several": _flag,
}


def identity_of(facts: Mapping[str, Any], buffer_bytes: int) -> Identity:
    """Return the identity of a written project, given its `design.json`.

    Raises:
        BoardError: the design has labels, which a host does not send.
        OutputError: its ports contradict one another.
    """
    knobs = Knobs(**facts["knobs"])
    for key, bits in {"user_bits": knobs.user_bits, "id_bits": knobs.id_bits}.items():
        if bits:
            raise BoardError(
                f"project {facts['top']}",
                f"its sequences have labels ({key} = {bits}), which a host does not send",
                f"Compile it without {key!r}",
            )
    try:
        identity = (_of_several if "inputs" in facts else _identity_of)(facts, buffer_bytes)
        identity._check()
    except ValueError:
        raise OutputError("design.json", "its ports contradict one another", "Compile the model again") from None
    return identity


def _identity_of(facts: Mapping[str, Any], buffer_bytes: int) -> Identity:
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
        remembers=Knobs(**facts["knobs"]).remembers,
        buffer_bytes=buffer_bytes,
    )


def _of_several(facts: Mapping[str, Any], buffer_bytes: int) -> Identity:
    """Return the identity of a design of several ports behind one stream of bytes each way."""
    inputs, outputs = Side.of(facts["inputs"]), Side.of(facts["outputs"])
    beats = {"beats_per_vector": outputs.beats, "bus_bits": 8 * outputs.bytes} if outputs.beats > 1 else {}
    return Identity(
        name=f"{facts['top']}_{ONE_STREAM}",
        digest=sources_digest(facts),
        input_shape=(inputs.beats, inputs.bytes),
        steps=inputs.beats,
        input_type=BYTE,
        input=BeatFormat(inputs.bytes, BYTE.width, BYTE.signed),
        output_type=BYTE,
        output=BeatFormat(outputs.beats * outputs.bytes, BYTE.width, BYTE.signed, **beats),
        per_step=False,
        remembers=False,
        buffer_bytes=buffer_bytes,
        several=True,
    )


def _format(port: Mapping[str, Any], element: FixedType) -> BeatFormat:
    beats = {key: port[key] for key in ("vectors_per_beat", "beats_per_vector")}
    vectors = {"count": port["elements"], "width": element.width, "signed": element.signed, "bus_bits": port["bits"]}
    return _beats({**vectors, **beats})


def sources_digest(facts: Mapping[str, Any]) -> str:
    """Return a digest of a written project's sources."""
    sources = [f"{name} {digest}\n" for name, digest in facts["loopwire"]["files"].items() if name.startswith("rtl/")]
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:DIGEST_DIGITS]
