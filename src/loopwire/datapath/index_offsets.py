"""Tables counted from 0: what their index subtracts from an operand, that operand's bias subtracts instead.

A table's index is its clamped operand less the clamp's lower end, a subtraction on the way of a loop. W x + b, or a
product, takes that constant on at no cost, and the index is bits of the sum.
"""

from __future__ import annotations

from dataclasses import replace

from loopwire.datapath.datapath import Datapath
from loopwire.datapath.ops import Kind, TableIndex, TableLookup
from loopwire.datapath.raising import raised
from loopwire.datapath.signals import Signal


def without_index_offsets(datapath: Datapath) -> Datapath:
    """Return the datapath whose tables begin at 0 where an operand can be so much more, for its one reader."""
    for cell in [op.result for op in datapath.operations if isinstance(op.kind, TableIndex)]:
        datapath = _from_zero(datapath, cell) or datapath
    return datapath


def _from_zero(datapath: Datapath, cell: Signal) -> Datapath | None:
    index = datapath.producers[cell]
    assert isinstance(index.kind, TableIndex)
    form = index.kind.form
    if not form.subtracter_bits:
        return None
    counted = form.raised(-form.clamp_low)
    kinds: dict[Signal, Kind] = {cell: TableIndex(counted)}
    for lookup in datapath.readers[cell]:
        assert lookup is not None and isinstance(lookup.kind, TableLookup), "a cell is read by lookups alone"
        kinds[lookup.result] = replace(lookup.kind, form=counted)
    return raised(datapath, index.operands[0], -form.clamp_low, kinds)
