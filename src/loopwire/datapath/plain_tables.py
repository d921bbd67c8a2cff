"""Tables in loops as one ROM instead of two and an adder, where one is quicker: an entry for every cell.

The search for tables finds the smallest (`ir.table_search`), and that of few hundred cells is often bipartite. Its
adder takes longer than the multiplexers beside the look-up tables of a slice, which join the ROM of all cells.
"""

from __future__ import annotations

from dataclasses import replace

from loopwire.datapath.datapath import Datapath
from loopwire.datapath.late_clamps import covering_tables
from loopwire.datapath.loops import looped
from loopwire.datapath.ops import TableIndex, TableLookup
from loopwire.datapath.rewrite import replaced
from loopwire.devices.delay_model import DelayModel
from loopwire.ir.table_form import TableForm


def plain_tables(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath whose tables in loops are one ROM each, those of up to as many cells as a slice joins.

    One with late clamps stays as it is.
    """
    device = delays.device
    most_cells = 1 << (device.lut_inputs + device.wide_mux_levels)
    plain: dict[TableForm, TableForm] = {}
    for operation in looped(datapath):
        kind = operation.kind
        if isinstance(kind, TableIndex) and kind.wraps:
            return datapath
        if isinstance(kind, TableLookup) and kind.form.offset and kind.form.last_cell < most_cells:
            plain[kind.form] = kind.form.plain()
    if not plain:
        return datapath
    changed = {
        op: replace(op, kind=replace(op.kind, form=plain[op.kind.form]))
        for op in datapath.operations
        if isinstance(op.kind, TableIndex | TableLookup) and op.kind.form in plain
    }
    return covering_tables(replaced(datapath, changed))
