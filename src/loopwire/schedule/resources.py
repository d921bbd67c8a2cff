"""What engines take of a device, estimated from their datapaths and registers without synthesis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import assert_never

import numpy as np

from loopwire.devices import Device
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import Overflow, Rounding
from loopwire.schedule.cycles import EngineTiming
from loopwire.schedule.datapath import (
    Accumulate,
    AddSub,
    Bound,
    Columns,
    Constant,
    Datapath,
    Extreme,
    Gather,
    Hold,
    Join,
    Multiply,
    Operation,
    Pairs,
    Products,
    Ring,
    Round,
    ShiftAdd,
    Signal,
    StepRom,
    TableIndex,
    TableLookup,
    View,
    WordRom,
)
from loopwire.schedule.delay import DelayModel
from loopwire.schedule.pipeline import Pipeline
from loopwire.schedule.sequencers import served_stages

DSP_PRODUCT_BITS = 9
"""The narrowest product that goes into a DSP block; Yosys's mul2dsp is given this for all families."""
LUTS_A_PRODUCT_BIT = 1.0
"""Look-up tables of a product outside DSP blocks, by the product of both factors' bits: an array of full adders."""
LUTS_AN_ADDER_BIT = 1.0
"""A carry chain has one look-up table a bit."""
LUTS_A_BOUND_BIT = 1.5
"""Saturation: a multiplexer a bit of the result, and a share of finding what overflows."""
SRL_STAGES = 32
"""Stages that one look-up table of an AMD part is as a shift register (UG574)."""
LEAST_SRL_STAGES = 3
"""Shorter ones stay flip-flops."""
LUTS_A_MEMORY_BIT = 4 / 3
"""AMD memories of 64 words, read and written in one cycle: four LUTs hold three bits (UG574, RAM64M). Half as many for
32 words."""
SMALL_LUTS_A_MEMORY_BIT = 1.5
"""ECP5 memories of 16 words: six LUTs hold four bits (DPR16X4)."""
CONTROL_LUTS = 60
"""Of an engine's feeder and collector, beside their memories; a slot or ticket takes a few more."""
SLOT_LUTS = 24
TICKET_LUTS = 6


@dataclass(frozen=True, slots=True)
class LutScale:
    """LUTs that synthesis makes for each that the formulas count, by what they are for."""

    adders: float
    products: float
    tables: float
    selection: float
    """ROMs, columns, initial states, memories of states."""
    control: float
    """Feeder and collector."""


