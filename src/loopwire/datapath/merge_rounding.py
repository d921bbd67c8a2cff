"""Rounding to nearest as a truncation, where the half that it adds can ride along with an addition made anyway.

round(a · b) adds half a step to the product, which a DSP block's own adder does at no cost; round(a · b + c · d) adds
it to one of the products; round(W · x + b) to the constant b.
"""

from __future__ import annotations

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.raising import raised
from loopwire.datapath.signals import Signal
from loopwire.ir.types import Rounding


def merge_rounding(datapath: Datapath) -> Datapath:
    """Return the datapath with every rounding merged that can be."""
    for rounded in [operation.result for operation in datapath.operations if isinstance(operation.kind, dp.Round)]:
        datapath = _merged(datapath, rounded) or datapath
    return datapath


def _merged(datapath: Datapath, rounded: Signal) -> Datapath | None:
    """Return the datapath in which what is rounded is more, and truncated, or None where that cannot be."""
    rounding = datapath.producers[rounded]
    assert isinstance(rounding.kind, dp.Round)
    (source,), added = rounding.operands, _half(rounding.kind)
    truncation = dp.Round(rounding.kind.dropped, Rounding.TRN)
    return raised(datapath, source, added, {rounded: truncation}) if added else None


def _half(kind: dp.Round) -> int:
    """Return what a rounding adds before it truncates, 0 where that depends on the number."""
    if kind.dropped <= 0:
        return 0
    half = 1 << (kind.dropped - 1)
    return {Rounding.RND: half, Rounding.RND_MIN_INF: half - 1}.get(kind.mode, 0)
