"""About how much of a part a datapath takes, to choose between some that do the same in as many cycles."""

from __future__ import annotations

from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation


def about_luts(datapath: Datapath) -> int:
    """Return the look-up tables of what the passes change: trees, sums and tables."""
    return sum(map(_luts, datapath.operations))


def matrix_products(datapath: Datapath) -> int:
    """Return how many products of matrices are made at a time, two that share a DSP block as one."""
    return sum(op.operands[0].count for op in datapath.operations if isinstance(op.kind, dp.Products))


def _luts(operation: Operation) -> int:
    match operation.kind:
        case dp.ShiftAdd(tree=tree):
            return tree.adder_bits
        case dp.AddSub() | dp.Accumulate():
            return operation.result.bits
        case dp.Pairs(groups=groups):
            return groups * (operation.operands[0].count // groups // 2) * operation.result.width
        case dp.Triples(groups=groups):
            return groups * ((operation.operands[0].count // groups + 1) // 3) * operation.result.width
        case dp.TableLookup(form=form):
            return operation.result.count * form.lut6_estimate
        case dp.Products() | dp.Multiply() | dp.MultiplyAdd() | dp.Wire() | dp.Timed() | dp.Logic():
            return 0
        case _:
            assert_never(operation.kind)
