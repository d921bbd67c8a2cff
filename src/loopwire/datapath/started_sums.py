"""Sums over the passes of a chunk that begin with what is added to them: W · x + b, U · h + (W · x + b).

A look-up table of six inputs chooses what a sum begins with beside the bits that it adds, so the addition behind the
passes costs neither look-up tables nor time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import Accumulate, AddSub
from loopwire.datapath.rewrite import expanded
from loopwire.datapath.signals import Signal


def with_started_sums(datapath: Datapath, in_loops: bool = True) -> Datapath:
    """Return the datapath with each sum of passes begun with what is added to it alone; of two, the one in the loop.

    Without `in_loops`, sums of states stay as they are: these would wait for what they begin with.
    """
    producers = dict(datapath.producers)
    changed: dict[Operation, list[Operation]] = {}
    for operation in datapath.operations:
        if not isinstance(operation.kind, AddSub) or operation.kind.subtract:
            continue
        if not in_loops and datapath.dependences[operation.result]:
            continue
        places = [place for place in (0, 1) if _may_start(datapath, producers, operation, place)]
        if not places:
            continue
        place = max(places, key=lambda place: len(datapath.dependences[operation.operands[place]]))
        summed, first = operation.operands[place], operation.operands[1 - place]
        shifts = (operation.kind.left_shift, operation.kind.right_shift)
        kind = Accumulate(shift=shifts[place], first_shift=shifts[1 - place])
        started = replace(operation, kind=kind, operands=(*producers[summed].operands, first))
        changed |= {producers[summed]: [], operation: [started]}
        producers[operation.result] = started
    return expanded(datapath, changed)


def _may_start(datapath: Datapath, producers: Mapping[Signal, Operation], operation: Operation, place: int) -> bool:
    """Say whether an operand of an addition is a sum of passes that begins with nothing and has no other reader."""
    summed, source = operation.operands[place], producers.get(operation.operands[place])
    alike = all(operand.count == operation.result.count for operand in operation.operands)
    begins_empty = source is not None and source.kind == Accumulate() and len(source.operands) == 1
    return alike and begins_empty and datapath.readers[summed] == [operation]
