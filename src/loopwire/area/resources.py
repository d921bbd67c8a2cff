"""What engines take of a device, estimated from their datapaths and registers without synthesis."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from loopwire.area.cells import Cells, Resources
from loopwire.area.lut_factors import LutKind
from loopwire.area.surroundings import surroundings
from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Feedback, Operation
from loopwire.datapath.element_ranges import element_ranges
from loopwire.datapath.limits import limited_to_zero
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.needed_products import constants_of, products_of
from loopwire.datapath.signals import Signal
from loopwire.devices import Device
from loopwire.devices.delay_model import DelayModel
from loopwire.ir.fixed_point import Integers
from loopwire.ir.table_form import LUT_ENTRIES, TableForm
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.timing.pipeline import Pipeline

Counted = tuple[LutKind, Resources]


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a layer takes; its look-up tables are counted in the unit of their kind."""

    layer: str
    kind: LutKind
    resources: Resources

    def in_luts(self, device: Device) -> Resources:
        """Return its resources, with look-up tables as synthesis makes them, rounded to whole ones."""
        return replace(self.resources, luts=round(getattr(device.lut_factors, self.kind) * self.resources.luts))


def estimate(pipeline: Pipeline, timing: EngineTiming, device: Device) -> Resources:
    """Return what an engine takes, its feeder and collector included.

    Args:
        pipeline: its operations and registers.
        timing: its slots and tickets.
        device: whose look-up tables, DSP blocks and memories it is made of.
    """
    return sum((part.in_luts(device) for part in parts(pipeline, timing, device)), Resources())


def parts(pipeline: Pipeline, timing: EngineTiming, device: Device) -> Iterable[Part]:
    """Yield what an engine is made of; feeder and collector are no layer's."""
    yield from _Estimator(pipeline, timing, device).parts()


