"""Products with constants in loops whose rows are summed by counters of bits, where those are quicker than adders.

With look-up tables of six inputs, a level of counters halves what is left to add in the time of one look-up table; a
level of adders in that of a carry chain (`cmvm.bit_heap`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from loopwire.cmvm.bit_heap import MANY
from loopwire.cmvm.summing import summed_at_once, summed_by_threes
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import ShiftAdd
from loopwire.datapath.rewrite import replaced
from loopwire.devices.delay_model import DelayModel


def counted_sums(datapath: Datapath, delays: DelayModel, kept_depth: int) -> Datapath:
    """Return the datapath whose trees in loops count bits behind `kept_depth` adders.

    Those that do so already stay as they are.
    """
    if delays.device.lut_inputs < MANY:
        return datapath
    sums: dict[Operation, Operation] = {}
    for op in datapath.operations:
        if not isinstance(op.kind, ShiftAdd) or not datapath.dependences[op.result]:
            continue
        tree = op.kind.tree
        if tree.depth > kept_depth + 1 and not any(node.is_counted for node in tree.nodes):
            sums[op] = replace(op, kind=replace(op.kind, tree=summed_at_once(tree, kept_depth), pairs=tree))
    return replaced(datapath, sums)


SHARED_DEPTH = 1
"""Adders before sums of three and counters: sums of pairs are shared by rows."""


def slower_sums(tree: ShiftAdd, delays: DelayModel) -> Iterator[ShiftAdd]:
    """Yield the trees that may take a counted one's place, the quickest first, the smallest last."""
    assert tree.pairs is not None
    for slower in summed_by_threes(tree.pairs, SHARED_DEPTH, delays.ternary_levels):
        yield replace(tree, tree=slower)
    yield replace(tree, tree=tree.pairs, pairs=None)
