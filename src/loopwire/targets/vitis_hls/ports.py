"""How a channel looks in C++: an array of all beats, or a stream of one beat after the other."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.targets.vitis_hls.cxx import TypeNames, loop, partition
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

    def carried_type(self, channel: Channel) -> str:
        """Return the type of what a stream carries: a beat, or at a port a word of AXI4-Stream."""
        return f"loopwire::{'axi_beat' if channel.port else 'beat'}<{self.types.of(channel.value)}, {channel.size}>"

    def read(self, channel: Channel, name: str) -> str:
        """Return the beat that is read of a stream, as an expression."""
        if not channel.port:
            return f"{name}.read()"
        return f"loopwire::from_axi<{self.types.of(channel.value)}, {channel.size}>({name}.read())"

    @property
    def lanes(self) -> str:
        """The dimension of an array that keeps something of each of several sequences."""
        return f"[{self.knobs.interleave}]" if self.knobs.interleave > 1 else ""

    def array_dimensions(self, channel: Channel) -> str:
        """Return the dimensions of a channel that is an array: sequences (if several), beats, elements."""
        return f"{self.lanes}[{channel.beats}][{channel.size}]"

    def parameter(self, channel: Channel, name: str, writes: bool) -> str:
        """Return the parameter of a function that reads or writes a channel."""
        if self.is_stream(channel):
            return f"hls::stream<{self.carried_type(channel)}> &{name}"
        return f"{'' if writes else 'const '}{self.types.of(channel.value)} {name}{self.array_dimensions(channel)}"

    def lane(self, name: str) -> str:
        """Return the part of an array that belongs to one of several sequences."""
        return f"{name}[s]" if self.knobs.interleave > 1 else name

    def write_beat(self, channel: Channel, name: str, beat: str, label: str, source: str, last: str) -> list[str]:
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
        word = f"loopwire::to_axi({variable})" if channel.port else variable
        return [
            f"{self.beat_type(channel)} {variable};",
            partition(f"{variable}.value"),
            *loop(label, "k", channel.size, [f"{variable}.value[k] = {source};"], "UNROLL"),
            f"{variable}.last = {last};",
            f"{name}.write({word});",
        ]
