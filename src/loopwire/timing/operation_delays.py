"""How long each operation takes on a device."""

from __future__ import annotations

import math
from functools import cache, partial
from typing import assert_never

from loopwire.cmvm.adder_tree import StagedTree
from loopwire.cmvm.staging import stage
from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.limits import limited_to_zero
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import Overflow, Rounding


def operation_delay_ns(operation: Operation, delays: DelayModel) -> float:
    """Return the time from an operation's operands to its result; shift-add trees, which have many, are not asked."""
    kind, result = operation.kind, operation.result
    widths = [operand.width for operand in operation.operands]
    match kind:
        case dp.Constant() | dp.View() | dp.Unpack() | dp.Pack() | dp.Join() | dp.Transpose():
            return 0.0
        case dp.PackRows() | dp.UnpackRows():
            return 0.0
        case dp.StepRom():
            return delays.rom(len(kind.rows), result.width)
        case dp.Products(cascaded=cascaded) if cascaded > 1:
            a, b = map(_factor_bits, operation.operands)
            return delays.dsp_multiplier(a, b, cascaded)
        case dp.Products():
            return _product_ns(operation, kind.lut_rows > 0, delays)
        case dp.Multiply():
            return _product_ns(operation, kind.in_luts, delays)
        case dp.MultiplyAdd():
            a, b = map(_factor_bits, operation.operands[:2])
            return delays.multiply_add(a, b, result.width)
        case dp.AddSub() | dp.UnpackPairs() | dp.Differences():
            return delays.adder(result.width)
        case dp.Extreme() if limited_to_zero(operation):
            return delays.mux2(result.width)
        case dp.Extreme():
            shifts = (kind.left_shift, kind.right_shift)
            wide = max(w + s for w, s in zip(widths, shifts, strict=True))
            bits_alone = wide == 1 and not any(operand.signed for operand in operation.operands)
            return delays.gate() if bits_alone else delays.max(wide + 1)
        case dp.Compare():
            shifts = (kind.left_shift, kind.right_shift)
            return delays.compare(max(w + s for w, s in zip(widths, shifts, strict=True)) + 1)
        case dp.IndexedRom():
            return delays.rom(len(kind.rows), result.bits)
        case dp.Pairs():
            return delays.max(result.width) if kind.largest else delays.adder(result.width)
        case dp.Triples():
            of_three = sum(operand.count for operand in operation.operands) > 2 * kind.groups
            return delays.adders(result.width, delays.ternary_levels if of_three else 1)
        case dp.ToLargest():
            n = result.count
            return delays.reduction(n) + delays.fanout(result.bits) + delays.reduction(2 * n)
        case dp.Round():
            return 0.0 if kind.dropped <= 0 or kind.mode is Rounding.TRN else delays.round(result.width)
        case dp.Bound():
            wraps = kind.to.overflow is Overflow.WRAP
            return 0.0 if wraps else delays.saturate(widths[0], result.width)
        case dp.TableIndex(wraps=True):
            return 0.0
        case dp.TableBeyond():
            return _beyond_ns(operation, kind.form, delays)
        case dp.TableEnds() | dp.Select():
            return delays.mux2(result.width)
        case dp.TableIndex():
            return _index_ns(operation, kind.form, delays)
        case dp.TableLookup(in_block_ram=True):
            return math.inf  # in one stage: its address is registered
        case dp.TableLookup():
            form = kind.form
            if not form.offset:
                return delays.rom(len(form.base), form.base_bits)
            smaller, larger = sorted(form.roms)
            if delays.device.lut_inputs >= 6:
                # The larger ROM's last multiplexer shares the adder's look-up tables: two data, a select, the addend.
                larger = (-(-larger[0] // 2), larger[1])
            return max(delays.rom(*larger), delays.rom(*smaller)) + delays.adder(form.base_bits)
        case dp.Hold() | dp.Gather():
            return 0.0
        case dp.WordRom():
            return delays.device.delays.bram_clock_to_out_ns
        case dp.Columns():
            return _selection_ns(-(-operation.operands[0].count // kind.count), delays)
        case dp.Chunk() | dp.Tile():
            return _selection_ns(-(-operation.operands[0].count // result.count), delays)
        case dp.Accumulate():
            return delays.adder(result.width)
        case dp.MatVec():
            raise AssertionError("what multiplies a matrix is chosen by now")
        case dp.ShiftAdd():
            raise AssertionError("a shift-add tree is staged, not timed as one")


def cut_delays_ns(operation: Operation, delays: DelayModel) -> tuple[float, float] | None:
    """Return the time up to a register inside an operation and the time from there, or None where there can be none.

    It is behind the multipliers of DSP blocks, before the adder of a table of two ROMs, and inside block RAMs.
    """
    kind = operation.kind
    match kind:
        case dp.Products() | dp.Multiply() | dp.MultiplyAdd():
            whole = isinstance(kind, dp.Products) and kind.lut_rows > 0
            if whole or not dsp_blocks(operation, delays):
                return None
            a, b = map(_factor_bits, operation.operands[:2])
            return delays.cut_dsp_multiplier(a, b, kind.cascaded if isinstance(kind, dp.Products) else 1)
        case dp.TableLookup(form=form, in_block_ram=True):
            adder_ns = delays.adder(form.base_bits) if form.offset else 0.0
            # A look-up table's time is for the setup of the address.
            return delays.gate(), delays.device.delays.bram_clock_to_out_ns + adder_ns
        case dp.TableLookup(form=form) if form.offset:
            return max(delays.rom(*rom) for rom in form.roms), delays.adder(form.base_bits)
        case dp.ShiftAdd() | dp.Wire() | dp.Timed() | dp.Logic():
            return None
        case _:
            assert_never(kind)


def to_flip_flop_ns(operation: Operation, delays: DelayModel) -> float:
    """Return what the wire from a result to its register takes: of a DSP block, none is in the same slice."""
    return delays.device.delays.dsp_to_flip_flop_ns if dsp_blocks(operation, delays) else 0.0


CHOICE_INPUTS = 3
"""Of the look-up table that makes a bit of a choice of two, or of a limited number: that, what to do, the sign."""
HOLD_INPUTS = 2
"""Of a look-up table that holds a bit, beside its own: what it was, and whether to hold it."""


class OperationTimes:
    """What operations take on a device, each worked out once: most are in many of the datapaths that are tried."""

    def __init__(self, delays: DelayModel) -> None:
        self.delays = delays
        self.whole_ns = cache(partial(operation_delay_ns, delays=delays))
        self.cut_ns = cache(partial(cut_delays_ns, delays=delays))
        self.to_flip_flop_ns = cache(partial(to_flip_flop_ns, delays=delays))
        self.staged = cache(self._staged)

    def _staged(self, operation: Operation, start_ns: float, budget_ns: float) -> StagedTree:
        assert isinstance(operation.kind, dp.ShiftAdd)
        return stage(operation.kind.tree, start_ns, budget_ns, self.delays.adders, self.delays.ternary_levels)


def to_register_ns(datapath: Datapath, times: OperationTimes) -> dict[Signal, float]:
    """Return what the wire from each signal to a register takes: of what makes nothing, that from its operands."""
    found: dict[Signal, float] = {}
    for operation in datapath.operations:
        found[operation.result] = times.to_flip_flop_ns(operation)
        if not isinstance(operation.kind, dp.ShiftAdd) and not times.whole_ns(operation):
            found[operation.result] = max((found.get(operand, 0.0) for operand in operation.operands), default=0.0)
    return found


def hold_delays_ns(datapath: Datapath, times: OperationTimes) -> dict[Signal, float]:
    """Return what holding each signal takes: nothing where the look-up tables that make it have inputs for it left.

    Of what makes nothing, holding the operands does.
    """
    delays = times.delays
    held_ns = dict.fromkeys((datapath.x, *(feedback.read for feedback in datapath.feedbacks)), delays.gate())
    for operation in datapath.operations:
        if isinstance(operation.kind, dp.ShiftAdd) or times.whole_ns(operation):
            held_ns[operation.result] = 0.0 if _may_hold(operation, delays) else delays.gate()
        else:
            held_ns[operation.result] = max((held_ns[operand] for operand in operation.operands), default=0.0)
    return held_ns


def _may_hold(operation: Operation, delays: DelayModel) -> bool:
    kind, lut_inputs = operation.kind, delays.device.lut_inputs
    inputs = lut_inputs
    if isinstance(kind, dp.TableEnds | dp.Select):
        inputs = CHOICE_INPUTS
    elif isinstance(kind, dp.Bound):
        upper = operation.operands[0].width - operation.result.width + 1
        inputs = upper + 1 if upper < lut_inputs else CHOICE_INPUTS  # as `DelayModel.saturate` has it
    return inputs + HOLD_INPUTS <= lut_inputs


def _index_ns(operation: Operation, form: TableForm, delays: DelayModel) -> float:
    """Return the time of a clamped index: its difference and its clamp's tests side by side, then the choice.

    Upper bits say whether a number is beyond a table: for one that holds all numbers of a type whether they are alike,
    for another their comparison with a constant. Where these are few, the look-up table of a bit sees them too.
    """
    (a,) = operation.operands
    bits = form.index_bits
    subtract_ns = delays.adder(form.subtracter_bits) if form.subtracter_bits > delays.device.lut_inputs else 0.0
    beyond = a.bits_beyond(form.clamp_low, form.clamp_high)
    if not beyond:
        return subtract_ns
    if form.covered:
        return subtract_ns + delays.saturate(max(a.width, bits + 1), bits)
    compared = max(beyond)
    if max(compared + 1, a.width - bits + form.subtracter_bits) <= delays.device.lut_inputs:
        return subtract_ns + delays.saturate(bits + compared - 1, bits)
    return max(subtract_ns, delays.adder(compared)) + delays.mux2(bits)


def _beyond_ns(operation: Operation, form: TableForm, delays: DelayModel) -> float:
    """Return the time to say whether a number is beyond a table: are upper bits alike, or a comparison with its end."""
    (a,) = operation.operands
    if form.covered:
        return delays.reduction(a.width - form.index_bits + 1)
    compared = max(a.bits_beyond(form.clamp_low, form.clamp_high))
    return delays.reduction(compared) if compared <= delays.device.lut_inputs else delays.adder(compared)


def _selection_ns(choices: int, delays: DelayModel) -> float:
    """Return the time of a multiplexer of a given number of words."""
    return delays.gate() * -(-(choices - 1).bit_length() // 2)


def _product_ns(operation: Operation, in_luts: bool, delays: DelayModel) -> float:
    """Return the time of a product; a constant that is left in one is added meanwhile (`lut_products`)."""
    a, b = operation.operands
    if in_luts:
        return delays.lut_multiplier(a.width, b.width)
    return delays.multiplier(_factor_bits(a), _factor_bits(b))


def _factor_bits(factor: Signal) -> int:
    """Return the bits that a factor takes of a DSP block, whose operands are signed."""
    return factor.width + (not factor.signed)
