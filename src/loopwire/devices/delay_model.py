"""Delays of combinational operators on a device, estimated before anything is placed or routed.

Each delay includes one average routed net at the operator's inputs, so that the delays of a chain of operators add
up to the delay between two registers, less `register_overhead_ns`. Widths are in bits, results in nanoseconds.
The model, its sources and how it compares with placed and routed designs: docs/delay-model.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loopwire.devices.device import Delays, Device
from loopwire.errors import ConfigError

FREE_LOADS = 4
"""Loads that an average net drives without getting slower."""
SUMMED_PAIRS = 3
"""Pairs of partial products that one sum of three adds."""
SELECT_BITS = 2
"""Address bits that one level of a multiplexer tree resolves: 4 to 1, a function of six inputs."""
LUTS_USED, DSPS_USED = 0.5, 0.75
"""Of what is in an area, the share that a design is assumed to use: columns of DSP blocks are filled more densely."""


@dataclass(frozen=True, slots=True)
class DelayModel:
    """The operators of a device. Operands are signed; an unsigned operand counts one bit more in a product."""

    device: Device

    @property
    def register_overhead_ns(self) -> float:
        """What a clock period loses to the registers at both ends: clock-to-q, setup, clock uncertainty."""
        delays = self._delays
        return delays.clock_to_q_ns + delays.setup_ns + delays.clock_uncertainty_ns

    def stage_budget_ns(self, clock_period_ns: float) -> float:
        """Return the time that logic between two registers may take.

        Raises:
            ConfigError: the period leaves no time for one look-up table.
        """
        budget_ns = clock_period_ns - self.register_overhead_ns
        if budget_ns < self.gate():
            raise ConfigError(
                f"clock period {clock_period_ns:g} ns",
                f"{self.device.name} in speed grade {self.device.speed_grade} needs "
                f"{self.register_overhead_ns + self.gate():.2f} ns for two registers and one look-up table",
                "Give a longer clock period or a faster part",
            )
        return budget_ns

    def fanout(self, loads: int) -> float:
        """What a net that drives `loads` inputs takes beyond an average net."""
        return self._delays.net_fanout_ns * math.log2(max(loads, FREE_LOADS) / FREE_LOADS)

    def reach(self, luts: int) -> float:
        """What a net takes beyond an average one whose readers are spread over this many look-up tables."""
        return self._delays.net_reach_ns * math.sqrt(luts)

    def luts_around(self, dsps: int) -> int:
        """Look-up tables that are used in an area of so many used DSP blocks, by how many of both the part has."""
        return round(dsps / DSPS_USED * self.device.luts / self.device.dsps * LUTS_USED) if dsps else 0

    def gate(self) -> float:
        """Any function of as many bits as a look-up table has inputs."""
        return self._delays.net_ns + self._delays.lut_ns

    def adder(self, width: int) -> float:
        """Sum or difference of `width` bits in a carry chain."""
        return self.adders(width, 1)

    @property
    def ternary_levels(self) -> float:
        """As how many adders one of three terms counts: a look-up table of each bit is fed by that of the bit below."""
        delays = self._delays
        return 1 + self.gate() / (delays.net_ns + delays.carry_in_ns + delays.carry_out_ns)

    def adders(self, width: int, levels: float) -> float:
        """`levels` adders of `width` bits, each fed by the one before, as in a tree.

        Low bits arrive early, so the carry runs the length of a chain only once.
        """
        delays = self._delays
        blocks = _ceil_divide(width, self.device.carry_bits)
        passed_ns = max(blocks - 2, 0) * delays.carry_block_ns
        return levels * (delays.net_ns + delays.carry_in_ns + delays.carry_out_ns) + passed_ns

    def negate(self, width: int) -> float:
        """Zero minus a number."""
        return self.adder(width)

    def round(self, width: int) -> float:
        """Rounding to `width` bits by adding one bit below the last place."""
        return self.adder(width)

    def compare(self, width: int) -> float:
        """Order of two numbers.

        With LUTs of fewer than six inputs the signs are handled outside the carry chain, by another short one.
        """
        signs_ns = self.adder(1) if self.device.lut_inputs < 6 else 0.0
        return self.adder(width) + signs_ns

    def mux2(self, width: int) -> float:
        """One of two numbers, from the bit that selects."""
        return self.fanout(width) + self.gate()

    def max(self, width: int) -> float:
        """The larger of two numbers."""
        return self.compare(width) + self.mux2(width)

    def reduction(self, width: int) -> float:
        """AND, OR or XOR of all bits of a number."""
        return _levels(width, self.device.lut_inputs) * self.gate()

    def saturate(self, width: int, to_width: int) -> float:
        """Overflow handling from `width` to `to_width` bits: whether all dropped bits are signs, and a multiplexer."""
        if to_width >= width:
            return 0.0
        upper = width - to_width + 1
        if upper < self.device.lut_inputs:  # one look-up table sees them beside the bit that it passes
            return self.fanout(upper * to_width) + self.gate()
        return self.reduction(upper) + self.mux2(to_width)

    def rom(self, entries: int, width: int) -> float:
        """A table in look-up tables: as deep as one slice joins, then trees of 4-to-1 multiplexers."""
        device, delays = self.device, self._delays
        address_bits = max(entries - 1, 1).bit_length()
        joined_bits = min(max(address_bits - device.lut_inputs, 0), device.wide_mux_levels)
        tree_bits = max(address_bits - device.lut_inputs - device.wide_mux_levels, 0)
        tree_level_ns = self.gate() + max(SELECT_BITS + (1 << SELECT_BITS) - device.lut_inputs, 0) * delays.wide_mux_ns
        loads = width * _ceil_divide(entries, 1 << device.lut_inputs)
        return (
            self.fanout(loads)
            + self.gate()
            + joined_bits * delays.wide_mux_ns
            + _ceil_divide(tree_bits, SELECT_BITS) * tree_level_ns
        )

    def multiplier(self, width_a: int, width_b: int) -> float:
        """Product of two numbers, in DSP blocks or in look-up tables, whichever is quicker."""
        return min(self.dsp_multiplier(width_a, width_b), self.lut_multiplier(width_a, width_b))

    def multiply_add(self, width_a: int, width_b: int, width_sum: int) -> float:
        """Product of two numbers plus a third, `width_sum` bits in all, from the factors."""
        if self.device.dsp_has_adder:
            in_dsp_ns = self.dsp_multiplier(width_a, width_b)
            return min(in_dsp_ns, self.lut_multiplier(width_a, width_b) + self.adder(width_sum))
        return self.multiplier(width_a, width_b) + self.adder(width_sum)

    def dsp_multiplier(self, width_a: int, width_b: int, terms: int = 1) -> float:
        """Product of two numbers in as many DSP blocks as their widths need; sum of several in a cascade."""
        delays = self._delays
        blocks = terms * self.dsp_blocks(width_a, width_b)
        return delays.net_ns + delays.dsp_multiply_ns + (blocks - 1) * delays.dsp_cascade_ns

    def cut_dsp_multiplier(self, width_a: int, width_b: int, terms: int = 1) -> tuple[float, float] | None:
        """Such a product up to the registers behind the blocks' multipliers, and from these on; None without them.

        Synthesis of AMD parts takes a register behind a product into its block (UG901, MREG of UG579).
        """
        delays = self._delays
        if not self.device.dsp_has_adder:
            return None
        cascades_ns = (terms * self.dsp_blocks(width_a, width_b) - 1) * delays.dsp_cascade_ns
        return delays.net_ns + delays.dsp_to_product_register_ns, delays.dsp_from_product_register_ns + cascades_ns

    def dsp_blocks(self, width_a: int, width_b: int) -> int:
        """DSP blocks of one product; wider factors are cut into digits, all but the first without a sign."""
        wide, narrow = self.device.dsp_a_bits, self.device.dsp_b_bits
        return min(
            _digits(width_a, wide) * _digits(width_b, narrow),
            _digits(width_a, narrow) * _digits(width_b, wide),
        )

    def lut_multiplier(self, width_a: int, width_b: int) -> float:
        """Product of two numbers as a tree of carry chains, the first of which adds pairs of partial products.

        On parts that add three numbers at a time, three pairs are added at once.
        """
        rows = min(width_a, width_b)
        if rows == 1:
            return self.gate()
        threes = self.device.has_ternary_adders and _ceil_divide(rows, 2) == SUMMED_PAIRS
        return self.adders(width_a + width_b, 1 + self.ternary_levels if threes else _levels(rows, 2))

    @property
    def _delays(self) -> Delays:
        return self.device.delays


def _ceil_divide(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _digits(width: int, block_bits: int) -> int:
    """Signed digits of `block_bits` bits, the lower ones without a sign, that hold a number of `width` bits."""
    return max(_ceil_divide(width - 1, block_bits - 1), 1)


def _levels(inputs: int, fan_in: int) -> int:
    """Levels of a tree that joins `inputs` by `fan_in`."""
    levels = 0
    while inputs > 1:
        inputs = _ceil_divide(inputs, fan_in)
        levels += 1
    return max(levels, 1)
