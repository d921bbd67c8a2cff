"""Sums of a product and a number that is there before it, made by the product's DSP block: a · b + c in one operation.

A DSP block of AMD adds what comes in at its C port in the same time in which it multiplies (UG579, UG479). So the next
candidate of a GRU, W x + r ∘ (U h + d), and its state, z ∘ h + (1 - z) ∘ n, have no adder behind their last product.
"""

from __future__ import annotations

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.loops import looped
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.rewrite import replaced, without_unused
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel

SUM_BITS = 48
"""Bits that a DSP48E1 or DSP48E2 adds (AMD UG479, UG579)."""


def with_dsp_adders(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath whose loops' products add what is there before them, where nothing else reads the product."""
    if not delays.device.dsp_has_adder:
        return datapath
    products = {op.result: op for op in looped(datapath) if _may_add(datapath, op, delays)}
    depths = _depths(datapath)
    sums: dict[Operation, Operation] = {}
    for op in datapath.operations:
        kind = op.kind
        if not isinstance(kind, dp.AddSub) or kind.subtract or op.result.width > SUM_BITS:
            continue
        (a, b), shifts = op.operands, (kind.left_shift, kind.right_shift)
        for product, c, own_shift, shift in ((a, b, *shifts), (b, a, *shifts[::-1])):
            earlier = depths[c] < depths[product] and c.count == op.result.count
            if product in products and own_shift == 0 and earlier:
                sums[op] = Operation(dp.MultiplyAdd(shift), (*products[product].operands, c), op.result)
    return without_unused(replaced(datapath, sums)) if sums else datapath


def _may_add(datapath: Datapath, product: Operation, delays: DelayModel) -> bool:
    """Say whether a product is a single DSP block's, which adds nothing yet, and has a single reader."""
    kind = product.kind
    alone = len(datapath.readers[product.result]) == 1
    return isinstance(kind, dp.Multiply) and not kind.added and alone and dsp_blocks(product, delays) == 1


def _depths(datapath: Datapath) -> dict[Signal, int]:
    """Return how many operations are before each signal, those that make nothing left out."""
    depths = dict.fromkeys((datapath.x, *(feedback.read for feedback in datapath.feedbacks)), 0)
    for op in datapath.operations:
        before = max((depths[operand] for operand in op.operands), default=0)
        depths[op.result] = before + (not isinstance(op.kind, dp.Wire))
    return depths
