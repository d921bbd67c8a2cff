"""Which products take DSP blocks; and where a part has a few blocks too few for an engine, which do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.loops import looped
from loopwire.datapath.needed_products import constants_of, products_of
from loopwire.datapath.rewrite import replaced
from loopwire.devices.delay_model import DelayModel

DSP_PRODUCT_BITS = 9
"""The narrowest product that goes into a DSP block; Yosys's mul2dsp is given this for all families."""
ADDED_BITS = 32
"""Of a signed number that the modules of products take as a constant to add: Verilog's int."""
MOST_LUTS = 0.1
"""Share of a part's look-up tables that may become products. Where that is not enough, the part is too small."""


def with_lut_products(
    datapath: Datapath, delays: DelayModel, copies: int, narrow_bits: Callable[[str], int | None]
) -> Datapath:
    """Return the datapath with the products marked that look-up tables make.

    These are the narrow ones, where the part's tables are as quick as its blocks; in parallel engines wider ones of
    matrices and loops too, since blocks are far apart; and as few rows of a matrix as leave DSP blocks for all else.

    Args:
        datapath: of an engine.
        delays: of the part.
        copies: of the engine.
        narrow_bits: by layer; makes any product with a factor of at most this many bits of tables; None: as above.
    """
    constants = {op.result for op in datapath.operations if isinstance(op.kind, dp.Constant)}
    loops, device = looped(datapath), delays.device

    def widest(op: Operation) -> int:
        if (bits := narrow_bits(op.result.layer)) is not None:
            return bits
        many = isinstance(op.kind, dp.Products) or op in loops
        return device.parallel_lut_factor_bits if many and datapath.sharing.is_parallel else device.lut_factor_bits

    in_luts = {
        op: replace(op, kind=_in_luts(op))
        for op in datapath.operations
        if isinstance(op.kind, dp.Products | dp.Multiply)
        and constants.isdisjoint(op.operands)
        and min(v.width for v in op.operands) <= widest(op)
    }
    datapath = constants_apart(replaced(datapath, in_luts), delays)
    return _within_dsps(datapath, delays, copies) if datapath.sharing.is_parallel else datapath


def constants_apart(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath with an adder of its own for each constant that a product cannot add in the same time."""
    operations: list[Operation] = []
    for op in datapath.operations:
        kind, result = op.kind, op.result
        if not isinstance(kind, dp.Multiply) or not kind.added or _adds_meanwhile(op, kind, delays):
            operations.append(op)
            continue
        product = replace(
            result, name=f"{result.name}_product", low=result.low - kind.added, high=result.high - kind.added
        )
        half = replace(result, name=f"{result.name}_half", count=1, low=kind.added, high=kind.added, note="rounds")
        operations += [
            Operation(replace(kind, added=0), op.operands, product),
            Operation(dp.Constant(np.array([kind.added], object)), (), half),
            Operation(dp.AddSub(False, 0, 0), (product, half), result),
        ]
    return replace(datapath, operations=tuple(operations))


def _adds_meanwhile(operation: Operation, kind: dp.Multiply, delays: DelayModel) -> bool:
    """Say whether a DSP block adds the constant, or `loopwire_product` in a tree of pairs with a level to spare."""
    if not is_addable(kind.added):
        return False
    if not kind.in_luts:
        return delays.device.dsp_has_adder
    if delays.device.has_ternary_adders:
        return is_a_sign(operation, kind.added)
    return rides_along(min(v.width for v in operation.operands), kind.added)


def is_addable(added: int) -> bool:
    """Say whether the modules of products can add a constant."""
    return -1 << ADDED_BITS - 1 <= added < 1 << ADDED_BITS - 1


def is_a_sign(operation: Operation, added: int) -> bool:
    """Say whether a constant has the weight of the sign of a multiple of b, of which an unsigned, narrower a chooses.

    Inverting that sign instead of subtracting it adds the constant.
    """
    a, b = operation.operands
    place = added.bit_length() - b.width
    return not a.signed and b.signed and a.width < b.width and added.bit_count() == 1 and 0 <= place < a.width // 2 * 2


def rides_along(rows: int, added: int) -> bool:
    """Say whether the rows above the largest power of two are so few that a constant is added to them meanwhile."""
    full = 1 << max((rows - 1).bit_length() - 1, 0)
    return full < rows <= full + full // 2 and added % (1 << full) == 0


def _within_dsps(datapath: Datapath, delays: DelayModel, copies: int) -> Datapath:
    device, used = delays.device, _used(datapath, delays)
    excess = sum(used.values()) - device.dsps // copies
    matrices = [op for op in used if isinstance(op.kind, dp.Products)]
    if excess <= 0 or not matrices:
        return datapath
    matrix = max(matrices, key=lambda op: used[op])
    columns = matrix.operands[1].count
    rows = -(-excess // (columns * dsp_blocks(matrix, delays)))
    luts = rows * columns * copies * matrix.operands[0].width * matrix.operands[1].width
    if rows > _rows(matrix) or luts > MOST_LUTS * device.luts:
        return datapath
    return replaced(datapath, {matrix: replace(matrix, kind=dp.Products(rows))})


def dsps(datapath: Datapath, delays: DelayModel) -> int:
    """Return the DSP blocks of all products; one with a constant 0 or a power of two takes none."""
    constants = constants_of(datapath)
    return sum(
        blocks * max(products_of(op, constants) - _products_in_luts(op), 0)
        for op in datapath.operations
        if (blocks := dsp_blocks(op, delays))
    )


def _used(datapath: Datapath, delays: DelayModel) -> dict[Operation, int]:
    """Return the DSP blocks of each operation that has some, before any are in cascades."""
    return {
        op: blocks * (op.result.count - _products_in_luts(op))
        for op in datapath.operations
        if (blocks := dsp_blocks(op, delays))
    }


def _products_in_luts(operation: Operation) -> int:
    kind = operation.kind
    return kind.lut_rows * operation.operands[1].count if isinstance(kind, dp.Products) else 0


def _in_luts(operation: Operation) -> dp.Products | dp.Multiply:
    kind = operation.kind
    assert isinstance(kind, dp.Products | dp.Multiply)
    return dp.Products(_rows(operation)) if isinstance(kind, dp.Products) else replace(kind, in_luts=True)


def _rows(operation: Operation) -> int:
    matrix, x = operation.operands
    return matrix.count // x.count


def dsp_blocks(operation: Operation, delays: DelayModel) -> int:
    """Return the DSP blocks of one product of an operation; 0: look-up tables make all of them, or it has none."""
    kind = operation.kind
    match kind:
        case dp.Products():
            in_luts = kind.lut_rows == _rows(operation)
        case dp.Multiply():
            in_luts = kind.in_luts
        case dp.MultiplyAdd():
            return 1
        case dp.ShiftAdd() | dp.Wire() | dp.Timed() | dp.Logic():
            return 0
        case _:
            assert_never(kind)
    if in_luts or not delays.device.dsps:
        return 0
    widths, signed = [v.width for v in operation.operands], [v.signed for v in operation.operands]
    a, b = (width + (not sign) for width, sign in zip(widths, signed, strict=True))
    # Beside a signed factor an unsigned one has a sign too.
    least = min(a, b) if any(signed) else min(widths)
    narrow = min(a + b, operation.result.width) < DSP_PRODUCT_BITS or least <= delays.device.lut_factor_bits
    return 0 if narrow else delays.dsp_blocks(a, b)
