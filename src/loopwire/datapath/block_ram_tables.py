"""Activation tables in block RAM, where that takes a smaller share of the part than look-up tables."""

from __future__ import annotations

from dataclasses import replace

from loopwire.datapath.datapath import Datapath
from loopwire.datapath.loops import looped
from loopwire.datapath.ops import TableLookup
from loopwire.datapath.rewrite import replaced
from loopwire.devices import Device
from loopwire.ir.table_form import TableForm


def with_block_ram_tables(datapath: Datapath, device: Device) -> Datapath:
    """Return the datapath with the tables of no loop in block RAMs, one for each element, where these are cheaper."""
    loops = looped(datapath)
    moved = {
        op: replace(op, kind=TableLookup(op.kind.form, in_block_ram=True))
        for op in datapath.operations
        if isinstance(op.kind, TableLookup) and op not in loops and _is_cheaper(op.kind.form, device)
    }
    return replaced(datapath, moved)


def _is_cheaper(form: TableForm, device: Device) -> bool:
    luts = sum(device.rom_luts(*rom) for rom in form.roms)
    blocks = sum(device.block_rams(*rom) for rom in form.roms)
    return blocks * device.luts < luts * device.bram18s
