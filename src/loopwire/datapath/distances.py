"""The distances of few numbers to their largest without a tree of comparisons: chosen from the differences of all.

x - max(x), of which a softmax takes exponentials, is a tree of comparisons and then a subtraction. All differences of
two elements can be taken side by side; their signs say which element is the largest, and the differences to that one
are the result. So the time no longer grows with the levels of a tree, but the subtracters grow with n².
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import AddSub, Differences, Pairs, ToLargest
from loopwire.datapath.rewrite import expanded, without_unused
from loopwire.datapath.signals import Signal
from loopwire.devices import Device


def with_distances(datapath: Datapath, device: Device) -> Datapath:
    """Return the datapath with distances to the largest element chosen from differences.

    They are those of as many elements as one look-up table sees the differences' signs.
    """
    if not datapath.sharing.is_parallel:
        return datapath
    chosen = {
        op: _from_differences(op)
        for op in datapath.operations
        if op.kind == AddSub(subtract=True, left_shift=0, right_shift=0)
        and 1 < op.operands[0].count <= device.lut_inputs
        and _is_largest(op.operands[1], op.operands[0], datapath.producers)
    }
    return without_unused(expanded(datapath, chosen)) if chosen else datapath


def _is_largest(signal: Signal, of: Signal, producers: Mapping[Signal, Operation]) -> bool:
    """Say whether a signal is the largest element of another one."""
    while signal in producers and signal is not of:
        kind = producers[signal].kind
        if not isinstance(kind, Pairs) or not kind.largest or kind.groups > 1:
            return False
        (signal,) = producers[signal].operands
    return signal is of


def _from_differences(distance: Operation) -> list[Operation]:
    a, result = distance.operands[0], distance.result
    most = a.high - a.low
    name = f"{result.name}_differences"
    differences = replace(result, name=name, count=a.count**2, low=-most, high=most, note="")
    return [Operation(Differences(), (a,), differences), Operation(ToLargest(), (differences,), result)]
