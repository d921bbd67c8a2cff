"""About how many look-up tables a datapath takes, to choose between some that do the same in as many cycles."""

from __future__ import annotations

from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation


def about_luts(datapath: Datapath) -> int:
    """Return the look-up tables of what the passes change: trees, single sums and tables."""
    return sum(map(_luts, datapath.operations))


def _luts(operation: Operation) -> int:
    match operation.kind:
        case dp.ShiftAdd(tree=tree):
            return tree.adder_bits
        case dp.AddSub():
            return operation.result.bits
        case dp.TableLookup(form=form):
            return operation.result.count * form.lut6_estimate
        case dp.Products() | dp.Multiply() | dp.MultiplyAdd() | dp.Wire() | dp.Timed() | dp.Logic():
            return 0
        case _:
            assert_never(operation.kind)
