"""Which products take DSP blocks; and where a part has a few blocks too few for an engine, which do without."""

from __future__ import annotations

from dataclasses import replace

from loopwire.schedule.datapath import Datapath, Multiply, Operation, Products
from loopwire.schedule.delay import DelayModel

DSP_PRODUCT_BITS = 9
"""The narrowest product that goes into a DSP block; Yosys's mul2dsp is given this for all families."""
MOST_LUTS = 0.1
"""Share of a part's look-up tables that may become products. Where that is not enough, the part is too small."""


def within_dsps(datapath: Datapath, delays: DelayModel, copies: int) -> Datapath:
    """Return the datapath with as few rows of a matrix product in look-up tables as leave DSP blocks for all else.

    Args:
        datapath: of an engine without reuse.
        delays: of the part.
        copies: of the engine.
    """
    device = delays.device
    used = {op: blocks * op.result.count for op in datapath.operations if (blocks := dsp_blocks(op, delays))}
    excess = sum(used.values()) - device.dsps // copies
    matrices = [op for op in used if isinstance(op.kind, Products)]
    if excess <= 0 or not matrices:
        return datapath
    matrix = max(matrices, key=lambda op: used[op])
    columns = matrix.operands[1].count
    rows = -(-excess // (columns * dsp_blocks(matrix, delays)))
    luts = rows * columns * copies * matrix.operands[0].width * matrix.operands[1].width
    if rows * columns > matrix.result.count or luts > MOST_LUTS * device.luts:
        return datapath
    moved = replace(matrix, kind=Products(lut_rows=rows))
    return replace(datapath, operations=tuple(moved if op is matrix else op for op in datapath.operations))


def dsp_blocks(operation: Operation, delays: DelayModel) -> int:
    """Return the DSP blocks of one product of an operation; 0: look-up tables make it, or it is none."""
    device = delays.device
    if not isinstance(operation.kind, Products | Multiply) or not device.dsps:
        return 0
    widths, signed = [v.width for v in operation.operands], [v.signed for v in operation.operands]
    a, b = (width + (not sign) for width, sign in zip(widths, signed, strict=True))
    # Beside a signed factor an unsigned one has a sign too.
    least = min(a, b) if any(signed) else min(widths)
    narrow = min(a + b, operation.result.width) < DSP_PRODUCT_BITS or least <= device.lut_factor_bits
    return 0 if narrow else delays.dsp_blocks(a, b)