LUT_SCALES = {
    4: LutScale(adders=0.93, products=2.28, tables=1.69, selection=3.35, control=1.12),
    6: LutScale(adders=0.84, products=1.0, tables=0.84, selection=0.84, control=0.84),
}
"""By inputs of a LUT: least squares over the networks of bench/synthesis.json; for six inputs one number for all, since
fewer are there, and none with products outside DSP blocks."""
DISTINCT_BITS = 0.9
"""Share of the bits of a delayed vector that are made: elements narrower than the widest repeat their signs."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Cells of a device; half of a 36-kbit block RAM is one of 18 kbit.

    No estimate has UltraRAM: it cannot be initialised (UG573), so it holds no weights.
    """

    luts: int = 0
    ffs: int = 0
    dsps: int = 0
    bram18s: int = 0
    urams: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.luts + other.luts,
            self.ffs + other.ffs,
            self.dsps + other.dsps,
            self.bram18s + other.bram18s,
            self.urams + other.urams,
        )

    def __mul__(self, copies: int) -> Resources:
        return Resources(*(getattr(self, f.name) * copies for f in fields(self)))

    def shares(self, device: Device) -> dict[str, float]:
        """Return, for each kind of cell that is used, the share of the device's; infinite where it has none."""
        used = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}
        return {name: count / (getattr(device, name) or 1e-9) for name, count in used.items()}


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Products made at a time: of matrices, and of two vectors element by element. Shift-add trees have none."""

    matrix: int = 0
    elementwise: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.matrix + self.elementwise

    def __add__(self, other: Multipliers) -> Multipliers:
        return Multipliers(self.matrix + other.matrix, self.elementwise + other.elementwise)

    def __mul__(self, copies: int) -> Multipliers:
        return Multipliers(self.matrix * copies, self.elementwise * copies)


def count_multipliers(datapath: Datapath) -> Multipliers:
    """Return the multipliers of an engine; a product with a constant 0 or a power of two takes none."""
    constants = _constants(datapath)
    total = Multipliers()
    for operation in datapath.operations:
        match operation.kind:
            case Products():
                total += Multipliers(matrix=_products(operation, constants))
            case Multiply():
                total += Multipliers(elementwise=operation.result.count)
            case _:
                pass
    return total


def estimate(pipeline: Pipeline, timing: EngineTiming, device: Device) -> Resources:
    """Return what an engine takes, its feeder and collector included.

    Args:
        pipeline: its operations and registers.
        timing: its slots and tickets.
        device: whose look-up tables, DSP blocks and memories it is made of.
    """
    return _Estimator(pipeline, timing, device).total()


class _Estimator:
    def __init__(self, pipeline: Pipeline, timing: EngineTiming, device: Device) -> None:
        self._pipeline = pipeline
        self._datapath = pipeline.datapath
        self._timing = timing
        self._device = device
        self._delays = DelayModel(device)
        self._constants = _constants(pipeline.datapath)

    def total(self) -> Resources:
        scale = LUT_SCALES[self._device.lut_inputs]
        parts = [_scaled(self._operation(op), _scale_of(op, scale)) for op in self._datapath.operations]
        parts += [_scaled(self._state(ring), scale.selection) for ring in self._datapath.rings]
        registers = sum(self._registers(), Resources())
        parts.append(replace(registers, ffs=round(DISTINCT_BITS * registers.ffs)))
        parts.append(_scaled(self._control(), scale.control))
        return sum(parts, Resources())

    def _operation(self, operation: Operation) -> Resources:
        kind, result = operation.kind, operation.result
        match kind:
            case Constant() | View() | Join():
                return Resources()
            case StepRom():
                return Resources(luts=self._rom_luts(len(kind.rows), result.bits))
            case Hold():
                return Resources(ffs=result.bits)
            case WordRom():
                return self._word_rom(kind, result)
            case Columns():
                ways = -(-operation.operands[0].count // kind.count)
                return Resources(luts=self._selection_luts(ways, result.bits))
            case Accumulate():
                return Resources(luts=_luts(LUTS_AN_ADDER_BIT * result.bits), ffs=2 * result.bits)
            case Gather():
                assert self._datapath.folding is not None
                return Resources(ffs=result.bits + (self._datapath.folding.chunks - 1) * operation.operands[0].bits)
            case ShiftAdd():
                staged = self._pipeline.placements[operation].staged
                registers = 0 if staged is None else staged.register_bits
                return Resources(luts=_luts(LUTS_AN_ADDER_BIT * kind.tree.adder_bits), ffs=registers)
            case Products():
                return self._multiplier(operation) * _products(operation, self._constants)
            case Multiply():
                added = 0 if not kind.added or self._device.dsp_has_adder else result.bits
                return self._multiplier(operation) * result.count + Resources(luts=added)
            case AddSub():
                return Resources(luts=_luts(LUTS_AN_ADDER_BIT * result.bits))
            case Extreme():
                return Resources(luts=2 * result.bits)
            case Pairs():
                pairs = kind.groups * (operation.operands[0].count // kind.groups // 2)
                luts_a_bit = 2.0 if kind.largest else LUTS_AN_ADDER_BIT
                return Resources(luts=_luts(luts_a_bit * pairs * result.width))
            case Round():
                free = kind.dropped <= 0 or kind.mode is Rounding.TRN
                return Resources(luts=0 if free else _luts(LUTS_AN_ADDER_BIT * result.bits))
            case Bound():
                wraps = kind.to.overflow is Overflow.WRAP
                return Resources(luts=0 if wraps else _luts(LUTS_A_BOUND_BIT * result.bits))
            case TableIndex():
                covered = kind.form.index_bits
                clamped = operation.operands[0].width > covered
                return Resources(luts=result.count * (kind.form.subtracter_bits + (covered if clamped else 0)))
            case TableLookup():
                return Resources(luts=result.count * self._table_luts(kind.form))
            case _:
                assert_never(kind)

    def _multiplier(self, operation: Operation) -> Resources:
        """Return what one product of two signed numbers takes."""
        a, b = (operand.width + (not operand.signed) for operand in operation.operands)
        if a + b < DSP_PRODUCT_BITS or min(a, b) <= self._device.lut_factor_bits or not self._device.dsps:
            return Resources(luts=_luts(LUTS_A_PRODUCT_BIT * a * b))
        return Resources(dsps=self._delays.dsp_blocks(a, b))

    def _word_rom(self, kind: WordRom, result: Signal) -> Resources:
        """Return what a ROM takes; in LUTs, bits that are alike in all words are made once."""
        if kind.in_block_ram:
            return Resources(bram18s=block_rams(len(kind.rows), result.bits, self._device))
        bits = (kind.rows[..., np.newaxis] >> np.arange(result.width)) & 1
        columns = np.unique(bits.reshape(len(kind.rows), -1), axis=1)
        distinct = int((columns.min(axis=0) != columns.max(axis=0)).sum())
        return Resources(luts=self._rom_luts(len(kind.rows), distinct), ffs=distinct)

    def _rom_luts(self, words: int, bits: int) -> int:
        """Return the look-up tables of a ROM without a clock: one of k inputs holds 2**k words of a bit."""
        held = 1 << self._device.lut_inputs
        if self._device.lut_inputs >= 6 and words <= held // 2:
            return -(-bits // 2)
        return -(-words // held) * bits if words > 1 else 0

    def _table_luts(self, form: TableForm) -> int:
        roms = ((len(form.base), form.base_bits), (len(form.offset), form.offset_bits))
        around = form.lut6_estimate - sum(-(-entries // 64) * bits for entries, bits in roms)
        return around - form.subtracter_bits + sum(self._rom_luts(entries, bits) for entries, bits in roms)

    def _selection_luts(self, ways: int, bits: int) -> int:
        """Return the look-up tables of a choice between so many words; multiplexers beside them join pairs."""
        inputs = 4 if self._device.lut_inputs >= 6 else 2
        return 0 if ways == 1 else -(-ways // inputs) * bits

    def _memory(self, words: int, bits: int) -> Resources:
        """Return what a memory read without a clock takes."""
        if words == 1:
            return Resources(ffs=bits)
        if self._device.lut_inputs < 6:
            return Resources(luts=_luts(-(-words // 16) * bits * SMALL_LUTS_A_MEMORY_BIT))
        return Resources(luts=_luts(-(-words // 32) / 2 * bits * LUTS_A_MEMORY_BIT))

    def _state(self, ring: Ring) -> Resources:
        """Return what holds a state from step to step, and chooses the initial one."""
        folding = self._datapath.folding
        slots, bits = self._timing.slots, ring.read.bits
        chosen = Resources(luts=bits)
        if not self._datapath.in_memories:
            return chosen + Resources(ffs=bits)
        if not ring.gathered:
            return chosen + self._memory(slots * (1 if folding is None else folding.chunks), bits)
        assert folding is not None
        earlier = (folding.chunks - 1) * ring.following.count * ring.read.width
        return chosen + self._memory(slots, bits) + Resources(ffs=earlier)

    def _registers(self) -> Iterable[Resources]:
        """Yield the registers that carry each signal from stage to stage, and those that hold it in a loop."""
        pipeline, places = self._pipeline, self._pipeline.stage_of()
        read: dict[Signal, set[int]] = {}
        for signal, place in pipeline.reads():
            read.setdefault(signal, set()).add(place)
        held = {signal: cut.stage for cut in pipeline.cuts.values() for signal in cut.signals}
        for signal, stage in held.items():
            yield Resources(luts=signal.bits) + self._delay(signal.bits, pipeline.loop_latency)
            read[signal] = {place for place in read[signal] if place <= stage}
        for signal, stages in read.items():
            if signal not in places:
                continue
            since = places[signal]
            for place in sorted(stages):
                yield self._delay(signal.bits, place - since)
                since = max(since, place)

    def _delay(self, bits: int, stages: int) -> Resources:
        """Return what delays so many bits by so many stages."""
        if stages >= LEAST_SRL_STAGES and self._device.vendor == "amd":
            return Resources(luts=bits * -(-stages // SRL_STAGES))
        return Resources(ffs=bits * max(stages, 0))

    def _control(self) -> Resources:
        timing, y = self._timing, self._datapath.output
        beats = timing.steps if timing.per_step else 1
        return (
            self._memory(timing.slots * timing.steps, self._datapath.x.bits)
            + self._memory(timing.tickets * beats, y.bits)
            + Resources(luts=CONTROL_LUTS + SLOT_LUTS * timing.slots + TICKET_LUTS * timing.tickets)
            + Resources(ffs=self._feeder_ffs() + self._collector_ffs(beats))
            + self._accompanying()
        )

    def _feeder_ffs(self) -> int:
        """Return the counters of the feeder: each slot's state, and where the next beat goes."""
        timing = self._timing
        steps, ticket = timing.steps.bit_length(), _bits(timing.tickets)
        return (
            timing.slots * (2 + 2 * steps + ticket) + _bits(timing.slots) + steps + 2 * ticket + 2 + _bits(timing.ring)
        )

    def _collector_ffs(self, beats: int) -> int:
        """Return the counters of the collector: what each ticket holds, and which beat leaves next."""
        return self._timing.tickets * (beats.bit_length() + 1) + _bits(self._timing.tickets) + beats.bit_length()

    def _accompanying(self) -> Resources:
        """Return what carries the bits that go with each step to the collector, and what counts within a step."""
        timing, folding = self._timing, self._datapath.folding
        carried = _bits(timing.tickets) + (_bits(timing.steps) if timing.per_step else 1)
        total = Resources()
        for stages in served_stages(self._pipeline):
            handed, count = carried, len(stages) - 1
            if folding is not None:
                word = _bits(folding.cycles)
                total += Resources(ffs=1 + carried + 2 * word + 1)
                handed += word
            total += Resources(ffs=count) + self._delay(handed, count)
        return total