class _Estimator:
    def __init__(self, pipeline: Pipeline, timing: EngineTiming, device: Device) -> None:
        self._pipeline = pipeline
        self._datapath = pipeline.datapath
        self._timing = timing
        self._device = device
        self._cells = Cells(device)
        self._delays = DelayModel(device)
        self._constants = constants_of(pipeline.datapath)
        self._rom_columns: dict[tuple[int, int, bool], set[int]] = {}
        self._ranges = element_ranges(pipeline.datapath, self._is_opaque)
        self._bits = {signal: int(found.widths().sum()) for signal, found in self._ranges.items()}
        self._readers = pipeline.datapath.readers
        self._unread = self._unread_bits()

    def parts(self) -> Iterable[Part]:
        """Yield all that the engine is made of."""
        for operation in self._datapath.operations:
            yield from (Part(operation.result.layer, *counted) for counted in self._operation(operation))
            yield Part(operation.result.layer, LutKind.MEMORY, Resources(ffs=self._bits_inside(operation)))
        for feedback in self._datapath.feedbacks:
            yield from (Part(feedback.read.layer, *counted) for counted in self._state(feedback))
        yield from self._registers()
        yield Part("", LutKind.CONTROL, surroundings(self._pipeline, self._timing, self._cells))

    def _unread_bits(self) -> dict[Signal, int]:
        """Return how many of the lowest bits of each signal's elements nothing reads, so that no register keeps them.

        Rounding to nearest reads the highest of the bits that it drops.
        """
        unread = {signal: 0 for signal, readers in self._readers.items() if None in readers}
        for operation in reversed(self._datapath.operations):
            match operation.kind:
                case dp.View() | dp.Transpose() | dp.Hold():
                    ignored = unread.get(operation.result, 0)
                case dp.Round(dropped=dropped, mode=Rounding.TRN | Rounding.RND) if dropped > 0:
                    ignored = dropped - (operation.kind.mode is Rounding.RND)
                case dp.TableIndex(form=form, wraps=True):
                    ignored = form.dropped_bits
                case dp.TableBeyond(form=form):
                    compared = max(operation.operands[0].bits_beyond(form.clamp_low, form.clamp_high))
                    ignored = operation.operands[0].width - compared
                    if form.covered:
                        ignored = form.index_bits - (form.clamp_low < 0)
                case dp.TableIndex(form=form):
                    compared = _compared_bits(operation, form.clamp_low, form.clamp_high)
                    ignored = form.dropped_bits if compared <= operation.operands[0].width - form.dropped_bits else 0
                case dp.Wire() | dp.Timed() | dp.Multiplication() | dp.Logic():
                    ignored = 0
                case _:
                    assert_never(operation.kind)
            for operand in operation.operands:
                unread[operand] = min(unread.get(operand, ignored), ignored)
        return unread

    def _is_opaque(self, operation: Operation) -> bool:
        """Say whether a block RAM or a DSP block makes the result, into which synthesis does not see."""
        match operation.kind:
            case dp.WordRom():
                return operation.kind.in_block_ram
            case dp.MultiplyAdd():
                return False
            case dp.Products() | dp.Multiply():
                return operation.operands[0] not in self._constants and dsp_blocks(operation, self._delays) > 0
            case dp.ShiftAdd() | dp.Wire() | dp.Timed() | dp.Logic():
                return False
            case _:
                assert_never(operation.kind)

    def _operation(self, operation: Operation) -> Iterable[Counted]:
        kind, result = operation.kind, operation.result
        bits = self._bits[result]
        match kind:
            case dp.Constant() | dp.View() | dp.Unpack() | dp.Pack() | dp.Join() | dp.Transpose():
                return
            case dp.PackRows() | dp.UnpackRows():
                return
            case dp.Select():
                yield LutKind.CHOICE, Resources(luts=bits)
            case dp.StepRom():
                yield LutKind.MEMORY, Resources(luts=self._device.rom_luts(len(kind.rows), bits))
            case dp.Compare():
                wide = max(operand.width for operand in operation.operands)
                yield LutKind.ADDER, Resources(luts=result.count * wide)
            case dp.IndexedRom():
                yield LutKind.MEMORY, Resources(luts=self._device.rom_luts(len(kind.rows), bits))
            case dp.Hold():
                yield LutKind.MEMORY, Resources(ffs=bits)
            case dp.WordRom():
                yield LutKind.MEMORY, self._word_rom(operation, kind)
            case dp.Columns():
                ways = -(-operation.operands[0].count // kind.count)
                yield LutKind.CHOICE, Resources(luts=self._cells.selection_luts(ways, bits))
            case dp.Chunk():
                yield LutKind.CHOICE, Resources(luts=self._cells.selection_luts(self._datapath.sharing.chunks, bits))
            case dp.Tile():
                ways = -(-operation.operands[0].count // result.count)
                yield LutKind.CHOICE, Resources(luts=self._cells.selection_luts(ways, bits))
            case dp.Accumulate():
                yield LutKind.ADDER, Resources(luts=bits, ffs=2 * bits)
                if self._device.lut_inputs < 6:  # six take what a pass begins with beside the bits that are added
                    yield LutKind.CHOICE, Resources(luts=bits)
            case dp.Gather():
                earlier = (self._datapath.sharing.chunks - 1) * self._bits[operation.operands[0]]
                yield LutKind.MEMORY, Resources(ffs=bits + earlier)
            case dp.MatVec():
                raise AssertionError("what multiplies a matrix is chosen by now")
            case dp.ShiftAdd():
                staged = self._pipeline.placements[operation].staged
                assert staged is not None
                yield LutKind.TREE, Resources(luts=kind.tree.adder_bits, ffs=staged.register_bits)
            case dp.Products() | dp.Multiply():
                yield self._products(operation)
            case dp.MultiplyAdd():
                # Yosys leaves the adder of UltraScale parts in look-up tables.
                yield LutKind.ADDER, Resources(luts=bits, dsps=result.count)
            case dp.AddSub():
                yield self._sum(operation, kind)
            case dp.Pairs():
                yield from self._pairs(operation, kind)
            case dp.UnpackPairs():
                yield LutKind.CONSTANT, Resources(luts=result.count // 2 * result.width)
            case dp.Triples():
                widths = self._ranges[result].widths().reshape(kind.groups, -1)
                members = operation.operands[0].count // kind.groups
                more = kind.added != 0 or len(operation.operands) > 1
                added = widths[:, : (members + 1 + more) // 3]  # where one is left over, it passes
                yield LutKind.ADDER, Resources(luts=int(added.sum()))
            case dp.Differences():
                of_itself = result.width * operation.operands[0].count
                yield LutKind.ADDER, Resources(luts=bits - of_itself)
            case dp.ToLargest():
                yield LutKind.CHOICE, Resources(luts=self._cells.selection_luts(result.count, bits))
            case dp.Extreme():
                yield LutKind.ADDER, Resources(luts=0 if limited_to_zero(operation) else bits)
                yield LutKind.CHOICE, Resources(luts=bits)
            case dp.Round():
                if kind.dropped > 0 and kind.mode is not Rounding.TRN:
                    yield LutKind.CONSTANT, Resources(luts=bits)
            case dp.Bound():
                if kind.to.overflow is not Overflow.WRAP:
                    yield from self._limited(operation, kind.to.min_integer, kind.to.max_integer)
            case dp.TableIndex(wraps=True):
                return
            case dp.TableBeyond(form=form):
                compared = _compared_bits(operation, form.clamp_low, form.clamp_high)
                yield LutKind.CONSTANT, Resources(luts=result.count * compared)
            case dp.TableEnds():
                yield LutKind.CHOICE, Resources(luts=bits)
            case dp.TableIndex():
                yield from self._limited(operation, kind.form.clamp_low, kind.form.clamp_high)
                yield LutKind.CONSTANT, Resources(luts=result.count * kind.form.subtracter_bits)
            case dp.TableLookup(in_block_ram=True, form=form):
                blocks = sum(self._device.block_rams(*rom) for rom in form.roms)
                yield LutKind.MEMORY, Resources(bram18s=result.count * blocks)
                yield LutKind.ADDER, Resources(luts=result.count * form.base_bits * bool(form.offset))
            case dp.TableLookup():
                yield LutKind.TABLE, Resources(luts=result.count * self._table_luts(kind.form))
            case _:
                assert_never(kind)

    def _bits_inside(self, operation: Operation) -> int:
        """Return the bits of the registers inside a product or a table."""
        placement, result = self._pipeline.placements[operation], operation.result
        if not placement.registered:
            return 0
        match operation.kind:
            case dp.Products(cascaded=cascaded) if cascaded > 1:
                return 0  # Yosys is given blocks with their registers
            case dp.Products() | dp.Multiply():
                return self._bits[result]
            case dp.MultiplyAdd():
                return self._bits[result] + self._bits[operation.operands[2]]
            case dp.TableLookup(in_block_ram=True):
                return 0
            case dp.TableLookup(form=form):
                return result.count * (form.base_bits + form.offset_bits)
            case dp.ShiftAdd() | dp.Wire() | dp.Timed() | dp.Logic():
                return 0
            case _:
                assert_never(operation.kind)

    def _limited(self, operation: Operation, low: int, high: int) -> Iterable[Counted]:
        """Yield what brings numbers between limits."""
        compared = _compared_bits(operation, low, high)
        yield LutKind.CONSTANT, Resources(luts=operation.result.count * compared)
        if compared:
            yield LutKind.CHOICE, Resources(luts=operation.result.bits)

    def _sum(self, operation: Operation, kind: dp.AddSub) -> Counted:
        """Return an addition: low bits of one operand pass where the other, added to or taken off, has none."""
        passed = kind.right_shift if kind.subtract else max(kind.left_shift, kind.right_shift)
        widths = np.maximum(self._ranges[operation.result].widths() - passed, 0)
        constant = next((self._ranges[v] for v in operation.operands if v in self._constants), None)
        if constant is not None:
            return LutKind.CONSTANT, Resources(luts=int(np.where(constant.low == 0, 0, widths).sum()))
        return LutKind.ADDER, Resources(luts=int(widths.sum()))

    def _pairs(self, operation: Operation, kind: dp.Pairs) -> Iterable[Counted]:
        """Yield what joins neighbours; an odd last one of a group passes."""
        widths = self._ranges[operation.result].widths().reshape(kind.groups, -1)
        joined = Resources(luts=int(widths[:, : operation.operands[0].count // kind.groups // 2].sum()))
        if kind.largest:
            yield LutKind.ADDER, joined
            yield LutKind.CHOICE, joined
        else:
            yield LutKind.ADDER, joined

    def _products(self, operation: Operation) -> Counted:
        """Return what the products of two vectors take; one with a constant 0 or a power of two takes nothing."""
        count = products_of(operation, self._constants)
        blocks = dsp_blocks(operation, self._delays)
        columns = operation.operands[1].count
        in_luts = operation.kind.lut_rows * columns if isinstance(operation.kind, dp.Products) else 0
        if blocks and not in_luts:
            return LutKind.PRODUCT, Resources(dsps=blocks) * count
        a, b = (self._factor_bits(operand) for operand in operation.operands)
        if isinstance(operation.kind, dp.Products):
            b = np.tile(b, len(a) // len(b))
        a, b = np.broadcast_arrays(a, b)
        ours = slice(-in_luts or None, None)  # the last rows, where DSP blocks make the others
        dsps = blocks * max(count - in_luts, 0)
        if self._constants.keys().isdisjoint(operation.operands):
            signs = [not operand.signed for operand in operation.operands]
            luts = sum(self._product_luts(*factors, *signs) for factors in zip(a[ours], b[ours], strict=True))
            return LutKind.MULTIPLES, Resources(luts=luts, dsps=dsps)
        return LutKind.PRODUCT, Resources(luts=int((a * b)[ours].sum()), dsps=dsps)

    def _product_luts(self, a: int, b: int, positive_a: bool, positive_b: bool) -> int:
        rows, columns = (b, a + positive_a) if a > b else (a, b + positive_b)
        return self._cells.product_luts(rows, columns) if rows else 0

    def _factor_bits(self, factor: Signal) -> Integers:
        """Return the bits of each element; of a constant, those that are 1."""
        constant = self._constants.get(factor)
        if constant is None:
            return self._ranges[factor].widths()
        return np.array([abs(int(value)).bit_count() for value in constant.integers.flat], np.int64)

    def _word_rom(self, operation: Operation, kind: dp.WordRom) -> Resources:
        """Return what a ROM takes; in LUTs, bits that are alike in all words are made once, whichever ROM has them."""
        result = operation.result
        if kind.in_block_ram:
            return Resources(bram18s=self._device.block_rams(len(kind.rows), result.bits))
        words = kind.rows.reshape(len(kind.rows), -1, 1) >> np.arange(result.width) & 1
        columns = set((words << np.arange(len(words))[:, np.newaxis, np.newaxis]).sum(axis=0).flat)
        place = (self._pipeline.placements[operation].first_stage, kind.cycles, kind.by_step)
        known = self._rom_columns.setdefault(place, {0, (1 << len(words)) - 1})
        distinct = len(columns - known)
        known |= columns
        return Resources(luts=self._device.rom_luts(len(kind.rows), distinct), ffs=distinct)

    def _table_luts(self, form: TableForm) -> int:
        around = form.lut6_estimate - sum(-(-entries // LUT_ENTRIES) * bits for entries, bits in form.roms)
        return around - form.subtracter_bits + sum(self._device.rom_luts(*rom) for rom in form.roms)

    def _state(self, feedback: Feedback) -> Iterable[Counted]:
        """Yield what holds a state from step to step, and chooses the initial one."""
        chunks, slots, bits = self._datapath.sharing.chunks, self._timing.slots, feedback.read.bits
        readers = [reader.kind for reader in self._readers.get(feedback.read, []) if reader is not None]
        if not any(isinstance(reader, dp.Columns) for reader in readers):  # whose multiplexer does that too
            yield LutKind.CHOICE, Resources(luts=bits)
        if not self._datapath.in_memories:
            yield LutKind.MEMORY, Resources(ffs=bits)
        elif not feedback.gathered:
            yield LutKind.MEMORY, self._cells.memory(slots * chunks, bits)
        else:
            # The same chunks as another layer gathers are gathered once, and with a single slot that is the memory.
            shared = any(
                isinstance(r.kind, dp.Gather) for r in self._readers.get(feedback.following, []) if r is not None
            )
            if not (shared and slots == 1):
                yield LutKind.MEMORY, self._cells.memory(slots, bits)
            if not shared:
                yield LutKind.MEMORY, Resources(ffs=(chunks - 1) * feedback.following.count * feedback.read.width)

    def _registers(self) -> Iterable[Part]:
        """Yield the registers that carry each signal from stage to stage, and those that hold it in a loop."""
        for signal, delays, held in self._delays_of():
            bits = int(np.maximum(self._ranges[signal].widths() - self._unread.get(signal, 0), 0).sum())
            if held:
                yield Part(signal.layer, LutKind.CHOICE, Resources(luts=bits))
            for stages in delays:
                yield Part(signal.layer, LutKind.MEMORY, self._cells.delay(bits, stages))

    def _delays_of(self) -> Iterable[tuple[Signal, list[int], bool]]:
        """Yield each signal with its delays, each from one reader to the next, and whether it is held behind them."""
        pipeline, places = self._pipeline, self._pipeline.stage_of()
        read: dict[Signal, set[int]] = {}
        for signal, place in pipeline.reads():
            read.setdefault(signal, set()).add(place)
        held: dict[Signal, int] = {}
        for feedback, cut in pipeline.cuts.items():
            if cut.stage == pipeline.write[feedback]:
                read.setdefault(feedback.read, set()).add(cut.stage)
            else:
                held |= dict.fromkeys(cut.signals, cut.stage)
        for signal, stage in held.items():
            behind = {place - stage for place in read[signal] if place > stage} | {pipeline.loop_latency}
            yield signal, [1, *_steps(1, behind)], True
            read[signal] = {place for place in read[signal] if place <= stage}
        for signal, stages in read.items():
            if signal in places:
                yield signal, _steps(places[signal], stages), False


def _steps(since: int, places: set[int]) -> list[int]:
    """Return the distances from place to place."""
    ordered = [since, *sorted(place for place in places if place > since)]
    return [b - a for a, b in itertools.pairwise(ordered)]


def _compared_bits(operation: Operation, low: int, high: int) -> int:
    """Return the bits that tell whether a number is between limits, on both sides together where they are a type's."""
    (a,) = operation.operands
    held = FixedType.holding(low, high, 0)
    compared = a.bits_beyond(low, high)
    if compared and (held.min_integer, held.max_integer) == (low, high):
        return max(a.width - held.width + held.signed, 1)
    return sum(compared)
