"""Tables in loops looked up at once: whether the operand is beyond the table is found out meanwhile.

A table's index is its operand clamped: upper bits decide about lower ones, which then address the ROM. In a loop the
lower bits address it as they are, and what was looked up in vain makes way for the result at the table's end.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.ir.interval import Range
from loopwire.ir.table_form import TableForm
from loopwire.schedule.datapath import Datapath, Operation, Signal, TableBeyond, TableEnds, TableIndex, TableLookup
from loopwire.schedule.loops import looped


def late_clamps(datapath: Datapath) -> Datapath:
    """Return the datapath whose tables in loops are clamped behind the lookup, not before."""
    loops = looped(datapath)
    beyonds: dict[Signal, tuple[TableForm, Signal, Signal]] = {}
    operations: list[Operation] = []
    for operation in datapath.operations:
        kind, result = operation.kind, operation.result
        if isinstance(kind, TableIndex) and operation in loops and (form := _told_by_upper_bits(kind.form, operation)):
            index = replace(result, high=(form.clamp_high - form.clamp_low) >> form.dropped_bits)
            beyond = replace(result, name=f"{result.name}_beyond", high=2)
            beyonds[result] = form, index, beyond
            operations.append(Operation(TableIndex(form, wraps=True), operation.operands, index))
            operations.append(Operation(TableBeyond(form), operation.operands, beyond))
        elif isinstance(kind, TableLookup) and operation.operands[0] in beyonds:
            form, index, beyond = beyonds[operation.operands[0]]
            entries = form.evaluate(np.arange(form.clamp_low, form.clamp_high + 1, 1 << form.dropped_bits))
            found = replace(result, name=f"{result.name}_found", low=int(entries.min()), high=int(entries.max()))
            operations.append(Operation(TableLookup(form), (index,), found))
            operations.append(Operation(TableEnds(form), (found, beyond), result))
        else:
            operations.append(operation)
    return replace(datapath, operations=tuple(operations)) if beyonds else datapath


def _told_by_upper_bits(form: TableForm, index: Operation) -> TableForm | None:
    """Return the table for all numbers of some type, where an index may be of a wider one; None: it is not late."""
    (a,) = index.operands
    covering = form.covering()
    clamps = covering and not Range(a.low, a.high).within(Range(covering.clamp_low, covering.clamp_high))
    return covering if clamps else None