def _scale_of(operation: Operation, scale: LutScale) -> float:
    match operation.kind:
        case Products() | Multiply():
            return scale.products
        case TableIndex() | TableLookup():
            return scale.tables
        case StepRom() | WordRom() | Columns() | Hold() | Gather():
            return scale.selection
        case _:
            return scale.adders


def _scaled(resources: Resources, scale: float) -> Resources:
    return replace(resources, luts=round(scale * resources.luts))


def _bits(count: int) -> int:
    """Return the bits of a number below `count`."""
    return (count - 1).bit_length()


def block_rams(words: int, bits: int, device: Device) -> int:
    """Return the fewest 18-kbit block RAMs of one shape that hold so many words of so many bits."""
    return min(-(-words // depth) * -(-bits // width) for depth, width in device.bram18_shapes)


def _constants(datapath: Datapath) -> Mapping[Signal, Constant]:
    return {op.result: op.kind for op in datapath.operations if isinstance(op.kind, Constant)}


def _products(operation: Operation, constants: Mapping[Signal, Constant]) -> int:
    """Return how many products need a multiplier."""
    matrix = constants.get(operation.operands[0])
    if matrix is None:
        return operation.result.count
    return sum(abs(int(v)).bit_count() > 1 for v in matrix.integers.flat)


def _luts(number: float) -> int:
    return round(number)
