"""Rounding to nearest as a truncation, where the half that it adds can ride along with an addition made anyway.

round(a · b) adds half a step to the product, which a DSP block's own adder does at no cost; round(a · b + c · d) adds
it to one of the products; round(W · x + b) to the constant b, which relu(W · x + b) does behind its rounding, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.limits import limited_to_zero
from loopwire.datapath.raising import raised
from loopwire.datapath.rewrite import expanded
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import round_to
from loopwire.ir.types import Rounding


def merge_rounding(datapath: Datapath) -> Datapath:
    """Return the datapath with every rounding merged that can be."""
    datapath = _before_limits(datapath)
    for rounded in [operation.result for operation in datapath.operations if isinstance(operation.kind, dp.Round)]:
        datapath = _merged(datapath, rounded) or datapath
    return datapath


def _before_limits(datapath: Datapath) -> Datapath:
    """Return the datapath whose sums are rounded before they are limited to 0, which no rounding changes."""
    becomes: dict[Operation, list[Operation]] = {}
    for operation in datapath.operations:
        kind = operation.kind
        limit = datapath.producers.get(operation.operands[0]) if isinstance(kind, dp.Round) else None
        if limit is None or len(datapath.readers[limit.result]) > 1 or (a := limited_to_zero(limit)) is None:
            continue
        assert isinstance(kind, dp.Round) and isinstance(limit.kind, dp.Extreme)
        shift = (limit.kind.left_shift, limit.kind.right_shift)[limit.operands.index(a)]
        if kind.dropped > 0 and not shift:
            low, high = round_to(np.array([a.low, a.high], object), kind.dropped, 0, kind.mode)
            rounded = replace(operation.result, name=f"{limit.result.name}_rounded", low=int(low), high=int(high))
            operands = tuple(rounded if v is a else v for v in limit.operands)
            unshifted = dp.Extreme(limit.kind.largest, 0, 0)
            becomes[limit] = [Operation(kind, (a,), rounded), Operation(unshifted, operands, operation.result)]
            becomes[operation] = []
    return expanded(datapath, becomes)


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
