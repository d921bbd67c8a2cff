"""Products of two vectors in look-up tables, to leave DSP blocks to others."""

from __future__ import annotations

from dataclasses import replace

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.lut_products import constants_apart, dsp_blocks
from loopwire.datapath.ops import Constant, Join, Multiply, View
from loopwire.datapath.rewrite import expanded
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel


def with_fewer_dsps(datapath: Datapath, delays: DelayModel, fewer: int) -> Datapath:
    """Return the datapath with so many DSP blocks fewer, or as many as it can do without.

    The narrowest products are moved first, which take the fewest look-up tables, and of these the ones to which no
    constant is added: a DSP block adds it at no cost.
    """
    constants = {op.result for op in datapath.operations if isinstance(op.kind, Constant)}
    moved: dict[Operation, list[Operation]] = {}
    for operation in sorted(datapath.operations, key=_cost):
        kind = operation.kind
        if not isinstance(kind, Multiply) or not constants.isdisjoint(operation.operands):
            continue
        if fewer > 0 and dsp_blocks(operation, delays) == 1:
            count = min(fewer, operation.result.count)
            moved[operation] = _moved(operation, kind, count)
            fewer -= count
    return constants_apart(expanded(datapath, moved), delays) if moved else datapath


def _cost(operation: Operation) -> tuple[int, bool]:
    if not isinstance(operation.kind, Multiply):
        return 0, False
    a, b = operation.operands
    return a.width * b.width, operation.kind.added != 0


def _moved(operation: Operation, kind: Multiply, count: int) -> list[Operation]:
    """Return an operation whose last `count` elements are made of look-up tables."""
    result = operation.result
    in_luts = replace(kind, in_luts=True)
    if count == result.count:
        return [replace(operation, kind=in_luts)]
    made: list[Operation] = []
    parts: list[Signal] = []
    middle = result.count - count
    for end, start, stop, part in (("in_dsps", 0, middle, kind), ("in_luts", middle, result.count, in_luts)):
        operands = []
        for number, operand in enumerate(operation.operands):
            if operand.count > 1:
                view = replace(operand, name=f"{result.name}_{end}_{number}", count=stop - start)
                made.append(Operation(View(start, stop), (operand,), view))
                operand = view
            operands.append(operand)
        parts.append(replace(result, name=f"{result.name}_{end}", count=stop - start))
        made.append(Operation(part, tuple(operands), parts[-1]))
    return [*made, Operation(Join(), tuple(parts), result)]
