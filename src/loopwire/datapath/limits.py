"""The larger or smaller of a number and 0, such as relu: the number's sign chooses."""

from __future__ import annotations

from loopwire.datapath.datapath import Operation
from loopwire.datapath.ops import Extreme
from loopwire.datapath.signals import Signal


def limited_to_zero(operation: Operation) -> Signal | None:
    """Return what an operation limits to 0, or None for another operation."""
    if not isinstance(operation.kind, Extreme):
        return None
    a, b = operation.operands
    return next((v for v, other in ((a, b), (b, a)) if other.low == other.high == 0 and v.count >= other.count), None)
