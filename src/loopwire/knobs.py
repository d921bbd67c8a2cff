"""What a user can choose of how a graph becomes hardware, whatever its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from loopwire.arguments import Check, check_fields, counts, flag, text, whole
from loopwire.errors import ConfigError, nearest

Multipliers = Literal["auto", "shift_add", "dsp"]
MULTIPLIERS: tuple[str, ...] = get_args(Multipliers)
Io = Literal["stream", "parallel"]
IO: tuple[str, ...] = get_args(Io)


@dataclass(frozen=True)
class PortNames:
    """What the ports of a design are called after, where it has several inputs or outputs."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


MOST_LUT_PRODUCT_BITS = 32
KNOBS: Mapping[str, Check] = {
    "interleave": whole,
    "reuse_factor": whole,
    "layer_reuse_factor": counts,
    "multipliers": text,
    "lut_product_bits": whole,
    "layer_lut_product_bits": counts,
    "dsp_budget": whole,
    "copies": whole,
    "io": text,
    "bus_bits": whole,
    "stateful": flag,
    "sliding_window": flag,
    "channels": whole,
    "require_tlast": flag,
    "user_bits": whole,
    "id_bits": whole,
    "port_registers": flag,
    "fixed_latency": flag,
}
"""What kind of value each is."""
NO_NAMES = PortNames()
"""The names of the graph's values are taken."""


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """The shape of the hardware.

    Attributes:
        interleave: sequences that are in the loop at once, C; None: as many as fit without adding latency.
        reuse_factor: products that a multiplier serves in each step, R; 1: fully parallel.
        layer_reuse_factor: the same for single layers, by name.
        multipliers: how products with constants are made: 'shift_add', 'dsp', or 'auto', whichever takes the smaller
            share of the device.
        lut_product_bits: a product that is no constant's, one of whose factors has at most this many bits, is made of
            look-up tables instead of a DSP block; None: as suits the family.
        layer_lut_product_bits: the same for single layers, by name.
        dsp_budget: DSP blocks beyond which products of two vectors are made of look-up tables, the narrowest first;
            None: as many as there are products for.
        copies: of the recurrent layers, each for other sequences, U.
        io: a time step a beat, or a whole sequence in one.
        bus_bits: width of the data at the ports, so that a beat holds several steps or a part of one; None: a step's.
        stateful: whether a sequence starts from the states that its channel's last one left.
        sliding_window: whether each sample gives the result of its channel's last T samples.
        channels: streams that take turns, sequence by sequence, each with states or a window of its own.
        require_tlast: whether every sequence ends with TLAST, so that what is longer than T steps is cut off.
        user_bits: bits of TUSER that go from a sequence to its result; 0: none.
        id_bits: bits of TID that go the same way; where there are channels TID must be the channel's number. 0: none.
        port_registers: whether register slices are at the ports and between engines.
        fixed_latency: whether every result is held until the greatest latency.

    Raises:
        ConfigError: a value is out of range.
    """

    interleave: int | None = None
    reuse_factor: int = 1
    layer_reuse_factor: Mapping[str, int] = field(default_factory=dict)
    multipliers: Multipliers = "auto"
    lut_product_bits: int | None = None
    layer_lut_product_bits: Mapping[str, int] = field(default_factory=dict)
    dsp_budget: int | None = None
    copies: int = 1
    io: Io = "stream"
    bus_bits: int | None = None
    stateful: bool = False
    sliding_window: bool = False
    channels: int = 1
    require_tlast: bool = False
    user_bits: int = 0
    id_bits: int = 0
    port_registers: bool = False
    fixed_latency: bool = False

    def __post_init__(self) -> None:
        check_fields(self, KNOBS)
        if self.interleave is not None and self.interleave < 1:
            raise ConfigError("interleave", f"{self.interleave} sequences are out of range", "Give 1 or more")
        factors = {"reuse_factor": self.reuse_factor}
        factors |= {f"layer_reuse_factor.{name}": factor for name, factor in self.layer_reuse_factor.items()}
        for where, factor in factors.items():
            if factor < 1:
                raise ConfigError(where, f"{factor} is out of range", "Give 1 (fully parallel) or more")
        narrow = {"lut_product_bits": self.lut_product_bits or 0}
        narrow |= {f"layer_lut_product_bits.{name}": bits for name, bits in self.layer_lut_product_bits.items()}
        for where, bits in narrow.items():
            if not 0 <= bits <= MOST_LUT_PRODUCT_BITS:
                remedy = f"Give from 0 (none) to {MOST_LUT_PRODUCT_BITS}"
                raise ConfigError(where, f"{bits} bits are out of range", remedy)
        if self.dsp_budget is not None and self.dsp_budget < 0:
            raise ConfigError("dsp_budget", f"{self.dsp_budget} DSP blocks are out of range", "Give 0 or more")
        if self.copies < 1:
            raise ConfigError("copies", f"{self.copies} copies are out of range", "Give 1 or more")
        if self.bus_bits is not None:
            self._check_bus(self.bus_bits)
        if self.channels < 1:
            raise ConfigError("channels", f"{self.channels} channels are out of range", "Give 1 or more")
        if self.channels > 1 and not self.remembers:
            raise ConfigError(
                "channels",
                f"{self.channels} channels have no effect without states or a window, which each channel has of "
                "its own",
                "Set 'stateful' or 'sliding_window', or leave 'channels' out: sequences of any origin may follow one "
                "another",
            )
        self._check_ports()
        if self.stateful:
            self._check_stateful()
        if self.sliding_window:
            self._check_sliding_window()
        for where, word, known in (("multipliers", self.multipliers, MULTIPLIERS), ("io", self.io, IO)):
            if word not in known:
                raise ConfigError(
                    where, f"{word!r} is unknown", f"{nearest(word, known)}Choose from {', '.join(known)}"
                )

    def _check_stateful(self) -> None:
        if self.interleave is not None:
            raise ConfigError(
                "interleave",
                f"{self.interleave} sequences in a loop contradict 'stateful': the next one of a channel needs the "
                "states that the last one leaves",
                f"Leave 'interleave' out: the {self.channels} channels share the loop",
            )
        if self.copies > 1:
            raise ConfigError(
                "copies",
                f"{self.copies} copies contradict 'stateful': a copy would hold states that the "
                "next sequence, in another copy, needs",
                "Set 'copies' to 1",
            )

    def _check_ports(self) -> None:
        if self.fixed_latency and self.port_registers:
            raise ConfigError(
                "fixed_latency",
                "it contradicts 'port_registers': a beat may wait in the slice at the input for a time that depends "
                "on earlier sequences",
                "Set one of them",
            )
        for where, bits, most in (("user_bits", self.user_bits, 32), ("id_bits", self.id_bits, 16)):
            if not 0 <= bits <= most:
                raise ConfigError(where, f"{bits} bits are out of range", f"Give from 0 (none) to {most}")
        least = (self.channels - 1).bit_length()
        if 0 < self.id_bits < least:
            raise ConfigError(
                "id_bits",
                f"TID of {self.id_bits} bits cannot number {self.channels} channels",
                f"Give {least} or more, or 0 for no TID",
            )
        if self.require_tlast and self.sliding_window:
            raise ConfigError(
                "require_tlast",
                "it contradicts 'sliding_window', in which every beat is a sample and TLAST has no meaning",
                "Leave 'require_tlast' out",
            )

    def _check_bus(self, bits: int) -> None:
        if self.io == "parallel":
            raise ConfigError(
                "bus_bits", "a beat of io = 'parallel' is as wide as a sequence", "Leave one of the two out"
            )
        if bits < 8 or bits % 8:
            near = " or ".join(str(width) for width in (bits // 8 * 8, bits // 8 * 8 + 8) if width >= 8)
            raise ConfigError("bus_bits", f"{bits} bits are not a whole number of bytes", f"Give {near}")

    def reuse_factor_of(self, layer: str) -> int:
        """Return a layer's own reuse factor, or that of all."""
        return self.layer_reuse_factor.get(layer, self.reuse_factor)

    def lut_product_bits_of(self, layer: str) -> int | None:
        """Return a layer's own bits of products in look-up tables, or those of all."""
        return self.layer_lut_product_bits.get(layer, self.lut_product_bits)

    def _check_sliding_window(self) -> None:
        if self.stateful:
            raise ConfigError(
                "sliding_window",
                "it contradicts 'stateful': each window starts from the initial states",
                "Set one of them: windows for networks trained on T samples, states for those trained on streams",
            )
        if self.io != "stream" or self.bus_bits is not None:
            where, value = ("io", self.io) if self.io != "stream" else ("bus_bits", self.bus_bits)
            raise ConfigError(
                where, f"{value!r} contradicts 'sliding_window': a beat holds one sample", f"Leave {where!r} out"
            )

    @property
    def remembers(self) -> bool:
        """Whether anything of a channel is kept from one sequence, or sample, to its next."""
        return self.stateful or self.sliding_window

    @property
    def reuses(self) -> bool:
        """Whether any layer reuses its multipliers: then each has an engine of its own."""
        return max(self.reuse_factor, *self.layer_reuse_factor.values(), 1) > 1
