"""Products that find no DSP block, made of look-up tables: where a part has a few blocks too few for an engine."""

from __future__ import annotations

from dataclasses import replace

from loopwire.schedule.datapath import Datapath, Multiply, Operation, Products
from loopwire.schedule.delay import DelayModel

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
    used = {op: blocks * op.result.count for op in datapath.operations if (blocks := _blocks(op, delays))}
    excess = sum(used.values()) - device.dsps // copies
    matrices = [op for op in used if isinstance(op.kind, Products)]
    if excess <= 0 or not matrices:
        return datapath
    matrix = max(matrices, key=lambda op: used[op])
    columns = matrix.operands[1].count
    rows = -(-excess // (columns * _blocks(matrix, delays)))
    luts = rows * columns * copies * matrix.operands[0].width * matrix.operands[1].width
    if rows * columns > matrix.result.count or luts > MOST_LUTS * device.luts:
        return datapath
    moved = replace(matrix, kind=Products(lut_rows=rows))
    return replace(datapath, operations=tuple(moved if op is matrix else op for op in datapath.operations))


def _blocks(operation: Operation, delays: DelayModel) -> int:
    """Return the DSP blocks of one product of an operation."""
    if not isinstance(operation.kind, Products | Multiply):
        return 0
    a, b = (operand.width + (not operand.signed) for operand in operation.operands)
    return delays.dsp_blocks(a, b) if min(a, b) > max(delays.device.lut_factor_bits, 1) else 0
