"""Tables in loops that hold all numbers of a type, and are looked up before it is known whether an operand is beyond.

A table's index is its operand clamped: upper bits decide about lower ones, which then address the ROM. In a loop the
lower bits address it as they are, and what was looked up in vain makes way for the result at the table's end.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.loops import looped
from loopwire.datapath.ops import TableBeyond, TableEnds, TableIndex, TableLookup
from loopwire.datapath.signals import Signal
from loopwire.ir.interval import Range
from loopwire.ir.table_form import TableForm

MOST_ENTRIES = 2
"""How many times as large a table may become to be one of all numbers of a type."""


def covering_tables(datapath: Datapath) -> Datapath:
    """Return the datapath whose tables in loops hold all numbers of a type, if they can.

    Their upper bits tell which operands are beyond such a table; comparators take longer.
    """
    covering: dict[TableForm, TableForm] = {}
    for operation in looped(datapath):
        form = operation.kind.form if isinstance(operation.kind, TableIndex) else None
        if form and (of_type := form.covering(MOST_ENTRIES * len(form.base))):
            covering[form] = of_type
    indices: dict[Signal, Signal] = {}
    operations = []
    for operation in datapath.operations:
        kind, result = operation.kind, operation.result
        if isinstance(kind, TableIndex | TableLookup) and kind.form in covering:
            form = covering[kind.form]
            if isinstance(kind, TableIndex):
                indices[result] = replace(result, high=form.last_cell)
            operands = tuple(indices.get(v, v) for v in operation.operands)
            operation = Operation(replace(kind, form=form), operands, indices.get(result, result))
        operations.append(operation)
    return replace(datapath, operations=tuple(operations))


def late_clamps(datapath: Datapath) -> Datapath:
    """Return the datapath whose tables in loops are clamped behind the lookup, not before."""
    loops = looped(datapath)
    cells, beyonds = dict[Signal, Signal](), dict[Signal, Signal]()
    operations: list[Operation] = []
    for operation in datapath.operations:
        kind, result = operation.kind, operation.result
        if isinstance(kind, TableIndex) and operation in loops and _may_wrap(kind.form, operation):
            beyond = replace(result, name=f"{result.name}_beyond", high=2)
            wrapped = replace(result, high=((1 << kind.form.index_bits) - 1) >> kind.form.dropped_bits)
            beyonds[wrapped], cells[result] = beyond, wrapped
            operations.append(Operation(TableIndex(kind.form, wraps=True), operation.operands, wrapped))
            operations.append(Operation(TableBeyond(kind.form), operation.operands, beyond))
        elif isinstance(kind, TableLookup) and operation.operands[0] in cells:
            form, cell = kind.form, cells[operation.operands[0]]
            entries = form.evaluate(np.arange(form.clamp_low, form.clamp_high + 1, 1 << form.dropped_bits))
            found = replace(result, name=f"{result.name}_found", low=int(entries.min()), high=int(entries.max()))
            operations.append(Operation(kind, (cell,), found))
            operations.append(Operation(TableEnds(kind.form), (found, beyonds[cell]), result))
        else:
            operations.append(operation)
    return replace(datapath, operations=tuple(operations)) if beyonds else datapath


def _may_wrap(form: TableForm, index: Operation) -> bool:
    """Say whether a table's cell is bits of an operand that it does not hold all numbers of."""
    (a,) = index.operands
    return not form.subtracter_bits and not Range(a.low, a.high).within(Range(form.clamp_low, form.clamp_high))
