"""How a channel looks in C++: an array of all beats, or a stream of one beat after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopwire.targets.vitis_hls.cxx import TypeNames, loop
from loopwire.targets.vitis_hls.knobs import HlsKnobs
from loopwire.targets.vitis_hls.processes import Channel


@dataclass(frozen=True)
class Port:
    """A parameter of the top function: its name, that of its elements' type, its channel, and whether it is written."""

    name: str
    type_name: str
    channel: Channel
    writes: bool


@dataclass(frozen=True)
class Ports:
    """Text for channels, under the same knobs."""

    types: TypeNames
    knobs: HlsKnobs

    def is_stream(self, channel: Channel) -> bool:
        """Say whether a channel is a stream: ports as the user asked, others unless all steps exist at once."""
        return self.knobs.io == "stream" or not (channel.port or self.knobs.unrolled)

    def beat_type(self, channel: Channel) -> str:
        """Return the type of a stream's beat."""
        return f"loopwire::beat<{self.types.of(channel.value)}, {channel.size}>"

    def array_dimensions(self, channel: Channel) -> str:
        """Return the dimensions of a channel that is an array: sequences (if several), beats, elements."""
        lanes = f"[{self.knobs.interleave}]" if self.knobs.interleave > 1 else ""
        return f"{lanes}[{channel.beats}][{channel.size}]"

    def parameter(self, channel: Channel, name: str, writes: bool) -> str:
        """Return the parameter of a function that reads or writes a channel."""
        if self.is_stream(channel):
            return f"hls::stream<{self.beat_type(channel)}> &{name}"
        return f"{'' if writes else 'const '}{self.types.of(channel.value)} {name}{self.array_dimensions(channel)}"

    def lane(self, name: str) -> str:
        """Return the part of an array that belongs to one of several sequences."""
        return f"{name}[s]" if self.knobs.interleave > 1 else name

    def write_beat(self, channel: Channel, name: str, beat: str, label: str, source: str, last: str) -> Sequence[str]:
        """Return the lines that hand on one beat.

        Args:
            channel: where to.
            name: of the channel in this function.
            beat: its number.
            label: of the loop over its elements.
            source: element k.
            last: whether it is its sequence's last, as an expression.
        """
        if not self.is_stream(channel):
            target = f"{self.lane(name)}[{beat}][k] = {source};"
            return loop(label, "k", channel.size, [target], "UNROLL")
        variable = f"{name}_beat"
        return [
            f"{self.beat_type(channel)} {variable};",
            *loop(label, "k", channel.size, [f"{variable}.value[k] = {source};"], "UNROLL"),
            f"{variable}.last = {last};",
            f"{name}.write({variable});",
        ]
